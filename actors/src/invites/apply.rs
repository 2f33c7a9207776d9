//! The only way that the registry changes.

use crate::ids::Timestamp;

use super::state::{Issue, Taken};
use super::{Channel, Event, State};

/// Folds one event into the state. Holds no rule: what is in an event has been decided.
pub(super) fn apply(state: &mut State, event: &Event, at: Timestamp) {
    match event {
        Event::Issued { batch, codes, bound, holder, expires_at, max_uses, channel, .. } => {
            let (expires_at, max_uses, holder) = (*expires_at, *max_uses, *holder);
            let batch = batch.as_str().into();
            let issue =
                Issue { batch, channel: *channel, created_at: at, expires_at, max_uses, holder };
            state.issue(issue, codes.iter().map(|&code| (code, *bound)));
        }
        Event::Sent { batch, codes, expires_at } => {
            let (batch, expires_at) = (batch.as_str().into(), *expires_at);
            let (channel, holder) = (Channel::Wave, None);
            let issue = Issue { batch, channel, created_at: at, expires_at, max_uses: 1, holder };
            let codes = codes.iter().map(|&(code, person)| (code, Some(person)));
            state.issue(issue, codes);
        }
        Event::Redeemed { code, person, .. } => state.redeem(*code, *person, at),
        Event::Bound { code, person } => state.bind(*code, *person),
        Event::Departed { person } => state.depart(*person),
        Event::Reserved { reservation, code, person, until, marks } => {
            state.reserve(*reservation, *code, *person, (*until, *marks), at);
        }
        Event::Released { reservation } => state.release(*reservation),
        Event::Revoked { code } => state.take(*code, Taken::Back),
        Event::Withdrawn { codes, .. } => {
            codes.iter().for_each(|code| state.take(*code, Taken::WithReward));
        }
        Event::Restored { code, .. } => state.take(*code, Taken::Not),
        Event::Extended { code, expires_at } => state.extend(*code, *expires_at),
    }
}
