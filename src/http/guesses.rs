//! How many wrong codes are taken, and from whom.
//!
//! An invite code has 48 bits by default, which are few when a million codes are live: whoever may
//! guess 1,000 times a second finds one within days. So every code that comes in is counted before
//! it is looked up, as wrong when it was none; past the budget of an hour nobody at that address,
//! or nobody at all, gets to try.
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

/// Looks at once beyond the budget, all of which may still turn out to be right: a launch behind
/// one address asks for many real codes at the same moment.
const LOOKING_SPARE: u64 = 1_000;

/// Guesses of one hour: its number in 16 bits, how many were wrong in 28, how many are being looked
/// up in 20.
#[derive(Default)]
struct Tally(AtomicU64);

/// What a tally holds: the hour, wrong ones, and those that are being looked up.
type Parts = (u64, u64, u64);

const fn parts(tally: u64) -> Parts {
    (tally >> 48, tally >> 20 & 0xfff_ffff, tally & 0xf_ffff)
}

const fn packed((hour, wrong, looking): Parts) -> u64 {
    hour << 48 | wrong << 20 | looking
}

impl Tally {
    /// Counts one that is being looked up in `hour`, unless the budget is used up, or would be if
    /// all of them turned out to be wrong and many more.
    fn take(&self, hour: u16, max: u32) -> bool {
        let (hour, max) = (u64::from(hour), u64::from(max));
        let next = |old: u64| match parts(old) {
            (then, wrong, looking) if then == hour => {
                let room = wrong < max && wrong + looking < max + LOOKING_SPARE;
                room.then(|| packed((hour, wrong, looking + 1)))
            }
            _ => Some(packed((hour, 0, 1))),
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// One that was being looked up has been, if that hour is not over.
    fn settle(&self, hour: u16, was_wrong: bool) {
        let next = |old: u64| match parts(old) {
            (then, wrong, looking) if then == u64::from(hour) && looking > 0 => {
                Some(packed((then, wrong + u64::from(was_wrong), looking - 1)))
            }
            _ => None,
        };
        // In another hour there is nothing left to settle.
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

/// A code that is being looked up. Dropped before it is known what it was, by a panic or because
/// the node stops, it counts as a wrong one for that address, and not for all.
pub(crate) struct Guess<'a> {
    guesses: &'a Guesses,
    place: Option<&'a Tally>,
    hour: u16,
    /// None until it is known.
    wrong: Option<bool>,
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
        let hour = (since.as_secs() / WINDOW.as_secs()) as u16;
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
                place.settle(hour, false);
            }
            return Err(refuse());
        }
        Ok(Guess { guesses: self, place, hour, wrong: None })
    }

    fn place<T: Hash>(&self, who: &T) -> usize {
        (self.seed.hash_one(who) % PLACES as u64) as usize
    }
}

impl Guess<'_> {
    /// There is no such code.
    pub(crate) fn was_wrong(mut self) {
        self.wrong = Some(true);
        self.guesses.wrong.increment(1);
    }

    /// There is such a code, or it is no fault of the sender's that nobody found out.
    pub(crate) fn was_not_wrong(mut self) {
        self.wrong = Some(false);
    }
}

impl Drop for Guess<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            place.settle(self.hour, self.wrong != Some(false));
        }
        if self.guesses.all_max > 0 {
            self.guesses.all.settle(self.hour, self.wrong == Some(true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> Client {
        Client { address: address.parse().expect("an address"), local: false, told: false }
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
            let guess = guesses.count_at(client("203.0.113.9"), WINDOW);
            guess.expect("a real code").was_not_wrong();
        }
    }

    #[test]
    fn a_code_of_which_nobody_learns_what_it_was_counts_for_its_address_alone() {
        let guesses = guesses(1, 1);
        drop(guesses.count_at(client("203.0.113.9"), WINDOW).expect("within the budget"));
        assert!(guesses.count_at(client("203.0.113.9"), WINDOW).is_err());
        assert!(guesses.count_at(client("198.51.100.8"), WINDOW).is_ok(), "others have not");
    }

    #[test]
    fn many_real_codes_at_once_are_taken_and_guesses_at_once_are_bounded() {
        let guesses = guesses(2, 0);
        let now = Duration::ZERO;
        let count = || guesses.count_at(client("203.0.113.1"), now);
        let at_once: Vec<_> = (0..2 + LOOKING_SPARE).map(|_| count().expect("room")).collect();
        assert!(count().is_err());
        at_once.into_iter().take(500).for_each(Guess::was_wrong);
        assert!(count().is_err(), "and then the budget is used up");
        assert!(guesses.count_at(client("203.0.113.1"), WINDOW).is_ok());
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
