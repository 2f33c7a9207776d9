//! All entries in the order of joining, and a sum over them that is kept up to date.
//!
//! A snapshot compares the live list with a replayed one. A walk over a million entries would hold
//! up everybody who joins meanwhile, so each change takes the entry's old hash out of the sum and
//! puts the new one in.

use std::ops::Deref;

use serde::Serialize;

use crate::growing::List;
use crate::ids::{PersonId, Timestamp};
use crate::mix::mix;

use super::scoring::Persona;
use super::state::EntryState;

/// One entry; 32 bytes, since there are millions. What few entries have stands in the maps of the
/// state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Entry {
    pub(super) person: [u64; 2],
    pub(super) joined_at: Timestamp,
    /// Boosts included.
    pub(super) score: i32,
    pub(super) persona: Persona,
    /// None once the person has left.
    pub(super) state: Option<EntryState>,
}

impl Entry {
    pub(super) fn person(&self) -> PersonId {
        PersonId::from_halves(self.person)
    }

    /// A hash of the entry at its place.
    fn hash(&self, index: usize) -> u64 {
        let state = self.state.map_or(u8::MAX, EntryState::number);
        let kinds = u64::from(self.persona.number()) << 8 | u64::from(state);
        let score = u64::from(self.score.cast_unsigned());
        let words = [self.joined_at.micros().cast_unsigned(), score << 32 | kinds, index as u64];
        self.person.into_iter().chain(words).fold(0, |hash, word| mix(hash ^ word))
    }
}

/// Entries that are hashed anew for a snapshot: few enough that nobody waits for it.
const SAMPLED: usize = 4_096;

/// Entries by index. Reading is a list's; every change goes through a method here.
#[derive(Debug, Default)]
pub(super) struct Entries {
    list: List<Entry>,
    sum: u64,
}

impl Entries {
    pub(super) fn push(&mut self, entry: Entry) {
        self.sum = self.sum.wrapping_add(entry.hash(self.list.len()));
        self.list.push(entry);
    }

    pub(super) fn update(&mut self, index: u32, change: impl FnOnce(&mut Entry)) {
        let index = index as usize;
        let entry = &mut self.list[index];
        self.sum = self.sum.wrapping_sub(entry.hash(index));
        change(entry);
        self.sum = self.sum.wrapping_add(entry.hash(index));
    }

    /// The same for equal lists, however they came about.
    pub(super) fn sum(&self) -> u64 {
        self.sum
    }

    /// Hashes a few entries anew, others whenever the list has changed. The sum knows of changes
    /// that were made here and of nothing else: an entry that went wrong by itself shows in it only
    /// when it is changed next, and here when it is among these few.
    pub(super) fn sample(&self) -> u64 {
        let length = self.list.len();
        let start = (self.sum % (length as u64).max(1)) as usize;
        let sampled = (start..length).chain(0..length).take(SAMPLED);
        sampled.map(|index| self.list[index].hash(index)).fold(0, u64::wrapping_add)
    }
}

impl Deref for Entries {
    type Target = List<Entry>;

    fn deref(&self) -> &List<Entry> {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(number: u64) -> Entry {
        Entry {
            person: [number, number.rotate_left(32)],
            joined_at: Timestamp::from_micros(number.cast_signed()),
            score: (number % 40) as i32,
            persona: Persona::Agency,
            state: Some(EntryState::Waiting),
        }
    }

    proptest! {
        #[test]
        fn the_sum_depends_on_what_is_there_and_not_on_the_way(
            numbers in prop::collection::vec(any::<u64>(), 1..20),
            changes in prop::collection::vec((any::<u32>(), any::<i32>(), 0_u8..4), 0..40),
        ) {
            let mut changed = Entries::default();
            numbers.iter().for_each(|&number| changed.push(entry(number)));
            for (index, score, state) in changes {
                changed.update(index % numbers.len() as u32, |entry| {
                    entry.score = score;
                    entry.state = EntryState::from_number(state);
                });
            }
            let mut fresh = Entries::default();
            changed.iter().for_each(|&entry| fresh.push(entry));
            prop_assert_eq!(changed.sum(), fresh.sum());
            let before = fresh.sum();
            fresh.update(0, |entry| entry.score = entry.score.wrapping_add(1));
            prop_assert_ne!(before, fresh.sum());
        }
    }

    #[test]
    fn a_sample_is_some_thousand_entries_in_a_row_and_goes_round_at_the_end() {
        let mut entries = Entries::default();
        (0..2 * SAMPLED as u64).for_each(|number| entries.push(entry(number)));
        let length = entries.len();
        for start in [0, 1, SAMPLED + 7, length - 1] {
            entries.sum = start as u64;
            let before = entries.sample();
            let among = |&index: &usize| (index + length - start) % length < SAMPLED;
            for index in [0, 1, SAMPLED + 6, SAMPLED + 7, length - 1, (start + SAMPLED) % length] {
                entries.list[index].score += 1;
                assert_eq!(entries.sample() != before, among(&index), "{index} from {start}");
                entries.list[index].score -= 1;
            }
        }
    }

    #[test]
    fn an_entry_that_went_wrong_by_itself_is_seen_when_it_is_among_the_sample() {
        let mut entries = Entries::default();
        (0..100).for_each(|number| entries.push(entry(number)));
        let (sum, sample) = (entries.sum(), entries.sample());
        entries.list[57].score += 1;
        assert_eq!(entries.sum(), sum);
        assert_ne!(entries.sample(), sample);
        assert_eq!(Entries::default().sample(), 0);
    }

    #[test]
    fn two_entries_that_change_places_change_the_sum() {
        let of = |numbers: [u64; 2]| {
            let mut entries = Entries::default();
            numbers.into_iter().for_each(|number| entries.push(entry(number)));
            entries.sum()
        };
        assert_ne!(of([1, 2]), of([2, 1]));
    }
}
