//! `/api/referrals`: sharing, earning, and how good somebody's referrals are.

use actors::{Email, InviteCode, Milestone, Reward, RewardKind, Timestamp, Uuid};
use axum::http::StatusCode;
use serde::Serialize;

use super::text::Text;
use crate::http::answer::{Answer, json, ok};
use crate::http::call::{Call, Input};

#[derive(Serialize)]
struct Shared {
    status: &'static str,
    referral_id: Text<Uuid>,
    message: &'static str,
    invite_code: Option<String>,
    already_shared: bool,
}

pub(in crate::http) async fn share(call: Call) -> Answer {
    let Input { node, tag, mut fields, .. } = call.input().await?;
    let inviter = fields.parsed("inviter_email", Email::parse);
    let recipient = fields.parsed("recipient_email", Email::parse);
    let parse_code = |text: &str| InviteCode::parse(text, &node.code_prefix);
    let code = fields.optional_parsed("invite_code", parse_code);
    let (inviter, recipient) = fields.finish(inviter.zip(recipient))?;
    let shared = node.engine.share(inviter, recipient, code, tag).await?;
    json(
        if shared.already { StatusCode::OK } else { StatusCode::CREATED },
        &Shared {
            status: "success",
            referral_id: Text(shared.referral),
            message: "Referral tracked successfully",
            invite_code: shared.invite_code.map(|code| code.print(&node.code_prefix)),
            already_shared: shared.already,
        },
    )
}

#[derive(Serialize)]
struct Earned<'a> {
    earned: bool,
    codes_available: usize,
    message: String,
    codes: Vec<String>,
    rewards: Vec<Granted<'a>>,
    rewards_paused: bool,
    /// Whether codes are due and wait for the gate to open.
    codes_held: bool,
    next_milestone: Option<Next<'a>>,
}

#[derive(Serialize)]
struct Granted<'a> {
    r#type: &'static str,
    amount: u32,
    reason: &'a str,
    granted_at: Text<Timestamp>,
}

#[derive(Serialize)]
struct Next<'a> {
    redeemed: u32,
    missing: u32,
    reason: &'a str,
}

impl<'a> From<&'a Reward> for Granted<'a> {
    fn from(reward: &'a Reward) -> Self {
        Self {
            r#type: reward.kind.as_str(),
            amount: reward.amount,
            reason: &reward.reason,
            granted_at: Text(reward.at),
        }
    }
}

pub(in crate::http) async fn earn(call: Call) -> Answer {
    let Input { node, tag, mut fields, .. } = call.input().await?;
    let email = fields.parsed("user_email", Email::parse);
    let earned = node.engine.earn(fields.finish(email)?, tag).await?;
    ok(&Earned {
        earned: earned.earned,
        codes_available: earned.codes.len(),
        message: message(&earned.granted, earned.next.as_ref(), earned.paused, earned.held),
        codes: earned.codes.iter().map(|code| code.print(&node.code_prefix)).collect(),
        rewards: earned.granted.iter().map(Granted::from).collect(),
        rewards_paused: earned.paused,
        codes_held: earned.held,
        next_milestone: earned.next.as_ref().map(|next| Next {
            redeemed: next.redeemed,
            missing: next.missing,
            reason: &next.reason,
        }),
    })
}

/// "You earned 3 invite codes", or what is missing until there is something to say that about.
fn message(granted: &[Reward], next: Option<&Milestone>, paused: bool, held: bool) -> String {
    let sum = |kind: RewardKind| {
        granted.iter().filter(|reward| reward.kind == kind).map(|reward| reward.amount).sum::<u32>()
    };
    let mut parts = Vec::new();
    match sum(RewardKind::InviteCodes) {
        0 => {}
        1 => parts.push("1 invite code".to_owned()),
        codes => parts.push(format!("{codes} invite codes")),
    }
    match sum(RewardKind::PremiumMonths) {
        0 => {}
        1 => parts.push("1 month of premium".to_owned()),
        months => parts.push(format!("{months} months of premium")),
    }
    if granted.iter().any(|reward| reward.kind == RewardKind::Lifetime) {
        parts.push("lifetime access".to_owned());
    }
    match (parts.is_empty(), next) {
        (false, _) => format!("You earned {}", parts.join(" and ")),
        (true, _) if paused => {
            "Rewards are paused: too few of these referrals turn out well".to_owned()
        }
        (true, _) if held => "Invites are paused: ask again when they are open".to_owned(),
        (true, Some(Milestone { missing: 1, .. })) => {
            "Nothing new yet: 1 more redeemed referral to the next reward".to_owned()
        }
        (true, Some(Milestone { missing, .. })) => {
            format!("Nothing new yet: {missing} more redeemed referrals to the next reward")
        }
        (true, None) => "Nothing new: every reward has been earned".to_owned(),
    }
}

#[derive(Serialize)]
struct Quality<'a> {
    referred_count: u32,
    quality_score: f64,
    rewards: Vec<Granted<'a>>,
    parts: Vec<Part>,
}

#[derive(Serialize)]
struct Part {
    name: &'static str,
    value: f64,
    weight: f64,
}

pub(in crate::http) async fn quality(mut call: Call) -> Answer {
    let email = call.email().await?;
    let person = call.node.engine.identity().person(&email);
    let quality = call.node.engine.referral_quality(person).await?;
    let parts = quality.parts.iter();
    ok(&Quality {
        referred_count: quality.referred,
        quality_score: (quality.score * 100.0).round() / 100.0,
        rewards: quality.rewards.iter().map(Granted::from).collect(),
        parts: parts
            .map(|part| Part { name: part.name, value: part.value, weight: part.weight })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reward(kind: RewardKind, amount: u32) -> Reward {
        let at = Timestamp::from_micros(0);
        Reward { rule: String::new(), kind, amount, reason: String::new(), at }
    }

    #[test]
    fn the_message_sums_up_what_was_earned() {
        let codes = [reward(RewardKind::InviteCodes, 2), reward(RewardKind::InviteCodes, 1)];
        assert_eq!(message(&codes, None, false, false), "You earned 3 invite codes");
        let mixed = [reward(RewardKind::InviteCodes, 1), reward(RewardKind::PremiumMonths, 1)];
        assert_eq!(
            message(&mixed, None, false, true),
            "You earned 1 invite code and 1 month of premium"
        );
        let next = Milestone { redeemed: 3, missing: 1, reason: String::new() };
        assert!(message(&[], Some(&next), false, false).contains("1 more redeemed referral to"));
    }
}
