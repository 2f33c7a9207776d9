//! Who is invited next: the front of the queue, or a lottery.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

use crate::ids::PersonId;
use crate::mix::mix;

use super::EntryState;
use super::queue::Key;
use super::state::State;

/// How the people of a wave are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Order {
    /// Those at the front of the queue.
    #[default]
    Priority,
    /// Anybody who waits, with a chance that grows with the priority score.
    Lottery,
}

impl Order {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Priority, Self::Lottery];

    /// The name in requests and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Priority => "priority",
            Self::Lottery => "lottery",
        }
    }

    pub(super) const fn number(self) -> u8 {
        self as u8
    }

    pub(super) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Priority),
            1 => Some(Self::Lottery),
            _ => None,
        }
    }
}

/// Up to `count` people who wait, in the order of the queue, or of the draw.
pub(super) fn pick(state: &State, order: Order, count: u32, seed: u64) -> Vec<PersonId> {
    let person = |index: u32| state.person_of(index);
    match order {
        Order::Priority => {
            let front = (0..count).map_while(|rank| state.queue.at(rank));
            front.map(Key::index).filter_map(person).collect()
        }
        Order::Lottery => {
            draw(state, count as usize, seed).into_iter().filter_map(person).collect()
        }
    }
}

/// A weighted sample without replacement: everybody who waits gets the ticket ln(u) / w, with u
/// uniform in (0, 1] and w the score, at least 1, and the highest tickets win (Efraimidis and
/// Spirakis, 2006, "Weighted random sampling with a reservoir", algorithm A-Res). One walk over all
/// entries, during which nobody joins.
fn draw(state: &State, count: usize, seed: u64) -> Vec<u32> {
    let mut winners = BinaryHeap::with_capacity(count + 1);
    for (index, entry) in (0_u32..).zip(state.entries.iter()) {
        if entry.state != Some(EntryState::Waiting) {
            continue;
        }
        // 53 bits, so that every value is exact; never 0.
        let uniform = ((mix(seed ^ mix(u64::from(index))) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        let ticket = uniform.ln() / f64::from(entry.score.max(1));
        winners.push(Reverse(Ticket { ticket, index }));
        if winners.len() > count {
            winners.pop();
        }
    }
    winners.into_sorted_vec().into_iter().map(|Reverse(ticket)| ticket.index).collect()
}

/// Ordered by the ticket, then by who came first.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ticket {
    ticket: f64,
    index: u32,
}

impl Eq for Ticket {}

impl Ord for Ticket {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.ticket.total_cmp(&other.ticket).then(other.index.cmp(&self.index))
    }
}

impl PartialOrd for Ticket {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Persona;
    use super::*;
    use crate::ids::Timestamp;

    fn waiting(scores: &[i32]) -> State {
        let mut state = State::default();
        for (index, &score) in scores.iter().enumerate() {
            let person = PersonId(index as u128 + 1);
            let at = Timestamp::from_micros(index as i64 + 1);
            state.add_waiting(person, Persona::Other, score, false, at);
        }
        state
    }

    #[test]
    fn the_front_of_the_queue_is_invited_in_its_order() {
        let state = waiting(&[5, 20, 10, 20]);
        let front = pick(&state, Order::Priority, 3, 7);
        assert_eq!(front, [PersonId(2), PersonId(4), PersonId(3)]);
        assert_eq!(pick(&state, Order::Priority, 9, 7).len(), 4);
    }

    #[test]
    fn a_draw_has_nobody_twice_and_is_the_same_for_the_same_seed() {
        let state = waiting(&[5; 50]);
        let drawn = pick(&state, Order::Lottery, 20, 3);
        let mut once = drawn.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!((drawn.len(), once.len()), (20, 20));
        assert_eq!(drawn, pick(&state, Order::Lottery, 20, 3));
        assert_ne!(drawn, pick(&state, Order::Lottery, 20, 4));
        assert_eq!(pick(&state, Order::Lottery, 99, 3).len(), 50);
    }

    #[test]
    fn a_chance_grows_with_the_score() {
        let state = waiting(&[10, 30]);
        let first = (0..4000).filter(|&seed| pick(&state, Order::Lottery, 1, seed)[0].0 == 2);
        // Three in four: 3,000 of 4,000, give or take six standard deviations.
        let wins = first.count();
        assert!((2836..=3164).contains(&wins), "{wins}");
    }
}
