//! Sharing, earning, and how good somebody's referrals are.

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
