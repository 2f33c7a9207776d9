//! How many requests are taken, and from whom.
//!
//! Three limits, each a rate a second with a burst of the same size, each off at 0: for one client
//! address, for one key, and for everybody together. Clients and keys are counted in a fixed number
//! of places, chosen by a hash with a random seed: memory is bounded whoever calls, and nobody can
//! pick an address that shares somebody else's place.

use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};
use metrics::Counter;

use super::client::Client;
use super::error::Problem;
use crate::config::Limits;
use crate::keys::KeyId;
use crate::telemetry;

/// Places in which clients or keys are counted.
const PLACES: u64 = 1 << 20;

type Keyed = RateLimiter<u32, HashMapStateStore<u32>, DefaultClock>;
type Global = RateLimiter<NotKeyed, InMemoryState, DefaultClock>;
type Instant = <DefaultClock as Clock>::Instant;

/// The limits and what has been used of them.
pub(crate) struct Admission {
    seed: RandomState,
    address: Option<(Keyed, Counter)>,
    key: Option<(Keyed, Counter)>,
    global: Option<(Global, Counter)>,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        let counted = telemetry::rate_limited;
        let quota = |rate| NonZeroU32::new(rate).map(Quota::per_second);
        let keyed = |rate, scope| Some((RateLimiter::hashmap(quota(rate)?), counted(scope)));
        Self {
            seed: RandomState::new(),
            address: keyed(limits.per_address, "address"),
            key: keyed(limits.per_key, "key"),
            global: quota(limits.global)
                .map(|quota| (RateLimiter::direct(quota), counted("global"))),
        }
    }

    /// Counts a request from `client`, or says when to come back. Requests from this machine itself
    /// have no address worth counting.
    pub(crate) fn admit(&self, client: Client) -> Result<(), Problem> {
        if let Some((limiter, refused)) = &self.address
            && !client.local
        {
            let place = self.place(&client.site());
            limiter.check_key(&place).map_err(|until| refuse(&until, limiter.clock(), refused))?;
        }
        if let Some((limiter, refused)) = &self.global {
            limiter.check().map_err(|until| refuse(&until, limiter.clock(), refused))?;
        }
        Ok(())
    }

    /// Counts a request with the key `id`.
    pub(crate) fn admit_key(&self, id: KeyId) -> Result<(), Problem> {
        if let Some((limiter, refused)) = &self.key {
            let place = self.place(&id);
            limiter.check_key(&place).map_err(|until| refuse(&until, limiter.clock(), refused))?;
        }
        Ok(())
    }

    /// Forgets who has not called for so long that nothing of a limit is used.
    pub(crate) fn forget_idle(&self) {
        for (limiter, _) in [&self.address, &self.key].into_iter().flatten() {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    fn place<T: Hash>(&self, who: &T) -> u32 {
        u32::try_from(self.seed.hash_one(who) % PLACES).unwrap_or_default()
    }
}

fn refuse(until: &NotUntil<Instant>, clock: &DefaultClock, refused: &Counter) -> Problem {
    refused.increment(1);
    let wait = until.wait_time_from(clock.now());
    Problem::rate_limited(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str, local: bool) -> Client {
        Client { address: address.parse().expect("an address"), local, told: false }
    }

    fn key(id: &str) -> KeyId {
        id.parse().expect("a key's id")
    }

    fn limits(per_address: u32, per_key: u32, global: u32) -> Limits {
        Limits { per_address, per_key, global, ..Limits::default() }
    }

    #[test]
    fn an_address_is_held_to_its_rate_and_its_neighbour_is_not() {
        let admission = Admission::new(&limits(2, 0, 0));
        let (one, other) = (client("203.0.113.9", false), client("203.0.113.8", false));
        assert!(admission.admit(one).is_ok());
        assert!(admission.admit(one).is_ok());
        let refused = admission.admit(one).expect_err("the third is one too many");
        assert_eq!(refused.kind.status.as_u16(), 429);
        assert!(admission.admit(other).is_ok());
    }

    #[test]
    fn local_callers_are_held_to_the_global_rate_only() {
        let admission = Admission::new(&limits(1, 0, 3));
        let local = client("127.0.0.1", true);
        assert_eq!((0..5).filter(|_| admission.admit(local).is_ok()).count(), 3);
    }

    #[test]
    fn zero_is_off() {
        let admission = Admission::new(&limits(0, 0, 0));
        assert!((0..1000).all(|_| admission.admit(client("203.0.113.9", false)).is_ok()));
        assert!((0..1000).all(|_| admission.admit_key(key("00000001")).is_ok()));
    }

    #[test]
    fn keys_are_held_to_their_rate() {
        let admission = Admission::new(&limits(0, 1, 0));
        assert!(admission.admit_key(key("0000000a")).is_ok());
        assert!(admission.admit_key(key("0000000a")).is_err());
        assert!(admission.admit_key(key("0000000b")).is_ok());
    }
}
