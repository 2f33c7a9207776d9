//! A rolling window of hourly counts.

use crate::ids::Timestamp;

/// Hours in the window: 30 days.
pub(super) const HOURS: usize = 720;

/// How often something happened in each of the last [`HOURS`] hours.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hours {
    newest: i64,
    counts: Box<[u32; HOURS]>,
}

impl Default for Hours {
    fn default() -> Self {
        Self { newest: 0, counts: Box::new([0; HOURS]) }
    }
}

impl Hours {
    /// Counts `n` in `hour`. An hour that has left the window counts nothing.
    pub(super) fn add(&mut self, hour: i64, n: u32) {
        let passed = (hour - self.newest).clamp(0, HOURS as i64);
        for hour in hour + 1 - passed..=hour {
            self.counts[slot(hour)] = 0;
        }
        self.newest = self.newest.max(hour);
        if self.remembers(hour) {
            self.counts[slot(hour)] += n;
        }
    }

    /// Takes one back that was counted in `hour`.
    pub(super) fn take(&mut self, hour: i64) {
        if self.remembers(hour) {
            self.counts[slot(hour)] -= 1;
        }
    }

    /// How often in the `hours` hours that end with the hour of `now`.
    pub(super) fn within(&self, hours: usize, now: Timestamp) -> u64 {
        let last = now.hour();
        let first = last + 1 - hours.min(HOURS) as i64;
        let (first, last) = (first.max(self.newest + 1 - HOURS as i64), last.min(self.newest));
        if first > last {
            return 0;
        }
        // One stretch of slots, or two where it runs over the end.
        let (from, to) = (slot(first), slot(last));
        let sum = |counts: &[u32]| counts.iter().copied().map(u64::from).sum::<u64>();
        if from <= to {
            sum(&self.counts[from..=to])
        } else {
            sum(&self.counts[from..]) + sum(&self.counts[..=to])
        }
    }

    /// What [`parts`](Self::parts) gave, put together again.
    pub(super) fn from_parts(newest: i64, counts: Vec<u32>) -> Option<Self> {
        Some(Self { newest, counts: counts.into_boxed_slice().try_into().ok()? })
    }

    /// All that it holds.
    pub(super) fn parts(&self) -> (i64, &[u32]) {
        (self.newest, self.counts.as_slice())
    }

    fn remembers(&self, hour: i64) -> bool {
        hour <= self.newest && hour > self.newest - HOURS as i64
    }
}

fn slot(hour: i64) -> usize {
    hour.rem_euclid(HOURS as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at_hour(hour: i64) -> Timestamp {
        Timestamp::from_micros(hour * 3_600_000_000 + 17)
    }

    proptest! {
        #[test]
        fn sums_agree_with_a_plain_list(
            steps in prop::collection::vec((0..400_i64, -30..30_i64, any::<bool>()), 1..60),
            hours in 0..=HOURS + 1,
            ahead in -40..800_i64,
        ) {
            let mut window = Hours::default();
            let mut list: Vec<i64> = Vec::new();
            let mut now = 500_000;
            for (pass, back, take) in steps {
                now += pass;
                let hour = now.min(now + back);
                window.add(now, 0);
                match list.iter().position(|&counted| counted == hour && take) {
                    Some(found) => {
                        list.swap_remove(found);
                        window.take(hour);
                    }
                    None => {
                        list.push(hour);
                        window.add(hour, 1);
                    }
                }
                // The clock may have been set back, and the window may be looked at much later.
                for at in [now, now + ahead] {
                    let first = (at - hours.min(HOURS) as i64).max(now - HOURS as i64);
                    let inside = |hour: &&i64| **hour > first && **hour <= at;
                    let expected = list.iter().filter(inside).count() as u64;
                    prop_assert_eq!(window.within(hours, at_hour(at)), expected);
                }
            }
        }
    }

    #[test]
    fn what_is_older_than_the_window_counts_nothing_and_cannot_be_taken_back() {
        let mut window = Hours::default();
        window.add(1_000, 3);
        window.add(1_000 + HOURS as i64, 1);
        assert_eq!(window.within(HOURS, at_hour(1_000 + HOURS as i64)), 1);
        window.take(1_000);
        window.add(1_000, 5);
        assert_eq!(window.within(HOURS, at_hour(1_000 + HOURS as i64)), 1);
        assert_eq!(window.within(HOURS, at_hour(5_000)), 0);
    }
}
