//! Rates, the trust score, and what is said about them.

use serde::{Deserialize, Serialize};

use crate::ids::Timestamp;
use crate::record;

use super::drill::{Drill, Source};
use super::gate::{self, Colour, Level, METRICS};
use super::ratio::Ratio;
use super::state::{Policy, State};

/// Counts of the window, from which the rates follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    /// Members who are there, and those who went within the window.
    pub(super) members: u64,
    /// Of those, gone or inactive.
    pub(super) lost: u64,
    /// Of those, lately active.
    pub(super) engaged: u64,
    /// Members flagged as fraud within the window.
    pub(super) flagged: u64,
    /// Joins, redemptions and shares within the window.
    pub(super) attempts: u64,
}

impl Rates {
    /// Share of members lost; 0 without members.
    pub(super) fn churn(&self) -> f64 {
        ratio(self.lost, self.members).unwrap_or(0.0)
    }

    /// Flagged members over joins, redemptions and shares; 0 without any.
    pub(super) fn fraud(&self) -> f64 {
        ratio(self.flagged, self.attempts).unwrap_or(0.0).min(1.0)
    }

    /// Share of members engaged; 1 without members: nobody has turned away.
    pub(super) fn engagement(&self) -> f64 {
        ratio(self.engaged, self.members).unwrap_or(1.0)
    }
}

/// What the metrics are at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Readings {
    /// Members that were measured.
    pub(super) members: u64,
    pub(super) churn: f64,
    pub(super) fraud: f64,
    pub(super) engagement: f64,
    pub(super) trust: f64,
    /// None when it is not known.
    pub(super) load: Option<Ratio>,
    /// The drill that is on.
    pub(super) drill: Option<Drill>,
}

impl Readings {
    /// What was measured, and in its place what a drill says.
    pub(super) fn new(
        policy: &Policy,
        rates: &Rates,
        drill: Option<Drill>,
        load: Option<Ratio>,
    ) -> Self {
        let instead = drill.map(|drill| drill.rates).unwrap_or_default();
        let churn = instead.churn.map_or(rates.churn(), Ratio::get);
        let fraud = instead.fraud.map_or(rates.fraud(), Ratio::get);
        let engagement = instead.engagement.map_or(rates.engagement(), Ratio::get);
        let trust = trust(policy, churn, fraud, engagement);
        Self { members: rates.members, churn, fraud, engagement, trust, load, drill }
    }

    /// The values in the order of [`METRICS`].
    fn values(&self) -> [f64; 5] {
        let load = self.load.map_or(0.0, Ratio::get);
        [self.churn, self.trust, self.fraud, self.engagement, load]
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// `1 - 0.35 * churn - 0.15 * fraud - 0.5 * (1 - engagement)` with the policy's weights, within
/// 0..1, to two decimals.
fn trust(policy: &Policy, churn: f64, fraud: f64, engagement: f64) -> f64 {
    let weights = policy.weights;
    let lost =
        weights.churn * churn + weights.fraud * fraud + weights.engagement * (1.0 - engagement);
    ((1.0 - lost).clamp(0.0, 1.0) * 100.0).round() / 100.0
}

/// How it is going, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// Well.
    Healthy,
    /// Not so well.
    Warning,
    /// So badly that inviting has stopped.
    Critical,
}

impl Health {
    /// The name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// A metric past one of its lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Metric and severity: the same as long as the alert lasts.
    pub id: String,
    /// How bad.
    pub severity: Level,
    /// Index into [`METRICS`]; see [`Alert::metric`].
    pub(super) metric: u8,
    /// What the metric is now.
    pub value: f64,
    /// The line that it is past.
    pub threshold: f64,
    /// For people to read.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

impl Alert {
    /// Which metric.
    #[must_use]
    pub fn metric(&self) -> &'static str {
        METRICS[usize::from(self.metric)]
    }
}

impl Level {
    /// The name in answers and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// The whole answer: score, rates, gate and alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// In 0..1, to two decimals.
    pub score: f64,
    /// Share of members lost.
    pub churn: f64,
    /// Flagged members over attempts.
    pub fraud: f64,
    /// Share of members engaged.
    pub engagement: f64,
    /// What the gate shows.
    pub colour: Colour,
    /// Whether inviting has stopped.
    pub paused: bool,
    /// In a word.
    pub health: Health,
    /// Members that the rates are taken over.
    pub members: u64,
    /// Members that it takes to conclude anything.
    pub members_min: u64,
    /// Whether there are enough.
    pub sample_sufficient: bool,
    /// What is past its lines.
    pub alerts: Vec<Alert>,
    /// After red: until when only half as many are let in.
    pub halved_until: Option<Timestamp>,
    /// The drill that is on. Answers that were kept before there were drills end above.
    #[serde(deserialize_with = "record::if_there")]
    pub drill: Option<Drill>,
    /// While red, and all is calm again: when the gate opens if that lasts.
    #[serde(deserialize_with = "record::if_there")]
    pub opens_at: Option<Timestamp>,
}

impl Trust {
    /// Why nobody is let in, or fewer are, in sentences.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let alerts = self.alerts.iter().map(|alert| {
            let drill = if self.drill_of(alert).is_some() { " (drill)" } else { "" };
            format!("{}{drill}", alert.message)
        });
        let opens = self.opens_at.filter(|_| self.alerts.is_empty());
        let opens =
            opens.map(|at| format!("all is calm again, and if it stays so they open at {at}"));
        alerts.chain(opens).collect()
    }

    /// Where the rates come from.
    #[must_use]
    pub fn source(&self) -> Source {
        Source::drill_if(self.drill.is_some())
    }

    /// The drill that has a part in an alert's value.
    #[must_use]
    pub fn drill_of(&self, alert: &Alert) -> Option<&Drill> {
        self.drill.as_ref().filter(|drill| drill.rates.touched()[usize::from(alert.metric)])
    }
}

/// What is known at `now`.
pub(crate) fn report(state: &State, policy: &Policy, now: Timestamp) -> Trust {
    let readings = state.readings(policy, now);
    let (gate, values) = (state.gate, readings.values());
    // A drill may have ended since the gate was last looked at: what is said about a value is true
    // of that value.
    let levels = gate::levels(policy, &readings);
    let alerts: Vec<Alert> = (0..METRICS.len())
        .map(|metric| (metric, gate.levels[metric].level.min(levels[metric])))
        .filter(|(_, level)| *level != Level::Calm)
        .map(|(metric, level)| {
            alert(policy, metric, level, values[metric], gate.levels[metric].since)
        })
        .collect();
    let paused = gate.colour == Colour::Red;
    let health = match (paused, alerts.is_empty()) {
        (true, _) => Health::Critical,
        (false, true) if readings.trust >= policy.thresholds.trust.warning => Health::Healthy,
        (false, _) => Health::Warning,
    };
    Trust {
        score: readings.trust,
        churn: readings.churn,
        fraud: readings.fraud,
        engagement: readings.engagement,
        colour: gate.colour,
        paused,
        health,
        members: readings.members,
        members_min: policy.members_min,
        sample_sufficient: readings.members >= policy.members_min,
        alerts,
        halved_until: gate.halved_until,
        drill: readings.drill,
        opens_at: gate.calm_since.map(|since| since.plus_minutes(policy.resume_minutes)),
    }
}

fn alert(policy: &Policy, metric: usize, severity: Level, value: f64, since: Timestamp) -> Alert {
    let lines = policy.thresholds;
    let lines = [lines.churn, lines.trust, lines.fraud, lines.engagement, lines.load][metric];
    let threshold = if severity == Level::Critical { lines.critical } else { lines.warning };
    let side = if metric.is_multiple_of(2) { "above" } else { "below" };
    let (name, severity_name) = (METRICS[metric], severity.as_str());
    Alert {
        id: format!("{name}-{severity_name}"),
        severity,
        metric: metric as u8,
        value,
        threshold,
        message: format!(
            "{name} is {}, {side} its {severity_name} line of {}",
            decimals(value, |told| told.parse() != Ok(threshold)),
            decimals(threshold, |told| told.parse() == Ok(threshold))
        ),
        since,
    }
}

/// To two decimals, or to as many more as it takes until that says enough.
fn decimals(value: f64, says_enough: impl Fn(&str) -> bool) -> String {
    let told = |places: usize| format!("{value:.places$}");
    (2..6).map(told).find(|told| says_enough(told)).unwrap_or_else(|| told(6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_just_past_its_line_is_told_with_the_decimals_that_it_takes() {
        let differs = |told: &str| told.parse() != Ok(0.02);
        let told = [0.25, 0.0204, 0.020_001, 0.02].map(|value| decimals(value, differs));
        assert_eq!(told, ["0.25", "0.0204", "0.020001", "0.020000"]);
        assert_eq!(decimals(0.125, |told| told.parse() == Ok(0.125)), "0.125");
        assert_eq!(decimals(0.9, |told| told.parse() == Ok(0.9)), "0.90");
    }

    #[test]
    fn the_seeds_rates_give_the_seeds_trust() {
        assert_eq!(trust(&Policy::default(), 0.12, 0.02, 0.75), 0.83);
        let rates = Rates { members: 100, lost: 12, engaged: 75, flagged: 2, attempts: 100 };
        assert_eq!(Readings::new(&Policy::default(), &rates, None, None).trust, 0.83);
    }

    #[test]
    fn trust_stays_within_its_bounds() {
        assert_eq!(trust(&Policy::default(), 1.0, 1.0, 0.0), 0.0);
        assert_eq!(trust(&Policy::default(), 0.0, 0.0, 1.0), 1.0);
    }

    #[test]
    fn an_answer_from_before_there_were_drills_is_read() {
        let trust = report(&State::default(), &Policy::default(), Timestamp::from_micros(1));
        let mut bytes = Vec::new();
        record::encode(&trust, &mut bytes);
        assert_eq!(record::decode::<Trust>(&bytes), Ok(trust.clone()));
        // The last bytes say that there is no drill, and no time when the gate opens.
        for _ in 0..2 {
            assert_eq!(bytes.pop(), Some(0));
            assert_eq!(record::decode::<Trust>(&bytes), Ok(trust.clone()));
        }
    }

    #[test]
    fn without_anybody_nothing_has_gone_wrong() {
        let trust = report(&State::default(), &Policy::default(), Timestamp::from_micros(1));
        assert_eq!((trust.churn, trust.fraud, trust.engagement, trust.score), (0.0, 0.0, 1.0, 1.0));
        assert_eq!((trust.paused, trust.sample_sufficient), (false, false));
    }
}
