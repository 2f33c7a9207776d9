//! What can be asked of the quality gates, and what they answer.

use serde::{Deserialize, Serialize};

use crate::ids::{PersonId, Timestamp};

use super::{Seen, Trust};

/// What the product saw of its members.
#[derive(Clone, Debug)]
pub(crate) struct Observe {
    /// Whom, what, and when; None is the time of the request.
    pub(crate) seen: Vec<(PersonId, Seen, Option<Timestamp>)>,
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
    pub raised: [[u64; 2]; 4],
}
