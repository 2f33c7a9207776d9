//! Issuing codes, using them, asking about them.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use crate::support::{Answer, Client, Server, assert_shape, is_code};

const GENERATE: &str = "/api/invites/generate";
const REDEEM: &str = "/api/invites/redeem";

fn generate(admin: &mut Client, body: &Value) -> Vec<String> {
    let generated = admin.post(GENERATE, body).expect(201);
    let codes = generated["codes"].as_array().expect("a list of codes");
    codes.iter().map(|code| code.as_str().expect("a code").to_owned()).collect()
}

fn status(client: &mut Client, code: &str) -> Value {
    client.get(&format!("/api/invites/{code}/status")).expect(200)
}

fn redeem(code: &str, name: &str) -> Value {
    json!({"code": code, "email": format!("{name}@example.com")})
}

#[test]
fn a_batch_has_its_label_and_as_many_codes_as_were_wanted() {
    let server = Server::start();
    let mut admin = server.admin();
    let body = json!({"batch_size": 50, "batch_id": "BATCH-20251220"});
    let generated = admin.post(GENERATE, &body).expect(201);
    let shape = json!({
        "status": "text", "batch_id": "text", "generated": "whole", "codes": ["code"],
        "expires_at": "time",
    });
    assert_shape(&generated, &shape);
    assert_eq!(generated["status"], "success");
    assert_eq!(generated["batch_id"], "BATCH-20251220");
    assert_eq!(generated["generated"], 50);
    let named = admin.post(GENERATE, &json!({"batch_size": 1})).expect(201);
    let name = named["batch_id"].as_str().expect("a label");
    let time = name.strip_prefix("BATCH-").expect("the default label");
    assert!(DateTime::parse_from_str(&format!("{time} +0000"), "%Y%m%dT%H%M%SZ %z").is_ok());
}

#[test]
fn the_largest_batch_has_ten_thousand_codes_and_no_two_alike() {
    let server = Server::start();
    let codes = generate(&mut server.admin(), &json!({"batch_size": 10_000}));
    assert_eq!(codes.iter().collect::<HashSet<_>>().len(), 10_000);
    assert!(codes.iter().all(|code| is_code(code)));
}

#[test]
fn a_redemption_is_answered_in_the_published_words_and_repeats_itself() {
    let server = Server::start();
    let code = &generate(&mut server.admin(), &json!({"batch_size": 1}))[0];
    let mut public = server.public();
    let body = json!({"code": code, "email": "user@example.com"});
    let redeemed = public.post(REDEEM, &body).expect(200);
    assert_eq!(redeemed["status"], "success");
    assert_eq!(redeemed["message"], "Invite code redeemed successfully");
    assert_eq!(redeemed["email"], "user@example.com");
    assert_shape(&redeemed, &json!({"redeemed_at": "time", "already_redeemed": "flag"}));
    let mut again = public.post(REDEEM, &body).expect(200);
    assert_eq!(again["already_redeemed"], true);
    again["already_redeemed"] = json!(false);
    assert_eq!(again, redeemed);
}

#[test]
fn a_code_is_taken_in_any_case_and_with_white_space_around_it() {
    let server = Server::start();
    let code = &generate(&mut server.admin(), &json!({"batch_size": 1}))[0];
    let typed = format!("  {} ", code.to_lowercase());
    let mut public = server.public();
    assert_eq!(status(&mut public, &code.to_lowercase())["status"], "active");
    public.post(REDEEM, &redeem(&typed, "ada")).expect(200);
    assert_eq!(status(&mut public, code)["status"], "used");
}

#[test]
fn the_status_of_a_code_follows_it_and_asking_changes_nothing() {
    let server = Server::start();
    let mut admin = server.admin();
    let code = &generate(&mut admin, &json!({"batch_size": 1}))[0];
    let mut public = server.public();
    let shape = json!({"valid": "flag", "expires_at": "time", "used": "flag", "status": "text"});
    let fresh = status(&mut public, code);
    assert_shape(&fresh, &shape);
    assert_eq!(fresh["status"], "active");
    assert_eq!((&fresh["valid"], &fresh["used"]), (&json!(true), &json!(false)));
    let time = |field: &str| {
        DateTime::parse_from_rfc3339(fresh[field].as_str().expect("a time")).expect("RFC 3339")
    };
    assert_eq!(time("expires_at") - time("created_at"), TimeDelta::days(7), "the default");
    for _ in 0..10 {
        assert_eq!(status(&mut public, code), fresh);
    }
    public.post(REDEEM, &redeem(code, "ada")).expect(200);
    let used = status(&mut public, code);
    assert_shape(&used, &shape);
    assert_eq!(used["status"], "used");
    assert_eq!((&used["valid"], &used["used"]), (&json!(false), &json!(true)));
    let unknown = public.get("/api/invites/VOBEE-000000000000/status");
    assert_eq!(unknown.problem(404), "unknown-code");
}

#[test]
fn a_redemption_is_refused_for_its_own_reason() {
    let server = Server::start();
    let mut admin = server.admin();
    let codes = generate(&mut admin, &json!({"batch_size": 2}));
    let bound = &generate(&mut admin, &json!({"batch_size": 1, "issued_to": "ada@example.com"}))[0];
    let mut public = server.public();
    let mut refused = |code: &str, name: &str, status: u16| {
        public.post(REDEEM, &redeem(code, name)).problem(status)
    };
    assert_eq!(refused("VOBEE-000000000000", "bob", 404), "unknown-code");
    assert_eq!(refused(bound, "bob", 403), "code-bound");
    admin.post(REDEEM, &redeem(&codes[0], "bob")).expect(200);
    assert_eq!(refused(&codes[0], "cyd", 409), "code-used");
    assert_eq!(refused(&codes[1], "bob", 409), "already-member");
    admin.post(REDEEM, &redeem(bound, "ADA")).expect(200);
    assert_eq!(status(&mut admin, &codes[1])["status"], "active", "a refusal uses nothing up");
}

#[test]
fn a_code_for_several_is_redeemed_exactly_so_often() {
    let server = Server::start();
    let mut admin = server.admin();
    let body = json!({"batch_size": 1, "max_uses": 3, "expires_in_days": 30});
    let code = &generate(&mut admin, &body)[0];
    for (uses, name) in ["ada", "bob", "cyd"].iter().enumerate() {
        let before = status(&mut admin, code);
        assert_eq!((&before["uses"], &before["max_uses"]), (&json!(uses), &json!(3)));
        assert_eq!(before["status"], "active");
        admin.post(REDEEM, &redeem(code, name)).expect(200);
    }
    assert_eq!(status(&mut admin, code)["status"], "used");
    assert_eq!(admin.post(REDEEM, &redeem(code, "dan")).problem(409), "code-used");
}

#[test]
fn whoever_redeems_is_off_the_list_before_the_answer_is_there() {
    let server = Server::start();
    let mut admin = server.admin();
    for name in ["ada", "bob"] {
        let email = format!("{name}@example.com");
        let join = json!({"email": email, "use_case": "x", "persona": "other"});
        admin.post("/api/waitlist/join", &join).expect(201);
    }
    let code = &generate(&mut admin, &json!({"batch_size": 1}))[0];
    admin.post(REDEEM, &redeem(code, "ada")).expect(200);
    let ada = admin.get("/api/waitlist/ada%40example.com").expect(200);
    assert_eq!((&ada["state"], &ada["position"]), (&json!("member"), &Value::Null));
    assert_eq!(admin.get("/api/waitlist/bob%40example.com").expect(200)["position"], 1);
    let list = admin.get("/api/waitlist").expect(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
}

#[test]
fn the_same_request_with_the_same_key_is_done_once() {
    let server = Server::start();
    let mut admin = server.admin();
    let body = json!({"batch_size": 2}).to_string();
    let mut send = |key: &str, body: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        admin.try_send("POST", GENERATE, &headers, body.as_bytes()).expect("an answer")
    };
    let first = send("one", &body).expect(201);
    assert_eq!(send("one", &body).expect(201), first);
    assert_ne!(send("two", &body).expect(201)["codes"], first["codes"]);
    let other = json!({"batch_size": 3}).to_string();
    assert_eq!(send("one", &other).problem(422), "idempotency-key-reused");
}

#[test]
fn a_redemption_with_a_key_gives_its_first_answer_again_also_when_it_was_refused() {
    let server = Server::start();
    let mut admin = server.admin();
    let code = &generate(&mut admin, &json!({"batch_size": 1}))[0];
    let mut send = |key: &str, name: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        let body = redeem(code, name).to_string();
        admin.try_send("POST", REDEEM, &headers, body.as_bytes()).expect("an answer")
    };
    let first = send("mine", "ada").expect(200);
    assert_eq!(first["already_redeemed"], false);
    assert_eq!(send("mine", "ada").expect(200), first, "to the letter");
    assert_eq!(send("late", "bob").problem(409), "code-used");
    assert_eq!(send("late", "bob").problem(409), "code-used");
}

#[test]
fn a_key_of_one_caller_says_nothing_about_the_same_key_of_another() {
    let server = Server::start();
    let codes = generate(&mut server.admin(), &json!({"batch_size": 2}));
    let send = |client: &mut Client, body: Value| {
        let headers = [("content-type", "application/json"), ("idempotency-key", "one")];
        let body = body.to_string();
        client.try_send("POST", REDEEM, &headers, body.as_bytes()).expect("an answer")
    };
    send(&mut server.public(), redeem(&codes[0], "ada")).expect(200);
    send(&mut server.admin(), redeem(&codes[1], "bob")).expect(200);
    let other = send(&mut server.public(), redeem(&codes[1], "cyd"));
    assert_eq!(other.problem(422), "idempotency-key-reused");
}

const RESERVE: &str = "/api/invites/reserve";

fn reserve(client: &mut Client, code: &str, name: &str) -> String {
    let reserved = client.post(RESERVE, &redeem(code, name)).expect(201);
    assert_shape(&reserved, &json!({"reservation": "text", "expires_at": "time"}));
    reserved["reservation"].as_str().expect("an id").to_owned()
}

fn settle(client: &mut Client, id: &str, how: &str) -> Answer {
    client.post(&format!("/api/invites/reservations/{id}/{how}"), &json!({}))
}

#[test]
fn a_sign_up_in_two_steps_keeps_the_code_and_uses_it_once() {
    let mut server = Server::start();
    let code = &generate(&mut server.admin(), &json!({"batch_size": 1}))[0];
    let mut public = server.public();
    let id = reserve(&mut public, code, "ada");
    assert_eq!(status(&mut public, code)["status"], "reserved");
    assert_eq!(public.post(REDEEM, &redeem(code, "bob")).problem(409), "code-reserved");
    let again = public.post(RESERVE, &redeem(code, "ada")).expect(200);
    assert_eq!((&again["reservation"], &again["already_reserved"]), (&json!(id), &json!(true)));
    server.kill_and_restart();
    let mut public = server.public();
    let confirmed = settle(&mut public, &id, "confirm").expect(200);
    assert_shape(&confirmed, &json!({"redeemed_at": "time", "already_redeemed": "flag"}));
    assert_eq!(settle(&mut public, &id, "confirm").expect(200)["already_redeemed"], true);
    assert_eq!(settle(&mut public, &id, "release").problem(409), "reservation-confirmed");
    assert_eq!(status(&mut public, code)["status"], "used");
    assert_eq!(public.post(REDEEM, &redeem(code, "bob")).problem(409), "code-used");
}

#[test]
fn a_hold_of_somebody_who_has_left_brings_nobody_back() {
    let server = Server::start();
    let mut admin = server.admin();
    let code = &generate(&mut admin, &json!({"batch_size": 1}))[0];
    let join = json!({"email": "ada@example.com", "persona": "agency", "use_case": "Launches"});
    admin.post("/api/waitlist/join", &join).expect(201);
    let id = reserve(&mut admin, code, "ada");
    admin.delete("/api/waitlist/ada%40example.com").expect(200);
    assert_eq!(settle(&mut admin, &id, "confirm").problem(409), "reservation-released");
    assert_eq!(admin.get("/api/waitlist/ada%40example.com").problem(410), "erased");
    admin.post(REDEEM, &redeem(code, "bob")).expect(200);
}

#[test]
fn a_released_hold_frees_the_code_and_cannot_be_confirmed() {
    let server = Server::start();
    let code = &generate(&mut server.admin(), &json!({"batch_size": 1}))[0];
    let mut public = server.public();
    let id = reserve(&mut public, code, "ada");
    settle(&mut public, &id, "release").expect(200);
    settle(&mut public, &id, "release").expect(200);
    assert_eq!(settle(&mut public, &id, "confirm").problem(409), "reservation-released");
    public.post(REDEEM, &redeem(code, "bob")).expect(200);
    let unknown = "00000000-0000-7000-8000-000000000000";
    assert_eq!(settle(&mut public, unknown, "confirm").problem(404), "unknown-reservation");
    assert_eq!(settle(&mut public, "x", "confirm").problem(422), "invalid-field");
    for seconds in [29, 3601] {
        let mut body = redeem(code, "eve");
        body["hold_seconds"] = json!(seconds);
        let answer = public.post(RESERVE, &body);
        assert_eq!((answer.status, answer.wrong_fields()), (422, vec!["hold_seconds".to_owned()]));
    }
}

#[test]
fn an_operator_takes_a_code_back_makes_it_good_again_and_gives_it_time() {
    let server = Server::start();
    let mut admin = server.admin();
    let code = &generate(&mut admin, &json!({"batch_size": 1, "expires_in_days": 1}))[0];
    let path = |what: &str| format!("/api/invites/{code}/{what}");
    let before = status(&mut admin, code)["expires_at"].clone();
    assert_eq!(admin.post(&path("revoke"), &json!({})).expect(200)["status"], "revoked");
    assert_eq!(server.public().post(REDEEM, &redeem(code, "ada")).problem(410), "code-revoked");
    assert_eq!(admin.post(&path("restore"), &json!({})).expect(200)["status"], "active");
    let longer = admin.post(&path("extend"), &json!({"days": 2})).expect(200);
    let time = |value: &Value| -> DateTime<chrono::Utc> {
        value.as_str().expect("a time").parse().expect("RFC 3339")
    };
    assert_eq!(time(&longer["expires_at"]) - time(&before), TimeDelta::days(2));
    assert_eq!(admin.post(&path("extend"), &json!({"days": 0})).problem(422), "invalid-field");
    server.public().post(REDEEM, &redeem(code, "ada")).expect(200);
    assert_eq!(admin.post(&path("revoke"), &json!({})).problem(409), "code-used");
    let unknown = "/api/invites/VOBEE-000000000000/revoke";
    assert_eq!(admin.post(unknown, &json!({})).problem(404), "unknown-code");
    assert_eq!(server.public().post(&path("revoke"), &json!({})).status, 401);
}

#[test]
fn codes_are_listed_page_after_page_and_by_what_is_asked() {
    let server = Server::start();
    let mut admin = server.admin();
    let codes = generate(&mut admin, &json!({"batch_size": 5, "batch_id": "A"}));
    let bound = json!({"batch_size": 1, "batch_id": "B", "issued_to": "ada@example.com"});
    let own = &generate(&mut admin, &bound)[0];
    server.public().post(REDEEM, &redeem(&codes[2], "bob")).expect(200);
    let list = |admin: &mut Client, query: &str| -> Vec<String> {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page = admin.get(&format!("/api/invites?limit=2{query}{after}")).expect(200);
            let items = page["items"].as_array().expect("items");
            found
                .extend(items.iter().map(|item| item["code"].as_str().expect("a code").to_owned()));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return found,
            }
        }
    };
    assert_eq!(list(&mut admin, "&batch_id=A"), codes);
    assert_eq!(list(&mut admin, "&status=used"), [codes[2].clone()]);
    assert_eq!(list(&mut admin, "&issued_to=ADA%40example.com"), std::slice::from_ref(own));
    assert_eq!(list(&mut admin, "").len(), 6);
    let first = admin.get("/api/invites?batch_id=B").expect(200)["items"][0].clone();
    assert_eq!((&first["batch_id"], &first["issued_to"]), (&json!("B"), &json!("ada@example.com")));
    let wrong = admin.get("/api/invites?status=x&limit=0&after=%2F&y=1");
    assert_eq!(wrong.wrong_fields(), ["status", "limit", "after", "y"]);
}

#[test]
fn wrong_codes_are_held_to_a_budget_and_real_ones_are_not() {
    let server = Server::with(&[
        ("VOBEE_LIMITS__WRONG_CODES", "4"),
        ("VOBEE_LIMITS__WRONG_CODES_PER_ADDRESS", "0"),
    ]);
    let codes = generate(&mut server.admin(), &json!({"batch_size": 1}));
    let mut public = server.public();
    for _ in 0..9 {
        status(&mut public, &codes[0]);
    }
    for _ in 0..2 {
        let wrong = public.get("/api/invites/VOBEE-000000000000/status");
        assert_eq!(wrong.problem(404), "unknown-code");
        let wrong = redeem("VOBEE-000000000000", "ada");
        assert_eq!(public.post(REDEEM, &wrong).problem(404), "unknown-code");
    }
    let refused = public.post(REDEEM, &redeem(&codes[0], "ada"));
    assert_eq!(refused.problem(429), "too-many-wrong-codes");
    assert!(refused.header("retry-after").is_some());
    let metrics = String::from_utf8(server.admin().get("/metrics").body).expect("text");
    assert!(metrics.contains("vobee_wrong_codes_total 4"));
    assert!(metrics.contains("vobee_rate_limited_total{scope=\"wrong_codes\"} 1"));
}
