//! What happens in the window and at the gate.

use serde::{Deserialize, Serialize};

use crate::ids::{PersonId, Timestamp};
use crate::record::{self, Persisted, Unreadable};

use super::gate::GateState;

/// What the product saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// The member did something.
    Active,
    /// The member is gone.
    Churned,
    /// The member cheats.
    Fraud,
    /// The member does not cheat after all.
    Cleared,
}

impl Seen {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Active, Self::Churned, Self::Fraud, Self::Cleared];

    /// The name in requests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Churned => "churned",
            Self::Fraud => "fraud",
            Self::Cleared => "cleared",
        }
    }
}

/// One sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Of whom.
    pub person: PersonId,
    /// What.
    pub kind: Seen,
    /// When.
    pub at: Timestamp,
}

/// What has happened. Tags are persisted and never reused: 1 Observed, 2 Counted, 3 GateMoved.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The product saw members.
    Observed {
        /// Whom, what, when.
        seen: Vec<Observation>,
    },
    /// Other domains did things that are counted here.
    Counted {
        /// Joins.
        joins: u32,
        /// Shares.
        shares: u32,
        /// People who came in, and when.
        came: Vec<(PersonId, Timestamp)>,
        /// Members who left the list for good, and when.
        left: Vec<(PersonId, Timestamp)>,
    },
    /// The gate changed.
    GateMoved {
        /// What it is now.
        gate: GateState,
        /// Why, for people to read.
        reason: String,
    },
}

impl Persisted for Event {
    fn kind(&self) -> (u8, u8) {
        match self {
            Self::Observed { .. } => (1, 1),
            Self::Counted { .. } => (2, 1),
            Self::GateMoved { .. } => (3, 1),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Observed { seen } => record::encode(seen, out),
            Self::Counted { joins, shares, came, left } => {
                record::encode(&(joins, shares, came, left), out);
            }
            Self::GateMoved { gate, reason } => record::encode(&(gate, reason), out),
        }
    }

    fn decode(tag: u8, version: u8, payload: &[u8]) -> Result<Self, Unreadable> {
        Ok(match (tag, version) {
            (1, 1) => Self::Observed { seen: record::decode(payload)? },
            (2, 1) => {
                let (joins, shares, came, left) = record::decode(payload)?;
                Self::Counted { joins, shares, came, left }
            }
            (3, 1) => {
                let (gate, reason) = record::decode(payload)?;
                Self::GateMoved { gate, reason }
            }
            _ => return Err(Unreadable::new(format!("quality event {tag} version {version}"))),
        })
    }
}

/// Why sightings are not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    /// Some are of people who are not in. None is taken.
    UnknownMembers {
        /// Which, counted from 0.
        indexes: Vec<u32>,
    },
}
