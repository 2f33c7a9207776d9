//! The OpenAPI document against the running node: what it says of input is what is read, and every
//! success that it promises has been seen. Every test's answers are held to it as they come, in
//! `support/document.rs`.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::support::document::{document, seen};
use crate::support::{Client, PROGRAM, Server};

/// What only looks wrong to a generator of boundary values: these have a form of their own.
const FORMED: [&str; 3] = ["email", "date-time", "uuid"];

/// Every operation: method, path, and what the document says of it.
fn operations() -> impl Iterator<Item = (String, &'static str, &'static Value)> {
    let paths = document()["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("methods").iter();
        methods.map(move |(method, said)| (method.to_uppercase(), path.as_str(), said))
    })
}

/// The path with something in the place of its parameters.
fn filled(path: &str) -> String {
    path.replace("{email}", "ada@example.com")
        .replace("{code}", "VOBEE-000000000000")
        .replace("{id}", "00000000-0000-7000-8000-000000000000")
}

fn names<'a>(list: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    list.into_iter().map(str::to_owned).collect()
}

/// What is complained of: field and message.
fn complaints(client: &mut Client, method: &str, target: &str, body: &Value) -> Vec<[String; 2]> {
    let headers = [("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = client.try_send(method, target, &headers, body.as_bytes()).expect("an answer");
    if answer.status != 422 {
        return Vec::new();
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| [text(&error["field"]), text(&error["message"])]).collect()
}

fn body(said: &Value) -> Option<&Value> {
    let schema = &said["requestBody"]["content"]["application/json"]["schema"];
    said["requestBody"]["required"].as_bool().filter(|it| *it).map(|_| schema)
}

#[test]
fn a_body_has_the_fields_that_the_document_says_and_no_others() {
    let server = Server::start();
    let mut admin = server.admin();
    for (method, path, said) in operations() {
        let Some(schema) = body(said) else { continue };
        let told = complaints(&mut admin, &method, &filled(path), &json!({"zzzzzzzz": 1}));
        let unknown = told.iter().find(|[field, _]| field == "zzzzzzzz").expect("it is unknown");
        let known = unknown[1].strip_prefix("unknown field; known are ").expect("a list");
        let documented = schema["properties"].as_object().expect("fields");
        assert_eq!(
            names(known.split(", ")),
            names(documented.keys().map(String::as_str)),
            "{path}"
        );
        let missing = told.iter().filter(|[_, said]| said == "is required").map(|[it, _]| &**it);
        let required = schema["required"].as_array().into_iter().flatten();
        assert_eq!(names(missing), names(required.filter_map(Value::as_str)), "{path}");
    }
}

#[test]
fn a_query_has_the_parameters_that_the_document_says_and_no_others() {
    let server = Server::start();
    let mut admin = server.admin();
    for (method, path, said) in operations() {
        let given = said["parameters"].as_array().into_iter().flatten();
        let documented =
            given.filter(|it| it["in"] == "query").filter_map(|it| it["name"].as_str());
        let documented = names(documented);
        // Whoever probes may ask as he likes; what takes a body has been looked at above.
        if method != "GET" || path == "/readyz" {
            continue;
        }
        let target = format!("{}?zzzzzzzz=1", filled(path));
        let told = complaints(&mut admin, &method, &target, &Value::Null);
        let unknown = told.iter().find(|[field, _]| field == "zzzzzzzz");
        let known =
            unknown.and_then(|[_, said]| said.strip_prefix("unknown parameter; known are "));
        let known = names(known.into_iter().flat_map(|known| known.split(", ")));
        assert_eq!(known, documented, "{path}");
    }
}

/// A value at the edge of what a schema allows, and one beyond it.
fn edges(schema: &Value) -> Vec<(Value, bool)> {
    let mut edges = Vec::new();
    let formed = schema["format"].as_str().is_some_and(|format| FORMED.contains(&format));
    let long = |count: u64| json!("a".repeat(usize::try_from(count).expect("it fits")));
    if let Some(max) = schema["maxLength"].as_u64() {
        edges.push((long(max), !formed));
        edges.push((long(max + 1), false));
    }
    if schema["minLength"].as_u64().is_some() {
        edges.push((json!(" "), false));
    }
    if let (Some(min), Some(max)) = (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
        for (number, fits) in [(min, true), (min - 1, false), (max, true), (max + 1, false)] {
            edges.push((json!(number), fits));
        }
    }
    for word in schema["enum"].as_array().into_iter().flatten() {
        edges.push((word.clone(), true));
    }
    if schema.get("enum").is_some() {
        edges.push((json!("zzzzzzzz"), false));
    }
    let types = schema["type"].as_array();
    let nullable = types.is_some_and(|types| types.contains(&json!("null")));
    edges.push((Value::Null, nullable));
    edges
}

#[test]
fn the_bounds_of_a_body_are_those_that_the_document_says() {
    let server = Server::start();
    let mut admin = server.admin();
    let mut tried = 0;
    for (method, path, said) in operations() {
        let Some(schema) = body(said) else { continue };
        for (name, field) in schema["properties"].as_object().expect("fields") {
            for (value, fits) in edges(field) {
                // The unknown field keeps anything from being done.
                let body = json!({name: value, "zzzzzzzz": 1});
                let told = complaints(&mut admin, &method, &filled(path), &body);
                let blamed = told.iter().any(|[field, said]| {
                    // That one of several is wanted is nothing about this one.
                    field == name && !said.starts_with("is required, or")
                });
                assert_eq!(blamed, !fits, "{path} {name}: {value} {told:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried} values tried");
}

#[test]
fn the_node_serves_the_document_that_the_program_prints_and_the_repository_has() {
    let server = Server::start();
    let served = server.public().get("/openapi.json");
    assert_eq!(served.header("content-type"), Some("application/json"));
    let printed = Command::new(PROGRAM).arg("openapi").output().expect("the program runs");
    assert!(printed.status.success());
    assert_eq!(served.body, printed.stdout);
    assert_eq!(served.json(), *document());
    assert_eq!(document()["openapi"], "3.1.0");
}

/// The successes that the document promises; the backup is no JSON, see `backup.rs`.
fn successes() -> BTreeSet<(String, String, u16)> {
    let all = operations().flat_map(|(method, path, said)| {
        let answers: &Map<String, Value> = said["responses"].as_object().expect("answers");
        let statuses = answers.keys().filter_map(|status| status.parse().ok());
        let good = statuses.filter(|status| *status < 300);
        good.map(move |status: u16| (method.clone(), path.to_owned(), status)).collect::<Vec<_>>()
    });
    all.filter(|(_, path, _)| path != "/api/operations/backup").collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

#[test]
fn every_success_that_the_document_promises_has_been_seen() {
    let server = Server::start();
    let mut admin = server.admin();
    people(&mut admin, &server);
    codes(&mut admin);
    referrals(&mut admin);
    gate(&mut admin);
    for path in ["/", "/health", "/livez", "/readyz?verbose", "/openapi.json", "/metrics"] {
        admin.get(path);
    }
    for path in ["/api/operations/snapshot", "/api/operations/compact"] {
        admin.post(path, &json!({})).expect(200);
    }
    let missing: Vec<_> = successes().difference(&seen()).cloned().collect();
    assert!(missing.is_empty(), "nobody has asked for these: {missing:?}");
}

fn join(client: &mut Client, name: &str, status: u16) -> Value {
    let email = format!("{name}@example.com");
    let body =
        json!({"email": email, "use_case": "x", "persona": "agency", "metadata": {"a": "b"}});
    client.post("/api/waitlist/join", &body).expect(status)
}

fn people(admin: &mut Client, server: &Server) {
    let token = text(&join(admin, "ada", 201), "person_token").to_owned();
    join(admin, "ada", 200);
    for name in ["bob", "cyd", "dan", "eve"] {
        join(admin, name, 201);
    }
    let mut ada = server.public().with_key(&token);
    ada.get("/api/waitlist/me").expect(200);
    for path in ["/stats", "?limit=2", "/bob@example.com", "/bob@example.com/explain"] {
        admin.get(&format!("/api/waitlist{path}")).expect(200);
    }
    let boost = json!({"points": 5, "reason": "x"});
    admin.post("/api/waitlist/bob@example.com/boost", &boost).expect(200);
    admin.get("/api/waitlist/cyd@example.com/explain").expect(200);
    let policy = json!({"policy": {"personas": {"agency": 1}}, "limit": 10, "top": 2});
    admin.post("/api/waitlist/policies/simulate", &policy).expect(200);
    let wave = json!({"count": 1, "batch_id": "W"});
    admin.post("/api/waitlist/invite", &wave).expect(201);
    admin.post("/api/waitlist/invite", &wave).expect(200);
    ada.delete("/api/waitlist/me").expect(200);
    admin.delete("/api/waitlist/eve@example.com").expect(200);
}

fn codes(admin: &mut Client) {
    let generate = json!({"batch_size": 4, "batch_id": "B", "issued_to": "fay@example.com"});
    admin.post("/api/invites/generate", &generate).expect(201);
    let codes = admin.post("/api/invites/generate", &json!({"batch_size": 3})).expect(201);
    let code = |at: usize| codes["codes"][at].as_str().expect("a code").to_owned();
    for path in ["status", ""] {
        admin.get(format!("/api/invites/{}/{path}", code(0)).trim_end_matches('/')).expect(200);
    }
    admin.get("/api/invites?batch_id=B&limit=2").expect(200);
    for (action, body) in [("extend", json!({"days": 1})), ("revoke", json!({}))] {
        admin.post(&format!("/api/invites/{}/{action}", code(0)), &body).expect(200);
    }
    admin.post(&format!("/api/invites/{}/restore", code(0)), &json!({})).expect(200);
    let hold = |at: usize, name: &str| json!({"code": code(at), "email": name});
    let held = admin.post("/api/invites/reserve", &hold(1, "gus@example.com")).expect(201);
    admin.post("/api/invites/reserve", &hold(1, "gus@example.com")).expect(200);
    let path = format!("/api/invites/reservations/{}", text(&held, "reservation"));
    admin.post(&format!("{path}/release"), &json!({})).expect(200);
    let held = admin.post("/api/invites/reserve", &hold(1, "gus@example.com")).expect(201);
    let path = format!("/api/invites/reservations/{}", text(&held, "reservation"));
    admin.post(&format!("{path}/confirm"), &json!({})).expect(200);
    admin.post("/api/invites/redeem", &hold(2, "hal@example.com")).expect(200);
    admin.get("/api/invites").expect(200);
}

/// Three people come through one, which earns codes.
fn referrals(admin: &mut Client) {
    let codes = admin.post("/api/invites/generate", &json!({"batch_size": 3})).expect(201);
    for (code, name) in codes["codes"].as_array().expect("codes").iter().zip(["jon", "kim", "lea"])
    {
        let friend = format!("{name}@example.com");
        let share = json!({"inviter_email": "ida@example.com", "recipient_email": friend});
        admin.post("/api/referrals/share", &share).expect(201);
        admin.post("/api/referrals/share", &share).expect(200);
        admin.post("/api/invites/redeem", &json!({"code": code, "email": friend})).expect(200);
    }
    let earned = admin.post("/api/referrals/earn", &json!({"user_email": "ida@example.com"}));
    assert_eq!(earned.expect(200)["codes_available"], 3);
    for path in ["top", "network", "ida@example.com/quality", "ida@example.com/analytics"] {
        admin.get(&format!("/api/referrals/{path}")).expect(200);
    }
    admin.get("/api/referrals/jon@example.com/chain").expect(200);
    admin.get("/api/quality/risk/jon@example.com").expect(200);
    admin.get("/api/quality/review").expect(200);
    for verdict in ["reject?dry_run=true", "reject", "accept"] {
        let path = format!("/api/quality/review/kim@example.com/{verdict}");
        admin.post(&path, &json!({})).expect(200);
    }
}

/// With an alert, so that its fields are seen too.
fn gate(admin: &mut Client) {
    let seen = json!({"events": [{"email": "jon@example.com", "type": "active"}]});
    admin.post("/api/quality/events", &seen).expect(200);
    let drill = json!({"churn_rate": 0.5, "for_minutes": 5});
    admin.post("/api/quality/metrics", &drill).expect(200);
    let evaluated = admin.post("/api/quality/evaluate-gate", &json!({})).expect(200);
    assert!(evaluated["alerts"].as_array().is_some_and(|alerts| !alerts.is_empty()));
    for path in ["trust-score", "alerts", "history"] {
        admin.get(&format!("/api/quality/{path}")).expect(200);
    }
}
