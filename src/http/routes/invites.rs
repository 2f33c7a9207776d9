//! `/api/invites`: issuing codes, using them, asking about them.

use std::ops::RangeInclusive;

use actors::invites::{self, CodeView};
use actors::{CodeStatus, Email, Error, Generate, InviteCode, Rejection, Timestamp, Uuid};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::past::moment;
use super::text::Text;
use crate::http::answer::{Answer, json, ok};
use crate::http::call::{Call, Input};
use crate::http::client::Client;
use crate::http::error::Problem;
use crate::http::node::Node;
use crate::http::openapi;
use crate::http::query::Query;

pub(in crate::http) const BATCH_SIZE_MAX: i64 = 10_000;
pub(in crate::http) const BATCH_ID_CHARACTERS_MAX: usize = 50;
pub(in crate::http) const EXPIRES_IN_DAYS_MAX: i64 = 3650;
pub(in crate::http) const USES_MAX: i64 = 1_000_000;
pub(in crate::http) const HOLD_SECONDS: RangeInclusive<i64> = 30..=3600;
pub(in crate::http) const HOLD_SECONDS_DEFAULT: u32 = 600;
pub(in crate::http) const PAGE_MAX: i64 = 1000;
pub(in crate::http) const PAGE_DEFAULT: usize = 100;
const STATUSES: &str = "must be one of active, reserved, used, expired, revoked";

#[derive(Serialize, ToSchema)]
#[schema(as = GeneratedCodes)]
pub(in crate::http) struct Generated<'a> {
    #[schema(value_type = openapi::Success)]
    status: &'static str,
    batch_id: &'a str,
    generated: usize,
    #[schema(value_type = Vec<openapi::Code>)]
    codes: Vec<String>,
    requested: u32,
    #[schema(value_type = openapi::Time)]
    expires_at: Text<Timestamp>,
    #[schema(value_type = openapi::GateColour)]
    gate: &'static str,
}

pub(in crate::http) async fn generate(call: Call) -> Answer {
    let Input { node, tag, mut fields, .. } = call.input().await?;
    let count = fields.integer("batch_size", 1..=BATCH_SIZE_MAX);
    let batch_id = fields.optional_parsed("batch_id", batch_id);
    let issued_to = fields.optional_parsed("issued_to", Email::parse);
    let expires_in_days = fields.optional_integer("expires_in_days", 1..=EXPIRES_IN_DAYS_MAX);
    let max_uses = fields.optional_integer("max_uses", 1..=USES_MAX);
    let force = fields.flag("force");
    let generate = fields.finish(count.map(|count| Generate {
        count,
        batch_id,
        issued_to,
        expires_in_days,
        max_uses,
        force,
    }))?;
    let generated = node.engine.generate(generate, tag).await?;
    let codes = generated.codes.iter().map(|code| code.print(&node.code_prefix)).collect();
    json(
        StatusCode::CREATED,
        &Generated {
            status: "success",
            batch_id: &generated.batch_id,
            generated: generated.codes.len(),
            codes,
            requested: generated.requested,
            expires_at: Text(generated.expires_at),
            gate: generated.gate.as_str(),
        },
    )
}

pub(super) fn batch_id(text: &str) -> Result<String, &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    if (1..=BATCH_ID_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 50 of the characters A-Z a-z 0-9 _ . : -")
    }
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Redeemed<'a> {
    #[schema(value_type = openapi::Success)]
    status: &'static str,
    message: &'static str,
    email: &'a str,
    #[schema(value_type = openapi::Time)]
    redeemed_at: Text<Timestamp>,
    already_redeemed: bool,
}

pub(in crate::http) async fn redeem(call: Call) -> Answer {
    let Input { node, client, origin, tag, mut fields } = call.input().await?;
    let code = fields.parsed("code", |text| InviteCode::parse(text, &node.code_prefix));
    let email = fields.parsed("email", Email::parse);
    let (code, email) = fields.finish(code.zip(email))?;
    let redeeming = node.engine.redeem(code, email.clone(), origin, tag);
    let redeemed = within_budget(&node, client, redeeming).await?;
    ok(&Redeemed {
        status: "success",
        message: "Invite code redeemed successfully",
        email: email.as_str(),
        redeemed_at: Text(redeemed.at),
        already_redeemed: redeemed.already,
    })
}

/// Counts the code that `looking` looks up against the budget of wrong codes, before it does.
async fn within_budget<T>(
    node: &Node,
    client: Client,
    looking: impl Future<Output = Result<T, Error>>,
) -> Result<T, Problem> {
    let guess = node.guesses.count(client)?;
    let found = looking.await;
    let unknown = Error::Rejected(Rejection::Invites(invites::Rejection::UnknownCode));
    if found.as_ref().is_err_and(|error| *error == unknown) {
        guess.was_wrong();
    } else {
        guess.was_not_wrong();
    }
    found.map_err(Problem::from)
}

#[derive(Serialize, ToSchema)]
#[schema(as = Reservation)]
pub(in crate::http) struct Reserved {
    #[schema(value_type = openapi::Success)]
    status: &'static str,
    #[schema(value_type = openapi::Id)]
    reservation: Text<Uuid>,
    #[schema(value_type = openapi::Time)]
    expires_at: Text<Timestamp>,
    already_reserved: bool,
}

pub(in crate::http) async fn reserve(call: Call) -> Answer {
    let Input { node, client, origin, tag, mut fields } = call.input().await?;
    let code = fields.parsed("code", |text| InviteCode::parse(text, &node.code_prefix));
    let email = fields.parsed("email", Email::parse);
    let seconds = fields.optional_integer("hold_seconds", HOLD_SECONDS);
    let (code, email) = fields.finish(code.zip(email))?;
    let seconds = seconds.unwrap_or(HOLD_SECONDS_DEFAULT);
    let reserving = node.engine.reserve(code, email, seconds, origin, tag);
    let reserved = within_budget(&node, client, reserving).await?;
    let status = if reserved.already { StatusCode::OK } else { StatusCode::CREATED };
    json(
        status,
        &Reserved {
            status: "success",
            reservation: Text(reserved.reservation),
            expires_at: Text(reserved.until),
            already_reserved: reserved.already,
        },
    )
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Confirmed {
    #[schema(value_type = openapi::Success)]
    status: &'static str,
    message: &'static str,
    #[schema(value_type = openapi::Id)]
    reservation: Text<Uuid>,
    #[schema(value_type = openapi::Time)]
    redeemed_at: Text<Timestamp>,
    already_redeemed: bool,
}

pub(in crate::http) async fn confirm(mut call: Call) -> Answer {
    let id = call.id().await?;
    let (node, tag) = call.no_input().await?;
    let redeemed = node.engine.confirm(id, tag).await?;
    ok(&Confirmed {
        status: "success",
        message: "Invite code redeemed successfully",
        reservation: Text(id),
        redeemed_at: Text(redeemed.at),
        already_redeemed: redeemed.already,
    })
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Released {
    #[schema(value_type = openapi::Success)]
    status: &'static str,
    message: &'static str,
    #[schema(value_type = openapi::Id)]
    reservation: Text<Uuid>,
}

pub(in crate::http) async fn release(mut call: Call) -> Answer {
    let id = call.id().await?;
    let (node, tag) = call.no_input().await?;
    node.engine.release(id, tag).await?;
    ok(&Released { status: "success", message: "The code is free again", reservation: Text(id) })
}

pub(in crate::http) async fn revoke(mut call: Call) -> Answer {
    let code = call.code().await?;
    let (node, tag) = call.no_input().await?;
    node.engine.revoke(code, tag).await?;
    show(&node, code).await
}

pub(in crate::http) async fn restore(mut call: Call) -> Answer {
    let code = call.code().await?;
    let (node, tag) = call.no_input().await?;
    node.engine.restore(code, tag).await?;
    show(&node, code).await
}

pub(in crate::http) async fn extend(mut call: Call) -> Answer {
    let code = call.code().await?;
    let Input { node, tag, mut fields, .. } = call.input().await?;
    let days = fields.integer("days", 1..=EXPIRES_IN_DAYS_MAX);
    let days = fields.finish(days)?;
    node.engine.extend(code, days, tag).await?;
    show(&node, code).await
}

#[derive(Serialize, ToSchema)]
#[schema(as = ListedCode)]
pub(in crate::http) struct Listed {
    #[schema(value_type = openapi::Code)]
    code: String,
    #[serde(flatten)]
    status: Status,
    batch_id: String,
    #[schema(required)]
    issued_to: Option<String>,
    #[schema(required)]
    holder: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = InvitePage)]
pub(in crate::http) struct Page {
    items: Vec<Listed>,
    #[schema(required)]
    next: Option<String>,
}

pub(in crate::http) async fn page(call: Call) -> Answer {
    let mut query = Query::parse(call.parts.uri.query());
    let batch = query.parsed("batch_id", batch_id);
    let issued_to = query.parsed("issued_to", Email::parse);
    let status = query.parsed("status", |text| {
        let named = |status: &CodeStatus| status.as_str() == text;
        CodeStatus::ALL.into_iter().find(named).ok_or(STATUSES)
    });
    let limit = query.integer("limit", 1..=PAGE_MAX).unwrap_or(PAGE_DEFAULT);
    let after = query.parsed("after", after);
    query.finish()?;
    let node = &call.node;
    let issued_to = issued_to.map(|email| node.engine.identity().person(&email));
    let filter = invites::Filter { batch, issued_to, status, after: after.unwrap_or(0), limit };
    let page = node.engine.codes(filter).await?;
    let people = page.items.iter().flat_map(|listed| [listed.bound, listed.holder]).flatten();
    // While the book of what people typed is rebuilt, the rest of the answer holds all the same.
    let profiles = node.engine.profiles(people.collect()).await.unwrap_or_default();
    let mut emails = profiles.into_iter().map(|profile| profile.map(|profile| profile.email));
    let items = page.items.into_iter().map(|listed| Listed {
        code: listed.view.code.print(&node.code_prefix),
        status: Status::of(&listed.view),
        batch_id: listed.batch,
        issued_to: listed.bound.and_then(|_| emails.next().flatten()),
        holder: listed.holder.and_then(|_| emails.next().flatten()),
    });
    let items = items.collect();
    ok(&Page { items, next: page.next.map(cursor) })
}

fn cursor(next: u32) -> String {
    format!("{next:08x}")
}

/// A cursor as it was handed out, to the letter.
fn after(text: &str) -> Result<u32, &'static str> {
    let next = u32::from_str_radix(text, 16).ok().filter(|next| cursor(*next) == text);
    next.ok_or("is not a cursor of this list")
}

#[derive(Serialize, ToSchema)]
#[schema(as = InviteStatus)]
pub(in crate::http) struct Status {
    valid: bool,
    #[schema(value_type = openapi::Time)]
    expires_at: Text<Timestamp>,
    used: bool,
    #[schema(value_type = openapi::CodeState)]
    status: &'static str,
    #[schema(value_type = openapi::Time)]
    created_at: Text<Timestamp>,
    uses: u32,
    held: u32,
    max_uses: u32,
    bound: bool,
}

impl Status {
    fn of(view: &CodeView) -> Self {
        Self {
            valid: view.status == CodeStatus::Active,
            expires_at: Text(view.expires_at),
            used: view.uses > 0 && view.status == CodeStatus::Used,
            status: view.status.as_str(),
            created_at: Text(view.created_at),
            uses: view.uses,
            held: view.held,
            max_uses: view.max_uses,
            bound: view.bound,
        }
    }
}

pub(in crate::http) async fn status(mut call: Call) -> Answer {
    let code = call.code().await?;
    let (node, client) = (&call.node, call.client);
    let view = within_budget(node, client, node.engine.code_status(code)).await?;
    ok(&Status::of(&view))
}

/// A code as it was. History is for operators, so no wrong code is counted.
pub(in crate::http) async fn history(mut call: Call) -> Answer {
    let code = call.code().await?;
    let moment = moment(call.parts.uri.query(), "as_of")?;
    let engine = &call.node.engine;
    let view = match moment {
        None => engine.code_status(code).await?,
        Some(moment) => engine.code_status_as_of(code, moment).await?,
    };
    ok(&Status::of(&view))
}

async fn show(node: &Node, code: InviteCode) -> Answer {
    let view = node.engine.code_status(code).await?;
    ok(&Status::of(&view))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_taken_as_it_was_handed_out_and_in_no_other_spelling() {
        assert_eq!(after(&cursor(0x2a)), Ok(0x2a));
        for bad in ["2a", "+000002a", "0000002A", "00000002a", "0000002g", ""] {
            assert!(after(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_batch_id_is_short_and_needs_no_escaping() {
        assert!(batch_id("BATCH-20251220").is_ok());
        assert!(batch_id("2026:11.23_a-b").is_ok());
        let long = "x".repeat(BATCH_ID_CHARACTERS_MAX + 1);
        for bad in ["", "a b", "a/b", "ü", &long] {
            assert!(batch_id(bad).is_err(), "{bad}");
        }
    }
}
