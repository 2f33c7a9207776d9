//! `/api/waitlist/policies`: what another scoring policy would change.

use actors::policies::Asked;
use actors::waitlist::{Persona, Policy};

use crate::config;
use crate::http::answer::{Answer, ok};
use crate::http::body::Fields;
use crate::http::call::{Call, Input};
use crate::policies::{COUNT_MAX, LIMIT_DEFAULT, Report, TOP_DEFAULT};

/// Takes the keys of `[waitlist.scoring]`; those that are absent are as configured.
pub(in crate::http) async fn simulate(call: Call) -> Answer {
    let Input { node, mut fields, .. } = call.input().await?;
    let policy = fields.object("policy", |fields| Some(policy(fields, node.engine.scoring())));
    let top = fields.optional_integer("top", 1..=COUNT_MAX).unwrap_or(TOP_DEFAULT);
    let limit = fields.optional_integer("limit", 1..=COUNT_MAX).unwrap_or(LIMIT_DEFAULT);
    let policy = fields.finish(policy)?;
    let simulation = node.engine.simulate(Asked { policy, top, limit }).await?;
    ok(&Report::of(&simulation))
}

fn policy(fields: &mut Fields, configured: &Policy) -> Policy {
    let points = -config::POINTS..=config::POINTS;
    let mut policy = configured.clone();
    let personas = fields.optional_object("personas", |personas| {
        Some(
            Persona::ALL.map(|persona| personas.optional_integer(persona.as_str(), points.clone())),
        )
    });
    for (given, points) in personas.into_iter().flatten().zip(&mut policy.persona_points) {
        *points = given.unwrap_or(*points);
    }
    let words_over = fields.optional_integer("words_over", 0..=config::WORDS_MAX);
    policy.words_over = words_over.unwrap_or(policy.words_over);
    let words_points = fields.optional_integer("words_points", points.clone());
    policy.words_points = words_points.unwrap_or(policy.words_points);
    let keywords = fields.optional_texts(
        "keywords",
        config::KEYWORDS_MAX,
        config::KEYWORD,
        config::is_keyword,
    );
    policy.keywords = keywords.unwrap_or(policy.keywords);
    let keyword_points = fields.optional_integer("keyword_points", points);
    policy.keyword_points = keyword_points.unwrap_or(policy.keyword_points);
    policy
}
