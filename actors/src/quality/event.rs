//! What happens in the window and at the gate.

use serde::{Deserialize, Serialize};

use crate::ids::{PersonId, Timestamp};
use crate::record::{self, Persisted, Unreadable};

use super::drill::Drill;
use super::gate::{GateState, GateStateV1};
use super::history::Point;
use super::ratio::Ratio;

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

/// What has happened. Tags are persisted and never reused: 1 Observed, 2 Counted, 3 GateMoved (1:
/// without the load of the system), 4 Drilled, 5 Sampled, 6 LoadMoved.
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
        /// People who were rejected, or whose rejection was taken back, when, and which of the two.
        judged: Vec<(PersonId, Timestamp, bool)>,
    },
    /// The gate changed.
    GateMoved {
        /// What it is now.
        gate: GateState,
        /// Why, for people to read.
        reason: String,
    },
    /// A drill began, in the place of the one before if there was one, or was ended early.
    Drilled {
        /// What holds from now on.
        drill: Option<Drill>,
    },
    /// Five minutes have a point in the history.
    Sampled {
        /// What was seen.
        point: Point,
    },
    /// The load of the system came to another level.
    LoadMoved {
        /// What it is now; None when it is not known.
        load: Option<Ratio>,
    },
}

impl Persisted for Event {
    fn kind(&self) -> (u8, u8) {
        match self {
            Self::Observed { .. } => (1, 1),
            Self::Counted { .. } => (2, 2),
            Self::GateMoved { .. } => (3, 2),
            Self::Drilled { .. } => (4, 1),
            Self::Sampled { .. } => (5, 1),
            Self::LoadMoved { .. } => (6, 1),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Observed { seen } => record::encode(seen, out),
            Self::Counted { joins, shares, came, left, judged } => {
                record::encode(&(joins, shares, came, left, judged), out);
            }
            Self::GateMoved { gate, reason } => record::encode(&(gate, reason), out),
            Self::Drilled { drill } => record::encode(drill, out),
            Self::Sampled { point } => record::encode(point, out),
            Self::LoadMoved { load } => record::encode(load, out),
        }
    }

    fn decode(tag: u8, version: u8, payload: &[u8]) -> Result<Self, Unreadable> {
        Ok(match (tag, version) {
            (1, 1) => Self::Observed { seen: record::decode(payload)? },
            (2, 1) => {
                let (joins, shares, came, left) = record::decode(payload)?;
                Self::Counted { joins, shares, came, left, judged: Vec::new() }
            }
            (2, 2) => {
                let (joins, shares, came, left, judged) = record::decode(payload)?;
                Self::Counted { joins, shares, came, left, judged }
            }
            (3, 1) => {
                let (gate, reason): (GateStateV1, String) = record::decode(payload)?;
                Self::GateMoved { gate: gate.into(), reason }
            }
            (3, 2) => {
                let (gate, reason) = record::decode(payload)?;
                Self::GateMoved { gate, reason }
            }
            (4, 1) => Self::Drilled { drill: record::decode(payload)? },
            (5, 1) => Self::Sampled { point: record::decode(payload)? },
            (6, 1) => Self::LoadMoved { load: record::decode(payload)? },
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

#[cfg(test)]
mod tests {
    use super::super::gate::{Colour, Level, Levels};
    use super::*;

    #[test]
    fn a_move_of_the_gate_from_before_load_counted_is_read() {
        let level = |level| Levels { level, since: Timestamp::from_micros(7) };
        let levels = [Level::Warning, Level::Calm, Level::Critical, Level::Calm].map(level);
        let since = Timestamp::from_micros(9);
        let old = (Colour::Red, since, levels, Some(since), None::<Timestamp>);
        let mut bytes = Vec::new();
        record::encode(&(old, "churn_rate warning".to_owned()), &mut bytes);
        let Ok(Event::GateMoved { gate, reason }) = Event::decode(3, 1, &bytes) else {
            panic!("it is not read");
        };
        assert_eq!((gate.colour, gate.since, gate.calm_since), (Colour::Red, since, Some(since)));
        assert_eq!((&gate.levels[..4], gate.levels[4]), (&levels[..], Levels::default()));
        assert_eq!(reason, "churn_rate warning");
    }
}
