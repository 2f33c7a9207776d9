//! The registry as changes of rows.

use std::sync::Arc;

use crate::export::{Change, Issue, Redeemed};

use super::state::State;

impl State {
    /// Hands out every code and every member; false when `visit` wants no more.
    pub(crate) fn rows(&self, visit: &mut dyn FnMut(Change) -> bool) -> bool {
        let mut batch: (u32, Arc<str>) = (u32::MAX, Arc::from(""));
        for index in 0..self.len() as u32 {
            let (code, issue) = self.code(index);
            if batch.0 != code.issue {
                batch = (code.issue, Arc::from(&*issue.batch));
            }
            let issued = Change::Issued(Issue {
                code: code.code,
                batch: Arc::clone(&batch.1),
                channel: issue.channel,
                created_at: issue.created_at,
                expires_at: self.expires_at(index),
                max_uses: issue.max_uses,
                uses: code.uses,
                revoked: code.is_revoked(),
                bound: code.bound,
                holder: issue.holder,
            });
            if !visit(issued) {
                return false;
            }
        }
        self.members.iter().all(|(&person, member)| {
            let (code, at) = (self.code(member.code).0.code, member.at);
            visit(Change::Redeemed(Redeemed { person, code, at, counts: false }))
        })
    }
}
