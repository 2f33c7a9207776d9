//! What happens in the graph.

use serde::{Deserialize, Serialize};

use crate::ids::{InviteCode, PersonId, Timestamp, Uuid};
use crate::record::{self, Persisted, Unreadable};

use super::ReferralState;

/// Which of the inviter's codes goes to the recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bind {
    /// None: the recipient came without a share.
    Nothing,
    /// The oldest that is free, if any.
    Oldest,
    /// This one.
    Code(InviteCode),
}

/// What a reward consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RewardKind {
    /// Codes to give away.
    InviteCodes,
    /// Months of premium.
    PremiumMonths,
    /// Membership for life.
    Lifetime,
}

impl RewardKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::InviteCodes, Self::PremiumMonths, Self::Lifetime];

    /// The name in answers and settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InviteCodes => "invite_codes",
            Self::PremiumMonths => "premium_months",
            Self::Lifetime => "lifetime",
        }
    }
}

/// Something granted once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reward {
    /// The rule that granted it, which grants it to a person once.
    pub rule: String,
    /// Of what.
    pub kind: RewardKind,
    /// How much.
    pub amount: u32,
    /// Why, for people to read.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What has happened. Tags are persisted and never reused: 1 Referred, 2 Progressed, 3 Rewarded.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Somebody has an inviter now.
    Referred {
        /// Names the referral.
        id: Uuid,
        /// Who brought.
        inviter: PersonId,
        /// Whom.
        recipient: PersonId,
        /// Where the recipient stands.
        state: ReferralState,
        /// Which code goes with it.
        bind: Bind,
        /// The inviter's mailbox and the recipient's, named like the person with its plain address;
        /// None where the address is plain or unknown.
        mailboxes: [Option<PersonId>; 2],
    },
    /// Somebody's life went on, or that of several people by one cause.
    Progressed {
        /// Whose, and to where; later ones of the same person count.
        people: Vec<(PersonId, ReferralState)>,
    },
    /// Somebody got what was earned.
    Rewarded {
        /// Who.
        person: PersonId,
        /// What.
        rewards: Vec<Reward>,
        /// How many codes that is.
        codes: u32,
    },
}

impl Persisted for Event {
    fn kind(&self) -> (u8, u8) {
        match self {
            Self::Referred { .. } => (1, 2),
            Self::Progressed { .. } => (2, 1),
            Self::Rewarded { .. } => (3, 1),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Referred { id, inviter, recipient, state, bind, mailboxes } => {
                record::encode(&(id, inviter, recipient, state.number(), bind, mailboxes), out);
            }
            Self::Progressed { people } => {
                let numbers = people.iter().map(|(person, state)| (person, state.number()));
                record::encode(&numbers.collect::<Vec<_>>(), out);
            }
            Self::Rewarded { person, rewards, codes } => {
                record::encode(&(person, rewards, codes), out);
            }
        }
    }

    fn decode(tag: u8, version: u8, payload: &[u8]) -> Result<Self, Unreadable> {
        let known = |number| {
            ReferralState::from_number(number)
                .ok_or_else(|| Unreadable::new(format!("referral state {number}")))
        };
        Ok(match (tag, version) {
            (1, 1) => {
                let (id, inviter, recipient, state, bind) = record::decode(payload)?;
                let (state, mailboxes) = (known(state)?, [None; 2]);
                Self::Referred { id, inviter, recipient, state, bind, mailboxes }
            }
            (1, 2) => {
                let (id, inviter, recipient, state, bind, mailboxes) = record::decode(payload)?;
                Self::Referred { id, inviter, recipient, state: known(state)?, bind, mailboxes }
            }
            (2, 1) => {
                let people = record::decode::<Vec<(PersonId, u8)>>(payload)?;
                let named = |(person, number)| Ok((person, known(number)?));
                Self::Progressed {
                    people: people.into_iter().map(named).collect::<Result<_, _>>()?,
                }
            }
            (3, 1) => {
                let (person, rewards, codes) = record::decode(payload)?;
                Self::Rewarded { person, rewards, codes }
            }
            _ => return Err(Unreadable::new(format!("referrals event {tag} version {version}"))),
        })
    }
}

/// Why the graph does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    /// Both addresses are one person's.
    SelfReferral,
    /// The recipient has brought the inviter, directly or through others.
    ReferralCycle,
    /// The recipient has another inviter, who was first.
    AlreadyReferred,
    /// The recipient is in.
    AlreadyMember,
    /// As many referrals as the policy allows.
    GraphFull,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_referral_of_version_1_has_no_mailboxes() {
        let (inviter, recipient, bind) = (PersonId(2), PersonId(3), Bind::Oldest);
        let mut old = Vec::new();
        record::encode(&(Uuid(1), inviter, recipient, 1_u8, bind), &mut old);
        let state = ReferralState::Waiting;
        let referred =
            |mailboxes| Event::Referred { id: Uuid(1), inviter, recipient, state, bind, mailboxes };
        assert_eq!(Event::decode(1, 1, &old).ok(), Some(referred([None; 2])));
        let event = referred([None, Some(PersonId(4))]);
        let mut new = Vec::new();
        event.encode(&mut new);
        let (tag, version) = event.kind();
        assert_eq!(Event::decode(tag, version, &new).ok(), Some(event));
    }
}
