//! What happens on the waitlist.

use serde::{Deserialize, Serialize};

use crate::ids::{PersonId, Timestamp};
use crate::record::{self, Persisted, Unreadable};

use super::{EntryState, Persona};

/// What has happened. Tags are persisted and never reused: 1 Joined, 2 Boosted, 3 Left, 4 Invited,
/// 5 Admitted.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Somebody took a place.
    Joined {
        /// Who.
        person: PersonId,
        /// As what.
        persona: Persona,
        /// With this priority score.
        score: i32,
        /// Through this person's referral code.
        referrer: Option<PersonId>,
    },
    /// Somebody's score was changed by hand.
    Boosted {
        /// Whose.
        person: PersonId,
        /// By how much.
        points: i32,
    },
    /// Somebody left, and is to be forgotten.
    Left {
        /// Who.
        person: PersonId,
        /// What the person was until then.
        was: EntryState,
    },
    /// A code bound to somebody who waited was issued.
    Invited {
        /// To whom.
        person: PersonId,
    },
    /// Somebody redeemed a code and is in.
    Admitted {
        /// Who.
        person: PersonId,
    },
}

impl Persisted for Event {
    fn kind(&self) -> (u8, u8) {
        match self {
            Self::Joined { .. } => (1, 1),
            Self::Boosted { .. } => (2, 1),
            Self::Left { .. } => (3, 1),
            Self::Invited { .. } => (4, 1),
            Self::Admitted { .. } => (5, 1),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Joined { person, persona, score, referrer } => {
                record::encode(&(person, persona.number(), score, referrer), out);
            }
            Self::Boosted { person, points } => record::encode(&(person, points), out),
            Self::Left { person, was } => record::encode(&(person, was.number()), out),
            Self::Invited { person } | Self::Admitted { person } => record::encode(person, out),
        }
    }

    fn decode(tag: u8, version: u8, payload: &[u8]) -> Result<Self, Unreadable> {
        Ok(match (tag, version) {
            (1, 1) => {
                let (person, persona, score, referrer) = record::decode(payload)?;
                Self::Joined { person, persona: Persona::from_number(persona), score, referrer }
            }
            (2, 1) => {
                let (person, points) = record::decode(payload)?;
                Self::Boosted { person, points }
            }
            (3, 1) => {
                let (person, was) = record::decode(payload)?;
                let was = EntryState::from_number(was)
                    .ok_or_else(|| Unreadable::new(format!("entry state {was}")))?;
                Self::Left { person, was }
            }
            (4, 1) => Self::Invited { person: record::decode(payload)? },
            (5, 1) => Self::Admitted { person: record::decode(payload)? },
            _ => return Err(Unreadable::new(format!("waitlist event {tag} version {version}"))),
        })
    }
}

/// Why the waitlist does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    /// The person is in already.
    AlreadyMember,
    /// Nobody here has that address.
    UnknownPerson,
    /// The referral code names nobody.
    UnknownReferralCode,
    /// The person does not wait any more.
    NotWaiting,
    /// As many entries as the policy allows.
    ListFull,
    /// The cursor is none of ours.
    UnknownCursor,
    /// The person left and was erased; only the keyed hash of the address is kept.
    HasLeft {
        /// When.
        at: Timestamp,
    },
}
