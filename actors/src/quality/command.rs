//! What can be asked of the quality gates, and what they answer.

use serde::{Deserialize, Serialize};

use crate::ids::{PersonId, Timestamp};

use super::{DrillRates, Seen, Trust};

/// What the product saw of its members.
#[derive(Clone, Debug)]
pub(crate) struct Observe {
    /// Whom, what, and when; None is the time of the request.
    pub(crate) seen: Vec<(PersonId, Seen, Option<Timestamp>)>,
}

/// Puts rates in the place of the measured ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drilling {
    /// Which.
    pub rates: DrillRates,
    /// For how long, 1 to [`super::DRILL_MINUTES_MAX`]; 0 ends the drill that is on.
    pub minutes: u32,
}

/// The answer to sightings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// How many were taken: all of them.
    pub accepted: u32,
}

/// How the gate stands, for whoever watches.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// The answer that people get.
    pub trust: Trust,
    /// Changes of colour ever: to green, yellow and red.
    pub transitions: [u64; 3],
    /// Alerts ever, by metric in the order of [`super::METRICS`]: warnings and critical ones.
    pub raised: [[u64; 2]; 5],
}
