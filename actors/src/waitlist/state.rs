//! Entries, how they are found, and the order of those who wait.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::fraud::{Arrivals, Marks};
use crate::growing::{Map, Table};
use crate::ids::{PersonId, Timestamp};
use crate::quality::Colour;
use crate::record;

use super::command::{Page, Standing, Stats};
use super::daily::{DAYS, Daily};
use super::entries::{Entries, Entry};
use super::queue::{Key, Queue};
use super::scoring::Persona;
use super::wait::Wait;
use super::wave::Order;

/// Where a person is on the way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EntryState {
    /// Has a place.
    Waiting,
    /// Has a code, and no place any more.
    Invited,
    /// Is in.
    Member,
}

impl EntryState {
    /// The name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Invited => "invited",
            Self::Member => "member",
        }
    }

    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    pub(crate) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Waiting),
            1 => Some(Self::Invited),
            2 => Some(Self::Member),
            _ => None,
        }
    }
}

/// What is remembered of a wave. Its people and their codes are in the code registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Waved {
    pub(super) requested: u32,
    pub(super) invited: u32,
    pub(super) order: Order,
    pub(super) gate: Colour,
    pub(super) at: Timestamp,
}

/// The list. Invariants: `by_person` holds exactly the entries whose person has not left; `queue`
/// exactly those that wait; `counts` counts each entry once.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(super) entries: Entries,
    pub(super) by_person: Table<u32>,
    pub(super) queue: Queue,
    /// Everything on top of the score of joining.
    pub(super) boosts: Map<u32, i32>,
    /// What of it comes from referrals.
    pub(super) credits: Map<u32, i32>,
    pub(super) invited_at: Map<u32, Timestamp>,
    pub(super) by_persona: [u64; 5],
    pub(super) invited: u64,
    pub(super) members: u64,
    pub(super) removed: u64,
    /// When those left who have not come back: their ids, so that nobody writes to them again.
    pub(super) left: Map<PersonId, Timestamp>,
    pub(super) joined: Daily,
    pub(super) processed: Daily,
    pub(super) joins: [u64; 2],
    pub(super) waves: BTreeMap<Box<str>, Waved>,
    /// Invitations that ran out unused and that later waves have made up for.
    pub(super) rolled: u64,
    /// Where the newest came from.
    pub(super) arrivals: Arrivals,
    /// Mailboxes that somebody has joined with another spelling of, and who was the first.
    pub(super) spelled: Map<PersonId, PersonId>,
}

impl State {
    /// How many entries there are, those whose person has left included.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn find(&self, person: PersonId) -> Option<u32> {
        let same = |&index: &u32| self.entries[index as usize].person() == person;
        self.by_person.find(person, same).copied()
    }

    pub(super) fn entry(&self, index: u32) -> Option<&Entry> {
        self.entries.get(index as usize)
    }

    /// The person of an entry, unless that person has left.
    pub(super) fn person_of(&self, index: u32) -> Option<PersonId> {
        self.entry(index).filter(|entry| entry.state.is_some()).map(Entry::person)
    }

    pub(super) fn state_of(&self, person: PersonId) -> Option<EntryState> {
        self.find(person).and_then(|index| self.entries[index as usize].state)
    }

    /// Somebody's place among those who wait, from 1.
    pub(crate) fn place_of(&self, person: PersonId) -> Option<u64> {
        let index = self.find(person)?;
        let entry = self.entries[index as usize];
        let waits = entry.state == Some(EntryState::Waiting);
        waits.then(|| u64::from(self.queue.rank(Key::new(entry.score, index))) + 1)
    }

    /// Somebody's standing at `now`.
    pub(crate) fn standing(&self, person: PersonId, now: Timestamp) -> Option<Standing> {
        self.find(person).and_then(|index| self.standing_of(index, now))
    }

    pub(super) fn standing_of(&self, index: u32, now: Timestamp) -> Option<Standing> {
        let entry = self.entry(index)?;
        let state = entry.state?;
        let position = (state == EntryState::Waiting)
            .then(|| u64::from(self.queue.rank(Key::new(entry.score, index))) + 1);
        let pace = self.processed.recently(now);
        Some(Standing {
            person: entry.person(),
            index,
            state,
            persona: entry.persona,
            score: entry.score,
            boost: self.boosts.get(index).copied().unwrap_or(0),
            credited: self.credited(index),
            joined_at: entry.joined_at,
            invited_at: self.invited_at.get(index).copied(),
            position,
            total: u64::from(self.queue.len()),
            wait: position.map(|position| Wait::at(position, pace)),
        })
    }

    /// Up to `limit` standings behind the key `after`, in queue order.
    pub(super) fn page(&self, after: Option<u64>, limit: usize, now: Timestamp) -> Page {
        let first = after.map_or(0, |raw| {
            let key = Key::from_raw(raw);
            let rank = self.queue.rank(key);
            rank + u32::from(self.queue.at(rank) == Some(key))
        });
        let keys: Vec<Key> = (first..).map_while(|rank| self.queue.at(rank)).take(limit).collect();
        let more = (first as usize).saturating_add(keys.len()) < self.queue.len() as usize;
        let next = if more { keys.last().map(|key| key.raw()) } else { None };
        let standings = keys.iter().filter_map(|key| self.standing_of(key.index(), now)).collect();
        Page { standings, next }
    }

    pub(crate) fn stats(&self, now: Timestamp) -> Stats {
        Stats {
            waiting: u64::from(self.queue.len()),
            invited: self.invited,
            members: self.members,
            removed: self.removed,
            joined_today: self.joined.today(now),
            processed_today: self.processed.today(now),
            by_persona: self.by_persona,
            invites_per_day: self.processed.recently(now) as f64 / DAYS as f64,
            joins: self.joins,
            rolled: self.rolled,
        }
    }

    /// A digest of everything that later answers depend on.
    pub(super) fn digest(&self) -> [u8; 32] {
        let keys = (0..).map_while(|rank| self.queue.at(rank)).map(Key::raw).collect::<Vec<_>>();
        let found = self.entries.iter().filter_map(|entry| self.find(entry.person()));
        record::digest(&(
            (&*self.entries, keys, found.collect::<BTreeSet<_>>()),
            self.boosts.iter().collect::<BTreeMap<_, _>>(),
            self.credits.iter().collect::<BTreeMap<_, _>>(),
            self.invited_at.iter().collect::<BTreeMap<_, _>>(),
            (self.by_persona, self.invited, self.members, self.removed),
            (
                &self.joined,
                &self.processed,
                self.joins,
                self.left.iter().collect::<BTreeMap<_, _>>(),
                (&self.waves, self.rolled),
                self.arrivals.iter().collect::<Vec<_>>(),
                self.spelled.iter().collect::<BTreeMap<_, _>>(),
            ),
        ))
    }

    pub(super) fn add_waiting(
        &mut self,
        person: PersonId,
        persona: Persona,
        score: i32,
        referred: bool,
        at: Timestamp,
    ) {
        let index = self.push(person, persona, score, EntryState::Waiting, at);
        self.queue.insert(Key::new(score, index));
        self.by_persona[usize::from(persona.number())] += 1;
        self.joined.count(at);
        self.joins[usize::from(referred)] += 1;
    }

    /// Somebody came in who was never on the list.
    pub(super) fn add_member(&mut self, person: PersonId, at: Timestamp) {
        self.push(person, Persona::Other, 0, EntryState::Member, at);
        self.members += 1;
    }

    /// Keeps what later joins are compared with.
    pub(super) fn note(&mut self, person: PersonId, marks: &Marks, at: Timestamp) {
        if let Some(mailbox) = marks.mailbox {
            self.spelled.get_or_insert_with(mailbox, || person);
        }
        if let Some(origin) = marks.origin {
            self.arrivals.note(origin, at);
        }
    }

    /// Whether somebody else is known by another spelling of a person's mailbox, which is `mailbox`
    /// where the person's own address is not plain.
    pub(super) fn has_double(&self, person: PersonId, mailbox: Option<PersonId>) -> bool {
        let plain = mailbox.unwrap_or(person);
        let first = self.spelled.get(plain);
        first.is_some_and(|first| *first != person && self.find(*first).is_some())
            || mailbox.is_some_and(|mailbox| self.find(mailbox).is_some())
    }

    fn push(
        &mut self,
        person: PersonId,
        persona: Persona,
        score: i32,
        state: EntryState,
        at: Timestamp,
    ) -> u32 {
        let index = self.entries.len() as u32;
        if !self.left.is_empty() {
            self.left.remove(person);
        }
        let (person, state) = (person.halves(), Some(state));
        self.entries.push(Entry { person, joined_at: at, score, persona, state });
        self.index(index);
        index
    }

    fn index(&mut self, index: u32) {
        let entries = &self.entries;
        let person = |&index: &u32| entries[index as usize].person();
        self.by_person.insert_unique(person(&index), index, person);
    }

    /// The next entry of an image, with all that is counted of it. Not in the queue yet.
    pub(super) fn put_back(
        &mut self,
        person: [u64; 2],
        persona: Persona,
        score: i32,
        state: Option<EntryState>,
        joined_at: Timestamp,
    ) {
        let index = self.entries.len() as u32;
        self.entries.push(Entry { person, joined_at, score, persona, state });
        match state {
            Some(EntryState::Waiting) => self.by_persona[usize::from(persona.number())] += 1,
            Some(EntryState::Invited) => self.invited += 1,
            Some(EntryState::Member) => self.members += 1,
            None => self.removed += 1,
        }
        if state.is_some() {
            self.index(index);
        }
    }

    /// Puts everybody who waits into the queue, in its order, which packs it best.
    pub(super) fn line_up(&mut self) {
        let waits = |entry: &Entry| entry.state == Some(EntryState::Waiting);
        let waiting = (0..).zip(self.entries.iter()).filter(|(_, entry)| waits(entry));
        let mut keys: Vec<Key> =
            waiting.map(|(index, entry)| Key::new(entry.score, index)).collect();
        keys.sort_unstable();
        for key in keys {
            self.queue.insert(key);
        }
    }

    /// When a person left, who has not come back since.
    pub(super) fn left_at(&self, person: PersonId) -> Option<Timestamp> {
        self.left.get(person).copied()
    }

    pub(super) fn boost(&mut self, person: PersonId, points: i32) {
        let Some(index) = self.find(person) else { return };
        let Entry { score: before, state, .. } = self.entries[index as usize];
        let score = before.saturating_add(points);
        self.entries.update(index, |entry| entry.score = score);
        let boosts = self.boosts.get_or_default(index);
        *boosts = boosts.saturating_add(score - before);
        if state == Some(EntryState::Waiting) {
            self.queue.remove(Key::new(before, index));
            self.queue.insert(Key::new(score, index));
        }
    }

    /// Points that somebody has from referrals.
    pub(super) fn credited(&self, index: u32) -> i32 {
        self.credits.get(index).copied().unwrap_or(0)
    }

    /// Gives somebody so many points from referrals, in the place of those from before.
    pub(super) fn credit(&mut self, person: PersonId, total: i32) {
        let Some(index) = self.find(person) else { return };
        let before = self.credited(index);
        self.boost(person, total.saturating_sub(before));
        self.credits.insert(index, total);
    }

    /// Moves a person on: out of the queue when it was waiting, and into `to`'s count.
    pub(super) fn advance(&mut self, person: PersonId, to: EntryState, at: Timestamp) {
        let Some(index) = self.find(person) else { return };
        let was = self.leave_count(index);
        self.entries.update(index, |entry| entry.state = Some(to));
        match to {
            EntryState::Waiting => {}
            EntryState::Invited => self.invited += 1,
            EntryState::Member => self.members += 1,
        }
        if was == Some(EntryState::Waiting) {
            self.processed.count(at);
            self.invited_at.insert(index, at);
        }
    }

    /// Invites the people of a wave.
    pub(super) fn wave(&mut self, batch: &str, people: &[PersonId], wave: Waved, rolled: u32) {
        self.rolled += u64::from(rolled);
        for &person in people {
            self.advance(person, EntryState::Invited, wave.at);
        }
        self.waves.insert(batch.into(), wave);
    }

    /// Notes that a person has left, or was told of and is forgotten.
    pub(super) fn note_left(&mut self, person: PersonId, at: Timestamp) {
        self.left.insert(person, at);
    }

    /// Forgets a person; the entry stays as a gap, so that no number is given twice.
    pub(super) fn remove(&mut self, person: PersonId, at: Timestamp) {
        let Some(index) = self.find(person) else { return };
        self.note_left(person, at);
        self.leave_count(index);
        let entries = &self.entries;
        let same = |&other: &u32| entries[other as usize].person() == person;
        self.by_person.remove(person, same);
        self.boosts.remove(index);
        self.credits.remove(index);
        self.invited_at.remove(index);
        self.entries.update(index, |entry| {
            entry.person = [0; 2];
            entry.state = None;
        });
        self.removed += 1;
    }

    /// Takes an entry out of the count, and the queue, that its state puts it in; that state.
    fn leave_count(&mut self, index: u32) -> Option<EntryState> {
        let entry = self.entries[index as usize];
        match entry.state {
            Some(EntryState::Waiting) => {
                self.queue.remove(Key::new(entry.score, index));
                self.by_persona[usize::from(entry.persona.number())] -= 1;
            }
            Some(EntryState::Invited) => self.invited -= 1,
            Some(EntryState::Member) => self.members -= 1,
            None => {}
        }
        entry.state
    }
}
