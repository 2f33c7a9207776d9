//! Counts by day, for as many days as anybody asks about.

use crate::ids::Timestamp;
use serde::Serialize;

/// Days that are remembered, today included.
pub(super) const DAYS: usize = 14;

/// How often something happened on each of the last [`DAYS`] days (UTC).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Daily {
    pub(super) newest: i64,
    pub(super) counts: [u32; DAYS],
}

impl Daily {
    /// Counts one at `at`; times never go backwards within a domain.
    pub(super) fn count(&mut self, at: Timestamp) {
        let day = at.day();
        for passed in (self.newest + 1..=day).rev().take(DAYS) {
            self.counts[slot(passed)] = 0;
        }
        self.newest = self.newest.max(day);
        self.counts[slot(day)] += 1;
    }

    /// How many on the day of `now`.
    pub(super) fn today(&self, now: Timestamp) -> u64 {
        self.on(now.day())
    }

    /// How many on the last [`DAYS`] days, the day of `now` included.
    pub(super) fn recently(&self, now: Timestamp) -> u64 {
        let today = now.day();
        (today + 1 - DAYS as i64..=today).map(|day| self.on(day)).sum()
    }

    fn on(&self, day: i64) -> u64 {
        let remembered = day <= self.newest && day > self.newest - DAYS as i64;
        if remembered { u64::from(self.counts[slot(day)]) } else { 0 }
    }
}

fn slot(day: i64) -> usize {
    day.rem_euclid(DAYS as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon(day: u32) -> Timestamp {
        Timestamp::from_micros(12 * 3_600_000_000).plus_days(20_000 + day)
    }

    #[test]
    fn a_day_counts_until_it_is_fourteen_days_old() {
        let mut daily = Daily::default();
        daily.count(noon(0));
        daily.count(noon(0));
        daily.count(noon(13));
        assert_eq!((daily.today(noon(0)), daily.recently(noon(0))), (2, 2));
        assert_eq!((daily.today(noon(13)), daily.recently(noon(13))), (1, 3));
        assert_eq!(daily.recently(noon(14)), 1);
        daily.count(noon(14));
        assert_eq!(daily.recently(noon(14)), 2);
        daily.count(noon(500));
        assert_eq!(daily.recently(noon(500)), 1);
        assert_eq!((daily.today(noon(501)), daily.recently(noon(520))), (0, 0));
    }
}
