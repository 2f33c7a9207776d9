//! What the product saw of its members, and what follows for invites.

use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::{Client, Server, assert_shape};

const EVENTS: &str = "/api/quality/events";
const EVALUATE: &str = "/api/quality/evaluate-gate";
const GENERATE: &str = "/api/invites/generate";

/// The time that many days ago.
fn days_ago(days: i64) -> String {
    let time = DateTime::<Utc>::from(SystemTime::now()) - TimeDelta::days(days);
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn seen(number: usize, kind: &str) -> Value {
    json!({"email": format!("m{number}@example.com"), "type": kind})
}

fn seen_at(number: usize, kind: &str, at: &str) -> Value {
    json!({"email": format!("m{number}@example.com"), "type": kind, "at": at})
}

/// Lets that many people in.
fn members(admin: &mut Client, count: usize) {
    let body = json!({"batch_size": 1, "max_uses": count});
    let code = admin.post(GENERATE, &body).expect(201)["codes"][0].clone();
    for number in 0..count {
        let redeem = json!({"code": code, "email": format!("m{number}@example.com")});
        admin.post("/api/invites/redeem", &redeem).expect(200);
    }
}

fn report(admin: &mut Client, events: &[Value]) {
    let accepted = admin.post(EVENTS, &json!({ "events": events })).expect(200);
    assert_eq!(accepted["status"], "success");
    assert_eq!(accepted["accepted"], events.len());
}

fn trust_shape() -> Value {
    json!({
        "trust_score": "number", "churn_rate": "number", "fraud_rate": "number",
        "engagement_rate": "number", "invites_paused": "flag", "health_status": "text",
        "sample_size": {"members": "whole", "minimum": "whole", "sufficient": "flag"},
    })
}

#[test]
fn the_published_rates_give_the_published_trust_score() {
    let server = Server::start();
    let mut admin = server.admin();
    members(&mut admin, 100);
    let (earlier, later) = (days_ago(10), days_ago(9));
    let mut events: Vec<Value> = (0..12).map(|number| seen(number, "churned")).collect();
    // Thirteen who went and came back, the last time before the week that counts.
    events.extend((12..25).map(|number| seen_at(number, "churned", &earlier)));
    events.extend((12..25).map(|number| seen_at(number, "active", &later)));
    events.extend((30..33).map(|number| seen(number, "fraud")));
    events.push(seen(32, "cleared"));
    report(&mut admin, &events);

    let trust = admin.get("/api/quality/trust-score").expect(200);
    assert_shape(&trust, &trust_shape());
    let published = json!({
        "trust_score": 0.83, "churn_rate": 0.12, "fraud_rate": 0.02, "engagement_rate": 0.75,
        "invites_paused": false, "health_status": "healthy",
    });
    for (field, value) in published.as_object().expect("an object") {
        assert_eq!(&trust[field], value, "{field} in {trust}");
    }
    assert_eq!(trust["sample_size"], json!({"members": 100, "minimum": 20, "sufficient": true}));
}

#[test]
fn a_small_sample_closes_no_gate_and_says_so() {
    let server = Server::start();
    let mut admin = server.admin();
    members(&mut admin, 19);
    let events: Vec<Value> = (0..19).map(|number| seen(number, "churned")).collect();
    report(&mut admin, &events);
    let gate = admin.post(EVALUATE, &json!({})).expect(200);
    let shape = json!({
        "invites_allowed": "flag", "trust_score": "number", "alerts": "list",
        "metrics": {"churn_rate": "number", "fraud_rate": "number", "engagement_rate": "number"},
    });
    assert_shape(&gate, &shape);
    assert_eq!((&gate["invites_allowed"], &gate["alerts"]), (&json!(true), &json!([])));
    let rates = &gate["metrics"];
    assert_eq!((&rates["churn_rate"], &rates["engagement_rate"]), (&json!(1.0), &json!(0.0)));
    assert_eq!(gate["metrics"]["sample_size"]["sufficient"], false);
    assert_eq!(admin.get("/api/quality/trust-score").expect(200)["trust_score"], 0.15);
    admin.post(GENERATE, &json!({"batch_size": 4})).expect(201);
}

#[test]
fn a_warning_halves_a_batch_and_rounds_up() {
    let server = Server::start();
    let mut admin = server.admin();
    members(&mut admin, 20);
    let events: Vec<Value> = (0..4).map(|number| seen(number, "churned")).collect();
    report(&mut admin, &events);
    let gate = admin.post(EVALUATE, &json!({})).expect(200);
    assert_eq!((&gate["invites_allowed"], &gate["gate"]), (&json!(true), &json!("yellow")));
    assert_eq!(gate["alerts"][0]["severity"], "warning");
    let half = admin.post(GENERATE, &json!({"batch_size": 5})).expect(201);
    assert_eq!((&half["generated"], &half["requested"]), (&json!(3), &json!(5)));
    assert_eq!(half["codes"].as_array().map(Vec::len), Some(3));
    let whole = admin.post(GENERATE, &json!({"batch_size": 5, "force": true})).expect(201);
    assert_eq!(whole["generated"], 5);
}

#[test]
fn a_critical_alert_pauses_invites_until_they_are_forced() {
    let server = Server::start();
    let mut admin = server.admin();
    members(&mut admin, 20);
    let events: Vec<Value> = (0..5).map(|number| seen(number, "churned")).collect();
    report(&mut admin, &events);
    // Without a look at the gate first: issuing codes looks by itself.
    let refused = admin.post(GENERATE, &json!({"batch_size": 1}));
    assert_eq!(refused.problem(409), "invites-paused");
    let detail = refused.json()["detail"].as_str().expect("a text").to_owned();
    assert!(detail.contains("churn_rate is 0.25"), "{detail}");

    let gate = admin.post(EVALUATE, &json!({})).expect(200);
    assert_eq!(
        (&gate["invites_allowed"], &gate["health_status"]),
        (&json!(false), &json!("critical"))
    );
    let alert = json!({
        "id": "text", "severity": "text", "metric": "text", "value": "number",
        "threshold": "number", "message": "text", "since": "time",
    });
    assert_shape(&gate, &json!({ "alerts": [alert] }));
    let churn = &gate["alerts"][0];
    assert_eq!((&churn["metric"], &churn["severity"]), (&json!("churn_rate"), &json!("critical")));
    assert_eq!((&churn["value"], &churn["threshold"]), (&json!(0.25), &json!(0.2)));
    let alerts = admin.get("/api/quality/alerts").expect(200);
    assert_eq!((&alerts["items"], &alerts["next"]), (&gate["alerts"], &Value::Null));
    let trust = admin.get("/api/quality/trust-score").expect(200);
    assert_eq!((&trust["invites_paused"], &trust["trust_score"]), (&json!(true), &json!(0.79)));

    admin.post(GENERATE, &json!({"batch_size": 1, "force": true})).expect(201);
    report(&mut admin, &(0..5).map(|number| seen(number, "active")).collect::<Vec<_>>());
    let refused = admin.post(GENERATE, &json!({"batch_size": 1}));
    assert_eq!(refused.problem(409), "invites-paused", "better is not yet well");
}

#[test]
fn the_gate_is_asked_with_and_without_a_body() {
    let server = Server::start();
    let mut admin = server.admin();
    let with = admin.post(EVALUATE, &json!({})).expect(200);
    let without = admin.try_send("POST", EVALUATE, &[], b"").expect("an answer").expect(200);
    assert_eq!(without, with);
    assert_eq!((&with["invites_allowed"], &with["trust_score"]), (&json!(true), &json!(1.0)));
}

const DRILL: &str = "/api/quality/metrics";
const HISTORY: &str = "/api/quality/history";

/// The minutes from now until a time in an answer, rounded.
fn minutes_until(time: &Value) -> i64 {
    let time = DateTime::parse_from_rfc3339(time.as_str().expect("a time")).expect("RFC 3339");
    let seconds = (time.to_utc() - DateTime::<Utc>::from(SystemTime::now())).num_seconds();
    (seconds + 30) / 60
}

#[test]
fn a_drill_does_what_the_rates_would_and_is_marked_wherever_they_show() {
    let server = Server::start();
    let mut admin = server.admin();
    let measured = admin.get("/api/quality/trust-score").expect(200);
    assert_eq!((&measured["source"], &measured["until"]), (&json!("measured"), &Value::Null));

    let rates = json!({"churn_rate": 0.25, "engagement_rate": 1, "for_minutes": 30});
    let holds = admin.post(DRILL, &rates).expect(200);
    assert_shape(&holds, &trust_shape());
    let expected = json!({
        "churn_rate": 0.25, "fraud_rate": 0.0, "engagement_rate": 1.0, "trust_score": 0.91,
        "source": "drill", "gate": "red", "invites_paused": true, "health_status": "critical",
    });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&holds[field], value, "{field} in {holds}");
    }
    assert_eq!(minutes_until(&holds["until"]), 30);
    assert_eq!(admin.get("/api/quality/trust-score").expect(200), holds);

    let gate = admin.post(EVALUATE, &json!({})).expect(200);
    assert_eq!((&gate["source"], &gate["until"]), (&json!("drill"), &holds["until"]));
    assert_eq!(
        (&gate["invites_allowed"], &gate["metrics"]["churn_rate"]),
        (&json!(false), &json!(0.25))
    );
    let alerts = admin.get("/api/quality/alerts").expect(200);
    assert_eq!(alerts["items"].as_array().map(Vec::len), Some(1), "{alerts}");
    let alert = &alerts["items"][0];
    assert_eq!((&alert["id"], &alert["source"]), (&json!("churn_rate-critical"), &json!("drill")));
    assert_eq!(alert["until"], holds["until"]);
    let refused = admin.post(GENERATE, &json!({"batch_size": 1}));
    assert_eq!(refused.problem(409), "invites-paused");
    let detail = refused.json()["detail"].as_str().expect("a text").to_owned();
    assert!(detail.ends_with(" (drill)"), "{detail}");

    let ended = admin.post(DRILL, &json!({"for_minutes": 0})).expect(200);
    assert_eq!((&ended["source"], &ended["until"]), (&json!("measured"), &Value::Null));
    assert_eq!((&ended["churn_rate"], &ended["gate"]), (&json!(0.0), &json!("red")));
    assert_eq!(admin.get("/api/quality/alerts").expect(200)["items"], json!([]));
    assert_eq!(admin.post(DRILL, &json!({"for_minutes": 0})).expect(200), ended);
    let refused = admin.post(GENERATE, &json!({"batch_size": 1})).expect(409);
    let detail = refused["detail"].as_str().expect("a text");
    assert!(detail.contains("all is calm again, and if it stays so they open at 2"), "{detail}");
}

#[test]
fn a_drill_and_its_gate_outlive_a_restart() {
    let mut server = Server::start();
    let rates = json!({"fraud_rate": 0.03, "for_minutes": 1440});
    let holds = server.admin().post(DRILL, &rates).expect(200);
    assert_eq!((&holds["gate"], &holds["fraud_rate"]), (&json!("yellow"), &json!(0.03)));
    let past = server.admin().get(HISTORY).expect(200);
    assert_eq!(server.stop().code(), Some(0));
    server.start_again();
    let mut admin = server.admin();
    assert_eq!(admin.get("/api/quality/trust-score").expect(200), holds);
    let after = admin.get(HISTORY).expect(200);
    assert_eq!(after["items"][0], past["items"][0]);
    assert!(past["items"][0].is_object(), "{past}");
}

#[test]
fn a_drill_needs_rates_within_bounds_and_a_time() {
    let server = Server::start();
    let mut admin = server.admin();
    let all = ["churn_rate", "fraud_rate", "engagement_rate", "for_minutes"];
    for wrong in [json!(7), json!(-1), json!("x"), json!(1.0001), json!([]), json!(true)] {
        let body = json!({
            "churn_rate": wrong, "fraud_rate": wrong, "engagement_rate": wrong,
            "for_minutes": "soon",
        });
        let mut told = admin.post(DRILL, &body).wrong_fields();
        told.sort_by_key(|field| all.iter().position(|known| known == field));
        assert_eq!(told, all, "{wrong}");
    }
    for minutes in [json!(-1), json!(1441), json!(1.5), json!("60"), Value::Null, json!(1e300)] {
        let body = json!({"churn_rate": 0.5, "for_minutes": minutes});
        assert_eq!(admin.post(DRILL, &body).wrong_fields(), ["for_minutes"], "{minutes}");
    }
    assert_eq!(admin.post(DRILL, &json!({"for_minutes": 5})).wrong_fields(), ["churn_rate"]);
    let unknown = json!({"trust_score": 0.1, "fraud_rate": 0.0, "for_minutes": 5});
    assert_eq!(admin.post(DRILL, &unknown).wrong_fields(), ["trust_score"]);
    let huge = admin.try_send(
        "POST",
        DRILL,
        &[("content-type", "application/json")],
        br#"{"churn_rate": 1e999, "for_minutes": 5}"#,
    );
    assert_eq!(huge.expect("an answer").problem(400), "malformed-json");
    let trust = admin.get("/api/quality/trust-score").expect(200);
    assert_eq!((&trust["source"], &trust["gate"]), (&json!("measured"), &json!("green")));
}

#[test]
fn history_has_a_point_for_the_five_minutes_in_which_somebody_looked() {
    let server = Server::start();
    let mut admin = server.admin();
    admin.post(DRILL, &json!({"churn_rate": 0.16, "for_minutes": 60})).expect(200);
    let past = admin.get(HISTORY).expect(200);
    let point = json!({
        "at": "time", "trust_score": "number", "churn_rate": "number", "fraud_rate": "number",
        "engagement_rate": "number", "gate": "text", "source": "text",
    });
    assert_shape(&past, &json!({"since": "time", "step": "whole", "items": [point]}));
    assert_eq!((&past["step"], &past["next"]), (&json!(5), &Value::Null));
    assert_eq!(minutes_until(&past["since"]), -24 * 60 + 1);
    let first = &past["items"][0];
    // On a slow machine the node has looked by itself before the drill.
    let drilled = first["source"] == "drill";
    let (churn, gate) = if drilled { (0.16, "yellow") } else { (0.0, "green") };
    assert_eq!((&first["churn_rate"], &first["gate"]), (&json!(churn), &json!(gate)));
    let month = admin.get(&format!("{HISTORY}?since={}", days_ago(29))).expect(200);
    assert_eq!(month["step"], 45);
    assert_eq!(month["items"][0]["trust_score"], first["trust_score"]);
    let escaped = days_ago(1).replace(':', "%3A");
    let hours = admin.get(&format!("{HISTORY}?since={escaped}&step=60")).expect(200);
    assert_eq!((&hours["step"], &hours["items"][0]["gate"]), (&json!(60), &json!(gate)));
    let ahead = admin.get(&format!("{HISTORY}?since={}", days_ago(-2))).expect(200);
    assert_eq!(ahead["items"], json!([]));
}

#[test]
fn a_look_back_says_what_is_wrong_with_every_parameter() {
    let server = Server::start();
    let mut admin = server.admin();
    let mut blamed = |query: &str| admin.get(&format!("{HISTORY}?{query}")).wrong_fields();
    for step in ["0", "7", "-5", "1445", "5.5", "x", ""] {
        assert_eq!(blamed(&format!("step={step}")), ["step"], "{step}");
    }
    for since in ["yesterday", "2026-01-05", "0", "", "2026-01-05T25:00:00Z"] {
        assert_eq!(blamed(&format!("since={since}")), ["since"], "{since}");
    }
    assert_eq!(blamed(&format!("since={}&step=5", days_ago(20))), ["step"]);
    assert_eq!(blamed("since=x&step=x&until=x"), ["since", "step", "until"]);
}
