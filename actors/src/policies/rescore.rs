//! The score of each person under the tried policy.

use std::time::Duration;

use crate::waitlist::{Entrant, Policy};

use super::compare::{self, Comparison, Move};

/// What to simulate, and how much to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The policy to try. `entries_max` and `fraud` play no part.
    pub policy: Policy,
    /// How many places the top has.
    pub top: u32,
    /// The longest that a list in the answer may be.
    pub limit: usize,
}

/// What would be different.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// The two orders, side by side.
    pub comparison: Comparison,
    /// People waiting whose recorded score is not what the configured policy gives them: they
    /// joined under another one.
    pub recorded_otherwise: u64,
    /// People waiting whose text is unknown, and who kept their score.
    pub texts_unknown: u64,
    /// Events of all domains that the list results from: the number of the newest.
    pub events_replayed: u64,
    /// How long it took.
    pub took: Duration,
}

impl Simulation {
    /// Every move in every list.
    pub(crate) fn moves(&mut self) -> impl Iterator<Item = &mut Move> {
        let Comparison { largest_moves, top, invited_earlier, .. } = &mut self.comparison;
        let lists = [largest_moves, &mut top.enters, &mut top.leaves, invited_earlier];
        lists.into_iter().flatten()
    }
}

/// Scores people one after the other.
pub(crate) struct Rescoring {
    configured: Policy,
    /// None when it says the same as the configured one: then every score stays as it is.
    tried: Option<Policy>,
    scores: Vec<i32>,
    recorded_otherwise: u64,
    texts_unknown: u64,
}

impl Rescoring {
    /// For so many people, of whom nobody is scored yet.
    pub(crate) fn new(configured: &Policy, tried: &Policy, people: usize) -> Self {
        let tried = {
            let (entries_max, fraud) = (configured.entries_max, configured.fraud);
            Policy { entries_max, fraud, ..tried.clone() }
        };
        Self {
            configured: configured.clone(),
            tried: Some(tried).filter(|tried| tried != configured),
            scores: Vec::with_capacity(people),
            recorded_otherwise: 0,
            texts_unknown: 0,
        }
    }

    /// Scores the next person.
    pub(crate) fn push(&mut self, entrant: &Entrant, use_case: Option<&str>) {
        let waits = u64::from(entrant.waiting);
        let Some(use_case) = use_case else {
            self.texts_unknown += waits;
            return self.scores.push(entrant.score);
        };
        let score = |policy: &Policy| {
            policy.score(entrant.persona, use_case).total().saturating_add(entrant.boost)
        };
        if score(&self.configured) != entrant.score {
            self.recorded_otherwise += waits;
        }
        self.scores.push(self.tried.as_ref().map_or(entrant.score, score));
    }

    /// How many have been scored.
    pub(crate) fn len(&self) -> usize {
        self.scores.len()
    }

    /// What differs, when everybody in `line` has been scored. How long it took, and after how many
    /// events, is for the caller to say.
    pub(crate) fn finish(self, line: &[Entrant], asked: &Asked) -> Simulation {
        Simulation {
            comparison: compare::compare(line, &self.scores, asked.top, asked.limit),
            recorded_otherwise: self.recorded_otherwise,
            texts_unknown: self.texts_unknown,
            events_replayed: 0,
            took: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::PersonId;
    use crate::waitlist::Persona;

    /// Said "time" as an agency, and was boosted by 3.
    fn entrant(recorded: i32) -> Entrant {
        let (person, persona) = (PersonId(1), Persona::Agency);
        Entrant { person, score: recorded + 3, boost: 3, persona, waiting: true }
    }

    fn rescored(tried: &Policy, recorded: i32, use_case: Option<&str>) -> Rescoring {
        let mut rescoring = Rescoring::new(&Policy::default(), tried, 1);
        rescoring.push(&entrant(recorded), use_case);
        rescoring
    }

    #[test]
    fn a_score_is_that_of_the_tried_policy_with_the_boosts_as_they_are() {
        let tried = Policy { keyword_points: 50, ..Policy::default() };
        assert_eq!(rescored(&tried, 25, Some("time")).scores, [73]);
        assert_eq!(rescored(&tried, 25, Some("nothing")).scores, [23]);
    }

    #[test]
    fn whoever_said_what_nobody_knows_any_more_keeps_the_score() {
        let tried = Policy { keyword_points: 50, ..Policy::default() };
        let rescoring = rescored(&tried, 25, None);
        assert_eq!((rescoring.scores[0], rescoring.texts_unknown), (28, 1));
    }

    #[test]
    fn the_configured_policy_keeps_a_score_of_an_older_one_and_counts_it() {
        let tried = Policy { entries_max: 7, ..Policy::default() };
        let rescoring = rescored(&tried, 90, Some("time"));
        assert_eq!((rescoring.scores[0], rescoring.recorded_otherwise), (93, 1));
        let tried = Policy { words_over: 21, ..Policy::default() };
        let rescoring = rescored(&tried, 90, Some("time"));
        assert_eq!((rescoring.scores[0], rescoring.recorded_otherwise), (28, 1));
        assert_eq!(rescored(&tried, 25, Some("time")).recorded_otherwise, 0);
    }
}
