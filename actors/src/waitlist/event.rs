//! What happens on the waitlist.

use serde::{Deserialize, Serialize};

use crate::fraud::{Marks, Signals};
use crate::ids::{PersonId, Timestamp};
use crate::quality::Colour;
use crate::record::{self, Persisted, Unreadable};

use super::{EntryState, Order, Persona};

/// What has happened. Tags are persisted and never reused: 1 Joined, 2 Boosted, 3 Left, 4 Invited,
/// 5 Admitted, 6 Waved, 7 Credited, 8 Forgotten.
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
        /// What the request showed.
        marks: Marks,
        /// What was noticed because of it.
        signals: Signals,
    },
    /// Scores changed because of referrals.
    Credited {
        /// Whose, how many points referrals give from now on, all in all, and how many more that
        /// is.
        people: Vec<(PersonId, i32, i32)>,
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
    /// Somebody who is on no list, and of whom others have told, is to be forgotten.
    Forgotten {
        /// Who.
        person: PersonId,
    },
    /// A code bound to somebody who waited was issued.
    Invited {
        /// To whom.
        person: PersonId,
    },
    /// A wave: these people are invited, all at once.
    Waved {
        /// Label of the wave.
        batch: String,
        /// Who, in the order in which they were found.
        people: Vec<PersonId>,
        /// How many were asked for.
        requested: u32,
        /// How they were found.
        order: Order,
        /// The gate's colour.
        gate: Colour,
        /// What a lottery was drawn from, so that anybody can draw it again.
        seed: u64,
        /// Days that the codes are valid.
        expires_days: u32,
        /// How many of those asked for make up for invitations that ran out unused.
        rolled: u32,
    },
    /// Somebody redeemed a code and is in.
    Admitted {
        /// Who.
        person: PersonId,
    },
}

impl Event {
    /// Of whom nothing is to be known any more.
    #[must_use]
    pub const fn forgets(&self) -> Option<PersonId> {
        match self {
            Self::Left { person, .. } | Self::Forgotten { person } => Some(*person),
            Self::Joined { .. }
            | Self::Credited { .. }
            | Self::Boosted { .. }
            | Self::Invited { .. }
            | Self::Waved { .. }
            | Self::Admitted { .. } => None,
        }
    }
}

/// Of a wave: requested, order, gate, seed, days that codes are valid, rolled.
type How = (u32, u8, u8, u64, u32, u32);

impl Persisted for Event {
    fn kind(&self) -> (u8, u8) {
        match self {
            Self::Joined { .. } => (1, 2),
            Self::Credited { .. } => (7, 1),
            Self::Boosted { .. } => (2, 1),
            Self::Left { .. } => (3, 1),
            Self::Forgotten { .. } => (8, 1),
            Self::Invited { .. } => (4, 1),
            Self::Admitted { .. } => (5, 1),
            Self::Waved { .. } => (6, 1),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Joined { person, persona, score, referrer, marks, signals } => {
                let persona = persona.number();
                record::encode(&(person, persona, score, referrer, marks, signals), out);
            }
            Self::Credited { people } => record::encode(people, out),
            Self::Boosted { person, points } => record::encode(&(person, points), out),
            Self::Left { person, was } => record::encode(&(person, was.number()), out),
            Self::Forgotten { person } | Self::Invited { person } | Self::Admitted { person } => {
                record::encode(person, out);
            }
            Self::Waved { batch, people, requested, order, gate, seed, expires_days, rolled } => {
                let how = (requested, order.number(), gate.number(), seed, expires_days, rolled);
                record::encode(&(batch, people, how), out);
            }
        }
    }

    fn decode(tag: u8, version: u8, payload: &[u8]) -> Result<Self, Unreadable> {
        Ok(match (tag, version) {
            (1, 1) => {
                let (person, persona, score, referrer) = record::decode(payload)?;
                let (persona, marks) = (Persona::from_number(persona), Marks::default());
                Self::Joined { person, persona, score, referrer, marks, signals: Signals::NONE }
            }
            (1, 2) => {
                let (person, persona, score, referrer, marks, signals) = record::decode(payload)?;
                let persona = Persona::from_number(persona);
                Self::Joined { person, persona, score, referrer, marks, signals }
            }
            (7, 1) => Self::Credited { people: record::decode(payload)? },
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
            (8, 1) => Self::Forgotten { person: record::decode(payload)? },
            (4, 1) => Self::Invited { person: record::decode(payload)? },
            (5, 1) => Self::Admitted { person: record::decode(payload)? },
            (6, 1) => {
                let (batch, people, how) = record::decode(payload)?;
                let (requested, order, gate, seed, expires_days, rolled): How = how;
                let order = Order::from_number(order)
                    .ok_or_else(|| Unreadable::new(format!("order {order} of a wave")))?;
                let gate = Colour::from_number(gate)
                    .ok_or_else(|| Unreadable::new(format!("colour {gate} of a gate")))?;
                Self::Waved { batch, people, requested, order, gate, seed, expires_days, rolled }
            }
            _ => return Err(Unreadable::new(format!("waitlist event {tag} version {version}"))),
        })
    }
}

/// Why the waitlist does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The gate is red.
    InvitesPaused {
        /// Why it is.
        reasons: Vec<String>,
    },
    /// There is nobody to invite.
    NobodyWaits,
    /// There is no room for so many codes.
    NoRoomForCodes,
}
