//! `/api/waitlist`: joining, standing in line, leaving.

use std::collections::BTreeMap;

use actors::quality::Colour;
use actors::waitlist::{Invited, Order, Persona};
use actors::{Email, Join, PersonId, Profile, Standing, Timestamp, Wait};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::invites::{EXPIRES_IN_DAYS_MAX, batch_id};
use super::past::moment;
use super::text::{Text, hex};
use crate::http::answer::{Answer, json, ok};
use crate::http::call::{Call, Input};
use crate::http::error::Problem;
use crate::http::node::Node;
use crate::http::openapi;
use crate::http::query::Query;

pub(in crate::http) const USE_CASE_CHARACTERS_MAX: usize = 4000;
pub(in crate::http) const PERSONA_CHARACTERS_MAX: usize = 50;
pub(in crate::http) const REFERRAL_CODE_CHARACTERS_MAX: usize = 64;
pub(in crate::http) const METADATA_PAIRS_MAX: usize = 16;
pub(in crate::http) const METADATA_KEY_CHARACTERS_MAX: usize = 64;
pub(in crate::http) const METADATA_VALUE_CHARACTERS_MAX: usize = 256;
pub(in crate::http) const POINTS_MAX: i64 = 1_000_000;
pub(in crate::http) const REASON_CHARACTERS_MAX: usize = 200;
pub(in crate::http) const PAGE_MAX: i64 = 1000;
pub(in crate::http) const PAGE_DEFAULT: usize = 100;
pub(in crate::http) const WAVE_MAX: i64 = 10_000;

#[derive(Serialize, ToSchema)]
#[schema(as = WaitDays)]
pub(in crate::http) struct Days {
    low: u32,
    high: u32,
}

impl Days {
    fn of(wait: Option<&Wait>) -> Option<Self> {
        wait.and_then(|wait| wait.days).map(|(low, high)| Self { low, high })
    }
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Joined<'a> {
    #[schema(value_type = openapi::Success)]
    status: &'static str,
    #[schema(required)]
    position: Option<u64>,
    total_waiting: u64,
    #[schema(required)]
    estimated_wait: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    estimated_wait_days: Option<Days>,
    already_joined: bool,
    #[schema(value_type = openapi::EntryState)]
    state: &'static str,
    #[schema(value_type = openapi::Id)]
    id: Text<PersonId>,
    priority_score: i32,
    #[schema(value_type = openapi::ReferralCode)]
    referral_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<openapi::PersonToken>, nullable = false)]
    person_token: Option<String>,
}

pub(in crate::http) async fn join(call: Call) -> Answer {
    let Input { node, origin, tag, mut fields, .. } = call.input().await?;
    let email = fields.parsed("email", Email::parse);
    let use_case = fields.text("use_case", 1..=USE_CASE_CHARACTERS_MAX);
    let persona = fields.text("persona", 0..=PERSONA_CHARACTERS_MAX);
    let referral_code = fields.optional_text("referral_code", 1..=REFERRAL_CODE_CHARACTERS_MAX);
    let metadata = fields.pairs(
        "metadata",
        METADATA_PAIRS_MAX,
        METADATA_KEY_CHARACTERS_MAX,
        METADATA_VALUE_CHARACTERS_MAX,
    );
    let whole = email.zip(use_case).zip(persona).map(|((email, use_case), persona)| Join {
        email,
        use_case,
        persona,
        referral_code,
        metadata,
        client: origin,
    });
    let join = fields.finish(whole)?;
    let joined = node.engine.join(join, tag).await?;
    let (standing, already) = (&joined.standing, joined.already);
    let status = if already { StatusCode::OK } else { StatusCode::CREATED };
    let token = (!already).then(|| node.engine.identity().token(standing.person));
    json(
        status,
        &Joined {
            status: "success",
            position: standing.position,
            total_waiting: standing.total,
            estimated_wait: standing.wait.as_ref().map(|wait| wait.text.as_str()),
            estimated_wait_days: Days::of(standing.wait.as_ref()),
            already_joined: already,
            state: standing.state.as_str(),
            id: Text(standing.person),
            priority_score: standing.score,
            referral_code: node.engine.referral_code(standing),
            person_token: token,
        },
    )
}

#[derive(Serialize, ToSchema)]
#[schema(as = WaitlistStats)]
pub(in crate::http) struct Stats {
    total: u64,
    processed_today: u64,
    invited: u64,
    members: u64,
    removed: u64,
    joined_today: u64,
    by_persona: ByPersona,
    invites_per_day: f64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PersonaCounts)]
pub(in crate::http) struct ByPersona {
    solo_founder: u64,
    small_team: u64,
    agency: u64,
    content_creator: u64,
    other: u64,
}

pub(in crate::http) async fn stats(call: Call) -> Answer {
    let engine = &call.node.engine;
    let stats = match moment(call.parts.uri.query(), "as_of")? {
        None => engine.waitlist_stats().await?,
        Some(moment) => engine.waitlist_stats_as_of(moment).await?,
    };
    let of = |persona: Persona| stats.by_persona[persona as usize];
    ok(&Stats {
        total: stats.waiting,
        processed_today: stats.processed_today,
        invited: stats.invited,
        members: stats.members,
        removed: stats.removed,
        joined_today: stats.joined_today,
        by_persona: ByPersona {
            solo_founder: of(Persona::SoloFounder),
            small_team: of(Persona::SmallTeam),
            agency: of(Persona::Agency),
            content_creator: of(Persona::ContentCreator),
            other: of(Persona::Other),
        },
        invites_per_day: stats.invites_per_day,
    })
}

/// One person on the list. What was typed is absent while the book of it is being rebuilt.
#[derive(Serialize, ToSchema)]
#[schema(as = WaitlistEntry)]
pub(in crate::http) struct Entry<'a> {
    #[schema(value_type = openapi::Id)]
    id: Text<PersonId>,
    #[schema(value_type = openapi::EntryState)]
    state: &'static str,
    #[schema(required)]
    position: Option<u64>,
    #[schema(required)]
    ahead: Option<u64>,
    total: u64,
    #[schema(required)]
    estimated_wait: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    estimated_wait_days: Option<Days>,
    #[schema(required)]
    email: Option<&'a str>,
    persona: &'a str,
    #[schema(required)]
    use_case: Option<&'a str>,
    #[schema(required)]
    metadata: Option<BTreeMap<&'a str, &'a str>>,
    priority_score: i32,
    boost: i32,
    #[schema(value_type = openapi::Time)]
    joined_at: Text<Timestamp>,
    #[schema(value_type = Option<openapi::Time>, required)]
    invited_at: Option<Text<Timestamp>>,
    #[schema(value_type = openapi::ReferralCode)]
    referral_code: String,
}

impl<'a> Entry<'a> {
    fn of(node: &Node, standing: &'a Standing, profile: Option<&'a Profile>) -> Self {
        Self {
            id: Text(standing.person),
            state: standing.state.as_str(),
            position: standing.position,
            ahead: standing.position.map(|position| position.saturating_sub(1)),
            total: standing.total,
            estimated_wait: standing.wait.as_ref().map(|wait| wait.text.as_str()),
            estimated_wait_days: Days::of(standing.wait.as_ref()),
            email: profile.map(|profile| profile.email.as_str()),
            persona: profile.map_or(standing.persona.as_str(), |profile| &profile.persona),
            use_case: profile.map(|profile| profile.use_case.as_str()),
            metadata: profile.map(|profile| {
                profile.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
            }),
            priority_score: standing.score,
            boost: standing.boost,
            joined_at: Text(standing.joined_at),
            invited_at: standing.invited_at.map(Text),
            referral_code: node.engine.referral_code(standing),
        }
    }
}

pub(in crate::http) async fn me(call: Call) -> Answer {
    let person = call.person()?;
    show(&call.node, person).await
}

pub(in crate::http) async fn entry(mut call: Call) -> Answer {
    let email = call.email().await?;
    let node = &call.node;
    let person = node.engine.identity().person(&email);
    match moment(call.parts.uri.query(), "as_of")? {
        None => show(node, person).await,
        Some(moment) => {
            let standing = node.engine.standing_as_of(person, moment).await?;
            let profile = typed(node, person).await;
            ok(&Entry::of(node, &standing, profile.as_ref()))
        }
    }
}

/// What a person has typed. None while the book of it is being rebuilt: the rest of the answer
/// holds all the same.
async fn typed(node: &Node, person: PersonId) -> Option<Profile> {
    node.engine.profile(person).await.ok().flatten()
}

async fn show(node: &Node, person: PersonId) -> Answer {
    let standing = node.engine.standing(person).await?;
    let profile = typed(node, person).await;
    ok(&Entry::of(node, &standing, profile.as_ref()))
}

#[derive(Serialize, ToSchema)]
#[schema(as = WaitlistPage)]
pub(in crate::http) struct Page<'a> {
    items: Vec<Entry<'a>>,
    #[schema(required)]
    next: Option<&'a str>,
}

pub(in crate::http) async fn page(call: Call) -> Answer {
    let (limit, after) = window(call.parts.uri.query())?;
    let node = &call.node;
    let page = node.engine.page(after, limit).await?;
    let people = page.items.iter();
    let items = people.map(|(standing, profile)| Entry::of(node, standing, profile.as_ref()));
    ok(&Page { items: items.collect(), next: page.next.as_deref() })
}

/// `limit` and `after` of a list. A cursor is made of characters that need no escaping.
fn window(query: Option<&str>) -> Result<(usize, Option<String>), Problem> {
    let mut query = Query::parse(query);
    let limit = query.integer("limit", 1..=PAGE_MAX);
    let after = query.parsed("after", |cursor| Ok::<_, String>(cursor.to_owned()));
    query.finish()?;
    Ok((limit.unwrap_or(PAGE_DEFAULT), after))
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Wave<'a> {
    #[schema(value_type = openapi::Success)]
    status: &'static str,
    batch_id: &'a str,
    requested: u32,
    invited: u32,
    #[schema(value_type = openapi::OrderName)]
    order: &'static str,
    #[schema(value_type = openapi::GateColour)]
    gate: &'static str,
    message: String,
    #[schema(value_type = openapi::Time)]
    sent_at: Text<Timestamp>,
    #[schema(value_type = openapi::Time)]
    expires_at: Text<Timestamp>,
    already_sent: bool,
    invites: Vec<Invite>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WaveInvite)]
pub(in crate::http) struct Invite {
    #[schema(value_type = openapi::Id)]
    id: Text<PersonId>,
    #[schema(required)]
    email: Option<String>,
    #[schema(value_type = openapi::Code)]
    code: String,
}

pub(in crate::http) async fn invite(call: Call) -> Answer {
    let Input { node, tag, mut fields, .. } = call.input().await?;
    let count = fields.integer("count", 1..=WAVE_MAX);
    let batch_id = fields.optional_parsed("batch_id", batch_id);
    let order = fields.optional_parsed("order", |text| {
        let named = |order: &Order| order.as_str() == text;
        Order::ALL.into_iter().find(named).ok_or("must be priority or lottery")
    });
    let expires_in_days = fields.optional_integer("expires_in_days", 1..=EXPIRES_IN_DAYS_MAX);
    let order = order.unwrap_or_default();
    let wave = count.map(|count| actors::Wave { count, batch_id, order, expires_in_days });
    let sent = node.engine.wave(fields.finish(wave)?, tag).await?;
    let people = sent.codes.iter().map(|(_, person)| *person).collect();
    // While the book of what people typed is rebuilt, the rest of the answer holds all the same.
    let mut profiles = node.engine.profiles(people).await.unwrap_or_default().into_iter();
    let invites = sent.codes.iter().map(|(code, person)| Invite {
        id: Text(*person),
        email: profiles.next().flatten().map(|profile| profile.email),
        code: code.print(&node.code_prefix),
    });
    let wave = &sent.invited;
    let status = if wave.already { StatusCode::OK } else { StatusCode::CREATED };
    json(
        status,
        &Wave {
            status: "success",
            batch_id: &wave.batch_id,
            requested: wave.requested,
            invited: wave.invited,
            order: wave.order.as_str(),
            gate: wave.gate.as_str(),
            message: said(wave),
            sent_at: Text(wave.at),
            expires_at: Text(sent.expires_at),
            already_sent: wave.already,
            invites: invites.collect(),
        },
    )
}

fn said(wave: &Invited) -> String {
    let Invited { requested, invited, .. } = wave;
    match wave.gate {
        Colour::Yellow => {
            format!("invited {invited} of {requested}: the gate is yellow, which halves a wave")
        }
        Colour::Green | Colour::Red if invited < requested => {
            format!("invited {invited} of {requested}: nobody else waits")
        }
        Colour::Green | Colour::Red => format!("invited {invited}"),
    }
}

pub(in crate::http) async fn boost(mut call: Call) -> Answer {
    let email = call.email().await?;
    let Input { node, tag, mut fields, .. } = call.input().await?;
    let points = fields.integer("points", -POINTS_MAX..=POINTS_MAX);
    let reason = fields.text("reason", 1..=REASON_CHARACTERS_MAX);
    let (points, reason) = fields.finish(points.zip(reason))?;
    let person = node.engine.identity().person(&email);
    let standing = node.engine.boost(person, points, reason, tag).await?;
    let profile = typed(&node, person).await;
    ok(&Entry::of(&node, &standing, profile.as_ref()))
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Left {
    #[schema(value_type = openapi::Success)]
    status: &'static str,
    message: &'static str,
    #[schema(value_type = openapi::Time)]
    erased_at: Text<Timestamp>,
    receipt: Receipt,
}

/// What proves the erasure: the record of it, and the journal's hash chain around its commit.
#[derive(Serialize, ToSchema)]
#[schema(as = ErasureReceipt)]
pub(in crate::http) struct Receipt {
    seq: u64,
    chain_before: String,
    chain: String,
}

pub(in crate::http) async fn leave(call: Call) -> Answer {
    let person = call.person()?;
    erase(&call.node, person).await
}

pub(in crate::http) async fn remove(mut call: Call) -> Answer {
    let email = call.email().await?;
    let person = call.node.engine.identity().person(&email);
    erase(&call.node, person).await
}

async fn erase(node: &Node, person: PersonId) -> Answer {
    let left = node.engine.leave(person).await?;
    ok(&Left {
        status: "success",
        message: "Removed from the waitlist and erased",
        erased_at: Text(left.at),
        receipt: Receipt {
            seq: left.seq,
            chain_before: hex(&left.chain_before),
            chain: hex(&left.chain),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_limit_and_a_cursor_and_nothing_else() {
        assert_eq!(window(None), Ok((PAGE_DEFAULT, None)));
        assert_eq!(window(Some("limit=1000&after=abc")), Ok((1000, Some("abc".to_owned()))));
        let problem = window(Some("limit=1001&befor=x")).expect_err("both are wrong");
        assert_eq!(problem.errors().len(), 2);
        for bad in ["limit=0", "limit=-1", "limit=", "limit=x"] {
            assert!(window(Some(bad)).is_err(), "{bad}");
        }
    }
}
