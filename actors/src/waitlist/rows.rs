//! The list as changes of rows.

use crate::export::{Change, Joined, Waved};

use super::Key;
use super::state::{EntryState, State};

impl State {
    /// Hands out everybody who has or had a place, and the waves; false when `visit` wants no more.
    /// Those who wait come in the order of the queue, each with the place.
    pub(crate) fn rows(&self, visit: &mut dyn FnMut(Change) -> bool) -> bool {
        let waiting = (0..).map_while(|rank| Some((rank, self.queue.at(rank)?)));
        for (rank, key) in waiting {
            if !self.row(Key::index(key), Some(u64::from(rank) + 1), visit) {
                return false;
            }
        }
        let waits = |index: &u32| {
            self.entry(*index).is_some_and(|entry| entry.state == Some(EntryState::Waiting))
        };
        for index in (0..self.len() as u32).filter(|index| !waits(index)) {
            if !self.row(index, None, visit) {
                return false;
            }
        }
        self.waves.iter().all(|(batch, wave)| {
            visit(Change::Waved(Waved {
                batch: batch.to_string(),
                requested: wave.requested,
                invited: wave.invited,
                order: wave.order,
                gate: wave.gate,
                at: wave.at,
            }))
        })
    }

    fn row(&self, index: u32, place: Option<u64>, visit: &mut dyn FnMut(Change) -> bool) -> bool {
        let (Some(entry), Some(person)) = (self.entry(index), self.person_of(index)) else {
            return true;
        };
        let invited_at = self.invited_at.get(index).copied();
        // A member who never had a place is not on the list.
        if place.is_none() && invited_at.is_none() {
            return true;
        }
        let (score, at) = (entry.score, entry.joined_at);
        visit(Change::Joined(Joined { person, score, at, place }))
            && invited_at.is_none_or(|at| visit(Change::Invited { person, at }))
    }
}
