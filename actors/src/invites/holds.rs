//! Codes that are kept for somebody who is signing up, so that a failed sign-up burns no code.
//!
//! A hold ends by itself: nobody has to wake up for that, because whoever asks says what time it
//! is. What became of a hold is remembered for a day after its end, so that a repeated request gets
//! the same answer.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::fraud::Marks;
use crate::growing::Map;
use crate::ids::{PersonId, Timestamp, Uuid};

/// Days that a hold is remembered after its end.
const REMEMBERED_DAYS: u32 = 1;

/// What has become of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Outcome {
    /// Nothing yet; it has ended when its time is over.
    Open,
    /// The person came in.
    Confirmed,
    /// It was given back.
    Released,
    /// Its time was found to be over.
    Over,
}

impl Outcome {
    pub(super) const fn number(self) -> u8 {
        self as u8
    }

    pub(super) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Open),
            1 => Some(Self::Confirmed),
            2 => Some(Self::Released),
            3 => Some(Self::Over),
            _ => None,
        }
    }
}

/// A code that is kept for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Hold {
    /// Index of the code.
    pub(super) code: u32,
    pub(super) person: PersonId,
    pub(super) until: Timestamp,
    pub(super) outcome: Outcome,
    /// What the person's address showed.
    pub(super) marks: Marks,
}

/// The open holds of one code, by their end.
type Open = BTreeMap<(Timestamp, Uuid), PersonId>;

/// All holds that are remembered. Invariant: `of_code` and `of_person` have those whose outcome is
/// open.
#[derive(Debug, Default)]
pub(super) struct Holds {
    by_id: Map<Uuid, Hold>,
    by_end: BTreeSet<(Timestamp, Uuid)>,
    of_code: Map<u32, Open>,
    of_person: Map<PersonId, Vec<Uuid>>,
}

impl Holds {
    /// Whether another hold can be remembered at `now`: what the next one makes forgotten leaves
    /// its room.
    pub(super) fn has_room(&self, holds_max: usize, now: Timestamp) -> bool {
        self.by_id.len() < holds_max || !self.forgotten(now).is_empty()
    }

    pub(super) fn get(&self, id: Uuid) -> Option<&Hold> {
        self.by_id.get(id)
    }

    /// How many holds of a code are open at `now`.
    pub(super) fn live(&self, code: u32, now: Timestamp) -> u32 {
        self.of_code.get(code).map_or(0, |open| {
            let over = open.keys().take_while(|(until, _)| *until <= now).count();
            (open.len() - over) as u32
        })
    }

    /// How many holds of a code have the outcome open, and the first end of one.
    pub(super) fn open(&self, code: u32) -> (u32, Option<Timestamp>) {
        self.of_code.get(code).map_or((0, None), |open| {
            (open.len() as u32, open.first_key_value().map(|((until, _), _)| *until))
        })
    }

    /// The hold that a person has on a code at `now`.
    pub(super) fn of(&self, code: u32, person: PersonId, now: Timestamp) -> Option<Uuid> {
        let open = self.of_code.get(code)?;
        let mut mine =
            open.iter().filter(|((until, _), holder)| **holder == person && *until > now);
        mine.next().map(|((_, id), _)| *id)
    }

    /// The holds of a person that have the outcome open.
    pub(super) fn of_person(&self, person: PersonId) -> &[Uuid] {
        self.of_person.get(person).map_or(&[], Vec::as_slice)
    }

    pub(super) fn add(&mut self, id: Uuid, hold: Hold) {
        self.by_id.insert(id, hold);
        self.by_end.insert((hold.until, id));
        if hold.outcome == Outcome::Open {
            self.of_code.get_or_default(hold.code).insert((hold.until, id), hold.person);
            self.of_person.get_or_default(hold.person).push(id);
        }
    }

    pub(super) fn close(&mut self, id: Uuid, outcome: Outcome) {
        let Some(hold) = self.by_id.get_mut(id) else { return };
        hold.outcome = outcome;
        let hold = *hold;
        self.drop_open(id, &hold);
    }

    /// Notes which holds of a code are over at `now`.
    pub(super) fn expire(&mut self, code: u32, now: Timestamp) {
        let Some(open) = self.of_code.get(code) else { return };
        let over = open.keys().take_while(|(until, _)| *until <= now);
        for id in over.map(|(_, id)| *id).collect::<Vec<_>>() {
            self.close(id, Outcome::Over);
        }
    }

    /// Forgets holds that ended long before `now`; their codes are to be expired and counted again.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while let Some(&(until, id)) = self.by_end.first()
            && until.plus_days(REMEMBERED_DAYS) <= now
        {
            self.by_end.pop_first();
            if let Some(hold) = self.by_id.remove(id) {
                self.drop_open(id, &hold);
            }
        }
    }

    /// Codes with a hold that is forgotten at `now`.
    pub(super) fn forgotten(&self, now: Timestamp) -> Vec<u32> {
        let over =
            self.by_end.iter().take_while(|(until, _)| until.plus_days(REMEMBERED_DAYS) <= now);
        over.filter_map(|(_, id)| self.by_id.get(*id)).map(|hold| hold.code).collect()
    }

    /// All that are remembered, by their end.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (Uuid, Hold)> + '_ {
        let held = |id: &Uuid| self.by_id.get(*id).copied().expect("both maps hold the same holds");
        self.by_end.iter().map(move |(_, id)| (*id, held(id)))
    }

    /// All of them, in no order that means anything.
    pub(super) fn unordered(&self) -> impl ExactSizeIterator<Item = (Uuid, Hold)> + '_ {
        self.by_id.iter().map(|(id, hold)| (*id, *hold))
    }

    fn drop_open(&mut self, id: Uuid, hold: &Hold) {
        if let Some(open) = self.of_code.get_mut(hold.code) {
            open.remove(&(hold.until, id));
            if open.is_empty() {
                self.of_code.remove(hold.code);
            }
        }
        if let Some(open) = self.of_person.get_mut(hold.person) {
            open.retain(|other| *other != id);
            if open.is_empty() {
                self.of_person.remove(hold.person);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: PersonId = PersonId(1);
    const BOB: PersonId = PersonId(2);

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn hold(person: PersonId, until: i64) -> Hold {
        Hold { code: 7, person, until: at(until), outcome: Outcome::Open, marks: Marks::default() }
    }

    #[test]
    fn a_hold_counts_until_it_is_over_or_closed() {
        let mut holds = Holds::default();
        holds.add(Uuid(1), hold(ADA, 10));
        holds.add(Uuid(2), hold(BOB, 20));
        assert_eq!((holds.live(7, at(9)), holds.live(7, at(10)), holds.live(8, at(0))), (2, 1, 0));
        assert_eq!(holds.of(7, BOB, at(9)), Some(Uuid(2)));
        assert_eq!(holds.of(7, ADA, at(10)), None);
        holds.close(Uuid(2), Outcome::Released);
        assert_eq!(holds.live(7, at(9)), 1);
        assert_eq!(holds.get(Uuid(2)).map(|hold| hold.outcome), Some(Outcome::Released));
        assert_eq!((holds.of_person(ADA), holds.of_person(BOB)), (&[Uuid(1)][..], &[][..]));
    }

    #[test]
    fn a_hold_is_remembered_for_a_day_after_its_end() {
        let mut holds = Holds::default();
        holds.add(Uuid(1), hold(ADA, 10));
        holds.close(Uuid(1), Outcome::Confirmed);
        let end = at(10).plus_days(1);
        holds.forget(at(end.micros() - 1));
        assert!(holds.get(Uuid(1)).is_some());
        assert!(!holds.has_room(1, at(end.micros() - 1)));
        assert!(holds.has_room(1, end), "the next one takes its room");
        assert_eq!(holds.forgotten(end), [7]);
        holds.forget(end);
        assert_eq!(holds.get(Uuid(1)), None);
    }
}
