//! The only way that the registry changes.

use crate::ids::Timestamp;

use super::state::Issue;
use super::{Event, State};

/// Folds one event into the state. Holds no rule: what is in an event has been decided.
pub(super) fn apply(state: &mut State, event: &Event, at: Timestamp) {
    match event {
        Event::Issued { codes, bound, holder, expires_at, max_uses, channel, .. } => {
            let issue = Issue {
                created_at: at,
                expires_at: *expires_at,
                max_uses: *max_uses,
                holder: *holder,
            };
            state.issue(issue, codes, *bound, *channel);
        }
        Event::Redeemed { code, person, .. } => state.redeem(*code, *person, at),
        Event::Bound { code, person } => state.bind(*code, *person),
        Event::Departed { person } => state.depart(*person),
    }
}
