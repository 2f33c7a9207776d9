//! The only way that the window and the gate change.

use crate::ids::Timestamp;

use super::{Event, State};

/// Folds one event into the state. Holds no rule: what is in an event has been decided.
pub(super) fn apply(state: &mut State, event: &Event, at: Timestamp) {
    match event {
        Event::Observed { seen } => seen.iter().for_each(|seen| state.see(seen)),
        Event::Counted { joins, shares, came, left, judged } => {
            state.count_attempts(joins + shares, at);
            came.iter().for_each(|(person, at)| state.come(*person, *at));
            left.iter().for_each(|(person, at)| state.leave(*person, *at));
            for (person, at, accepted) in judged {
                state.judge(*person, *at, *accepted);
            }
        }
        Event::GateMoved { gate, .. } => state.move_gate(*gate),
        Event::Drilled { drill } => state.drill = *drill,
        Event::Sampled { point } => state.history.push(*point),
        Event::LoadMoved { load } => state.load = *load,
    }
}
