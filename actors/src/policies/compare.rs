//! Two orders of the same people, and what differs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::ids::PersonId;
use crate::waitlist::{Entrant, Key};

use super::correlation;

/// Somebody who waits, and the two places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Who.
    pub person: PersonId,
    /// Where mail is sent to; None when that is not known.
    pub email: Option<String>,
    /// Place by the recorded scores, from 1.
    pub from: u32,
    /// Place by the simulated scores, from 1.
    pub to: u32,
}

/// Who would be among the first, and is not, and the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    /// How many places it has.
    pub n: u32,
    /// How many enter it; as many leave it.
    pub changed: u64,
    /// Who enters it, by the new place.
    pub enters: Vec<Move>,
    /// Who leaves it, by the old place.
    pub leaves: Vec<Move>,
}

/// What differs between the recorded and the simulated order. Lists are cut to what was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// People who wait.
    pub people: u64,
    /// Those with another place.
    pub moved: u64,
    /// Mean distance between the two places, of everybody who waits; 0 when nobody does.
    pub mean_places: f64,
    /// Who moves farthest, the farthest first; at the same distance by the new place.
    pub largest_moves: Vec<Move>,
    /// The first of the list.
    pub top: Top,
    /// People who were taken off the list and have not left.
    pub processed: u64,
    /// How many of those who wait would have been taken off it instead.
    pub invited_earlier_count: u64,
    /// Who, by the new place.
    pub invited_earlier: Vec<Move>,
    /// Kendall's tau-b; None for fewer than two people.
    pub rank_correlation: Option<f64>,
}

/// Where everybody stands by one set of scores.
struct Order {
    /// Place among those who wait, from 1; 0 for those who do not.
    places: Vec<u32>,
    /// Whether the person is among the first of all, as many as were taken off the list.
    first: Vec<bool>,
}

impl Order {
    /// By `scores`, then by joining, which is the order of `line`.
    fn of(line: &[Entrant], scores: impl Iterator<Item = i32>, processed: usize) -> Self {
        let mut keys: Vec<Key> = (0..).zip(scores).map(|(at, score)| Key::new(score, at)).collect();
        keys.sort_unstable();
        let (mut places, mut first) = (vec![0; line.len()], vec![false; line.len()]);
        let mut place = 0;
        for (rank, key) in keys.iter().enumerate() {
            let at = key.index() as usize;
            first[at] = rank < processed;
            if line[at].waiting {
                place += 1;
                places[at] = place;
            }
        }
        Self { places, first }
    }
}

/// Compares the recorded scores of a line, which is in the order of joining, with `scores`.
/// O(n log n).
pub(crate) fn compare(line: &[Entrant], scores: &[i32], top: u32, limit: usize) -> Comparison {
    let processed = line.iter().filter(|entrant| !entrant.waiting).count();
    let before = Order::of(line, line.iter().map(|entrant| entrant.score), processed);
    let after = Order::of(line, scores.iter().copied(), processed);
    let waiting = || (0..line.len()).filter(|&at| line[at].waiting);
    let places = |at: usize| (before.places[at], after.places[at]);
    let distance = |at: usize| u64::from(before.places[at].abs_diff(after.places[at]));
    let people = line.len() - processed;
    let total: u64 = waiting().map(distance).sum();
    let tell = |mut who: Vec<usize>, by: &dyn Fn(usize) -> u32| -> Vec<Move> {
        who.sort_unstable_by_key(|&at| by(at));
        who.truncate(limit);
        let tell = |at: usize| {
            let (from, to) = places(at);
            Move { person: line[at].person, email: None, from, to }
        };
        who.into_iter().map(tell).collect()
    };
    let (old, new) = (|at: usize| before.places[at], |at: usize| after.places[at]);
    let enters: Vec<usize> = waiting().filter(|&at| new(at) <= top && top < old(at)).collect();
    let leaves: Vec<usize> = waiting().filter(|&at| old(at) <= top && top < new(at)).collect();
    let earlier = waiting().filter(|&at| after.first[at] && !before.first[at]);
    let earlier: Vec<usize> = earlier.collect();
    let mut largest_moves = tell(farthest(waiting(), distance, new, limit), &new);
    largest_moves.sort_by_key(|moved| Reverse(moved.from.abs_diff(moved.to)));
    let mut placed = vec![0; people];
    for at in waiting() {
        let (from, to) = places(at);
        placed[from as usize - 1] = to;
    }
    Comparison {
        people: people as u64,
        moved: waiting().filter(|&at| distance(at) > 0).count() as u64,
        mean_places: if people == 0 { 0.0 } else { total as f64 / people as f64 },
        largest_moves,
        top: Top {
            n: top,
            changed: enters.len() as u64,
            enters: tell(enters, &new),
            leaves: tell(leaves, &old),
        },
        processed: processed as u64,
        invited_earlier_count: earlier.len() as u64,
        invited_earlier: tell(earlier, &new),
        rank_correlation: correlation::kendall(placed),
    }
}

/// Up to `limit` of those who move at all, those who move farthest; at the same distance those with
/// the smaller new place. In no order.
fn farthest(
    waiting: impl Iterator<Item = usize>,
    distance: impl Fn(usize) -> u64,
    new: impl Fn(usize) -> u32,
    limit: usize,
) -> Vec<usize> {
    // The least of those kept stands at the front, so that it is the first to go.
    let mut kept = BinaryHeap::new();
    for at in waiting.filter(|&at| distance(at) > 0) {
        kept.push(Reverse((distance(at), Reverse(new(at)), at)));
        if kept.len() > limit {
            kept.pop();
        }
    }
    kept.into_iter().map(|Reverse((_, _, at))| at).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::waitlist::Persona;

    fn entrant(number: usize, score: i32, waiting: bool) -> Entrant {
        let (person, persona) = (PersonId(number as u128), Persona::Other);
        Entrant { person, score, boost: 0, persona, waiting }
    }

    /// How many of those whom `counts` lets count stand in front of somebody, by looking at each.
    fn in_front(scores: &[i32], at: usize, counts: impl Fn(usize) -> bool) -> u32 {
        let ahead = |&other: &usize| {
            counts(other) && (Reverse(scores[other]), other) < (Reverse(scores[at]), at)
        };
        (0..scores.len()).filter(ahead).count() as u32
    }

    /// Everything that differs, worked out pair by pair.
    fn naive(line: &[Entrant], scores: &[i32], top: u32, limit: usize) -> Comparison {
        let recorded: Vec<i32> = line.iter().map(|entrant| entrant.score).collect();
        let waits = |at: usize| line[at].waiting;
        let waiting: Vec<usize> = (0..line.len()).filter(|&at| waits(at)).collect();
        let processed = (line.len() - waiting.len()) as u32;
        let place = |scores: &[i32], at| in_front(scores, at, waits) + 1;
        let first = |scores: &[i32], at| in_front(scores, at, |_| true) < processed;
        let told = |at: usize| Move {
            person: line[at].person,
            email: None,
            from: place(&recorded, at),
            to: place(scores, at),
        };
        let moves: Vec<Move> = waiting.iter().map(|&at| told(at)).collect();
        let cut = |mut moves: Vec<Move>, key: &dyn Fn(&Move) -> (i64, u32)| {
            moves.sort_by_key(key);
            moves.truncate(limit);
            moves
        };
        let far = |m: &Move| i64::from(m.from) - i64::from(m.to);
        let some = |keep: &dyn Fn(&Move) -> bool| -> Vec<Move> {
            moves.iter().filter(|m| keep(m)).cloned().collect()
        };
        let moved = some(&|m| m.from != m.to);
        let enters = some(&|m| m.to <= top && m.from > top);
        let leaves = some(&|m| m.from <= top && m.to > top);
        let earlier = waiting.iter().filter(|&&at| first(scores, at) && !first(&recorded, at));
        let earlier: Vec<Move> = earlier.map(|&at| told(at)).collect();
        let sum: i64 = moves.iter().map(|m| far(m).abs()).sum();
        let mut pairs = (0_i64, 0_i64);
        for (at, one) in moves.iter().enumerate() {
            for other in &moves[at + 1..] {
                let same = (one.from < other.from) == (one.to < other.to);
                pairs = (pairs.0 + if same { 1 } else { -1 }, pairs.1 + 1);
            }
        }
        Comparison {
            people: moves.len() as u64,
            moved: moved.len() as u64,
            mean_places: if moves.is_empty() { 0.0 } else { sum as f64 / moves.len() as f64 },
            largest_moves: cut(moved, &|m| (-far(m).abs(), m.to)),
            top: Top {
                n: top,
                changed: leaves.len() as u64,
                enters: cut(enters, &|m| (0, m.to)),
                leaves: cut(leaves, &|m| (0, m.from)),
            },
            processed: u64::from(processed),
            invited_earlier_count: earlier.len() as u64,
            invited_earlier: cut(earlier, &|m| (0, m.to)),
            rank_correlation: (pairs.1 > 0).then(|| pairs.0 as f64 / pairs.1 as f64),
        }
    }

    proptest! {
        #[test]
        fn a_comparison_agrees_with_one_pair_by_pair(
            people in prop::collection::vec((0..6_i32, 0..6_i32, 0..4_u8), 0..60),
            top in 1..20_u32, limit in 1..20_usize,
        ) {
            let line: Vec<Entrant> = people.iter().enumerate()
                .map(|(number, &(score, _, state))| entrant(number, score, state > 0)).collect();
            let scores: Vec<i32> = people.iter().map(|&(_, score, _)| score).collect();
            let mut quick = compare(&line, &scores, top, limit);
            let mut slow = naive(&line, &scores, top, limit);
            let taus = quick.rank_correlation.take().zip(slow.rank_correlation.take());
            prop_assert!(taus.is_none_or(|(quick, slow)| (quick - slow).abs() < 1e-12));
            prop_assert_eq!(taus.is_some(), slow.people > 1);
            prop_assert_eq!(quick, slow);
        }

        #[test]
        fn the_recorded_scores_move_nobody(
            people in prop::collection::vec((any::<i32>(), any::<bool>()), 0..200),
        ) {
            let line: Vec<Entrant> = people.iter().enumerate()
                .map(|(number, &(score, waiting))| entrant(number, score, waiting)).collect();
            let scores: Vec<i32> = people.iter().map(|&(score, _)| score).collect();
            let found = compare(&line, &scores, 10, 10);
            let counts = (found.moved, found.top.changed, found.invited_earlier_count);
            prop_assert_eq!(counts, (0, 0, 0));
            prop_assert!(found.mean_places == 0.0 && found.largest_moves.is_empty());
            prop_assert!(found.rank_correlation.is_none_or(|tau| tau == 1.0));
        }
    }

    #[test]
    fn whoever_would_be_among_as_many_as_were_taken_off_would_have_been_invited_earlier() {
        // The first was invited with 9 points; the second waits, and has the most points now.
        let line = [entrant(0, 9, false), entrant(1, 5, true), entrant(2, 5, true)];
        let found = compare(&line, &[9, 20, 5], 1, 10);
        let who: Vec<u128> = found.invited_earlier.iter().map(|m| m.person.get()).collect();
        assert_eq!((found.processed, found.invited_earlier_count, who), (1, 1, vec![1]));
        assert_eq!(found.moved, 0, "nobody who waits has another place");
    }
}
