//! `/api/quality`.

use actors::Seen;
use actors::quality::{DRILL_MINUTES_MAX, POINT_MINUTES, STEP_MINUTES_MAX};

use super::input::{
    choice, email, list, moment, object, optional, query, required, share, time, whole,
};
use super::operation::{Described, get, post};
use crate::http::error::{HISTORY_GONE, NO_HISTORY};
use crate::http::routes::quality::{Accepted, Alerts, EVENTS_MAX, Evaluated, Past, TrustScore};

pub(super) fn operations() -> Vec<Described> {
    let mut all = telling();
    all.extend(reading());
    all
}

fn telling() -> Vec<Described> {
    let event = object([
        required("email", email(), "A member."),
        required("type", choice(Seen::ALL.map(Seen::as_str)), "What was seen."),
        optional("at", time(), "When; absent, now."),
    ]);
    let events =
        object([required("events", list(1..=EVENTS_MAX, event), "All or none are taken.")]);
    let minutes = whole(0..=i64::from(DRILL_MINUTES_MAX));
    let drill = object([
        required("for_minutes", minutes, "For how long; 0 ends a drill."),
        optional("churn_rate", share(), "In the place of the measured one."),
        optional("fraud_rate", share(), "In the place of the measured one."),
        optional("engagement_rate", share(), "In the place of the measured one."),
    ]);
    vec![
        post("/api/quality/events", "Tell what the product saw of its members")
            .takes(events)
            .repeatable()
            .answers::<Accepted>(200, "They count"),
        post("/api/quality/evaluate-gate", "Ask whether inviting is allowed, and why")
            .takes_nothing()
            .repeatable()
            .answers::<Evaluated<'_>>(200, "The gate"),
        post("/api/quality/metrics", "Drill: other rates for a while")
            .about("Takes at least one rate, unless it ends a drill.")
            .takes(drill)
            .repeatable()
            .answers::<TrustScore>(200, "What holds now"),
    ]
}

fn reading() -> Vec<Described> {
    let past = "How it was: just behind the event of this number, or at this time.";
    let step = whole(i64::from(POINT_MINUTES)..=i64::from(STEP_MINUTES_MAX));
    let step = step.multiple_of(Some(POINT_MINUTES as usize));
    let wide = "Minutes between two points; absent, as many as make the answer fit.";
    vec![
        get("/api/quality/trust-score", "The trust score and the rates it is made of")
            .asks([query("as_of", moment(), past)])
            .answers::<TrustScore>(200, "The score")
            .refuses([&HISTORY_GONE, &NO_HISTORY]),
        get("/api/quality/alerts", "What is past its line")
            .answers::<Alerts<'_>>(200, "The alerts"),
        get("/api/quality/history", "Score, rates and gate over time")
            .asks([
                query("since", time(), "From when; absent, a while ago."),
                query("step", step, wide),
            ])
            .answers::<Past>(200, "The points, the oldest first"),
    ]
}
