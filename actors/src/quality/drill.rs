//! Drills: rates that somebody puts in the place of the measured ones, for a while.

use serde::{Deserialize, Serialize};

use crate::ids::Timestamp;

use super::ratio::Ratio;

/// Longest drill, in minutes: a day.
pub const DRILL_MINUTES_MAX: u32 = 1_440;

/// Rates that stand in for measured ones; None leaves the measured one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillRates {
    /// Share of members lost.
    pub churn: Option<Ratio>,
    /// Flagged members over attempts.
    pub fraud: Option<Ratio>,
    /// Share of members engaged.
    pub engagement: Option<Ratio>,
}

/// A drill, and when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    /// What it puts in the place of measured rates.
    pub rates: DrillRates,
    /// From then on the measured rates hold again.
    pub until: Timestamp,
}

impl DrillRates {
    /// Of the metrics, in the order of [`super::METRICS`]: whose value comes from the drill alone.
    /// Trust does when all rates that it is made of do.
    pub(super) const fn replaced(&self) -> [bool; 5] {
        let (churn, fraud) = (self.churn.is_some(), self.fraud.is_some());
        let engagement = self.engagement.is_some();
        [churn, churn && fraud && engagement, fraud, engagement, false]
    }

    /// The same: whose value a drill has a part in.
    pub(super) const fn touched(&self) -> [bool; 5] {
        let (churn, fraud) = (self.churn.is_some(), self.fraud.is_some());
        let engagement = self.engagement.is_some();
        [churn, churn || fraud || engagement, fraud, engagement, false]
    }
}

/// Where a number comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// From what has happened.
    #[default]
    Measured,
    /// At least in part from a drill.
    Drill,
}

impl Source {
    /// The name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Drill => "drill",
        }
    }

    pub(super) const fn drill_if(drilled: bool) -> Self {
        if drilled { Self::Drill } else { Self::Measured }
    }
}
