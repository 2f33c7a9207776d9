//! The only way that the waitlist changes.

use crate::ids::Timestamp;

use super::state::Waved;
use super::{EntryState, Event, State};

/// Folds one event into the state. Holds no rule: what is in an event has been decided.
pub(super) fn apply(state: &mut State, event: &Event, at: Timestamp) {
    match *event {
        Event::Waved { ref batch, ref people, requested, order, gate, rolled, .. } => {
            let wave = Waved { requested, invited: people.len() as u32, order, gate, at };
            state.wave(batch, people, wave, rolled);
        }
        Event::Joined { person, persona, score, referrer, marks, .. } => {
            state.add_waiting(person, persona, score, referrer.is_some(), at);
            state.note(person, &marks, at);
        }
        Event::Credited { ref people } => {
            people.iter().for_each(|&(person, total, _)| state.credit(person, total));
        }
        Event::Boosted { person, points } => state.boost(person, points),
        Event::Left { person, .. } => state.remove(person, at),
        Event::Forgotten { person } => state.note_left(person, at),
        Event::Invited { person } => state.advance(person, EntryState::Invited, at),
        Event::Admitted { person } => {
            if state.find(person).is_some() {
                state.advance(person, EntryState::Member, at);
            } else {
                state.add_member(person, at);
            }
        }
    }
}
