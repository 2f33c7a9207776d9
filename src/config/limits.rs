//! `[limits]`: how much the node takes on at once.

use serde::{Deserialize, Serialize};

use super::rule::Rule;

/// Rates, sizes and counts past which a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Requests a second from one address (IPv6: one /64); 0 is off. Loopback is exempt.
    pub per_address: u32,
    /// Requests a second with one key; 0 is off.
    pub per_key: u32,
    /// Requests a second in all; 0 is off.
    pub global: u32,
    /// Wrong invite codes an hour from one address (IPv6: one /64); 0 is off. Loopback is exempt.
    pub wrong_codes_per_address: u32,
    /// Wrong invite codes an hour in all; 0 is off.
    pub wrong_codes: u32,
    /// The largest body that is read.
    pub body_bytes: u32,
    /// Connections at once, over all listeners.
    pub connections: u32,
    /// Commands and queries at once, for each actor.
    pub in_flight: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_address: 50,
            per_key: 0,
            global: 0,
            wrong_codes_per_address: 30,
            wrong_codes: 10_000,
            body_bytes: 65_536,
            connections: 10_000,
            in_flight: 4_096,
        }
    }
}

pub(super) const RULES: &[Rule] = &[
    Rule::whole("limits.per_address", 0, 1_000_000),
    Rule::whole("limits.per_key", 0, 1_000_000),
    Rule::whole("limits.global", 0, 10_000_000),
    Rule::whole("limits.wrong_codes_per_address", 0, 1_000_000),
    Rule::whole("limits.wrong_codes", 0, 100_000_000),
    Rule::whole("limits.body_bytes", 1_024, 1 << 20),
    Rule::whole("limits.connections", 1, 1_000_000),
    Rule::whole("limits.in_flight", 1, 1_000_000),
];
