//! `[fraud]`: when something about a person is a sign, and what signs weigh.

use actors::fraud;
use serde::{Deserialize, Serialize};

use super::rule::Rule;

/// Signs of fraud, and from which risk on referral credit is withheld.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fraud {
    /// Risk from which on the inviter's credit waits for a verdict; 1 is never.
    pub withhold_at: f64,
    /// Joins from one address within a day, behind which each further one is a sign.
    pub address_joins: u32,
    /// The same for a network.
    pub network_joins: u32,
    /// People of one inviter who resemble one another, behind whom each further one is a sign.
    pub lookalikes: u32,
    /// So many of them that it is a crowd.
    pub crowd: u32,
    /// Shares of which nobody has joined that are a sign.
    pub shares: u32,
    /// A file of domains of disposable addresses, in the place of the list that is built in.
    pub disposable_domains: String,
    /// What each sign weighs.
    pub weights: FraudWeights,
}

/// What each sign weighs by itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FraudWeights {
    /// Another spelling of the mailbox is known.
    pub canonical_duplicate: f64,
    /// An address to throw away.
    pub disposable_domain: f64,
    /// Many from one address.
    pub shared_address: f64,
    /// Many from one network.
    pub shared_network: f64,
    /// Others of the same inviter have nearly the same address.
    pub lookalike: f64,
    /// Many shares, and nobody came.
    pub shares_without_redemptions: f64,
    /// Very many of an inviter have nearly the same address.
    pub lookalike_crowd: f64,
}

impl Default for Fraud {
    fn default() -> Self {
        Self {
            withhold_at: 0.5,
            address_joins: 3,
            network_joins: 20,
            lookalikes: 2,
            crowd: 10,
            shares: 20,
            disposable_domains: String::new(),
            weights: FraudWeights::default(),
        }
    }
}

impl Default for FraudWeights {
    fn default() -> Self {
        Self {
            canonical_duplicate: 0.5,
            disposable_domain: 0.4,
            shared_address: 0.3,
            shared_network: 0.15,
            lookalike: 0.35,
            shares_without_redemptions: 0.2,
            lookalike_crowd: 0.3,
        }
    }
}

impl Fraud {
    /// The same for the engine.
    pub(crate) fn policy(&self) -> fraud::Policy {
        let weights = &self.weights;
        let weight = |signal| match signal {
            fraud::Signal::CanonicalDuplicate => weights.canonical_duplicate,
            fraud::Signal::DisposableDomain => weights.disposable_domain,
            fraud::Signal::SharedAddress => weights.shared_address,
            fraud::Signal::SharedNetwork => weights.shared_network,
            fraud::Signal::Lookalike => weights.lookalike,
            fraud::Signal::SharesWithoutRedemptions => weights.shares_without_redemptions,
            fraud::Signal::LookalikeCrowd => weights.lookalike_crowd,
        };
        fraud::Policy {
            weights: fraud::Signal::ALL.map(weight),
            // Risk is told to two decimals, so 1 is reached although no sign alone is certain.
            withhold_at: if self.withhold_at < 1.0 { self.withhold_at } else { f64::INFINITY },
            address_joins: self.address_joins,
            network_joins: self.network_joins,
            lookalikes: self.lookalikes,
            crowd: self.crowd,
            shares: self.shares,
        }
    }
}

pub(super) const RULES: &[Rule] = &[
    Rule::number("fraud.withhold_at", 0.01, 1.0),
    Rule::whole("fraud.address_joins", 1, 1_000_000),
    Rule::whole("fraud.network_joins", 1, 1_000_000),
    Rule::whole("fraud.lookalikes", 1, 50),
    Rule::whole("fraud.crowd", 1, 50),
    Rule::whole("fraud.shares", 1, 1_000_000),
    Rule::text("fraud.disposable_domains", "a path", |_| true),
    Rule::number("fraud.weights.canonical_duplicate", 0.0, 1.0),
    Rule::number("fraud.weights.disposable_domain", 0.0, 1.0),
    Rule::number("fraud.weights.shared_address", 0.0, 1.0),
    Rule::number("fraud.weights.shared_network", 0.0, 1.0),
    Rule::number("fraud.weights.lookalike", 0.0, 1.0),
    Rule::number("fraud.weights.shares_without_redemptions", 0.0, 1.0),
    Rule::number("fraud.weights.lookalike_crowd", 0.0, 1.0),
];
