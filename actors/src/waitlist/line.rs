//! Who is or was in line, as a policy simulation needs it.

use crate::ids::PersonId;

use super::scoring::Persona;
use super::state::{EntryState, State};

/// Somebody who has a place, or had one and was taken off the list. 32 bytes, since there are
/// millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entrant {
    pub(crate) person: PersonId,
    /// The recorded score, boosts included.
    pub(crate) score: i32,
    /// The sum of the boosts in it.
    pub(crate) boost: i32,
    pub(crate) persona: Persona,
    /// Whether the person has a place now.
    pub(crate) waiting: bool,
}

/// A piece of the list, in the order of joining.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stretch {
    pub(crate) entrants: Vec<Entrant>,
    /// Number of the entry to go on from, when there is more.
    pub(crate) next: Option<u32>,
    /// Entries in all, gaps included.
    pub(crate) total: u32,
}

impl State {
    /// Copies what `count` entries from number `from` on hold. Those who left, and members who
    /// never had a place, are left out.
    pub(crate) fn stretch(&self, from: u32, count: u32) -> Stretch {
        let total = self.len() as u32;
        let end = from.saturating_add(count).min(total);
        let entrants = (from..end).filter_map(|index| self.entrant(index)).collect();
        Stretch { entrants, next: (end < total).then_some(end), total }
    }

    fn entrant(&self, index: u32) -> Option<Entrant> {
        let entry = self.entry(index)?;
        let waiting = match entry.state? {
            EntryState::Waiting => true,
            EntryState::Invited | EntryState::Member => {
                self.invited_at.get(index)?;
                false
            }
        };
        Some(Entrant {
            person: entry.person(),
            score: entry.score,
            boost: self.boosts.get(index).copied().unwrap_or(0),
            persona: entry.persona,
            waiting,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::super::apply::apply;
    use super::*;
    use crate::fraud::{Marks, Signals};
    use crate::ids::Timestamp;

    fn joined(person: u128) -> Event {
        let (persona, person) = (Persona::Agency, PersonId(person));
        let (marks, signals) = (Marks::default(), Signals::NONE);
        Event::Joined { person, persona, score: 20, referrer: None, marks, signals }
    }

    fn given(events: &[Event]) -> State {
        let mut state = State::default();
        for (time, event) in (1..).zip(events) {
            apply(&mut state, event, Timestamp::from_micros(time));
        }
        state
    }

    #[test]
    fn a_stretch_has_those_in_line_and_those_taken_off_it_and_nobody_else() {
        let person = PersonId;
        let state = given(&[
            joined(1),
            joined(2),
            Event::Admitted { person: person(3) },
            joined(4),
            joined(5),
            Event::Boosted { person: person(1), points: 7 },
            Event::Invited { person: person(2) },
            Event::Left { person: person(4), was: EntryState::Waiting },
        ]);
        let told = |stretch: &Stretch| -> Vec<(u128, i32, i32, bool)> {
            let entrants = stretch.entrants.iter();
            entrants.map(|e| (e.person.get(), e.score, e.boost, e.waiting)).collect()
        };
        let first = state.stretch(0, 3);
        assert_eq!(told(&first), [(1, 27, 7, true), (2, 20, 0, false)]);
        assert_eq!((first.next, first.total), (Some(3), 5));
        let rest = state.stretch(3, u32::MAX);
        assert_eq!(told(&rest), [(5, 20, 0, true)]);
        assert_eq!(rest.next, None);
    }
}
