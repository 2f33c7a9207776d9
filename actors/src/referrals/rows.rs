//! The graph as changes of rows.

use crate::export::{Change, Referred};

use super::state::State;

impl State {
    /// Hands out every referral and every reward; false when `visit` wants no more.
    pub(crate) fn rows(&self, visit: &mut dyn FnMut(Change) -> bool) -> bool {
        let referred = self.brought().all(|edge| {
            let (id, inviter, recipient) = (edge.id, edge.inviter, edge.recipient);
            let (state, at) = (edge.state, edge.at);
            visit(Change::Referred(Referred { id, inviter, recipient, state, at }))
        });
        let granted = self.rewards.granted.iter();
        let mut rewards = granted.flat_map(|(&person, list)| list.iter().map(move |r| (person, r)));
        referred
            && rewards
                .all(|(person, reward)| visit(Change::Rewarded { person, reward: reward.clone() }))
    }
}
