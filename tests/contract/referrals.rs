//! Sharing, earning, how good somebody's referrals are, and the graph of all.

use serde_json::{Value, json};

use crate::support::{Client, Server, assert_shape};

const SHARE: &str = "/api/referrals/share";
const EARN: &str = "/api/referrals/earn";

fn pair(inviter: &str, recipient: &str) -> Value {
    json!({
        "inviter_email": format!("{inviter}@example.com"),
        "recipient_email": format!("{recipient}@example.com"),
    })
}

fn earn(client: &mut Client, name: &str) -> Value {
    client.post(EARN, &json!({"user_email": format!("{name}@example.com")})).expect(200)
}

fn quality(client: &mut Client, name: &str) -> Value {
    client.get(&format!("/api/referrals/{name}%40example.com/quality")).expect(200)
}

/// Lets friends of ada in.
fn bring(admin: &mut Client, friends: &[&str]) {
    let body = json!({"batch_size": 1, "max_uses": friends.len()});
    let code = admin.post("/api/invites/generate", &body).expect(201)["codes"][0].clone();
    for friend in friends {
        admin.post(SHARE, &pair("ada", friend)).expect(201);
        let redeem = json!({"code": code, "email": format!("{friend}@example.com")});
        admin.post("/api/invites/redeem", &redeem).expect(200);
    }
}

#[test]
fn a_share_is_tracked_once() {
    let server = Server::start();
    let mut admin = server.admin();
    let shared = admin.post(SHARE, &pair("ada", "bob")).expect(201);
    assert_shape(&shared, &json!({"status": "text", "referral_id": "uuid", "message": "text"}));
    assert_eq!(shared["status"], "success");
    assert_eq!(shared["message"], "Referral tracked successfully");
    assert_eq!(shared["invite_code"], Value::Null, "ada holds no code");
    let again = admin.post(SHARE, &pair("ADA", "Bob")).expect(200);
    assert_eq!(again["referral_id"], shared["referral_id"]);
    assert_eq!(quality(&mut admin, "ada")["referred_count"], 1);
}

#[test]
fn a_person_has_one_inviter_and_nobody_is_his_own() {
    let server = Server::start();
    let mut admin = server.admin();
    let mut refused = |inviter: &str, recipient: &str, status: u16| {
        admin.post(SHARE, &pair(inviter, recipient)).problem(status)
    };
    assert_eq!(refused("ada", "ada", 422), "self-referral");
    assert_eq!(refused("ada", "ada+news", 422), "self-referral", "the same mailbox");
    let mut admin = server.admin();
    admin.post(SHARE, &pair("ada", "bob")).expect(201);
    admin.post(SHARE, &pair("bob", "cyd")).expect(201);
    assert_eq!(refused("cyd", "ada", 409), "referral-cycle");
    assert_eq!(refused("dan", "bob", 409), "already-referred");
    bring(&mut admin, &["eve"]);
    assert_eq!(refused("bob", "eve", 409), "already-member");
}

#[test]
fn three_friends_who_came_earn_three_codes_once() {
    let server = Server::start();
    let mut admin = server.admin();
    let nothing = earn(&mut admin, "ada");
    assert_shape(
        &nothing,
        &json!({"earned": "flag", "codes_available": "whole", "message": "text", "codes": "list"}),
    );
    assert_eq!((&nothing["earned"], &nothing["codes_available"]), (&json!(false), &json!(0)));
    bring(&mut admin, &["bob", "cyd"]);
    assert_eq!(earn(&mut admin, "ada")["earned"], false, "two are not three");
    bring(&mut admin, &["dan"]);

    let earned = earn(&mut admin, "ada");
    assert_eq!((&earned["earned"], &earned["codes_available"]), (&json!(true), &json!(3)));
    assert_eq!(earned["message"], "You earned 3 invite codes");
    assert_shape(&earned, &json!({"codes": ["code"], "next_milestone": {"missing": "whole"}}));
    assert_eq!(earned["next_milestone"]["redeemed"], 10);
    let again = earn(&mut admin, "ada");
    assert_eq!(again["earned"], false);
    assert_eq!(again["codes"], earned["codes"]);
}

#[test]
fn an_earned_code_goes_to_the_next_friend_who_is_told() {
    let server = Server::start();
    let mut admin = server.admin();
    bring(&mut admin, &["bob", "cyd", "dan"]);
    let codes = earn(&mut admin, "ada")["codes"].clone();
    let shared = admin.post(SHARE, &pair("ada", "fay")).expect(201);
    assert_eq!(shared["invite_code"], codes[0], "the oldest that is free");
    let again = admin.post(SHARE, &pair("ada", "fay")).expect(200);
    assert_eq!(again["invite_code"], codes[0], "and no second one");
    assert_eq!(earn(&mut admin, "ada")["codes_available"], 2);
    let mut wished = pair("ada", "gil");
    wished["invite_code"] = codes[2].clone();
    assert_eq!(admin.post(SHARE, &wished).expect(201)["invite_code"], codes[2]);
    let mut stolen = pair("bob", "hal");
    stolen["invite_code"] = codes[1].clone();
    assert_eq!(admin.post(SHARE, &stolen).problem(409), "not-holder");

    let redeem =
        |code: &Value, name: &str| json!({"code": code, "email": format!("{name}@example.com")});
    let mut public = server.public();
    let refused = public.post("/api/invites/redeem", &redeem(&codes[0], "gil"));
    assert_eq!(refused.problem(403), "code-bound");
    public.post("/api/invites/redeem", &redeem(&codes[0], "fay")).expect(200);
    assert_eq!(quality(&mut admin, "ada")["referred_count"], 5);
}

fn join(client: &mut Client, name: &str, referral_code: Option<&Value>) -> Value {
    let mut body = json!({
        "email": format!("{name}@example.com"), "persona": "agency", "use_case": "Launches",
    });
    if let Some(code) = referral_code {
        body["referral_code"] = code.clone();
    }
    client.post("/api/waitlist/join", &body).expect(201)
}

#[test]
fn a_friend_who_came_before_the_inviter_had_codes_is_given_one_by_a_share() {
    let server = Server::start();
    let mut admin = server.admin();
    let ada = join(&mut admin, "ada", None);
    join(&mut admin, "fay", Some(&ada["referral_code"]));
    admin.post(SHARE, &pair("ada", "gil")).expect(201);
    bring(&mut admin, &["bob", "cyd", "dan"]);
    let codes = earn(&mut admin, "ada")["codes"].clone();
    let shared = admin.post(SHARE, &pair("ada", "fay")).expect(200);
    assert_eq!((&shared["already_shared"], &shared["invite_code"]), (&json!(true), &codes[0]));
    let mut wished = pair("ada", "gil");
    wished["invite_code"] = codes[2].clone();
    assert_eq!(admin.post(SHARE, &wished).expect(200)["invite_code"], codes[2]);
    assert_eq!(admin.post(SHARE, &pair("ada", "fay")).expect(200)["invite_code"], codes[0]);
    assert_eq!(admin.post(SHARE, &pair("ada", "bob")).expect(200)["invite_code"], Value::Null);
    assert_eq!(earn(&mut admin, "ada")["codes"], json!([codes[1]]));
}

#[test]
fn who_has_left_is_not_brought_back_by_somebody_elses_share() {
    let server = Server::start();
    let mut admin = server.admin();
    join(&mut admin, "ada", None);
    admin.delete("/api/waitlist/ada%40example.com").expect(200);
    assert_eq!(admin.post(SHARE, &pair("ada", "bob")).problem(410), "erased");
    assert_eq!(admin.post(SHARE, &pair("bob", "ada")).problem(410), "erased");
}

#[test]
fn a_repeated_share_gets_its_first_answer_though_the_friend_has_left_since() {
    let server = Server::start();
    let mut admin = server.admin();
    let send = |admin: &mut Client| {
        let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
        let body = pair("ada", "bob").to_string();
        admin.try_send("POST", SHARE, &headers, body.as_bytes()).expect("an answer")
    };
    let first = send(&mut admin).expect(201);
    join(&mut admin, "bob", None);
    admin.delete("/api/waitlist/bob%40example.com").expect(200);
    assert_eq!(send(&mut admin).expect(201), first);
}

#[test]
fn quality_tells_score_parts_and_rewards() {
    let server = Server::start();
    let mut admin = server.admin();
    let nobody = quality(&mut admin, "nobody");
    assert_shape(
        &nobody,
        &json!({"referred_count": "whole", "quality_score": "number", "rewards": "list"}),
    );
    assert_eq!(nobody["referred_count"], 0);
    bring(&mut admin, &["bob", "cyd", "dan"]);
    admin.post(SHARE, &pair("ada", "eve")).expect(201);
    earn(&mut admin, "ada");
    let ada = quality(&mut admin, "ada");
    let reward = json!({"type": "text", "amount": "whole", "reason": "text"});
    let part = json!({"name": "text", "value": "number", "weight": "number"});
    assert_shape(&ada, &json!({"rewards": [reward], "parts": [part]}));
    assert_eq!(ada["referred_count"], 4);
    let reward = &ada["rewards"][0];
    assert_eq!((&reward["type"], &reward["amount"]), (&json!("invite_codes"), &json!(3)));
    assert_eq!(reward["reason"], "First 3 referrals");

    let parts = ada["parts"].as_array().expect("a list of parts");
    let names: Vec<&str> = parts.iter().filter_map(|part| part["name"].as_str()).collect();
    assert_eq!(names, ["recency", "conversion", "activity", "retention"]);
    let number = |part: &Value, field: &str| part[field].as_f64().expect("a number");
    assert_eq!(number(&parts[1], "value"), 0.75, "three of four came");
    let sum: f64 = parts.iter().map(|part| number(part, "value") * number(part, "weight")).sum();
    let score = ada["quality_score"].as_f64().expect("a score");
    assert_eq!(score, (sum * 100.0).round() / 100.0);
    assert!((0.0..=1.0).contains(&score), "{ada}");
}

#[test]
fn a_friend_who_was_false_earns_nothing() {
    let server = Server::start();
    let mut admin = server.admin();
    bring(&mut admin, &["bob", "cyd", "dan"]);
    let events = json!({"events": [{"email": "dan@example.com", "type": "fraud"}]});
    admin.post("/api/quality/events", &events).expect(200);
    assert_eq!(earn(&mut admin, "ada")["earned"], false);
    let events = json!({"events": [{"email": "dan@example.com", "type": "cleared"}]});
    admin.post("/api/quality/events", &events).expect(200);
    assert_eq!(earn(&mut admin, "ada")["earned"], true);
}

fn read(client: &mut Client, name: &str, what: &str) -> Value {
    client.get(&format!("/api/referrals/{name}%40example.com/{what}")).expect(200)
}

#[test]
fn a_chain_tells_the_way_up_and_counts_the_way_down() {
    let server = Server::start();
    let mut admin = server.admin();
    bring(&mut admin, &["bob", "cyd"]);
    for (inviter, recipient) in [("bob", "dan"), ("bob", "eve"), ("dan", "fay")] {
        admin.post(SHARE, &pair(inviter, recipient)).expect(201);
    }
    let ada = read(&mut admin, "ada", "chain");
    assert_eq!((&ada["ancestors"], &ada["depth"]), (&json!([]), &json!(0)));
    assert_eq!((&ada["root"], &ada["state"]), (&ada["id"], &Value::Null));
    assert_eq!(ada["subtree"], json!({"size": 5, "depth": 3, "by_level": [2, 2, 1]}));

    let dan = read(&mut admin, "dan", "chain");
    let ancestor = json!({"id": "uuid", "email": "text?", "state": "text?"});
    assert_shape(&dan, &json!({"id": "uuid", "root": "uuid", "ancestors": [ancestor]}));
    assert_eq!((&dan["state"], &dan["depth"]), (&json!("shared"), &json!(2)));
    assert_eq!(dan["root"], ada["id"]);
    let above = |at: usize| (dan["ancestors"][at]["email"].clone(), &dan["ancestors"][at]["state"]);
    assert_eq!(above(0), (json!("bob@example.com"), &json!("redeemed")));
    assert_eq!(above(1), (json!("ada@example.com"), &Value::Null));
    assert_eq!(dan["subtree"], json!({"size": 1, "depth": 1, "by_level": [1]}));
}

#[test]
fn only_somebody_who_is_known_has_a_chain_and_analytics() {
    let server = Server::start();
    let mut admin = server.admin();
    for what in ["chain", "analytics"] {
        let answer = admin.get(&format!("/api/referrals/nobody%40example.com/{what}"));
        assert_eq!(answer.problem(404), "unknown-person");
    }
    let join = json!({"email": "ada@example.com", "use_case": "x", "persona": "agency"});
    admin.post("/api/waitlist/join", &join).expect(201);
    assert_eq!(read(&mut admin, "ada", "chain")["subtree"]["size"], 0);
    assert_eq!(read(&mut admin, "ada", "analytics")["history"], json!([]));
}

#[test]
fn analytics_tell_what_became_of_each_referral() {
    let server = Server::start();
    let mut admin = server.admin();
    bring(&mut admin, &["bob", "cyd", "dan"]);
    admin.post(SHARE, &pair("ada", "eve")).expect(201);
    earn(&mut admin, "ada");
    let seen = json!({"events": [{"email": "bob@example.com", "type": "active"}]});
    admin.post("/api/quality/events", &seen).expect(200);
    let ada = read(&mut admin, "ada", "analytics");
    let past = json!({
        "id": "uuid", "email": "text", "state": "text", "shared_at": "time", "redeemed_at": "time?",
    });
    let reward = json!({"type": "text", "amount": "whole", "reason": "text", "granted_at": "time"});
    assert_shape(&ada, &json!({"history": [past], "rewards": [reward], "rewards_paused": "flag"}));
    let history = ada["history"].as_array().expect("a history");
    let told: Vec<_> = history
        .iter()
        .filter_map(|past| past["email"].as_str().zip(past["state"].as_str()))
        .collect();
    let expected = [
        ("eve@example.com", "shared"),
        ("dan@example.com", "redeemed"),
        ("cyd@example.com", "redeemed"),
        ("bob@example.com", "active"),
    ];
    assert_eq!(told, expected, "newest first");
    assert!(history[0]["redeemed_at"].is_null() && history[3]["redeemed_at"].is_string());
    assert_eq!(ada["referred_count"], 4);
    let by_state = json!({
        "shared": 1, "waiting": 0, "redeemed": 2, "active": 1, "churned": 0, "fraud": 0,
    });
    assert_eq!(ada["by_state"], by_state);
    assert_eq!(ada["next_milestone"]["missing"], 7);
}

#[test]
fn the_best_inviters_come_first_and_as_many_as_are_asked_for() {
    let server = Server::start();
    let mut admin = server.admin();
    assert_eq!(admin.get("/api/referrals/top").expect(200)["items"], json!([]));
    bring(&mut admin, &["bob", "cyd"]);
    let body = json!({"batch_size": 1});
    let code = admin.post("/api/invites/generate", &body).expect(201)["codes"][0].clone();
    admin.post(SHARE, &pair("bob", "dan")).expect(201);
    let redeem = json!({"code": code, "email": "dan@example.com"});
    admin.post("/api/invites/redeem", &redeem).expect(200);
    admin.post(SHARE, &pair("cyd", "eve")).expect(201);
    let top = admin.get("/api/referrals/top").expect(200);
    let leader = json!({
        "id": "uuid", "email": "text", "redeemed": "whole", "referred_count": "whole",
        "quality_score": "number",
    });
    assert_shape(&top, &json!({"items": [leader]}));
    let items = top["items"].as_array().expect("items");
    let ranks: Vec<_> = items
        .iter()
        .filter_map(|item| item["email"].as_str().zip(item["redeemed"].as_u64()))
        .collect();
    assert_eq!(ranks, [("ada@example.com", 2), ("bob@example.com", 1)]);
    let one = admin.get("/api/referrals/top?limit=1").expect(200);
    assert_eq!(one["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(admin.get("/api/referrals/top?limit=101").problem(422), "invalid-field");
}

#[test]
fn the_network_is_told_as_a_whole() {
    let server = Server::start();
    let mut admin = server.admin();
    let empty = admin.get("/api/referrals/network").expect(200);
    assert_eq!((&empty["people"], &empty["viral_coefficient"]), (&json!(0), &json!(0.0)));
    bring(&mut admin, &["bob", "cyd"]);
    admin.post(SHARE, &pair("bob", "dan")).expect(201);
    admin.post(SHARE, &pair("eve", "fay")).expect(201);
    let network = admin.get("/api/referrals/network").expect(200);
    let whole = json!({"people": 6, "roots": 2, "edges": 4, "depth": 2, "redeemed": 2,
        "conversion": 0.5, "members": 2, "viral_coefficient": 1.0});
    for (field, value) in whole.as_object().expect("fields") {
        assert_eq!(&network[field], value, "{field}");
    }
    assert_eq!(
        (&network["by_state"]["shared"], &network["by_state"]["redeemed"]),
        (&json!(2), &json!(2))
    );
}

#[test]
fn another_spelling_of_an_address_closes_a_cycle_too() {
    let server = Server::start();
    let mut admin = server.admin();
    let body = |from: &str, to: &str| json!({"inviter_email": from, "recipient_email": to});
    let themselves = body("a.da@gmail.com", "Ada+1@googlemail.com");
    assert_eq!(admin.post(SHARE, &themselves).problem(422), "self-referral");
    admin.post(SHARE, &body("a.da+news@gmail.com", "bob@example.com")).expect(201);
    let closing = body("bob@example.com", "ada@gmail.com");
    assert_eq!(admin.post(SHARE, &closing).problem(409), "referral-cycle");
    let closing = body("bob+x@example.com", "ada@googlemail.com");
    assert_eq!(admin.post(SHARE, &closing).problem(409), "referral-cycle");
    admin.post(SHARE, &body("bob@example.com", "cyd@example.com")).expect(201);
}
