//! What there is to notice, and what it weighs.

use serde::{Deserialize, Serialize};

/// One sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Somebody else has another spelling of the same mailbox.
    CanonicalDuplicate,
    /// The address is of a provider of addresses to throw away.
    DisposableDomain,
    /// Many joined from one internet address within a day.
    SharedAddress,
    /// Many joined from one network within a day.
    SharedNetwork,
    /// The inviter has brought others whose addresses differ in digits only.
    Lookalike,
    /// Many were told of it by this person, and none came.
    SharesWithoutRedemptions,
    /// Of those there are very many.
    LookalikeCrowd,
}

impl Signal {
    /// All of them, in the order of their bits on disk.
    pub const ALL: [Self; 7] = [
        Self::CanonicalDuplicate,
        Self::DisposableDomain,
        Self::SharedAddress,
        Self::SharedNetwork,
        Self::Lookalike,
        Self::SharesWithoutRedemptions,
        Self::LookalikeCrowd,
    ];

    /// The name in answers and settings.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::CanonicalDuplicate => "canonical-duplicate",
            Self::DisposableDomain => "disposable-domain",
            Self::SharedAddress => "shared-address",
            Self::SharedNetwork => "shared-network",
            Self::Lookalike => "lookalike",
            Self::SharesWithoutRedemptions => "shares-without-redemptions",
            Self::LookalikeCrowd => "lookalike-crowd",
        }
    }

    /// What was noticed, for people to read.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::CanonicalDuplicate => "Another spelling of the same mailbox is known",
            Self::DisposableDomain => "The address is of a provider of disposable addresses",
            Self::SharedAddress => "Many joined from the same internet address within a day",
            Self::SharedNetwork => "Many joined from the same network within a day",
            Self::Lookalike => {
                "The same inviter has brought others whose addresses differ in digits only"
            }
            Self::SharesWithoutRedemptions => "Has shared many times, and nobody came",
            Self::LookalikeCrowd => {
                "The same inviter has brought very many whose addresses differ in digits only"
            }
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of signs, as it is on disk: one bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signals(u16);

impl Signals {
    /// None.
    pub const NONE: Self = Self(0);

    /// These and one more, if `there`.
    #[must_use]
    pub const fn with(self, signal: Signal, there: bool) -> Self {
        if there { Self(self.0 | signal.bit()) } else { self }
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        Signal::ALL.into_iter().filter(move |signal| self.0 & signal.bit() != 0)
    }

    pub(crate) const fn bits(self) -> u16 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }
}

/// When something is a sign, and what signs weigh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// What each sign weighs by itself, 0 to 1, in the order of [`Signal::ALL`].
    pub weights: [f64; 7],
    /// From this risk on the inviter's credit for somebody is withheld; above 1 it never is.
    pub withhold_at: f64,
    /// So many joins from one internet address within a day, and each further one is a sign.
    pub address_joins: u32,
    /// The same for a network.
    pub network_joins: u32,
    /// So many of an inviter's newest 50 who resemble one another, and each further one is a sign.
    pub lookalikes: u32,
    /// The same for so many that it is a crowd.
    pub crowd: u32,
    /// So many shares of which none was redeemed are a sign.
    pub shares: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            weights: [0.5, 0.4, 0.3, 0.15, 0.35, 0.2, 0.3],
            withhold_at: 0.5,
            address_joins: 3,
            network_joins: 20,
            lookalikes: 2,
            crowd: 10,
            shares: 20,
        }
    }
}

impl Policy {
    /// What one sign weighs.
    #[must_use]
    pub fn weight(&self, signal: Signal) -> f64 {
        self.weights[signal as usize]
    }

    /// What the signs weigh together, in 0..1, to two decimals: `1 - product of (1 - weight)`, each
    /// being a cause by itself (noisy-or; Pearl, "Probabilistic Reasoning in Intelligent Systems",
    /// 1988).
    #[must_use]
    pub fn risk(&self, signals: Signals) -> f64 {
        let innocent: f64 = signals.iter().map(|signal| 1.0 - self.weight(signal)).product();
        ((1.0 - innocent) * 100.0).round() / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(signals: &[Signal]) -> Signals {
        signals.iter().fold(Signals::NONE, |set, signal| set.with(*signal, true))
    }

    #[test]
    fn risk_grows_with_each_sign_and_never_passes_one() {
        let policy = Policy::default();
        assert_eq!(policy.risk(Signals::NONE), 0.0);
        assert_eq!(policy.risk(set(&[Signal::CanonicalDuplicate])), 0.5);
        assert_eq!(policy.risk(set(&[Signal::DisposableDomain, Signal::SharedAddress])), 0.58);
        let mut signals = Signals::NONE;
        for signal in Signal::ALL {
            let before = policy.risk(signals);
            signals = signals.with(signal, true);
            assert!(policy.risk(signals) > before && policy.risk(signals) <= 1.0);
        }
    }

    #[test]
    fn a_set_tells_what_is_in_it() {
        let signals = set(&[Signal::Lookalike, Signal::DisposableDomain]);
        assert_eq!(
            signals.iter().collect::<Vec<_>>(),
            [Signal::DisposableDomain, Signal::Lookalike]
        );
        assert_eq!(Signals::from_bits(signals.bits()), signals);
        assert_eq!(signals.with(Signal::SharedAddress, false), signals);
        assert!(Signals::NONE.is_empty() && !signals.is_empty());
    }
}
