//! `/api/quality/risk` and `/api/quality/review`: what is known against somebody, and what is made
//! of it.

use actors::engine::Verdict;
use actors::fraud::Signal;
use actors::referrals::{Credit, ReferralState, Risk, Withdrawn};
use actors::{PersonId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::referrals::Granted;
use super::text::Text;
use crate::http::answer::{Answer, ok};
use crate::http::call::Call;
use crate::http::openapi;
use crate::http::query::Query;

pub(in crate::http) const PAGE_MAX: i64 = 1000;
pub(in crate::http) const PAGE_DEFAULT: usize = 100;

#[derive(Serialize, ToSchema)]
#[schema(as = RiskReason)]
pub(in crate::http) struct Reason {
    #[schema(value_type = openapi::SignalName)]
    id: &'static str,
    #[schema(value_type = openapi::Probability)]
    weight: f64,
    message: &'static str,
}

impl From<&(Signal, f64)> for Reason {
    fn from(&(signal, weight): &(Signal, f64)) -> Self {
        Self { id: signal.id(), weight, message: signal.sentence() }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = KnownRisk)]
pub(in crate::http) struct Known {
    #[schema(value_type = openapi::Id)]
    id: Text<PersonId>,
    #[schema(value_type = openapi::Probability)]
    risk: f64,
    reasons: Vec<Reason>,
    #[schema(value_type = openapi::VerdictName)]
    verdict: &'static str,
    /// Since when the inviter's credit for this person waits for a verdict.
    #[schema(value_type = Option<openapi::Time>, required)]
    withheld_since: Option<Text<Timestamp>>,
    #[schema(value_type = Option<openapi::ReferralStateName>, required)]
    referral_state: Option<&'static str>,
}

impl Known {
    fn of(person: PersonId, risk: &Risk) -> Self {
        Self {
            id: Text(person),
            risk: risk.risk,
            reasons: risk.reasons.iter().map(Reason::from).collect(),
            verdict: risk.verdict.as_str(),
            withheld_since: risk.withheld.map(Text),
            referral_state: risk.state.map(ReferralState::as_str),
        }
    }
}

pub(in crate::http) async fn risk(mut call: Call) -> Answer {
    let email = call.email().await?;
    let person = call.node.engine.identity().person(&email);
    ok(&Known::of(person, &call.node.engine.risk(person).await?))
}

/// Somebody in an answer. The address is absent when nobody has typed it, and when its owner was
/// erased.
#[derive(Serialize, ToSchema)]
#[schema(as = KnownPerson)]
pub(in crate::http) struct Person<'a> {
    #[schema(value_type = openapi::Id)]
    id: Text<PersonId>,
    #[schema(required)]
    email: Option<&'a str>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReviewItem)]
pub(in crate::http) struct Item<'a> {
    #[schema(required)]
    email: Option<&'a str>,
    #[serde(flatten)]
    known: Known,
    #[schema(required)]
    inviter: Option<Person<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReviewPage)]
pub(in crate::http) struct Page<'a> {
    items: Vec<Item<'a>>,
    #[schema(required)]
    next: Option<String>,
}

pub(in crate::http) async fn page(call: Call) -> Answer {
    let mut query = Query::parse(call.parts.uri.query());
    let limit = query.integer("limit", 1..=PAGE_MAX).unwrap_or(PAGE_DEFAULT);
    let after = query.parsed("after", |text| Ok::<_, &str>(text.to_owned()));
    query.finish()?;
    let (waiting, next) = call.node.engine.reviews(after.as_deref(), limit).await?;
    let items = waiting.iter().map(|(waiting, [email, inviter])| Item {
        email: email.as_deref(),
        known: Known::of(waiting.person, &waiting.risk),
        inviter: waiting.risk.inviter.map(|id| Person { id: Text(id), email: inviter.as_deref() }),
    });
    ok(&Page { items: items.collect(), next })
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Reviewed<'a> {
    #[schema(value_type = openapi::Success)]
    status: &'static str,
    dry_run: bool,
    #[schema(value_type = openapi::VerdictName)]
    verdict: &'static str,
    already: bool,
    /// Whether the inviter's credit had been withheld until then.
    was_withheld: bool,
    #[schema(required)]
    inviter: Option<Person<'a>>,
    /// Where the person stands from then on, where that changes.
    #[schema(value_type = Option<openapi::ReferralStateName>, required)]
    referral_state: Option<&'static str>,
    rewards_withdrawn: Vec<TakenBack<'a>>,
    /// What referrals add to people's places from then on.
    points: Vec<Points<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RewardsTakenBack)]
pub(in crate::http) struct TakenBack<'a> {
    #[serde(flatten)]
    person: Person<'a>,
    rewards: Vec<Granted<'a>>,
    /// So many codes are revoked: those that the person has not given away, as far as they are due.
    codes_revoked: u32,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PointsTakenBack)]
pub(in crate::http) struct Points<'a> {
    #[serde(flatten)]
    person: Person<'a>,
    points: i32,
}

pub(in crate::http) async fn accept(call: Call) -> Answer {
    review(call, true).await
}

pub(in crate::http) async fn reject(call: Call) -> Answer {
    review(call, false).await
}

async fn review(mut call: Call, accept: bool) -> Answer {
    let person = call.person_or_id().await?;
    let mut query = Query::parse(call.parts.uri.query());
    let dry_run = query.parsed("dry_run", |text| match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("must be true or false"),
    });
    query.finish()?;
    let dry_run = dry_run.unwrap_or(false);
    let (node, tag) = call.no_input().await?;
    let verdict = if dry_run {
        node.engine.preview(person, accept).await?
    } else {
        node.engine.review(person, accept, tag).await?
    };
    ok(&answer(&verdict, accept, dry_run))
}

fn answer(verdict: &Verdict, accept: bool, dry_run: bool) -> Reviewed<'_> {
    let Verdict { reviewed, addresses } = verdict;
    let person = |id: PersonId| {
        let known = addresses.iter().find(|(known, _)| *known == id);
        Person { id: Text(id), email: known.and_then(|(_, email)| email.as_deref()) }
    };
    Reviewed {
        status: "success",
        dry_run,
        verdict: if accept { "accepted" } else { "rejected" },
        already: reviewed.already,
        was_withheld: reviewed.withheld,
        inviter: reviewed.inviter.map(person),
        referral_state: reviewed.state.map(ReferralState::as_str),
        rewards_withdrawn: reviewed
            .withdrawn
            .iter()
            .zip(&reviewed.revoked)
            .map(|(withdrawn, codes): (&Withdrawn, &u32)| TakenBack {
                person: person(withdrawn.person),
                rewards: withdrawn.rewards.iter().map(Granted::from).collect(),
                codes_revoked: *codes,
            })
            .collect(),
        points: reviewed
            .credits
            .iter()
            .map(|credit: &Credit| Points { person: person(credit.inviter), points: credit.total })
            .collect(),
    }
}
