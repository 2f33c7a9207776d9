//! What happens to codes.

use serde::{Deserialize, Serialize};

use crate::fraud::Marks;
use crate::ids::{InviteCode, PersonId, Timestamp, Uuid};
use crate::record::{self, Persisted, Unreadable};

/// Why codes were issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Channel {
    /// An operator asked for them.
    Batch,
    /// Somebody earned them.
    Reward,
    /// Their people came to the top of the waitlist.
    Wave,
}

impl Channel {
    /// The name in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Reward => "reward",
            Self::Wave => "wave",
        }
    }
}

/// What has happened. Tags are persisted and never reused: 1 Issued, 2 Redeemed, 3 Bound, 4
/// Departed, 5 Reserved, 6 Released, 7 Revoked, 8 Restored, 9 Extended, 10 Sent, 11 Withdrawn.
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
        /// What the address showed.
        marks: Marks,
    },
    /// Codes were taken back from those who had earned them unduly, as far as nobody has them yet.
    Withdrawn {
        /// Which; none, where all are used or given.
        codes: Vec<InviteCode>,
        /// How many of them from whom, also of those from whom none could be taken.
        people: Vec<(PersonId, u32)>,
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
    /// A code is kept for somebody who is signing up.
    Reserved {
        /// Names the hold.
        reservation: Uuid,
        /// The code.
        code: InviteCode,
        /// For whom.
        person: PersonId,
        /// When the hold ends by itself.
        until: Timestamp,
        /// What the address showed.
        marks: Marks,
    },
    /// A hold was given back.
    Released {
        /// Which.
        reservation: Uuid,
    },
    /// A code was taken back.
    Revoked {
        /// Which.
        code: InviteCode,
    },
    /// A code that was taken back is good again.
    Restored {
        /// Which.
        code: InviteCode,
        /// Whose reward it is part of, where it had been taken back with that.
        withdrawn_from: Option<PersonId>,
    },
    /// A code got more time.
    Extended {
        /// Which.
        code: InviteCode,
        /// When it stops being valid now.
        expires_at: Timestamp,
    },
    /// The people of a wave got their codes, each bound to its person.
    Sent {
        /// Label of the wave.
        batch: String,
        /// Codes and people, in the order of the wave.
        codes: Vec<(InviteCode, PersonId)>,
        /// When they stop being valid.
        expires_at: Timestamp,
    },
}

impl Persisted for Event {
    fn kind(&self) -> (u8, u8) {
        match self {
            Self::Issued { .. } => (1, 1),
            Self::Redeemed { .. } => (2, 2),
            Self::Withdrawn { .. } => (11, 1),
            Self::Bound { .. } => (3, 1),
            Self::Departed { .. } => (4, 1),
            Self::Reserved { .. } => (5, 2),
            Self::Released { .. } => (6, 1),
            Self::Revoked { .. } => (7, 1),
            Self::Restored { .. } => (8, 2),
            Self::Extended { .. } => (9, 1),
            Self::Sent { .. } => (10, 1),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Issued { batch, codes, bound, holder, expires_at, max_uses, channel, forced } => {
                let reward = *channel == Channel::Reward;
                let people = (bound, holder);
                record::encode(&(batch, codes, people, expires_at, max_uses, reward, forced), out);
            }
            Self::Redeemed { code, person, holder, marks } => {
                record::encode(&(code, person, holder, marks), out);
            }
            Self::Withdrawn { codes, people } => record::encode(&(codes, people), out),
            Self::Bound { code, person } => record::encode(&(code, person), out),
            Self::Departed { person } => record::encode(person, out),
            Self::Reserved { reservation, code, person, until, marks } => {
                record::encode(&(reservation, code, person, until, marks), out);
            }
            Self::Released { reservation } => record::encode(reservation, out),
            Self::Revoked { code } => record::encode(code, out),
            Self::Restored { code, withdrawn_from } => {
                record::encode(&(code, withdrawn_from), out);
            }
            Self::Extended { code, expires_at } => record::encode(&(code, expires_at), out),
            Self::Sent { batch, codes, expires_at } => {
                record::encode(&(batch, codes, expires_at), out);
            }
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
                Self::Redeemed { code, person, holder, marks: Marks::default() }
            }
            (2, 2) => {
                let (code, person, holder, marks) = record::decode(payload)?;
                Self::Redeemed { code, person, holder, marks }
            }
            (11, 1) => {
                let (codes, people) = record::decode(payload)?;
                Self::Withdrawn { codes, people }
            }
            (3, 1) => {
                let (code, person) = record::decode(payload)?;
                Self::Bound { code, person }
            }
            (4, 1) => Self::Departed { person: record::decode(payload)? },
            (5, 1) => {
                let (reservation, code, person, until) = record::decode(payload)?;
                Self::Reserved { reservation, code, person, until, marks: Marks::default() }
            }
            (5, 2) => {
                let (reservation, code, person, until, marks) = record::decode(payload)?;
                Self::Reserved { reservation, code, person, until, marks }
            }
            (6, 1) => Self::Released { reservation: record::decode(payload)? },
            (7, 1) => Self::Revoked { code: record::decode(payload)? },
            (8, 1) => Self::Restored { code: record::decode(payload)?, withdrawn_from: None },
            (8, 2) => {
                let (code, withdrawn_from) = record::decode(payload)?;
                Self::Restored { code, withdrawn_from }
            }
            (9, 1) => {
                let (code, expires_at) = record::decode(payload)?;
                Self::Extended { code, expires_at }
            }
            (10, 1) => {
                let (batch, codes, expires_at) = record::decode(payload)?;
                Self::Sent { batch, codes, expires_at }
            }
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
    /// All that is left of the code is kept for others.
    CodeReserved,
    /// No such hold, or one that ended more than a day ago.
    UnknownReservation,
    /// The hold is over.
    ReservationExpired,
    /// The hold was given back.
    ReservationReleased,
    /// The person came in with it.
    ReservationConfirmed,
    /// No such batch.
    UnknownBatch,
    /// The cursor is none of this list.
    UnknownCursor,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_version_1_restored_was_part_of_no_reward() {
        let code = InviteCode::from_entropy(&[7; 16], 12);
        let mut old = Vec::new();
        record::encode(&code, &mut old);
        let restored = |withdrawn_from| Event::Restored { code, withdrawn_from };
        assert_eq!(Event::decode(8, 1, &old).ok(), Some(restored(None)));
        let event = restored(Some(PersonId(3)));
        let mut new = Vec::new();
        event.encode(&mut new);
        let (tag, version) = event.kind();
        assert_eq!(Event::decode(tag, version, &new).ok(), Some(event));
    }
}
