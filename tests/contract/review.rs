//! What is known against somebody, and what a verdict does.

use serde_json::{Value, json};

use crate::support::{Client, Server, assert_shape};

/// Joins from an address of the internet.
fn join(client: &mut Client, email: &str, from: &str, through: Option<&str>) -> Value {
    let body = json!({
        "email": email, "use_case": "time", "persona": "agency", "referral_code": through,
    });
    let headers = [("content-type", "application/json"), ("x-forwarded-for", from)];
    let body = body.to_string();
    client
        .try_send("POST", "/api/waitlist/join", &headers, body.as_bytes())
        .expect("an answer")
        .expect(201)
}

fn risk(client: &mut Client, email: &str) -> Value {
    client.get(&format!("/api/quality/risk/{}", email.replace('@', "%40"))).expect(200)
}

fn ids(risk: &Value) -> Vec<&str> {
    let reasons = risk["reasons"].as_array().expect("a list");
    reasons.iter().map(|reason| reason["id"].as_str().expect("a text")).collect()
}

fn behind_a_proxy() -> Server {
    Server::with(&[
        ("VOBEE_SERVER__TRUSTED_PROXIES", "127.0.0.1"),
        ("VOBEE_REFERRALS__POINTS_PER_REDEEMED", "7"),
    ])
}

/// Comes in with a code for everybody.
fn redeem(admin: &mut Client, email: &str) {
    let body = json!({"batch_size": 1, "force": true});
    let code = admin.post("/api/invites/generate", &body).expect(201)["codes"][0].clone();
    admin.post("/api/invites/redeem", &json!({"code": code, "email": email})).expect(200);
}

#[test]
fn signs_are_explained_and_nobody_is_refused_for_them() {
    let server = behind_a_proxy();
    let mut admin = server.admin();
    join(&mut admin, "ada@example.com", "203.0.113.1", None);
    let nothing = risk(&mut admin, "ada@example.com");
    assert_shape(
        &nothing,
        &json!({"id": "uuid", "risk": "number", "reasons": "list", "verdict": "text"}),
    );
    assert_eq!((&nothing["risk"], ids(&nothing)), (&json!(0.0), vec![]));
    join(&mut admin, "ada+1@example.com", "203.0.113.1", None);
    let double = risk(&mut admin, "ada+1@example.com");
    assert_eq!((&double["risk"], ids(&double)), (&json!(0.5), vec!["canonical-duplicate"]));
    join(&mut admin, "bob@mailinator.com", "203.0.113.1", None);
    assert_eq!(ids(&risk(&mut admin, "bob@mailinator.com")), ["disposable-domain"]);
    join(&mut admin, "cyd@example.com", "203.0.113.1", None);
    let fourth = risk(&mut admin, "cyd@example.com");
    assert_eq!(ids(&fourth), ["shared-address"]);
    assert_eq!(fourth["reasons"][0]["weight"], 0.3);
    assert_eq!(fourth["withheld_since"], Value::Null, "nobody has brought cyd");
    assert_eq!(admin.get("/api/quality/risk/eve%40example.com").problem(404), "unknown-person");
    let none = admin.get("/api/quality/review").expect(200);
    assert_eq!(none["items"], json!([]));
}

#[test]
fn credit_for_a_double_waits_until_it_is_accepted() {
    let server = behind_a_proxy();
    let mut admin = server.admin();
    let ada = join(&mut admin, "ada@example.com", "203.0.113.1", None);
    let code = ada["referral_code"].as_str();
    join(&mut admin, "bob@example.com", "198.51.100.1", None);
    join(&mut admin, "bob+2@example.com", "198.51.100.1", code);
    redeem(&mut admin, "bob+2@example.com");
    let page = admin.get("/api/quality/review").expect(200);
    let item = &page["items"][0];
    assert_eq!(item["email"], "bob+2@example.com");
    assert_eq!(item["inviter"]["email"], "ada@example.com");
    assert_eq!(ids(item), ["canonical-duplicate"]);
    assert_eq!(page["next"], Value::Null);
    let analytics = "/api/referrals/ada%40example.com/analytics";
    assert_eq!(admin.get(analytics).expect(200)["withheld"], 1);
    let score = |admin: &mut Client| {
        admin.get("/api/waitlist/ada%40example.com").expect(200)["priority_score"].clone()
    };
    assert_eq!(score(&mut admin), ada["priority_score"], "no points yet");

    let accept = "/api/quality/review/bob%2B2%40example.com/accept";
    let would = admin.post(&format!("{accept}?dry_run=true"), &json!({})).expect(200);
    assert_eq!((&would["dry_run"], &would["points"][0]["points"]), (&json!(true), &json!(7)));
    assert_eq!(admin.get(analytics).expect(200)["withheld"], 1, "nothing has happened");
    let accepted = admin.post(accept, &json!({})).expect(200);
    assert_eq!(accepted["points"], would["points"]);
    assert_eq!(accepted["was_withheld"], true);
    assert_eq!(admin.get(analytics).expect(200)["withheld"], 0);
    let points = ada["priority_score"].as_i64().expect("a number") + 7;
    assert_eq!(score(&mut admin), points);
    let again = admin.post(accept, &json!({})).expect(200);
    assert_eq!((&again["already"], &again["points"]), (&json!(true), &json!([])));
    assert_eq!(admin.get("/api/quality/review").expect(200)["items"], json!([]));
    assert_eq!(risk(&mut admin, "bob+2@example.com")["verdict"], "accepted");
}

#[test]
fn a_rejection_takes_back_reward_codes_and_points_and_shows_it_before() {
    let server = behind_a_proxy();
    let mut admin = server.admin();
    let ada = join(&mut admin, "ada@example.com", "203.0.113.1", None);
    let code = ada["referral_code"].as_str();
    for (friend, from) in [("bob", "198.51.100.1"), ("cyd", "192.0.2.1"), ("dan", "192.0.2.9")] {
        let email = format!("{friend}@example.com");
        join(&mut admin, &email, from, code);
        redeem(&mut admin, &email);
    }
    let claim = json!({"user_email": "ada@example.com"});
    assert_eq!(admin.post("/api/referrals/earn", &claim).expect(200)["codes_available"], 3);
    let reject = "/api/quality/review/dan%40example.com/reject";
    let would = admin.post(&format!("{reject}?dry_run=true"), &json!({})).expect(200);
    let taken = &would["rewards_withdrawn"][0];
    let lost = (&taken["email"], &taken["codes_revoked"]);
    assert_eq!(lost, (&json!("ada@example.com"), &json!(3)));
    assert_eq!(would["referral_state"], "fraud");
    let rejected = admin.post(reject, &json!({})).expect(200);
    assert_eq!(rejected["rewards_withdrawn"], would["rewards_withdrawn"]);
    let earned = admin.post("/api/referrals/earn", &claim).expect(200);
    assert_eq!((&earned["codes_available"], &earned["earned"]), (&json!(0), &json!(false)));
    let entry = admin.get("/api/waitlist/ada%40example.com").expect(200);
    let points = ada["priority_score"].as_i64().expect("a number") + 14;
    assert_eq!(entry["priority_score"], points, "two friends are left");
    let trust = admin.get("/api/quality/trust-score").expect(200);
    assert!(trust["fraud_rate"].as_f64() > Some(0.0), "{trust}");
    let explained = admin.get("/api/waitlist/ada%40example.com/explain").expect(200);
    let terms = explained["terms"].as_array().expect("a list");
    let term = terms.iter().find(|term| term["term"] == "referrals").expect("a term");
    assert_eq!(term["points"], 14);
}

#[test]
fn who_has_left_is_judged_by_id_and_told_of_no_more() {
    let server = behind_a_proxy();
    let mut admin = server.admin();
    let ada = join(&mut admin, "ada@example.com", "203.0.113.1", None);
    join(&mut admin, "bob@example.com", "198.51.100.1", None);
    join(&mut admin, "bob+2@example.com", "198.51.100.1", ada["referral_code"].as_str());
    let path = "/api/waitlist/bob%2B2%40example.com";
    admin.try_send("DELETE", path, &[], b"").expect("an answer").expect(200);
    let gone = admin.get("/api/quality/risk/bob%2B2%40example.com");
    assert_eq!(gone.problem(410), "erased");
    let page = admin.get("/api/quality/review").expect(200);
    let item = &page["items"][0];
    assert_eq!(item["email"], Value::Null);
    let path = format!("/api/quality/review/{}/reject", item["id"].as_str().expect("an id"));
    admin.post(&path, &json!({})).expect(200);
    assert_eq!(admin.get("/api/quality/review").expect(200)["items"], json!([]));
    let again = join(&mut admin, "bob+2@example.com", "192.0.2.77", None);
    assert_eq!(again["state"], "waiting", "nobody is refused");
}

#[test]
fn a_verdict_needs_somebody_and_knows_its_parameters() {
    let server = Server::start();
    let mut admin = server.admin();
    let path = "/api/quality/review/eve%40example.com/reject";
    assert_eq!(admin.post(path, &json!({})).problem(404), "nothing-to-review");
    let bad = |admin: &mut Client, path: &str| {
        let answer = admin.post(path, &json!({}));
        assert_eq!(answer.problem(422), "invalid-field");
        answer.json()["errors"][0]["field"].clone()
    };
    assert_eq!(bad(&mut admin, &format!("{path}?dry_run=maybe")), "dry_run");
    assert_eq!(bad(&mut admin, &format!("{path}?dryrun=true")), "dryrun");
    for query in ["limit=0", "limit=1001", "after=x", "after=1-zz", "order=risk"] {
        let answer = admin.get(&format!("/api/quality/review?{query}"));
        assert_eq!(answer.problem(422), "invalid-field", "{query}");
    }
}
