//! `explain` and `as_of`: why a place is what it is, and how the list was.

use actors::engine::Explanation;
use actors::past::{Cause, Moment};
use actors::{PersonId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::text::Text;
use crate::http::answer::{Answer, ok};
use crate::http::call::Call;
use crate::http::error::Problem;
use crate::http::openapi;
use crate::http::query::Query;

#[derive(Serialize, ToSchema)]
#[schema(as = Explanation)]
pub(in crate::http) struct Explained {
    #[schema(value_type = openapi::Id)]
    id: Text<PersonId>,
    #[schema(value_type = openapi::EntryState)]
    state: &'static str,
    #[schema(required)]
    position: Option<u64>,
    priority_score: i32,
    terms: Vec<Term>,
    #[schema(required)]
    since: Option<Since>,
    changes: Vec<Change>,
}

/// One term of the score. All of them add up to it.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Term {
    #[schema(value_type = openapi::TermName)]
    term: &'static str,
    points: i32,
}

/// Where the changes begin.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Since {
    seq: u64,
    position: u64,
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Change {
    #[schema(value_type = openapi::Cause)]
    cause: &'static str,
    people: u64,
    places: i64,
}

pub(in crate::http) async fn explain(mut call: Call) -> Answer {
    let email = call.email().await?;
    let since = moment(call.parts.uri.query(), "since")?;
    let engine = &call.node.engine;
    let explanation = engine.explain(engine.identity().person(&email), since).await?;
    let terms = terms(&explanation);
    let Explanation { standing, explained, .. } = explanation;
    let since = explained.as_ref();
    let since = since.map(|explained| Since { seq: explained.since, position: explained.from });
    let changes = explained.iter().flat_map(|explained| &explained.changes);
    let changes = changes.map(|change| Change {
        cause: Cause::as_str(change.cause),
        people: change.people,
        places: change.places,
    });
    ok(&Explained {
        id: Text(standing.person),
        state: standing.state.as_str(),
        // Both ends of the changes are of one moment, so that they add up.
        position: explained.as_ref().map(|explained| explained.to),
        priority_score: standing.score,
        terms,
        since,
        changes: changes.collect(),
    })
}

/// The terms of the active policy, boosts, and what the recorded score differs from their sum.
fn terms(explanation: &Explanation) -> Vec<Term> {
    let Explanation { standing, score, .. } = explanation;
    let mut terms = Vec::new();
    if let Some(score) = score {
        terms.push(Term { term: "persona", points: score.persona });
        terms.push(Term { term: "detailed-use-case", points: score.words });
        terms.push(Term { term: "keywords", points: score.keyword });
    }
    let by_hand = standing.boost.saturating_sub(standing.credited);
    terms.push(Term { term: "boosts", points: by_hand });
    terms.push(Term { term: "referrals", points: standing.credited });
    let sum = terms.iter().fold(0_i32, |sum, term| sum.saturating_add(term.points));
    let rest = standing.score.saturating_sub(sum);
    if rest != 0 {
        // Scored by a policy of before, or of a text that is not known any more.
        terms.push(Term { term: "recorded-otherwise", points: rest });
    }
    terms
}

/// The only parameter of a look back: a number of an event, or a time.
pub(super) fn moment(query: Option<&str>, name: &'static str) -> Result<Option<Moment>, Problem> {
    let mut query = Query::parse(query);
    let moment = query.parsed(name, |text| {
        let seq = text.parse().map(Moment::Seq);
        seq.or_else(|_| text.parse::<Timestamp>().map(Moment::Time))
            .map_err(|_| "must be the number of an event, or a time such as 2026-01-05T12:00:00Z")
    });
    query.finish()?;
    Ok(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_number_or_a_time() {
        assert_eq!(moment(None, "since"), Ok(None));
        assert_eq!(moment(Some("since=12"), "since"), Ok(Some(Moment::Seq(12))));
        let time = "2026-01-05T12:00:00Z".parse().expect("a time");
        let moment_of = moment(Some("since=2026-01-05T12:00:00Z"), "since");
        assert_eq!(moment_of, Ok(Some(Moment::Time(time))));
        for bad in ["since=", "since=-1", "since=yesterday", "as_of=1"] {
            assert!(moment(Some(bad), "since").is_err(), "{bad}");
        }
    }
}
