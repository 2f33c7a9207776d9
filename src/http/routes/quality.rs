//! `/api/quality`: what the product saw of its members, and what follows for invites.

use actors::quality::{
    ANSWER_POINTS_MAX, DRILL_MINUTES_MAX, DrillRates, Drilling, POINT_MINUTES, Point, Ratio,
    STEP_MINUTES_MAX, Source, Trust, Window,
};
use actors::{Alert, Email, Seen, Sighting, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::past::moment;
use super::text::Text;
use crate::http::answer::{Answer, ok};
use crate::http::body::Fields;
use crate::http::call::{Call, Input};
use crate::http::error::Problem;
use crate::http::openapi;
use crate::http::query::Query;

pub(in crate::http) const EVENTS_MAX: usize = 1000;

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Accepted {
    #[schema(value_type = openapi::Success)]
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

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Sample {
    members: u64,
    minimum: u64,
    sufficient: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Alert)]
pub(in crate::http) struct Raised<'a> {
    id: &'a str,
    #[schema(value_type = openapi::Severity)]
    severity: &'static str,
    #[schema(value_type = openapi::AlertMetric)]
    metric: &'static str,
    value: f64,
    threshold: f64,
    message: &'a str,
    #[schema(value_type = openapi::Time)]
    since: Text<Timestamp>,
    #[schema(value_type = openapi::SourceName)]
    source: &'static str,
    /// When the drill ends that has a part in the value.
    #[schema(value_type = Option<openapi::Time>, required)]
    until: Option<Text<Timestamp>>,
}

impl<'a> Raised<'a> {
    fn all(trust: &'a Trust) -> Vec<Self> {
        trust.alerts.iter().map(|alert| Self::of(alert, trust)).collect()
    }

    fn of(alert: &'a Alert, trust: &Trust) -> Self {
        let drill = trust.drill_of(alert);
        Self {
            id: &alert.id,
            severity: alert.severity.as_str(),
            metric: alert.metric(),
            value: alert.value,
            threshold: alert.threshold,
            message: &alert.message,
            since: Text(alert.since),
            source: if drill.is_some() { Source::Drill } else { Source::Measured }.as_str(),
            until: drill.map(|drill| Text(drill.until)),
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

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct TrustScore {
    #[schema(value_type = openapi::Probability)]
    trust_score: f64,
    #[schema(value_type = openapi::Probability)]
    churn_rate: f64,
    #[schema(value_type = openapi::Probability)]
    fraud_rate: f64,
    #[schema(value_type = openapi::Probability)]
    engagement_rate: f64,
    invites_paused: bool,
    #[schema(value_type = openapi::HealthStatus)]
    health_status: &'static str,
    #[schema(value_type = openapi::GateColour)]
    gate: &'static str,
    #[schema(value_type = Option<openapi::Time>, required)]
    halved_until: Option<Text<Timestamp>>,
    #[schema(value_type = openapi::SourceName)]
    source: &'static str,
    /// When the drill ends that the rates come from.
    #[schema(value_type = Option<openapi::Time>, required)]
    until: Option<Text<Timestamp>>,
    sample_size: Sample,
}

impl From<&Trust> for TrustScore {
    fn from(trust: &Trust) -> Self {
        Self {
            trust_score: trust.score,
            churn_rate: trust.churn,
            fraud_rate: trust.fraud,
            engagement_rate: trust.engagement,
            invites_paused: trust.paused,
            health_status: trust.health.as_str(),
            gate: trust.colour.as_str(),
            halved_until: trust.halved_until.map(Text),
            source: trust.source().as_str(),
            until: trust.drill.map(|drill| Text(drill.until)),
            sample_size: Sample::from(trust),
        }
    }
}

pub(in crate::http) async fn trust_score(call: Call) -> Answer {
    let engine = &call.node.engine;
    let trust = match moment(call.parts.uri.query(), "as_of")? {
        None => engine.trust().await?,
        Some(moment) => engine.trust_as_of(moment).await?,
    };
    ok(&TrustScore::from(&trust))
}

/// Overrides measured rates for a while, and answers with what holds now.
pub(in crate::http) async fn drill(call: Call) -> Answer {
    let Input { node, tag, mut fields, .. } = call.input().await?;
    let minutes = fields.integer("for_minutes", 0..=i64::from(DRILL_MINUTES_MAX));
    let names = ["churn_rate", "fraud_rate", "engagement_rate"];
    // For no minutes it takes no rates: that ends a drill.
    if minutes != Some(0) {
        fields.any_of(&names);
    }
    let [churn, fraud, engagement] =
        names.map(|name| fields.optional_number(name, 0.0..=1.0).and_then(Ratio::new));
    let rates = DrillRates { churn, fraud, engagement };
    let drilling = minutes.map(|minutes| Drilling { rates, minutes });
    let trust = node.engine.drill(fields.finish(drilling)?, tag).await?;
    ok(&TrustScore::from(&trust))
}

#[derive(Serialize, ToSchema)]
#[schema(as = GateEvaluation)]
pub(in crate::http) struct Evaluated<'a> {
    invites_allowed: bool,
    #[schema(value_type = openapi::Probability)]
    trust_score: f64,
    metrics: Rates,
    alerts: Vec<Raised<'a>>,
    #[schema(value_type = openapi::GateColour)]
    gate: &'static str,
    #[schema(value_type = openapi::HealthStatus)]
    health_status: &'static str,
    #[schema(value_type = Option<openapi::Time>, required)]
    halved_until: Option<Text<Timestamp>>,
    #[schema(value_type = openapi::SourceName)]
    source: &'static str,
    #[schema(value_type = Option<openapi::Time>, required)]
    until: Option<Text<Timestamp>>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Rates {
    #[schema(value_type = openapi::Probability)]
    churn_rate: f64,
    #[schema(value_type = openapi::Probability)]
    fraud_rate: f64,
    #[schema(value_type = openapi::Probability)]
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
        alerts: Raised::all(&trust),
        gate: trust.colour.as_str(),
        health_status: trust.health.as_str(),
        halved_until: trust.halved_until.map(Text),
        source: trust.source().as_str(),
        until: trust.drill.map(|drill| Text(drill.until)),
    })
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Alerts<'a> {
    items: Vec<Raised<'a>>,
    // There are fewer metrics than fit into one page.
    #[schema(required)]
    next: Option<&'a str>,
}

pub(in crate::http) async fn alerts(call: Call) -> Answer {
    let trust = call.node.engine.trust().await?;
    ok(&Alerts { items: Raised::all(&trust), next: None })
}

#[derive(Serialize, ToSchema)]
#[schema(as = QualityPoint)]
pub(in crate::http) struct Moment {
    #[schema(value_type = openapi::Time)]
    at: Text<Timestamp>,
    #[schema(value_type = openapi::Probability)]
    trust_score: f64,
    #[schema(value_type = openapi::Probability)]
    churn_rate: f64,
    #[schema(value_type = openapi::Probability)]
    fraud_rate: f64,
    #[schema(value_type = openapi::Probability)]
    engagement_rate: f64,
    #[schema(value_type = openapi::GateColour)]
    gate: &'static str,
    #[schema(value_type = openapi::SourceName)]
    source: &'static str,
}

impl From<&Point> for Moment {
    fn from(point: &Point) -> Self {
        Self {
            at: Text(point.at()),
            trust_score: point.trust,
            churn_rate: point.churn,
            fraud_rate: point.fraud,
            engagement_rate: point.engagement,
            gate: point.colour.as_str(),
            source: point.source.as_str(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = QualityHistory)]
pub(in crate::http) struct Past {
    #[schema(value_type = openapi::Time)]
    since: Text<Timestamp>,
    step: u32,
    items: Vec<Moment>,
    // An answer is whole: its step is so wide that it fits.
    #[schema(required)]
    next: Option<&'static str>,
}

pub(in crate::http) async fn history(call: Call) -> Answer {
    let engine = &call.node.engine;
    let window = window(call.parts.uri.query(), engine.now())?;
    let points = engine.quality_history(window).await?;
    let items = points.iter().map(Moment::from).collect();
    ok(&Past { since: Text(window.since), step: window.step_minutes, items, next: None })
}

/// `since` and `step` of a look back at `now`.
fn window(query: Option<&str>, now: Timestamp) -> Result<Window, Problem> {
    let mut query = Query::parse(query);
    let since = query.parsed("since", time);
    let step = query.parsed("step", |text| {
        text.parse().ok().filter(|given| is_step(*given)).ok_or_else(|| {
            format!(
                "must be minutes, a multiple of {POINT_MINUTES} from {POINT_MINUTES} to \
                 {STEP_MINUTES_MAX}"
            )
        })
    });
    let window = Window::new(since, step, now).map_err(|small| {
        let least = small.least;
        query.wrong(
            "step",
            format!(
                "must be at least {least}, so that at most {ANSWER_POINTS_MAX} points are sent"
            ),
        );
    });
    query.finish()?;
    window.map_err(|()| Problem::field("step", "is too small"))
}

fn is_step(minutes: u32) -> bool {
    (POINT_MINUTES..=STEP_MINUTES_MAX).contains(&minutes) && minutes.is_multiple_of(POINT_MINUTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(query: &str) -> Vec<String> {
        let now = "2026-01-05T12:00:00Z".parse().expect("a good time");
        let problem = window(Some(query), now).expect_err("something is wrong");
        problem.errors().iter().map(|error| error.field.clone()).collect()
    }

    #[test]
    fn a_look_back_has_a_time_and_a_step_and_nothing_else() {
        let now: Timestamp = "2026-01-05T12:00:00Z".parse().expect("a good time");
        let since = "2026-01-05T09:00:00Z".parse().expect("a good time");
        let good = |query| window(Some(query), now).expect("nothing is wrong");
        assert_eq!(good("since=2026-01-05T10%3A00:00%2B01:00&step=60").since, since);
        assert_eq!(good("step=1440").step_minutes, 1440);
        assert_eq!(good("").step_minutes, 5);
        assert_eq!(good("since=1970-01-01T00:00:00Z").step_minutes, 45);
        for step in ["0", "-5", "7", "5.0", "", "x", "1445", "99999999999"] {
            assert_eq!(fields(&format!("step={step}")), ["step"], "{step}");
        }
        for since in ["", "yesterday", "2026-01-05", "2026-13-05T12:00:00Z", "5"] {
            assert_eq!(fields(&format!("since={since}")), ["since"], "{since}");
        }
        assert_eq!(fields("since=2025-12-20T00:00:00Z&step=5"), ["step"]);
        assert_eq!(fields("since=x&step=x&limit=5"), ["since", "step", "limit"]);
    }
}
