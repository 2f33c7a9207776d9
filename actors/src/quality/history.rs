//! How the metrics have been: one point for every five minutes of the last 30 days.
//!
//! A point is what the first look at the gate in its five minutes saw. Five minutes in which nobody
//! looked, because the node was not running, have none.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::ids::Timestamp;

use super::drill::Source;
use super::gate::Colour;

/// Points that are kept: 30 days of them.
pub(super) const POINTS_MAX: usize = 8_640;

/// Points that one answer has at most.
pub const ANSWER_POINTS_MAX: i64 = 1_000;

/// Minutes that a point stands for, and the unit of every step.
pub const POINT_MINUTES: u32 = 5;

/// The widest step, in minutes: a day.
pub const STEP_MINUTES_MAX: u32 = 1_440;

const DAYS_DEFAULT: u32 = 1;
const MICROS_PER_POINT: i64 = POINT_MINUTES as i64 * 60_000_000;

/// The metrics over some minutes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Which five minutes, counted from the epoch; the first of them in an answer of wider steps.
    pub(super) slot: i64,
    /// In 0..1, to two decimals.
    pub trust: f64,
    /// Share of members lost.
    pub churn: f64,
    /// Flagged members over attempts.
    pub fraud: f64,
    /// Share of members engaged.
    pub engagement: f64,
    /// What the gate showed; the worst of a wider step.
    pub colour: Colour,
    /// Whether a drill had a part in any of it.
    pub source: Source,
}

impl Point {
    /// When the minutes began that it stands for.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        Timestamp::from_micros(self.slot.saturating_mul(MICROS_PER_POINT))
    }
}

/// The five minutes that `at` lies in, counted from the epoch.
pub(super) const fn slot(at: Timestamp) -> i64 {
    at.micros().div_euclid(MICROS_PER_POINT)
}

/// The points, oldest first. Their slots go up, and all lie within [`POINTS_MAX`] of the newest.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Point>);

impl History {
    /// The five minutes of the newest point.
    pub(super) fn newest(&self) -> Option<i64> {
        self.0.back().map(|point| point.slot)
    }

    /// Adds a point that is newer than all others.
    pub(super) fn push(&mut self, point: Point) {
        let oldest = point.slot - POINTS_MAX as i64;
        while self.0.front().is_some_and(|first| first.slot <= oldest) {
            self.0.pop_front();
        }
        self.0.push_back(point);
    }

    pub(super) fn points(&self) -> &VecDeque<Point> {
        &self.0
    }

    /// One point for each step of `window` that has any.
    pub(super) fn within(&self, window: &Window) -> Vec<Point> {
        let width = i64::from(window.step_minutes / POINT_MINUTES);
        let first = slot(window.since).div_euclid(width) * width;
        let from = self.0.partition_point(|point| point.slot < first);
        let points: Vec<Point> = self.0.range(from..).copied().collect();
        let same_step = |a: &Point, b: &Point| a.slot.div_euclid(width) == b.slot.div_euclid(width);
        points.chunk_by(same_step).map(|points| summary(points, width)).collect()
    }
}

/// Means of the rates, the worst colour, and a drill if there was any.
fn summary(points: &[Point], width: i64) -> Point {
    let first = points[0];
    let mean = |value: fn(&Point) -> f64| {
        // A mean of equal numbers is that number, which adding and dividing does not always give.
        if points.iter().all(|point| value(point) == value(&first)) {
            return value(&first);
        }
        points.iter().map(value).sum::<f64>() / points.len() as f64
    };
    let worst = points.iter().map(|point| point.colour).max_by_key(|colour| *colour as u8);
    let drilled = points.iter().any(|point| point.source == Source::Drill);
    Point {
        slot: first.slot.div_euclid(width) * width,
        trust: (mean(|point| point.trust) * 100.0).round() / 100.0,
        churn: mean(|point| point.churn),
        fraud: mean(|point| point.fraud),
        engagement: mean(|point| point.engagement),
        colour: worst.unwrap_or(first.colour),
        source: Source::drill_if(drilled),
    }
}

/// Which points are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first step is the one that this lies in.
    pub since: Timestamp,
    /// Minutes that each point of the answer stands for: a multiple of [`POINT_MINUTES`].
    pub step_minutes: u32,
}

/// A step so small that the answer would have more than [`ANSWER_POINTS_MAX`] points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepTooSmall {
    /// The smallest step that will do, in minutes.
    pub least: u32,
}

impl Window {
    /// From `since` until `now`. Without `since` it is the last day, and a `since` of more than 30
    /// days ago is 30 days ago. Without a step it is the smallest that will do.
    ///
    /// # Errors
    /// [`StepTooSmall`].
    pub fn new(
        since: Option<Timestamp>,
        step_minutes: Option<u32>,
        now: Timestamp,
    ) -> Result<Self, StepTooSmall> {
        let micros = |points: i64| Timestamp::from_micros(now.micros() - points * MICROS_PER_POINT);
        let per_day = i64::from(STEP_MINUTES_MAX / POINT_MINUTES);
        let since = since.unwrap_or(micros(i64::from(DAYS_DEFAULT) * per_day));
        let since = since.max(micros(POINTS_MAX as i64 - 1));
        let steps = |width: &i64| slot(now).div_euclid(*width) - slot(since).div_euclid(*width) + 1;
        let least = (1..per_day).find(|width| steps(width) <= ANSWER_POINTS_MAX);
        let least = least.unwrap_or(per_day) as u32 * POINT_MINUTES;
        match step_minutes {
            Some(step) if step < least => Err(StepTooSmall { least }),
            step => Ok(Self { since, step_minutes: step.unwrap_or(least) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point(slot: i64, churn: f64) -> Point {
        let (colour, source) = (Colour::Green, Source::Measured);
        Point { slot, trust: 1.0, churn, fraud: 0.0, engagement: 1.0, colour, source }
    }

    fn at_slot(slot: i64) -> Timestamp {
        point(slot, 0.0).at()
    }

    proptest! {
        #[test]
        fn what_comes_back_agrees_with_a_plain_list(
            gaps in prop::collection::vec(1..900_i64, 1..120),
            back in 0..9_000_i64,
            step in prop::option::of(1..=288_u32),
        ) {
            let (mut history, mut list) = (History::default(), Vec::new());
            let mut now = 6_000_000;
            for gap in gaps {
                now += gap;
                history.push(point(now, (now % 7) as f64));
                list.push(now);
            }
            list.retain(|slot| *slot > now - POINTS_MAX as i64);
            prop_assert_eq!(history.points().len(), list.len());
            let step = step.map(|step| step * POINT_MINUTES);
            let since = at_slot(now - back);
            let window = match Window::new(Some(since), step, at_slot(now)) {
                Ok(window) => window,
                Err(StepTooSmall { least }) => {
                    prop_assert!(step.is_some_and(|step| step < least));
                    Window::new(Some(since), Some(least), at_slot(now)).expect("it will do")
                }
            };
            let width = i64::from(window.step_minutes / POINT_MINUTES);
            let first = (now - back.min(POINTS_MAX as i64 - 1)).div_euclid(width);
            let mut steps: Vec<(i64, Vec<f64>)> = Vec::new();
            for slot in list.into_iter().filter(|slot| slot.div_euclid(width) >= first) {
                let (step, churn) = (slot.div_euclid(width) * width, (slot % 7) as f64);
                match steps.last_mut() {
                    Some((last, churns)) if *last == step => churns.push(churn),
                    _ => steps.push((step, vec![churn])),
                }
            }
            let points = history.within(&window);
            prop_assert!(points.len() <= ANSWER_POINTS_MAX as usize);
            let got: Vec<i64> = points.iter().map(|point| point.slot).collect();
            let want: Vec<i64> = steps.iter().map(|(slot, _)| *slot).collect();
            prop_assert_eq!(got, want);
            for (point, (_, churns)) in points.iter().zip(steps) {
                let mean = churns.iter().sum::<f64>() / churns.len() as f64;
                prop_assert!((point.churn - mean).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn no_more_than_thirty_days_are_kept() {
        let mut history = History::default();
        (0..10_000).for_each(|slot| history.push(point(slot, 0.0)));
        assert_eq!(history.points().len(), POINTS_MAX);
        history.push(point(1_000_000, 0.0));
        assert_eq!(history.points().len(), 1);
    }

    #[test]
    fn a_wider_step_shows_the_worst_colour_and_any_drill() {
        let mut history = History::default();
        history.push(point(12, 0.1));
        history.push(Point { colour: Colour::Red, trust: 0.41, ..point(13, 0.3) });
        history.push(Point { source: Source::Drill, ..point(14, 0.2) });
        let window = Window { since: at_slot(12), step_minutes: 15 };
        let hour = history.within(&window);
        assert_eq!(hour.len(), 1);
        assert_eq!((hour[0].colour, hour[0].source), (Colour::Red, Source::Drill));
        assert_eq!((hour[0].trust, hour[0].at()), (0.8, at_slot(12)));
        assert!((hour[0].churn - 0.2).abs() < 1e-12);
    }

    #[test]
    fn a_day_comes_in_fives_and_a_month_in_steps_that_fit() {
        let now = at_slot(6_000_000);
        let window = |since, step| Window::new(since, step, now);
        assert_eq!(window(None, None).map(|w| w.step_minutes), Ok(5));
        let ages_ago = Some(Timestamp::from_micros(i64::MIN));
        let month = window(ages_ago, None).expect("a default will do");
        assert_eq!((month.step_minutes, slot(month.since)), (45, 6_000_000 - 8_639));
        assert_eq!(window(ages_ago, Some(40)), Err(StepTooSmall { least: 45 }));
        let ahead = Some(at_slot(6_000_100));
        assert_eq!(window(ahead, Some(5)).map(|w| w.since), Ok(at_slot(6_000_100)));
    }
}
