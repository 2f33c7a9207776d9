//! The only way that the graph changes.

use crate::ids::Timestamp;

use super::state::Brought;
use super::{Bind, Event, State};

/// Folds one event into the state. Holds no rule: what is in an event has been decided.
pub(super) fn apply(state: &mut State, event: &Event, at: Timestamp) {
    match event {
        Event::Referred { id, inviter, recipient, state: recipient_is, bind, mailboxes } => {
            let (id, inviter, recipient) = (*id, *inviter, *recipient);
            for (person, mailbox) in [inviter, recipient].into_iter().zip(mailboxes) {
                mailbox.iter().for_each(|mailbox| state.spellings.note(person, *mailbox));
            }
            let brought = Brought { id, inviter, recipient, state: *recipient_is, at };
            state.add(brought, *bind != Bind::Nothing);
        }
        Event::Progressed { people } => {
            people.iter().for_each(|(person, to)| state.progress(*person, *to, at));
        }
        Event::Rewarded { person, rewards, .. } => state.reward(*person, rewards),
    }
}
