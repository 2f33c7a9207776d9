//! The history of the rates as changes of rows.

use crate::export::Change;
use crate::ids::Timestamp;

use super::state::State;

impl State {
    /// Hands out the points of the history and the gate as it is; false when `visit` wants no more.
    /// How the gate moved before is not in the state.
    pub(crate) fn rows(&self, visit: &mut dyn FnMut(Change) -> bool) -> bool {
        let sampled = self.history.points().iter().all(|point| visit(Change::Sampled(*point)));
        let (colour, at) = (self.gate.colour, self.gate.since);
        // Before its first move the gate is open since ever.
        let moved = at > Timestamp::default();
        sampled && (!moved || visit(Change::GateMoved { colour, at, reason: String::new() }))
    }
}
