//! The gate: a state machine over the levels of the metrics.
//!
//! A critical metric turns the gate red at once, a warning yellow. Red ends only when every metric
//! has been back past its warning line for `resume_minutes`; then the gate is yellow for
//! `half_rate_minutes`, and green after that.

use serde::{Deserialize, Serialize};

use crate::ids::Timestamp;

use super::ratio::Ratio;
use super::state::{Lines, Policy};
use super::trust::Readings;

/// The metrics, in the order in which their levels stand.
pub const METRICS: [&str; 5] =
    ["churn_rate", "trust_score", "fraud_rate", "engagement_rate", "system_load"];

/// The first metrics are made of what members do.
const RATES: usize = 4;

/// Whether to let people in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Colour {
    /// As many as wanted.
    #[default]
    Green,
    /// Half as many.
    Yellow,
    /// Nobody.
    Red,
}

impl Colour {
    /// The number in the journal.
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    pub(crate) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Green),
            1 => Some(Self::Yellow),
            2 => Some(Self::Red),
            _ => None,
        }
    }

    /// All of them, from open to closed.
    pub const ALL: [Self; 3] = [Self::Green, Self::Yellow, Self::Red];

    /// The name in answers and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
        }
    }
}

/// How bad one metric is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// Not at all.
    #[default]
    Calm,
    /// Past its warning line.
    Warning,
    /// Past its critical line.
    Critical,
}

/// A level and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Levels {
    /// How bad.
    pub level: Level,
    /// Since when it has been that bad.
    pub since: Timestamp,
}

/// All that the gate remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateState {
    /// What it shows.
    pub colour: Colour,
    /// Since when.
    pub since: Timestamp,
    /// Of the metrics, in the order of [`METRICS`].
    pub levels: [Levels; 5],
    /// While red: since when no metric has been past any line.
    pub calm_since: Option<Timestamp>,
    /// After red: until when only half as many are let in.
    pub halved_until: Option<Timestamp>,
}

/// The gate before the load of the system counted, as events and images of version 1 have it.
#[derive(Deserialize)]
pub(super) struct GateStateV1 {
    colour: Colour,
    since: Timestamp,
    levels: [Levels; 4],
    calm_since: Option<Timestamp>,
    halved_until: Option<Timestamp>,
}

impl From<GateStateV1> for GateState {
    fn from(gate: GateStateV1) -> Self {
        let GateStateV1 { colour, since, levels: [a, b, c, d], calm_since, halved_until } = gate;
        let levels = [a, b, c, d, Levels::default()];
        Self { colour, since, levels, calm_since, halved_until }
    }
}

/// The level of every metric. While the sample is too small the rates that were measured are calm;
/// those of a drill and the load of the system do not come from the sample.
pub(super) fn levels(policy: &Policy, readings: &Readings) -> [Level; 5] {
    let lines = policy.thresholds;
    let above = |value: f64, lines: Lines| level(value > lines.warning, value > lines.critical);
    let below = |value: f64, lines: Lines| level(value < lines.warning, value < lines.critical);
    let mut levels = [
        above(readings.churn, lines.churn),
        below(readings.trust, lines.trust),
        above(readings.fraud, lines.fraud),
        below(readings.engagement, lines.engagement),
        load_level(policy, readings.load),
    ];
    if readings.members < policy.members_min {
        let replaced = readings.drill.map_or([false; 5], |drill| drill.rates.replaced());
        for (level, replaced) in levels.iter_mut().zip(replaced).take(RATES) {
            if !replaced {
                *level = Level::Calm;
            }
        }
    }
    levels
}

/// The level of the load of the system; calm while it is not known.
pub(super) fn load_level(policy: &Policy, load: Option<Ratio>) -> Level {
    let lines = policy.thresholds.load;
    load.map_or(Level::Calm, |load| level(load.get() > lines.warning, load.get() > lines.critical))
}

fn level(warning: bool, critical: bool) -> Level {
    match (warning, critical) {
        (_, true) => Level::Critical,
        (true, false) => Level::Warning,
        (false, false) => Level::Calm,
    }
}

/// What the gate becomes when the metrics are at `levels` at `now`.
pub(super) fn step(
    gate: GateState,
    policy: &Policy,
    levels: [Level; 5],
    now: Timestamp,
) -> GateState {
    let mut next = gate;
    for (known, level) in next.levels.iter_mut().zip(levels) {
        if known.level != level {
            *known = Levels { level, since: now };
        }
    }
    let worst = levels.into_iter().max().unwrap_or_default();
    let colour = if worst == Level::Critical {
        (next.calm_since, next.halved_until) = (None, None);
        Colour::Red
    } else if gate.colour == Colour::Red {
        leave_red(&mut next, policy, worst, now)
    } else {
        next.halved_until = gate.halved_until.filter(|until| now < *until);
        let halved = worst == Level::Warning || next.halved_until.is_some();
        if halved { Colour::Yellow } else { Colour::Green }
    };
    if colour != gate.colour {
        next.since = now;
    }
    GateState { colour, ..next }
}

fn leave_red(next: &mut GateState, policy: &Policy, worst: Level, now: Timestamp) -> Colour {
    next.calm_since = (worst == Level::Calm).then_some(next.calm_since.unwrap_or(now));
    match next.calm_since {
        Some(since) if now >= since.plus_minutes(policy.resume_minutes) => {
            next.calm_since = None;
            next.halved_until = Some(now.plus_minutes(policy.half_rate_minutes));
            Colour::Yellow
        }
        _ => Colour::Red,
    }
}

#[cfg(test)]
mod tests {
    use super::super::drill::{Drill, DrillRates};
    use super::super::trust::Rates;
    use super::*;

    const CALM: [Level; 5] = [Level::Calm; 5];
    const WARNING: [Level; 5] = first(Level::Warning);
    const CRITICAL: [Level; 5] = first(Level::Critical);

    const fn first(level: Level) -> [Level; 5] {
        [level, Level::Calm, Level::Calm, Level::Calm, Level::Calm]
    }

    fn minute(minute: u32) -> Timestamp {
        Timestamp::from_micros(1).plus_minutes(minute)
    }

    fn colours(steps: &[(u32, [Level; 5])]) -> Vec<Colour> {
        let mut gate = GateState::default();
        let mut seen = Vec::new();
        for &(at, levels) in steps {
            gate = step(gate, &Policy::default(), levels, minute(at));
            seen.push(gate.colour);
        }
        seen
    }

    #[test]
    fn a_warning_turns_the_gate_yellow_for_as_long_as_it_lasts() {
        let seen = colours(&[(0, CALM), (1, WARNING), (2, CALM)]);
        assert_eq!(seen, [Colour::Green, Colour::Yellow, Colour::Green]);
    }

    #[test]
    fn red_needs_a_quarter_of_an_hour_of_calm_and_is_followed_by_an_hour_at_half_rate() {
        use Colour::{Green, Red, Yellow};
        let seen = colours(&[
            (0, CRITICAL),
            (1, WARNING),
            (20, CALM),
            (34, CALM),
            (35, CALM),
            (94, CALM),
            (95, CALM),
        ]);
        assert_eq!(seen, [Red, Red, Red, Red, Yellow, Yellow, Green]);
    }

    #[test]
    fn calm_that_is_interrupted_starts_anew() {
        let seen = colours(&[(0, CRITICAL), (1, CALM), (10, WARNING), (11, CALM), (25, CALM)]);
        assert_eq!(seen, [Colour::Red; 5]);
    }

    #[test]
    fn the_slow_hour_ends_at_a_new_critical_metric() {
        let seen = colours(&[(0, CRITICAL), (1, CALM), (16, CALM), (17, CRITICAL), (40, CALM)]);
        assert_eq!(seen[2..], [Colour::Yellow, Colour::Red, Colour::Red]);
    }

    #[test]
    fn an_alert_keeps_the_time_at_which_it_began() {
        let policy = Policy::default();
        let gate = step(GateState::default(), &policy, WARNING, minute(3));
        let gate = step(gate, &policy, WARNING, minute(9));
        assert_eq!(gate.levels[0], Levels { level: Level::Warning, since: minute(3) });
        let gate = step(gate, &policy, CRITICAL, minute(10));
        assert_eq!(gate.levels[0].since, minute(10));
    }

    #[test]
    fn a_small_sample_raises_nothing() {
        use Level::{Calm, Critical};
        let policy = Policy::default();
        let levels_of = |members, drill, load| {
            let rates = Rates { members, lost: members, engaged: 0, flagged: 9, attempts: 9 };
            levels(&policy, &Readings::new(&policy, &rates, drill, load))
        };
        assert_eq!(levels_of(19, None, None), CALM);
        assert_eq!(levels_of(20, None, None), [Critical, Critical, Critical, Critical, Calm]);
        let full = Ratio::new(1.0);
        assert_eq!(levels_of(0, None, full), [Calm, Calm, Calm, Calm, Critical]);
        let rates = DrillRates { churn: full, ..DrillRates::default() };
        let drill = Some(Drill { rates, until: minute(1) });
        assert_eq!(levels_of(19, drill, None), [Critical, Calm, Calm, Calm, Calm]);
        let rates = DrillRates { churn: full, fraud: full, engagement: full };
        let drill = Some(Drill { rates, until: minute(1) });
        assert_eq!(levels_of(0, drill, None), [Critical, Critical, Critical, Calm, Calm]);
    }
}
