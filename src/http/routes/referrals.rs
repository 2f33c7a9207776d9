//! `/api/referrals`: sharing, earning, how good somebody's referrals are, and the graph of all.

use actors::referrals::ReferralState;
use actors::{Email, InviteCode, Milestone, PersonId, Reward, RewardKind, Timestamp, Uuid};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::text::Text;
use crate::http::answer::{Answer, json, ok};
use crate::http::call::{Call, Input};
use crate::http::error::Problem;
use crate::http::openapi;
use crate::http::query::Query;

pub(in crate::http) const TOP_MAX: i64 = 100;
pub(in crate::http) const TOP_DEFAULT: usize = 10;

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Shared {
    #[schema(value_type = openapi::Success)]
    status: &'static str,
    #[schema(value_type = openapi::Id)]
    referral_id: Text<Uuid>,
    message: &'static str,
    #[schema(value_type = Option<openapi::Code>, required)]
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

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Earned<'a> {
    earned: bool,
    codes_available: usize,
    message: String,
    #[schema(value_type = Vec<openapi::Code>)]
    codes: Vec<String>,
    rewards: Vec<Granted<'a>>,
    rewards_paused: bool,
    /// Whether codes are due and come by themselves: when the gate opens or, after a verdict, as
    /// soon as it is known which of them could be taken back.
    codes_held: bool,
    #[schema(required)]
    next_milestone: Option<Next<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Reward)]
pub(in crate::http) struct Granted<'a> {
    #[schema(value_type = openapi::RewardName)]
    r#type: &'static str,
    amount: u32,
    reason: &'a str,
    #[schema(value_type = openapi::Time)]
    granted_at: Text<Timestamp>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NextMilestone)]
pub(in crate::http) struct Next<'a> {
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

impl<'a> From<&'a Milestone> for Next<'a> {
    fn from(next: &'a Milestone) -> Self {
        Self { redeemed: next.redeemed, missing: next.missing, reason: &next.reason }
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
        next_milestone: earned.next.as_ref().map(Next::from),
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
        (true, _) if held => {
            "What you have earned comes as soon as invites are given out again".to_owned()
        }
        (true, Some(Milestone { missing: 1, .. })) => {
            "Nothing new yet: 1 more redeemed referral to the next reward".to_owned()
        }
        (true, Some(Milestone { missing, .. })) => {
            format!("Nothing new yet: {missing} more redeemed referrals to the next reward")
        }
        (true, None) => "Nothing new: every reward has been earned".to_owned(),
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReferralQuality)]
pub(in crate::http) struct Quality<'a> {
    referred_count: u32,
    #[schema(value_type = openapi::Probability)]
    quality_score: f64,
    /// `good`, or what follows from a bad score.
    #[schema(value_type = openapi::StandingName)]
    standing: &'static str,
    rewards: Vec<Granted<'a>>,
    parts: Vec<Part>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = QualityPart)]
pub(in crate::http) struct Part {
    #[schema(value_type = openapi::PartName)]
    name: &'static str,
    #[schema(value_type = openapi::Probability)]
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
        standing: quality.standing.as_str(),
        rewards: quality.rewards.iter().map(Granted::from).collect(),
        parts: parts
            .map(|part| Part { name: part.name, value: part.value, weight: part.weight })
            .collect(),
    })
}

/// Somebody on the way up. The address is absent when nobody has typed it, when its owner was
/// erased, and while the book of addresses is being rebuilt.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Ancestor<'a> {
    #[schema(value_type = openapi::Id)]
    id: Text<PersonId>,
    #[schema(required)]
    email: Option<&'a str>,
    #[schema(value_type = Option<openapi::ReferralStateName>, required)]
    state: Option<&'static str>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReferralChain)]
pub(in crate::http) struct Chain<'a> {
    #[schema(value_type = openapi::Id)]
    id: Text<PersonId>,
    #[schema(value_type = Option<openapi::ReferralStateName>, required)]
    state: Option<&'static str>,
    #[schema(value_type = openapi::Id)]
    root: Text<PersonId>,
    depth: u32,
    ancestors: Vec<Ancestor<'a>>,
    subtree: Subtree<'a>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Subtree<'a> {
    size: u64,
    depth: u32,
    by_level: &'a [u32],
}

pub(in crate::http) async fn chain(mut call: Call) -> Answer {
    let email = call.email().await?;
    let person = call.node.engine.identity().person(&email);
    let (chain, emails) = call.node.engine.referral_chain(person).await?;
    let ancestors = chain.above.iter().zip(&emails).map(|(ancestor, email)| Ancestor {
        id: Text(ancestor.person),
        email: email.as_deref(),
        state: ancestor.state.map(ReferralState::as_str),
    });
    ok(&Chain {
        id: Text(person),
        state: chain.state.map(ReferralState::as_str),
        root: Text(chain.root),
        depth: chain.depth,
        ancestors: ancestors.collect(),
        subtree: Subtree { size: chain.size, depth: chain.levels, by_level: &chain.by_level },
    })
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReferralCounts)]
pub(in crate::http) struct ByState {
    shared: u64,
    waiting: u64,
    redeemed: u64,
    active: u64,
    churned: u64,
    fraud: u64,
}

impl<T: Into<u64>> From<[T; 6]> for ByState {
    fn from(counts: [T; 6]) -> Self {
        let [shared, waiting, redeemed, active, churned, fraud] = counts.map(Into::into);
        Self { shared, waiting, redeemed, active, churned, fraud }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReferralPast)]
pub(in crate::http) struct Past<'a> {
    #[schema(value_type = openapi::Id)]
    id: Text<PersonId>,
    #[schema(required)]
    email: Option<&'a str>,
    #[schema(value_type = openapi::ReferralStateName)]
    state: &'static str,
    #[schema(value_type = openapi::Time)]
    shared_at: Text<Timestamp>,
    #[schema(value_type = Option<openapi::Time>, required)]
    redeemed_at: Option<Text<Timestamp>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReferralAnalytics)]
pub(in crate::http) struct Analytics<'a> {
    referred_count: u64,
    by_state: ByState,
    /// Those that would count, and wait for a verdict on the recipient.
    withheld: u32,
    history: Vec<Past<'a>>,
    rewards: Vec<Granted<'a>>,
    rewards_paused: bool,
    #[schema(required)]
    next_milestone: Option<Next<'a>>,
}

pub(in crate::http) async fn analytics(mut call: Call) -> Answer {
    let email = call.email().await?;
    let person = call.node.engine.identity().person(&email);
    let (analytics, emails) = call.node.engine.referral_analytics(person).await?;
    let history = analytics.history.iter().zip(&emails).map(|(past, email)| Past {
        id: Text(past.recipient),
        email: email.as_deref(),
        state: past.state.as_str(),
        shared_at: Text(past.shared_at),
        redeemed_at: past.redeemed_at.map(Text),
    });
    ok(&Analytics {
        referred_count: analytics.by_state.iter().map(|count| u64::from(*count)).sum(),
        by_state: analytics.by_state.into(),
        withheld: analytics.withheld,
        history: history.collect(),
        rewards: analytics.rewards.iter().map(Granted::from).collect(),
        rewards_paused: analytics.paused,
        next_milestone: analytics.next.as_ref().map(Next::from),
    })
}

#[derive(Serialize, ToSchema)]
#[schema(as = TopReferrers)]
pub(in crate::http) struct Top<'a> {
    items: Vec<Leader<'a>>,
    // The best are a list of one page.
    #[schema(required)]
    next: Option<&'a str>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Leader<'a> {
    #[schema(value_type = openapi::Id)]
    id: Text<PersonId>,
    #[schema(required)]
    email: Option<&'a str>,
    redeemed: u32,
    referred_count: u32,
    #[schema(value_type = openapi::Probability)]
    quality_score: f64,
}

pub(in crate::http) async fn top(call: Call) -> Answer {
    let limit = limit(call.parts.uri.query())?;
    let top = call.node.engine.top_referrers(limit).await?;
    let items = top.iter().map(|(leader, email)| Leader {
        id: Text(leader.person),
        email: email.as_deref(),
        redeemed: leader.redeemed,
        referred_count: leader.referred,
        quality_score: leader.quality,
    });
    ok(&Top { items: items.collect(), next: None })
}

/// `limit`, and no other parameter.
fn limit(query: Option<&str>) -> Result<usize, Problem> {
    let mut query = Query::parse(query);
    let limit = query.integer("limit", 1..=TOP_MAX);
    query.finish()?;
    Ok(limit.unwrap_or(TOP_DEFAULT))
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReferralNetwork)]
pub(in crate::http) struct Network {
    people: u64,
    roots: u64,
    edges: u64,
    depth: u32,
    by_state: ByState,
    redeemed: u64,
    #[schema(value_type = openapi::Probability)]
    conversion: f64,
    members: u64,
    viral_coefficient: f64,
}

pub(in crate::http) async fn network(call: Call) -> Answer {
    let network = call.node.engine.referral_network().await?;
    ok(&Network {
        people: network.people,
        roots: network.roots,
        edges: network.edges,
        depth: network.depth,
        by_state: network.by_state.into(),
        redeemed: network.redeemed,
        conversion: network.conversion,
        members: network.members,
        viral_coefficient: network.viral_coefficient,
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

    #[test]
    fn the_best_are_at_most_a_hundred() {
        assert_eq!(limit(None), Ok(TOP_DEFAULT));
        assert_eq!(limit(Some("limit=100")), Ok(100));
        for bad in ["limit=0", "limit=101", "limit=", "limit=x", "after=x"] {
            assert!(limit(Some(bad)).is_err(), "{bad}");
        }
    }
}
