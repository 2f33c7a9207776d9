//! `[quality]`: when the gates slow or stop inviting.

use serde::{Deserialize, Serialize};

use super::rule::Rule;

/// Trust score, windows, thresholds, and the way back from red.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Below this many members the sample is too small to act on.
    pub members_min: u64,
    /// Days without activity after which a member has churned.
    pub inactive_days: u32,
    /// Days within which an active member is engaged.
    pub engaged_days: u32,
    /// Minutes past the warning line that it takes to leave red.
    pub resume_minutes: u32,
    /// Minutes at half rate after red.
    pub half_rate_minutes: u32,
    /// What each rate takes from the trust score.
    pub weights: TrustWeights,
    /// When a metric warns and when it stops inviting.
    pub thresholds: Thresholds,
}

/// What each rate takes from the trust score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrustWeights {
    /// For the churn rate.
    pub churn: f64,
    /// For the fraud rate.
    pub fraud: f64,
    /// For what the engagement rate lacks to 1.
    pub engagement: f64,
}

/// The lines of each metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Alerts above.
    pub churn: Lines,
    /// Alerts below.
    pub trust: Lines,
    /// Alerts above.
    pub fraud: Lines,
    /// Alerts below.
    pub engagement: Lines,
    /// Alerts when the mean use of processor, memory and disk is above.
    pub load: Lines,
}

/// Where a metric warns (waves are halved), and where it is critical (inviting stops).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lines {
    /// Halves waves.
    pub warning: f64,
    /// Stops inviting.
    pub critical: f64,
}

impl Default for Quality {
    fn default() -> Self {
        Self {
            members_min: 20,
            inactive_days: 14,
            engaged_days: 7,
            resume_minutes: 15,
            half_rate_minutes: 60,
            weights: TrustWeights { churn: 0.35, fraud: 0.15, engagement: 0.5 },
            thresholds: Thresholds {
                churn: Lines { warning: 0.15, critical: 0.20 },
                trust: Lines { warning: 0.80, critical: 0.70 },
                fraud: Lines { warning: 0.02, critical: 0.05 },
                engagement: Lines { warning: 0.50, critical: 0.30 },
                load: Lines { warning: 0.80, critical: 0.90 },
            },
        }
    }
}

pub(super) const RULES: &[Rule] = &[
    Rule::whole("quality.members_min", 1, 1_000_000),
    Rule::whole("quality.inactive_days", 1, 30),
    Rule::whole("quality.engaged_days", 1, 30),
    Rule::whole("quality.resume_minutes", 0, 10_080),
    Rule::whole("quality.half_rate_minutes", 0, 10_080),
    Rule::number("quality.weights.churn", 0.0, 1.0),
    Rule::number("quality.weights.fraud", 0.0, 1.0),
    Rule::number("quality.weights.engagement", 0.0, 1.0),
    Rule::number("quality.thresholds.churn.warning", 0.0, 1.0),
    Rule::number("quality.thresholds.churn.critical", 0.0, 1.0),
    Rule::number("quality.thresholds.trust.warning", 0.0, 1.0),
    Rule::number("quality.thresholds.trust.critical", 0.0, 1.0),
    Rule::number("quality.thresholds.fraud.warning", 0.0, 1.0),
    Rule::number("quality.thresholds.fraud.critical", 0.0, 1.0),
    Rule::number("quality.thresholds.engagement.warning", 0.0, 1.0),
    Rule::number("quality.thresholds.engagement.critical", 0.0, 1.0),
    Rule::number("quality.thresholds.load.warning", 0.0, 1.0),
    Rule::number("quality.thresholds.load.critical", 0.0, 1.0),
];

impl Quality {
    /// What single values cannot show: the key at fault and what is wrong.
    pub(super) fn conflicts(&self) -> Vec<(&'static str, String)> {
        let Thresholds { churn, trust, fraud, engagement, load } = self.thresholds;
        let above = [
            ("quality.thresholds.churn.critical", churn),
            ("quality.thresholds.fraud.critical", fraud),
            ("quality.thresholds.load.critical", load),
        ];
        let below = [
            ("quality.thresholds.trust.critical", trust),
            ("quality.thresholds.engagement.critical", engagement),
        ];
        let above = above.into_iter().filter(|(_, lines)| lines.critical < lines.warning);
        let below = below.into_iter().filter(|(_, lines)| lines.critical > lines.warning);
        let wrong = |side: &'static str| {
            move |(key, lines): (&'static str, Lines)| {
                let Lines { warning, critical } = lines;
                (key, format!("{key} = {critical} is {side} its warning line, {warning}"))
            }
        };
        above.map(wrong("below")).chain(below.map(wrong("above"))).collect()
    }
}
