//! How many wrong codes are taken, and from whom.
//!
//! An invite code has 48 bits by default, which are few when a million codes are live: whoever may
//! guess 1,000 times a second finds one within days. So every code that comes in is counted before
//! it is looked up, and counted off again when it was a real one; past the budget of an hour nobody
//! at that address, or nobody at all, gets to try.
//!
//! Addresses are counted in a fixed number of places, chosen by a hash with a random seed.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrics::Counter;

use super::client::Client;
use super::error::Problem;
use crate::config::Limits;
use crate::telemetry;

const PLACES: usize = 1 << 16;
const WINDOW: Duration = Duration::from_secs(3600);

/// Guesses of one hour: its number in the upper half, how many in the lower.
#[derive(Default)]
struct Tally(AtomicU64);

impl Tally {
    /// Counts one more in `hour`, unless there are `max` already.
    fn take(&self, hour: u32, max: u32) -> bool {
        let next = |old: u64| match ((old >> 32) as u32, old as u32) {
            (then, count) if then == hour && count >= max => None,
            (then, count) if then == hour => Some(u64::from(hour) << 32 | u64::from(count + 1)),
            _ => Some(u64::from(hour) << 32 | 1),
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// Counts one off again, if that hour is not over.
    fn give_back(&self, hour: u32) {
        let next = |old: u64| ((old >> 32) as u32 == hour && old as u32 > 0).then(|| old - 1);
        // Another hour has begun: there is nothing left to give back.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }
}

/// The budgets and what has been used of them.
pub(crate) struct Guesses {
    seed: RandomState,
    began: Instant,
    places: Box<[Tally]>,
    all: Tally,
    address_max: u32,
    all_max: u32,
    refused: Counter,
    wrong: Counter,
}

/// A code that has been counted as wrong until it proves right.
pub(crate) struct Guess<'a> {
    guesses: &'a Guesses,
    place: Option<&'a Tally>,
    hour: u32,
}

impl Guesses {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            seed: RandomState::new(),
            began: Instant::now(),
            places: (0..PLACES).map(|_| Tally::default()).collect(),
            all: Tally::default(),
            address_max: limits.wrong_codes_per_address,
            all_max: limits.wrong_codes,
            refused: telemetry::rate_limited("wrong_codes"),
            wrong: telemetry::wrong_codes(),
        }
    }

    /// Counts a code from `client`, or says when to come back.
    pub(crate) fn count(&self, client: Client) -> Result<Guess<'_>, Problem> {
        self.count_at(client, self.began.elapsed())
    }

    fn count_at(&self, client: Client, since: Duration) -> Result<Guess<'_>, Problem> {
        let hour = u32::try_from(since.as_secs() / WINDOW.as_secs()).unwrap_or(u32::MAX);
        let left = WINDOW.as_secs() - since.as_secs() % WINDOW.as_secs();
        // Requests from this machine itself have no address worth counting.
        let counted = self.address_max > 0 && !client.local;
        let place = counted.then(|| &self.places[self.place(&client.site())]);
        let refuse = || {
            self.refused.increment(1);
            Problem::wrong_codes(left)
        };
        if place.is_some_and(|place| !place.take(hour, self.address_max)) {
            return Err(refuse());
        }
        if self.all_max > 0 && !self.all.take(hour, self.all_max) {
            if let Some(place) = place {
                place.give_back(hour);
            }
            return Err(refuse());
        }
        Ok(Guess { guesses: self, place, hour })
    }

    fn place<T: Hash>(&self, who: &T) -> usize {
        (self.seed.hash_one(who) % PLACES as u64) as usize
    }
}

impl Guess<'_> {
    /// It was a real code, or nobody found out.
    pub(crate) fn was_right(self) {
        if let Some(place) = self.place {
            place.give_back(self.hour);
        }
        if self.guesses.all_max > 0 {
            self.guesses.all.give_back(self.hour);
        }
    }

    /// It was wrong, and stays counted.
    pub(crate) fn was_wrong(self) {
        self.guesses.wrong.increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> Client {
        Client { address: address.parse().expect("an address"), local: false }
    }

    fn guesses(address: u32, all: u32) -> Guesses {
        let limits =
            Limits { wrong_codes_per_address: address, wrong_codes: all, ..Limits::default() };
        Guesses::new(&limits)
    }

    #[test]
    fn an_address_is_held_to_its_budget_until_the_next_hour() {
        let guesses = guesses(2, 0);
        let (one, other) = (client("203.0.113.9"), client("198.51.100.8"));
        let now = Duration::from_secs(10);
        for _ in 0..2 {
            guesses.count_at(one, now).expect("within the budget").was_wrong();
        }
        let problem = guesses.count_at(one, now).err().expect("past the budget");
        assert_eq!(problem.kind.status.as_u16(), 429);
        assert!(guesses.count_at(other, now).is_ok());
        assert!(guesses.count_at(one, WINDOW).is_ok());
    }

    #[test]
    fn real_codes_use_nothing_up() {
        let guesses = guesses(1, 1);
        for _ in 0..5 {
            guesses.count_at(client("203.0.113.9"), WINDOW).expect("a real code").was_right();
        }
    }

    #[test]
    fn guesses_at_once_are_counted_before_any_of_them_is_answered() {
        let guesses = guesses(0, 2);
        let now = Duration::ZERO;
        let _first = guesses.count_at(client("203.0.113.1"), now).expect("the first");
        let _second = guesses.count_at(client("203.0.113.2"), now).expect("the second");
        assert!(guesses.count_at(client("203.0.113.3"), now).is_err());
    }

    #[test]
    fn who_is_refused_by_the_budget_of_all_keeps_the_own_one() {
        let guesses = guesses(1, 1);
        guesses.count_at(client("203.0.113.1"), Duration::ZERO).expect("the first").was_wrong();
        assert!(guesses.count_at(client("203.0.113.2"), Duration::ZERO).is_err());
        let place = guesses.place(&client("203.0.113.2").site());
        assert!(guesses.places[place].take(0, 1));
    }
}
