//! What a policy simulation has found, as the node and the command line tell it.

use actors::PersonId;
use actors::policies::{Move, Simulation};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::http::openapi;

/// How many of each list are told when nothing is said.
pub(crate) const LIMIT_DEFAULT: usize = 100;
/// How many places the top has when nothing is said.
pub(crate) const TOP_DEFAULT: u32 = 100;
/// The most that either may be.
pub(crate) const COUNT_MAX: i64 = 10_000;

/// Which rank correlation it is.
pub(crate) const CORRELATION: &str = "kendall-tau-b";

// What the numbers mean stands in `actors::policies`.
/// What another scoring policy would change.
#[derive(Serialize, ToSchema)]
#[schema(as = Simulation)]
pub(crate) struct Report<'a> {
    people: u64,
    moved: u64,
    mean_places: f64,
    largest_moves: Vec<Moved<'a>>,
    top: Top<'a>,
    processed: u64,
    invited_earlier_count: u64,
    invited_earlier: Vec<Moved<'a>>,
    #[schema(required)]
    rank_correlation: Option<f64>,
    #[schema(value_type = openapi::CorrelationName)]
    rank_correlation_kind: &'static str,
    scores_recorded_otherwise: u64,
    scores_kept_without_text: u64,
    events_replayed: u64,
    milliseconds: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SimulatedTop)]
struct Top<'a> {
    n: u32,
    changed: u64,
    enters: Vec<Moved<'a>>,
    leaves: Vec<Moved<'a>>,
}

#[derive(Serialize, ToSchema)]
struct Moved<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = openapi::Id)]
    id: PersonId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<&'a str>,
    from: u32,
    to: u32,
}

impl<'a> Report<'a> {
    pub(crate) fn of(simulation: &'a Simulation) -> Self {
        let found = &simulation.comparison;
        Self {
            people: found.people,
            moved: found.moved,
            mean_places: found.mean_places,
            largest_moves: told(&found.largest_moves),
            top: Top {
                n: found.top.n,
                changed: found.top.changed,
                enters: told(&found.top.enters),
                leaves: told(&found.top.leaves),
            },
            processed: found.processed,
            invited_earlier_count: found.invited_earlier_count,
            invited_earlier: told(&found.invited_earlier),
            rank_correlation: found.rank_correlation,
            rank_correlation_kind: CORRELATION,
            scores_recorded_otherwise: simulation.recorded_otherwise,
            scores_kept_without_text: simulation.texts_unknown,
            events_replayed: simulation.events_replayed,
            milliseconds: u64::try_from(simulation.took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn told(moves: &[Move]) -> Vec<Moved<'_>> {
    moves.iter().map(Moved::of).collect()
}

impl<'a> Moved<'a> {
    fn of(moved: &'a Move) -> Self {
        let Move { person, email, from, to } = moved;
        Self { id: *person, email: email.as_deref(), from: *from, to: *to }
    }
}

fn as_text<S: Serializer>(id: &PersonId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}
