//! `[snapshots]`: when the state is written down, so that a start need not replay everything.

use std::time::Duration;

use actors::snapshotter::Policy;
use serde::{Deserialize, Serialize};

use super::Archive;
use super::rule::Rule;

/// When a snapshot is taken: whatever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshots {
    /// Events since the last one.
    pub events: u64,
    /// Bytes of journal since the last one.
    pub bytes: u64,
    /// Minutes since the last one, if anything has happened.
    pub minutes: u32,
    /// Whether one is taken at a stop.
    pub at_shutdown: bool,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self { events: 1_000_000, bytes: 512 << 20, minutes: 60, at_shutdown: true }
    }
}

impl Snapshots {
    /// The same for the engine.
    #[must_use]
    pub fn policy(&self, archive: &Archive) -> Policy {
        Policy {
            events: self.events,
            bytes: self.bytes,
            every: Duration::from_secs(u64::from(self.minutes) * 60),
            archive: archive.policy(),
            ..Policy::default()
        }
    }
}

pub(super) const RULES: &[Rule] = &[
    Rule::whole("snapshots.events", 1_000, 1 << 40),
    Rule::whole("snapshots.bytes", 1 << 20, 1 << 40),
    Rule::whole("snapshots.minutes", 1, 10_080),
    Rule::flag("snapshots.at_shutdown"),
];
