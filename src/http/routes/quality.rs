//! `/api/quality`: what the product saw of its members, and what follows for invites.

use actors::quality::Trust;
use actors::{Alert, Email, Seen, Sighting, Timestamp};
use serde::Serialize;

use super::text::Text;
use crate::http::answer::{Answer, ok};
use crate::http::body::Fields;
use crate::http::call::{Call, Input};

const EVENTS_MAX: usize = 1000;

#[derive(Serialize)]
struct Accepted {
    status: &'static str,
    accepted: u32,
}

pub(in crate::http) async fn observe(call: Call) -> Answer {
    let Input { node, tag, mut fields, .. } = call.input().await?;
    let identity = node.engine.identity();
    let events = fields.items("events", EVENTS_MAX, |event: &mut Fields| {
        let email = event.parsed("email", Email::parse);
        let kind = event.parsed("type", seen);
        let at = event.optional_parsed("at", time);
        let (email, kind) = email.zip(kind)?;
        Some(Sighting { person: identity.person(&email), kind, at })
    });
    let observed = node.engine.observe(fields.finish(events)?, tag).await?;
    ok(&Accepted { status: "success", accepted: observed.accepted })
}

fn seen(text: &str) -> Result<Seen, &'static str> {
    match text {
        "active" => Ok(Seen::Active),
        "churned" => Ok(Seen::Churned),
        "fraud" => Ok(Seen::Fraud),
        "cleared" => Ok(Seen::Cleared),
        _ => Err("must be active, churned, fraud or cleared"),
    }
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    text.parse().map_err(|_| "must be a time like 2026-11-23T12:00:00Z (RFC 3339)")
}

#[derive(Serialize)]
struct Sample {
    members: u64,
    minimum: u64,
    sufficient: bool,
}

#[derive(Serialize)]
struct Raised<'a> {
    id: &'a str,
    severity: &'static str,
    metric: &'static str,
    value: f64,
    threshold: f64,
    message: &'a str,
    since: Text<Timestamp>,
}

impl<'a> From<&'a Alert> for Raised<'a> {
    fn from(alert: &'a Alert) -> Self {
        Self {
            id: &alert.id,
            severity: alert.severity.as_str(),
            metric: alert.metric(),
            value: alert.value,
            threshold: alert.threshold,
            message: &alert.message,
            since: Text(alert.since),
        }
    }
}

impl From<&Trust> for Sample {
    fn from(trust: &Trust) -> Self {
        Self {
            members: trust.members,
            minimum: trust.members_min,
            sufficient: trust.sample_sufficient,
        }
    }
}

#[derive(Serialize)]
struct TrustScore {
    trust_score: f64,
    churn_rate: f64,
    fraud_rate: f64,
    engagement_rate: f64,
    invites_paused: bool,
    health_status: &'static str,
    gate: &'static str,
    halved_until: Option<Text<Timestamp>>,
    sample_size: Sample,
}

pub(in crate::http) async fn trust_score(call: Call) -> Answer {
    let trust = call.node.engine.trust().await?;
    ok(&TrustScore {
        trust_score: trust.score,
        churn_rate: trust.churn,
        fraud_rate: trust.fraud,
        engagement_rate: trust.engagement,
        invites_paused: trust.paused,
        health_status: trust.health.as_str(),
        gate: trust.colour.as_str(),
        halved_until: trust.halved_until.map(Text),
        sample_size: Sample::from(&trust),
    })
}

#[derive(Serialize)]
struct Evaluated<'a> {
    invites_allowed: bool,
    trust_score: f64,
    metrics: Rates,
    alerts: Vec<Raised<'a>>,
    gate: &'static str,
    health_status: &'static str,
    halved_until: Option<Text<Timestamp>>,
}

#[derive(Serialize)]
struct Rates {
    churn_rate: f64,
    fraud_rate: f64,
    engagement_rate: f64,
    members: u64,
    sample_size: Sample,
}

pub(in crate::http) async fn evaluate_gate(call: Call) -> Answer {
    let (node, tag) = call.no_input().await?;
    let trust = node.engine.evaluate(tag).await?;
    ok(&Evaluated {
        invites_allowed: !trust.paused,
        trust_score: trust.score,
        metrics: Rates {
            churn_rate: trust.churn,
            fraud_rate: trust.fraud,
            engagement_rate: trust.engagement,
            members: trust.members,
            sample_size: Sample::from(&trust),
        },
        alerts: trust.alerts.iter().map(Raised::from).collect(),
        gate: trust.colour.as_str(),
        health_status: trust.health.as_str(),
        halved_until: trust.halved_until.map(Text),
    })
}

#[derive(Serialize)]
struct Alerts<'a> {
    items: Vec<Raised<'a>>,
    // There are fewer metrics than fit into one page.
    next: Option<&'a str>,
}

pub(in crate::http) async fn alerts(call: Call) -> Answer {
    let trust = call.node.engine.trust().await?;
    ok(&Alerts { items: trust.alerts.iter().map(Raised::from).collect(), next: None })
}
