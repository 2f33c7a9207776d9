//! `/api/invites`: issuing codes, using them, asking about them.

use actors::{CodeStatus, Email, Generate, InviteCode, Timestamp};
use axum::http::StatusCode;
use serde::Serialize;

use super::text::Text;
use crate::http::answer::{Answer, json, ok};
use crate::http::call::{Call, Input};

const BATCH_SIZE_MAX: i64 = 10_000;
const BATCH_ID_CHARACTERS_MAX: usize = 50;
const EXPIRES_IN_DAYS_MAX: i64 = 3650;
const USES_MAX: i64 = 1_000_000;

#[derive(Serialize)]
struct Generated<'a> {
    status: &'static str,
    batch_id: &'a str,
    generated: usize,
    codes: Vec<String>,
    requested: u32,
    expires_at: Text<Timestamp>,
    gate: &'static str,
}

pub(in crate::http) async fn generate(call: Call) -> Answer {
    let Input { node, tag, mut fields } = call.input().await?;
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

fn batch_id(text: &str) -> Result<String, &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    if (1..=BATCH_ID_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 50 of the characters A-Z a-z 0-9 _ . : -")
    }
}

#[derive(Serialize)]
struct Redeemed<'a> {
    status: &'static str,
    message: &'static str,
    email: &'a str,
    redeemed_at: Text<Timestamp>,
    already_redeemed: bool,
}

pub(in crate::http) async fn redeem(call: Call) -> Answer {
    let Input { node, tag, mut fields } = call.input().await?;
    let code = fields.parsed("code", |text| InviteCode::parse(text, &node.code_prefix));
    let email = fields.parsed("email", Email::parse);
    let (code, email) = fields.finish(code.zip(email))?;
    let redeemed = node.engine.redeem(code, email.clone(), tag).await?;
    ok(&Redeemed {
        status: "success",
        message: "Invite code redeemed successfully",
        email: email.as_str(),
        redeemed_at: Text(redeemed.at),
        already_redeemed: redeemed.already,
    })
}

#[derive(Serialize)]
struct Status {
    valid: bool,
    expires_at: Text<Timestamp>,
    used: bool,
    status: &'static str,
    created_at: Text<Timestamp>,
    uses: u32,
    max_uses: u32,
    bound: bool,
}

pub(in crate::http) async fn status(mut call: Call) -> Answer {
    let code = call.code().await?;
    let view = call.node.engine.code_status(code).await?;
    ok(&Status {
        valid: view.status == CodeStatus::Active,
        expires_at: Text(view.expires_at),
        used: view.uses > 0 && view.status == CodeStatus::Used,
        status: view.status.as_str(),
        created_at: Text(view.created_at),
        uses: view.uses,
        max_uses: view.max_uses,
        bound: view.bound,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
