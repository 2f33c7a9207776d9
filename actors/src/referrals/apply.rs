//! The only way that the graph changes.

use crate::ids::Timestamp;

use super::state::Edge;
use super::{Bind, Event, State};

/// Folds one event into the state. Holds no rule: what is in an event has been decided.
pub(super) fn apply(state: &mut State, event: &Event, at: Timestamp) {
    match event {
        Event::Referred { id, inviter, recipient, state: recipient_is, bind } => {
            let edge = Edge { id: *id, inviter: *inviter, state: *recipient_is, at };
            state.add(*recipient, edge, *bind != Bind::Nothing);
        }
        Event::Progressed { people } => {
            people.iter().for_each(|(person, to)| state.progress(*person, *to, at));
        }
        Event::Rewarded { person, rewards, .. } => state.reward(*person, rewards),
    }
}
