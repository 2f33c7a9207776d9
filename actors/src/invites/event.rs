//! What happens to codes.

use serde::{Deserialize, Serialize};

use crate::ids::{InviteCode, PersonId, Timestamp};
use crate::record::{self, Persisted, Unreadable};

/// Why codes were issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// An operator asked for them.
    Batch,
    /// Somebody earned them.
    Reward,
}

/// What has happened. Tags are persisted and never reused: 1 Issued, 2 Redeemed, 3 Bound, 4
/// Departed.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Codes came into being.
    Issued {
        /// Label of the batch.
        batch: String,
        /// The codes.
        codes: Vec<InviteCode>,
        /// The one person who can redeem them.
        bound: Option<PersonId>,
        /// The person who has earned them.
        holder: Option<PersonId>,
        /// When they stop being valid.
        expires_at: Timestamp,
        /// How often each can be redeemed.
        max_uses: u32,
        /// Why.
        channel: Channel,
        /// Whether they were issued against the gate's advice.
        forced: bool,
    },
    /// Somebody came in.
    Redeemed {
        /// With this code.
        code: InviteCode,
        /// Who.
        person: PersonId,
        /// Who had earned the code.
        holder: Option<PersonId>,
    },
    /// A holder's code became somebody else's.
    Bound {
        /// The code.
        code: InviteCode,
        /// Whose it is now.
        person: PersonId,
    },
    /// A member left for good, and may come in again as somebody new.
    Departed {
        /// Who.
        person: PersonId,
    },
}

impl Persisted for Event {
    fn kind(&self) -> (u8, u8) {
        match self {
            Self::Issued { .. } => (1, 1),
            Self::Redeemed { .. } => (2, 1),
            Self::Bound { .. } => (3, 1),
            Self::Departed { .. } => (4, 1),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Issued { batch, codes, bound, holder, expires_at, max_uses, channel, forced } => {
                let reward = *channel == Channel::Reward;
                let people = (bound, holder);
                record::encode(&(batch, codes, people, expires_at, max_uses, reward, forced), out);
            }
            Self::Redeemed { code, person, holder } => record::encode(&(code, person, holder), out),
            Self::Bound { code, person } => record::encode(&(code, person), out),
            Self::Departed { person } => record::encode(person, out),
        }
    }

    fn decode(tag: u8, version: u8, payload: &[u8]) -> Result<Self, Unreadable> {
        Ok(match (tag, version) {
            (1, 1) => {
                let (batch, codes, (bound, holder), expires_at, max_uses, reward, forced) =
                    record::decode(payload)?;
                let channel = if reward { Channel::Reward } else { Channel::Batch };
                Self::Issued { batch, codes, bound, holder, expires_at, max_uses, channel, forced }
            }
            (2, 1) => {
                let (code, person, holder) = record::decode(payload)?;
                Self::Redeemed { code, person, holder }
            }
            (3, 1) => {
                let (code, person) = record::decode(payload)?;
                Self::Bound { code, person }
            }
            (4, 1) => Self::Departed { person: record::decode(payload)? },
            _ => return Err(Unreadable::new(format!("invites event {tag} version {version}"))),
        })
    }
}

/// Why the registry does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    /// No such code.
    UnknownCode,
    /// Redeemed as often as it can be.
    CodeUsed,
    /// Out of time.
    CodeExpired,
    /// Taken back.
    CodeRevoked,
    /// For somebody else.
    CodeBound,
    /// The person is in already.
    AlreadyMember,
    /// The gate is red.
    InvitesPaused {
        /// Why it is.
        reasons: Vec<String>,
    },
    /// As many codes as the policy allows.
    RegistryFull,
    /// The code is not one that the inviter holds and can still give away.
    NotHolder,
}
