//! Who joined from where within the last day.

use std::collections::VecDeque;

use crate::growing::Map;
use crate::ids::Timestamp;

use super::Origin;

/// Joins that are remembered at once: with more in a day, the oldest are forgotten before its end.
const REMEMBERED_MAX: usize = 200_000;

const DAYS: u32 = 1;

/// One join.
pub(crate) type Arrival = (Timestamp, Origin);

/// The joins of the last day. Invariant: `sites` and `networks` count the origins in `recent`.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    recent: VecDeque<Arrival>,
    sites: Map<u64, u32>,
    networks: Map<u64, u32>,
}

impl Arrivals {
    /// How many joined from that address, and from that network, within the day that ends at `now`.
    pub(crate) fn count(&self, from: Origin, now: Timestamp) -> [u32; 2] {
        let of = |counts: &Map<u64, u32>, key: u64| counts.get(key).copied().unwrap_or(0);
        let mut counts = [of(&self.sites, from.site), of(&self.networks, from.network)];
        // The next join forgets these, so each is passed over a few times at most.
        for (_, origin) in self.recent.iter().take_while(|(at, _)| is_over(*at, now)) {
            counts[0] -= u32::from(origin.site == from.site);
            counts[1] -= u32::from(origin.network == from.network);
        }
        counts
    }

    /// One more, the newest.
    pub(crate) fn note(&mut self, from: Origin, now: Timestamp) {
        while self.recent.len() >= REMEMBERED_MAX
            || self.recent.front().is_some_and(|(at, _)| is_over(*at, now))
        {
            let Some((_, oldest)) = self.recent.pop_front() else { break };
            forget(&mut self.sites, oldest.site);
            forget(&mut self.networks, oldest.network);
        }
        self.recent.push_back((now, from));
        *self.sites.get_or_default(from.site) += 1;
        *self.networks.get_or_default(from.network) += 1;
    }

    /// All that are remembered, oldest first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Arrival> + DoubleEndedIterator {
        self.recent.iter()
    }
}

fn is_over(at: Timestamp, now: Timestamp) -> bool {
    at.plus_days(DAYS) <= now
}

fn forget(counts: &mut Map<u64, u32>, key: u64) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000_000;

    proptest! {
        #[test]
        fn counts_are_those_of_a_walk_over_the_last_day(
            joins in prop::collection::vec((0_i64..9, 0_u64..4), 1..60), later in 0_i64..30,
        ) {
            let mut arrivals = Arrivals::default();
            let mut all: Vec<Arrival> = Vec::new();
            let mut now = 0;
            for (hours, site) in joins {
                now += hours * HOUR;
                let arrival = (Timestamp::from_micros(now), Origin { site, network: site / 2 });
                arrivals.note(arrival.1, arrival.0);
                all.push(arrival);
            }
            let now = Timestamp::from_micros(now + later * HOUR);
            let day = all.iter().filter(|(at, _)| at.plus_days(1) > now).map(|(_, origin)| origin);
            let day: Vec<&Origin> = day.collect();
            for site in 0..4 {
                let from = Origin { site, network: site / 2 };
                let sites = day.iter().filter(|origin| origin.site == site).count() as u32;
                let networks = day.iter().filter(|origin| origin.network == site / 2).count();
                prop_assert_eq!(arrivals.count(from, now), [sites, networks as u32]);
            }
        }
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut arrivals = Arrivals::default();
        for site in 0..REMEMBERED_MAX as u64 + 5 {
            arrivals.note(Origin { site, network: 0 }, Timestamp::from_micros(1));
        }
        let now = Timestamp::from_micros(2);
        assert_eq!(arrivals.iter().len(), REMEMBERED_MAX);
        assert_eq!(arrivals.count(Origin { site: 4, network: 0 }, now)[0], 0);
        let counts = arrivals.count(Origin { site: 5, network: 0 }, now);
        assert_eq!(counts, [1, REMEMBERED_MAX as u32]);
    }
}
