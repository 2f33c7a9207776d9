//! `[metrics]`: whether there are any, and who may read them.

use serde::{Deserialize, Serialize};

use super::rule::Rule;

/// The Prometheus endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// Whether `/metrics` is served.
    pub enabled: bool,
    /// Whether everybody may read it. Otherwise it takes the scope `metrics`, except on loopback.
    pub public: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { enabled: true, public: false }
    }
}

pub(super) const RULES: &[Rule] = &[Rule::flag("metrics.enabled"), Rule::flag("metrics.public")];
