//! What is remembered, for how long, and how much of it.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::ids::Timestamp;
use crate::request::{self, Rejection, RequestTag};

const DAYS_KEPT: u32 = 1;
const OUTCOMES_MAX: usize = 1_000_000;
const OUTCOME_BYTES_MAX: usize = 64 << 20;

/// Of all that is remembered, one part in so many is the most for those who have not said who they
/// are: nobody can use up what callers with a key rely on.
const ANONYMOUS_SHARE: usize = 2;

#[derive(Debug)]
struct Kept {
    body: u128,
    outcome: Box<[u8]>,
}

/// Outcomes by request, oldest dropped when their day is over; and the requests under way.
#[derive(Debug, Default)]
pub(super) struct Memory {
    kept: HashMap<u128, Kept>,
    order: VecDeque<(Timestamp, u128)>,
    bytes: usize,
    /// Outcomes, and their bytes, of those who have not said who they are.
    anonymous: (usize, usize),
    under_way: HashSet<u128>,
}

impl Memory {
    /// Whether a request may go ahead, or what it was answered before.
    pub(super) fn begin(
        &mut self,
        tag: RequestTag,
        now: Timestamp,
    ) -> Result<Option<Box<[u8]>>, Rejection> {
        self.expire(now);
        if let Some(kept) = self.kept.get(&tag.id) {
            return if kept.body == tag.body {
                Ok(Some(kept.outcome.clone()))
            } else {
                Err(Rejection::OtherBody)
            };
        }
        if self.under_way.contains(&tag.id) {
            return Err(Rejection::InFlight);
        }
        let promised = self.kept.len() + self.under_way.len();
        let full = promised >= OUTCOMES_MAX || self.bytes >= OUTCOME_BYTES_MAX;
        let (outcomes, bytes) = self.anonymous;
        let share_is_full = outcomes >= OUTCOMES_MAX / ANONYMOUS_SHARE
            || bytes >= OUTCOME_BYTES_MAX / ANONYMOUS_SHARE;
        if full || share_is_full && request::is_anonymous(tag.id) {
            return Err(Rejection::TooMany);
        }
        self.under_way.insert(tag.id);
        Ok(None)
    }

    /// The request has ended without an outcome.
    pub(super) fn release(&mut self, tag: RequestTag) {
        self.under_way.remove(&tag.id);
    }

    /// The request's outcome is durable. The first outcome of a key stays.
    pub(super) fn keep(&mut self, tag: RequestTag, outcome: &[u8], at: Timestamp) {
        self.under_way.remove(&tag.id);
        if self.kept.contains_key(&tag.id) {
            return;
        }
        self.bytes += outcome.len();
        if request::is_anonymous(tag.id) {
            self.anonymous.0 += 1;
            self.anonymous.1 += outcome.len();
        }
        self.kept.insert(tag.id, Kept { body: tag.body, outcome: outcome.into() });
        self.order.push_back((at, tag.id));
    }

    /// Everything that is kept, oldest first: when, for which request, and the outcome.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (Timestamp, u128, u128, &[u8])> {
        self.order.iter().filter_map(|&(at, id)| {
            let kept = self.kept.get(&id)?;
            Some((at, id, kept.body, kept.outcome.as_ref()))
        })
    }

    /// Drops what is older than a day.
    pub(super) fn expire(&mut self, now: Timestamp) {
        while let Some((_, id)) = self.order.pop_front_if(|(at, _)| at.plus_days(DAYS_KEPT) <= now)
        {
            if let Some(kept) = self.kept.remove(&id) {
                self.bytes -= kept.outcome.len();
                if request::is_anonymous(id) {
                    self.anonymous.0 -= 1;
                    self.anonymous.1 -= kept.outcome.len();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_micros(1_000_000_000_000);

    fn tag(id: u128, body: u128) -> RequestTag {
        RequestTag { id, body }
    }

    #[test]
    fn the_first_answer_is_given_again_for_a_day() {
        let mut memory = Memory::default();
        assert_eq!(memory.begin(tag(1, 7), NOON), Ok(None));
        memory.keep(tag(1, 7), b"first", NOON);
        memory.keep(tag(1, 7), b"second", NOON);
        let again = Ok(Some(Box::from(&b"first"[..])));
        assert_eq!(memory.begin(tag(1, 7), NOON), again);
        assert_eq!(memory.begin(tag(1, 8), NOON), Err(Rejection::OtherBody));
        assert_eq!(memory.begin(tag(1, 8), NOON.plus_days(1)), Ok(None));
        assert_eq!(memory.bytes, 0);
    }

    #[test]
    fn one_request_of_a_key_is_under_way_at_a_time() {
        let mut memory = Memory::default();
        assert_eq!(memory.begin(tag(1, 7), NOON), Ok(None));
        assert_eq!(memory.begin(tag(1, 7), NOON), Err(Rejection::InFlight));
        memory.release(tag(1, 7));
        assert_eq!(memory.begin(tag(1, 7), NOON), Ok(None));
    }

    #[test]
    fn a_full_memory_takes_no_new_key_and_still_answers_the_old_ones() {
        let mut memory = Memory::default();
        memory.keep(tag(2, 7), &vec![0; OUTCOME_BYTES_MAX], NOON);
        assert_eq!(memory.begin(tag(4, 7), NOON), Err(Rejection::TooMany));
        assert!(memory.begin(tag(2, 7), NOON).is_ok());
    }

    #[test]
    fn whoever_has_not_said_who_it_is_leaves_room_for_those_who_have() {
        let known = |number: u32| RequestTag::new("key", &number.to_string(), "POST /x", b"{}");
        let unknown = |number: u32| {
            RequestTag::anonymous("203.0.113.9", &number.to_string(), "POST /x", b"{}")
        };
        let mut memory = Memory::default();
        memory.keep(unknown(1), &vec![0; OUTCOME_BYTES_MAX / ANONYMOUS_SHARE], NOON);
        assert_eq!(memory.begin(unknown(2), NOON), Err(Rejection::TooMany));
        assert_eq!(memory.begin(known(2), NOON), Ok(None));
        assert_eq!(memory.begin(unknown(2), NOON.plus_days(1)), Ok(None));
        assert_eq!(memory.anonymous, (0, 0));
    }
}
