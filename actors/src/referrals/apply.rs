//! The only way that the graph changes.

use crate::ids::Timestamp;

use super::state::Brought;
use super::suspects::Verdict;
use super::{Bind, Event, State};

/// Folds one event into the state. Holds no rule: what is in an event has been decided.
pub(super) fn apply(state: &mut State, event: &Event, at: Timestamp) {
    match event {
        Event::Referred {
            id,
            inviter,
            recipient,
            state: recipient_is,
            bind,
            mailboxes,
            shape,
            suspicion,
            credits,
            from,
        } => {
            let (id, inviter, recipient, shape) = (*id, *inviter, *recipient, *shape);
            for (person, mailbox) in [inviter, recipient].into_iter().zip(mailboxes) {
                mailbox.iter().for_each(|mailbox| state.spellings.note(person, *mailbox));
            }
            let withheld = state.suspects.is_withheld(recipient);
            let brought =
                Brought { id, inviter, recipient, state: *recipient_is, at, shape, withheld };
            state.add(brought, *bind != Bind::Nothing);
            suspicion.iter().for_each(|suspicion| state.suspect(recipient, *suspicion, at));
            state.credit(credits);
            from.iter().for_each(|from| state.arrivals.note(*from, at));
        }
        Event::Progressed { people, mailboxes, suspicions, credits, from, hidden } => {
            for (person, mailbox) in mailboxes {
                state.spellings.note(*person, *mailbox);
            }
            people.iter().for_each(|(person, to)| state.progress(*person, *to, at));
            hidden.iter().for_each(|(person, to)| state.progress_hidden(*person, *to, at));
            for (person, suspicion) in suspicions {
                state.suspect(*person, *suspicion, at);
            }
            state.credit(credits);
            from.iter().for_each(|from| state.arrivals.note(*from, at));
        }
        Event::Rewarded { person, rewards, held, .. } => {
            state.rewards.grant(*person, rewards);
            state.rewards.hold(*person, *held);
        }
        Event::Reviewed { person, accepted, state: to, withdrawn, awaited, credits } => {
            if *accepted {
                to.iter().for_each(|_| state.restore(*person));
                state.judge(*person, Verdict::Accepted, [None; 2]);
            } else {
                let before = state.stands(*person);
                to.iter().for_each(|to| state.set(*person, [Some(*to); 2]));
                state.judge(*person, Verdict::Rejected, before);
            }
            withdrawn.iter().for_each(|withdrawn| state.rewards.withdraw(withdrawn, *awaited));
            state.credit(credits);
        }
        Event::Held { person, waits } => state.rewards.hold(*person, *waits),
        Event::GateSeen { open } => state.gate_open = Some(*open),
        Event::Reclaimed { people } => {
            people.iter().for_each(|(person, codes)| state.rewards.reclaim(*person, *codes));
        }
    }
}
