//! Joining, standing in line, leaving.

use serde_json::{Value, json};

use crate::support::{Client, Server, assert_shape};

const JOIN: &str = "/api/waitlist/join";

fn wants(email: &str) -> Value {
    json!({"email": email, "use_case": "Marketing automation for my startup",
        "persona": "solo_founder"})
}

fn entry_of(client: &mut Client, email: &str) -> Value {
    client.get(&format!("/api/waitlist/{}", email.replace('@', "%40"))).expect(200)
}

/// The shape of an entry of somebody who waits.
fn entry() -> Value {
    json!({
        "id": "uuid", "state": "text", "position": "whole", "ahead": "whole", "total": "whole",
        "estimated_wait": "text", "email": "text", "persona": "text", "use_case": "text",
        "metadata": {}, "priority_score": "whole", "boost": "whole", "joined_at": "time",
        "invited_at": "time?", "referral_code": "text",
    })
}

#[test]
fn a_join_is_answered_with_the_place_and_all_that_goes_with_it() {
    let server = Server::start();
    let joined = server.public().post(JOIN, &wants("user@example.com")).expect(201);
    let shape = json!({
        "status": "text", "position": "whole", "total_waiting": "whole", "estimated_wait": "text",
        "id": "uuid", "priority_score": "whole", "referral_code": "text", "person_token": "text",
        "already_joined": "flag",
    });
    assert_shape(&joined, &shape);
    assert_eq!(joined["status"], "success");
    assert_eq!((&joined["position"], &joined["total_waiting"]), (&json!(1), &json!(1)));
    assert_eq!(joined["estimated_wait"], "1-2 days");
    assert_eq!(joined["already_joined"], false);
}

#[test]
fn joining_again_gives_the_same_place_and_overwrites_nothing() {
    let server = Server::start();
    let mut public = server.public();
    let first = public.post(JOIN, &wants("User@Example.com")).expect(201);
    let other = json!({"email": " uSER@eXAMPLE.COM ", "use_case": "x", "persona": "agency"});
    let mut again = public.post(JOIN, &other).expect(200);
    assert_eq!(again["already_joined"], true);
    assert!(again.get("person_token").is_none(), "only who is new gets a token: {again}");
    again["already_joined"] = json!(false);
    again["person_token"] = first["person_token"].clone();
    assert_eq!(again, first);
    let entry = entry_of(&mut server.admin(), "user@example.com");
    assert_eq!(entry["email"], "User@example.com", "the local part keeps its case");
    assert_eq!(entry["persona"], "solo_founder");
    assert_eq!(entry["use_case"], "Marketing automation for my startup");
    assert_eq!(entry["total"], 1);
}

#[test]
fn a_score_is_that_of_the_published_algorithm() {
    let server = Server::start();
    let mut public = server.public();
    let words = |count: usize| "word ".repeat(count);
    let cases = [
        ("solo_founder", "x".to_owned(), 10),
        ("small_team", "x".to_owned(), 15),
        ("agency", "x".to_owned(), 20),
        ("content_creator", "x".to_owned(), 8),
        ("other", "x".to_owned(), 5),
        ("astronaut", "x".to_owned(), 5),
        ("Agency", "x".to_owned(), 5),
        ("agency", words(20), 20),
        ("agency", words(21), 30),
        ("agency", "word\t\n\u{a0}\u{2003}".repeat(21), 30),
        ("agency", "word-".repeat(40), 20),
        ("agency", "MARKETING".to_owned(), 25),
        ("agency", "discontented".to_owned(), 25),
        ("agency", "automation".to_owned(), 25),
        ("agency", "sometimes".to_owned(), 25),
        ("agency", "marketing content automation time".to_owned(), 25),
        ("agency", "Marketing automation for my startup".to_owned(), 25),
        ("agency", format!("{} time", words(20)), 35),
    ];
    for (number, (persona, use_case, score)) in cases.iter().enumerate() {
        let body = json!({
            "email": format!("p{number}@example.com"), "use_case": use_case, "persona": persona,
        });
        let joined = public.post(JOIN, &body).expect(201);
        assert_eq!(joined["priority_score"], *score, "{persona}: {use_case}");
    }
    let astronaut = entry_of(&mut server.admin(), "p5@example.com");
    assert_eq!(astronaut["persona"], "astronaut", "kept as it was written");
}

#[test]
fn an_entry_tells_all_that_was_typed_and_how_it_stands() {
    let server = Server::start();
    let mut admin = server.admin();
    let mut ada = wants("ada@example.com");
    ada["metadata"] = json!({"source": "ad", "campaign": "é"});
    admin.post(JOIN, &ada).expect(201);
    let first = entry_of(&mut admin, "ada@example.com");
    assert_shape(&first, &entry());
    for field in ["email", "use_case", "persona", "metadata"] {
        assert_eq!(first[field], ada[field]);
    }
    assert_eq!((&first["position"], &first["ahead"]), (&json!(1), &json!(0)));

    let mut agency = wants("bob@example.com");
    agency["persona"] = json!("agency");
    agency["referral_code"] = first["referral_code"].clone();
    assert_eq!(admin.post(JOIN, &agency).expect(201)["position"], 1, "a higher score is ahead");
    let second = entry_of(&mut admin, "ada@example.com");
    assert_eq!((&second["position"], &second["ahead"]), (&json!(2), &json!(1)));
    assert_eq!(second["total"], 2);
    let quality = admin.get("/api/referrals/ada%40example.com/quality").expect(200);
    assert_eq!(quality["referred_count"], 1, "bob came through ada's code");
}

#[test]
fn a_boost_moves_a_person_up_and_down_by_its_points() {
    let server = Server::start();
    let mut admin = server.admin();
    for name in ["ada", "bob"] {
        admin.post(JOIN, &wants(&format!("{name}@example.com"))).expect(201);
    }
    let path = "/api/waitlist/bob%40example.com/boost";
    let up = admin.post(path, &json!({"points": 20, "reason": "a friend"})).expect(200);
    assert_shape(&up, &entry());
    assert_eq!((&up["boost"], &up["priority_score"]), (&json!(20), &json!(35)));
    assert_eq!(up["position"], 1);
    let down = admin.post(path, &json!({"points": -21, "reason": "no friend"})).expect(200);
    assert_eq!((&down["boost"], &down["priority_score"]), (&json!(-1), &json!(14)));
    assert_eq!(down["position"], 2);
    let stranger = "/api/waitlist/eve%40example.com/boost";
    let refused = admin.post(stranger, &json!({"points": 1, "reason": "x"}));
    assert_eq!(refused.problem(404), "unknown-person");
}

#[test]
fn statistics_count_who_waits_who_came_and_who_went() {
    let server = Server::start();
    let mut admin = server.admin();
    for (number, persona) in ["solo_founder", "agency", "agency", "astronaut"].iter().enumerate() {
        let mut body = wants(&format!("p{number}@example.com"));
        body["persona"] = json!(persona);
        admin.post(JOIN, &body).expect(201);
    }
    let generate = json!({"batch_size": 1, "issued_to": "p0@example.com"});
    admin.post("/api/invites/generate", &generate).expect(201);
    let code = admin.post("/api/invites/generate", &json!({"batch_size": 1})).expect(201);
    let redeem = json!({"code": code["codes"][0], "email": "p1@example.com"});
    admin.post("/api/invites/redeem", &redeem).expect(200);
    admin.delete("/api/waitlist/p2%40example.com").expect(200);

    let stats = admin.get("/api/waitlist/stats").expect(200);
    let counts = ["total", "processed_today", "invited", "members", "removed", "joined_today"];
    for field in counts {
        assert_shape(&stats, &json!({field: "whole"}));
    }
    assert_shape(&stats, &json!({"by_persona": {"agency": "whole"}, "invites_per_day": "number"}));
    for (field, count) in [("total", 1), ("invited", 0), ("members", 1), ("removed", 1)] {
        // A code that is made out to somebody who waits is an invitation.
        let count = count + i32::from(field == "invited");
        assert_eq!(stats[field], count, "{field} in {stats}");
    }
    let waiting = &stats["by_persona"];
    assert_eq!((&waiting["other"], &waiting["agency"]), (&json!(1), &json!(0)), "{stats}");
}

#[test]
fn the_list_comes_in_pages_with_every_place_and_the_table_of_waits() {
    const PEOPLE: usize = 1001;
    let server = Server::start();
    let mut admin = server.admin();
    for number in 0..PEOPLE {
        admin.post(JOIN, &wants(&format!("p{number}@example.com"))).expect(201);
    }
    let mut list: Vec<Value> = Vec::new();
    let mut after = String::new();
    for length in [400, 400, 201] {
        let page = admin.get(&format!("/api/waitlist?limit=400{after}")).expect(200);
        let items = page["items"].as_array().expect("a list of items");
        assert_eq!(items.len(), length);
        list.extend(items.iter().cloned());
        assert_eq!(page["next"].is_null(), list.len() == PEOPLE, "{}", page["next"]);
        after = format!("&after={}", page["next"].as_str().unwrap_or_default());
    }
    assert_shape(&json!(list), &json!([entry()]));
    for (number, entry) in list.iter().enumerate() {
        assert_eq!(entry["position"], number + 1);
        assert_eq!(entry["email"], format!("p{number}@example.com"), "first come, first in line");
    }
    let table = [
        (1, "1-2 days"),
        (50, "1-2 days"),
        (51, "1 week"),
        (200, "1 week"),
        (201, "2-3 weeks"),
        (500, "2-3 weeks"),
        (501, "1 month"),
        (1000, "1 month"),
        (1001, "4-6 weeks"),
    ];
    for (position, wait) in table {
        assert_eq!(list[position - 1]["estimated_wait"], wait, "at {position}");
    }
    let default = admin.get("/api/waitlist").expect(200);
    assert_eq!(default["items"].as_array().map(Vec::len), Some(100));
}

#[test]
fn a_person_token_opens_its_own_entry_and_nothing_else() {
    let server = Server::start();
    let mut public = server.public();
    let token = |joined: &Value| joined["person_token"].as_str().expect("a token").to_owned();
    let ada = token(&public.post(JOIN, &wants("ada@example.com")).expect(201));
    let bob = token(&public.post(JOIN, &wants("bob@example.com")).expect(201));
    let holder = |token: &str| Client::new(server.port()).with_key(token);
    for (token, email) in [(&ada, "ada@example.com"), (&bob, "bob@example.com")] {
        let me = holder(token).get("/api/waitlist/me").expect(200);
        assert_shape(&me, &entry());
        assert_eq!(me["email"], email);
    }
    let forged = format!("{}{}", &ada[..ada.len() / 2], &bob[bob.len() / 2..]);
    for token in [&forged, &ada[..ada.len() - 1], "person_", server.admin_key()] {
        assert_eq!(holder(token).get("/api/waitlist/me").problem(401), "unauthorized");
        assert_eq!(holder(token).delete("/api/waitlist/me").problem(401), "unauthorized");
    }
    assert_eq!(public.get("/api/waitlist/me").problem(401), "unauthorized");
    let refused = holder(&ada).get("/api/waitlist/bob%40example.com");
    assert_eq!(refused.problem(401), "unauthorized");
    assert_eq!(holder(&ada).delete("/api/waitlist/bob%40example.com").status, 401);
    assert_eq!(entry_of(&mut server.admin(), "bob@example.com")["total"], 2, "both are there");
}

#[test]
fn whoever_leaves_is_forgotten_also_after_a_restart() {
    let mut server = Server::start();
    let mut admin = server.admin();
    let mut ada = wants("ada@example.com");
    ada["use_case"] = json!("something quite recognisable");
    let joined = admin.post(JOIN, &ada).expect(201);
    let token = joined["person_token"].as_str().expect("a token").to_owned();
    for name in ["bob", "cyd"] {
        admin.post(JOIN, &wants(&format!("{name}@example.com"))).expect(201);
    }
    let mut holder = Client::new(server.port()).with_key(&token);
    let left = holder.delete("/api/waitlist/me").expect(200);
    let receipt = json!({"seq": "whole", "chain_before": "text", "chain": "text"});
    let gone = json!({
        "status": "text", "message": "text", "erased_at": "time", "receipt": receipt,
    });
    assert_shape(&left, &gone);
    let removed = admin.delete("/api/waitlist/bob%40example.com").expect(200);
    assert_shape(&removed, &gone);
    assert!(removed["receipt"]["seq"].as_u64() > left["receipt"]["seq"].as_u64());
    assert_ne!(left["receipt"]["chain"], left["receipt"]["chain_before"]);

    for restarted in [false, true] {
        if restarted {
            server.kill_and_restart();
        }
        let mut admin = server.admin();
        let mut holder = Client::new(server.port()).with_key(&token);
        assert_eq!(holder.get("/api/waitlist/me").problem(410), "erased");
        for name in ["ada", "bob"] {
            let path = format!("/api/waitlist/{name}%40example.com");
            assert_eq!(admin.get(&path).problem(410), "erased");
            assert_eq!(admin.delete(&path).problem(410), "erased");
        }
        let list = admin.get("/api/waitlist").expect(200);
        assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
        assert_eq!(list["items"][0]["email"], "cyd@example.com");
        assert_eq!(admin.get("/api/waitlist/stats").expect(200)["removed"], 2);
    }
    let again = server.public().post(JOIN, &wants("ada@example.com")).expect(201);
    assert_eq!(again["already_joined"], false);
    let entry = entry_of(&mut server.admin(), "ada@example.com");
    assert_eq!(entry["use_case"], "Marketing automation for my startup", "nothing came back");
}

#[test]
fn of_whom_only_others_have_told_is_forgotten_too() {
    let mut server = Server::start();
    let mut admin = server.admin();
    let told = json!({
        "inviter_email": "ada@example.com", "recipient_email": "fay@example.com",
    });
    admin.post("/api/referrals/share", &told).expect(201);
    let history = "/api/referrals/ada%40example.com/analytics";
    assert!(admin.get(history).expect(200).to_string().contains("fay@"));
    let fay = "/api/waitlist/fay%40example.com";
    assert_eq!(admin.get(fay).problem(404), "unknown-person");
    let left = admin.delete(fay).expect(200);
    assert_shape(&left, &json!({"erased_at": "time", "receipt": {"seq": "whole"}}));
    assert_eq!(admin.delete("/api/waitlist/eve%40example.com").problem(404), "unknown-person");
    for restarted in [false, true] {
        if restarted {
            admin.post("/api/operations/compact", &json!({})).expect(200);
            server.kill_and_restart();
        }
        let mut admin = server.admin();
        assert_eq!(admin.get(fay).problem(410), "erased");
        assert_eq!(admin.delete(fay).problem(410), "erased");
        assert_eq!(admin.post("/api/referrals/share", &told).problem(410), "erased");
        let past = admin.get(history).expect(200);
        assert_eq!(past["history"].as_array().map(Vec::len), Some(1));
        assert!(!past.to_string().contains("fay@"), "{past}");
        assert_eq!(admin.get("/api/waitlist/stats").expect(200)["removed"], 0);
    }
    server.public().post(JOIN, &wants("fay@example.com")).expect(201);
}

#[test]
fn a_member_cannot_join_again() {
    let server = Server::start();
    let mut admin = server.admin();
    let code = admin.post("/api/invites/generate", &json!({"batch_size": 1})).expect(201);
    let redeem = json!({"code": code["codes"][0], "email": "ada@example.com"});
    admin.post("/api/invites/redeem", &redeem).expect(200);
    assert_eq!(admin.post(JOIN, &wants("ada@example.com")).problem(409), "already-member");
}

const INVITE: &str = "/api/waitlist/invite";

fn join_all(client: &mut Client, names: &[&str]) {
    for name in names {
        let email = format!("{name}@example.com");
        let body = json!({"email": email, "use_case": "time", "persona": "agency"});
        client.post("/api/waitlist/join", &body).expect(201);
    }
}

#[test]
fn a_wave_invites_the_front_of_the_queue_and_everybody_gets_a_code_of_their_own() {
    let mut server = Server::start();
    let mut admin = server.admin();
    join_all(&mut admin, &["ada", "bob", "eve"]);
    let boost = json!({"points": 50, "reason": "a friend"});
    admin.post("/api/waitlist/eve%40example.com/boost", &boost).expect(200);
    let body = json!({"count": 2, "batch_id": "W1"});
    let sent = admin.post(INVITE, &body).expect(201);
    let invites = sent["invites"].as_array().expect("invites");
    let emails: Vec<_> = invites.iter().map(|invite| invite["email"].as_str()).collect();
    assert_eq!(emails, [Some("eve@example.com"), Some("ada@example.com")]);
    assert_eq!((&sent["invited"], &sent["gate"]), (&json!(2), &json!("green")));
    server.kill_and_restart();
    let mut admin = server.admin();
    let mut again = admin.post(INVITE, &json!({"count": 9, "batch_id": "W1"})).expect(200);
    assert_eq!(again["already_sent"], true);
    again["already_sent"] = json!(false);
    assert_eq!(again, sent);
    let standing = admin.get("/api/waitlist/eve%40example.com").expect(200);
    assert_eq!((&standing["state"], &standing["position"]), (&json!("invited"), &Value::Null));
    let code = invites[1]["code"].clone();
    let mut public = server.public();
    let wrong = json!({"code": code, "email": "bob@example.com"});
    assert_eq!(public.post("/api/invites/redeem", &wrong).problem(403), "code-bound");
    let right = json!({"code": code, "email": "ada@example.com"});
    public.post("/api/invites/redeem", &right).expect(200);
    assert_eq!(admin.get("/api/waitlist/stats").expect(200)["processed_today"], 2);
}

#[test]
fn a_wave_without_a_label_is_the_same_wave_for_the_same_key() {
    let mut server = Server::start();
    join_all(&mut server.admin(), &["ada", "bob", "eve"]);
    let send = |server: &Server| {
        let headers = [("content-type", "application/json"), ("idempotency-key", "one")];
        let body = json!({"count": 1}).to_string();
        let sent = server.admin().try_send("POST", INVITE, &headers, body.as_bytes());
        sent.expect("an answer").expect(201)
    };
    let first = send(&server);
    assert_eq!(send(&server), first);
    server.kill_and_restart();
    assert_eq!(send(&server), first);
}

#[test]
fn nobody_is_invited_for_whom_there_is_no_code() {
    let server = Server::with(&[("VOBEE_INVITES__CODES_MAX", "2")]);
    let mut admin = server.admin();
    join_all(&mut admin, &["ada", "bob", "eve"]);
    let three = json!({"count": 3, "batch_id": "A"});
    assert_eq!(admin.post(INVITE, &three).problem(503), "registry-full");
    assert_eq!(admin.get("/api/waitlist/stats").expect(200)["total"], 3);
    let two = json!({"count": 2, "batch_id": "A"});
    admin.post(INVITE, &two).expect(201);
    assert_eq!(admin.post(INVITE, &two).expect(200)["already_sent"], true);
}

#[test]
fn a_wave_is_asked_for_properly_or_not_sent() {
    let server = Server::start();
    let mut admin = server.admin();
    assert_eq!(admin.post(INVITE, &json!({"count": 1})).problem(409), "nobody-waits");
    let wrong = json!({"count": 10_001, "order": "best", "batch_id": "a b"});
    assert_eq!(admin.post(INVITE, &wrong).wrong_fields(), ["count", "batch_id", "order"]);
    assert_eq!(server.public().post(INVITE, &json!({"count": 1})).status, 401);
    join_all(&mut admin, &["ada", "bob", "eve"]);
    let drawn = admin.post(INVITE, &json!({"count": 5, "order": "lottery"})).expect(201);
    assert_eq!((&drawn["invited"], &drawn["requested"]), (&json!(3), &json!(5)));
    assert_eq!(drawn["message"], "invited 3 of 5: nobody else waits");
    assert_eq!(admin.post(INVITE, &json!({"count": 1})).problem(409), "nobody-waits");
}

#[test]
fn a_schedule_invites_without_anybody_asking() {
    let server =
        Server::with(&[("VOBEE_WAVES__EVERY_MINUTES", "1440"), ("VOBEE_WAVES__COUNT", "1")]);
    let mut admin = server.admin();
    join_all(&mut admin, &["ada", "bob"]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while admin.get("/api/waitlist/stats").expect(200)["invited"] != 1 {
        assert!(std::time::Instant::now() < deadline, "nobody was invited");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(entry_of(&mut admin, "bob@example.com")["state"], "waiting");
}

/// The sum over the changes of an explanation, which has to be that of the position.
fn assert_adds_up(explained: &Value) {
    let number = |value: &Value| value.as_i64().expect("a number");
    let changes = explained["changes"].as_array().expect("changes");
    let sum: i64 = changes.iter().map(|change| number(&change["places"])).sum();
    let (from, to) = (number(&explained["since"]["position"]), number(&explained["position"]));
    assert_eq!(from + sum, to, "{explained}");
    let terms = explained["terms"].as_array().expect("terms");
    let points: i64 = terms.iter().map(|term| number(&term["points"])).sum();
    assert_eq!(points, number(&explained["priority_score"]), "{explained}");
}

#[test]
fn a_place_is_explained_by_what_moved_it_and_the_past_can_be_looked_at() {
    let mut server = Server::start();
    let mut admin = server.admin();
    join_all(&mut admin, &["ada", "bob", "cyd", "dan"]);
    let path = "/api/waitlist/cyd%40example.com";
    let first = admin.get(&format!("{path}/explain")).expect(200);
    assert_adds_up(&first);
    assert_eq!((&first["position"], &first["changes"]), (&json!(3), &json!([])));
    let seq = first["since"]["seq"].as_u64().expect("a number");
    let boost = |name: &str, points: i32| {
        (
            format!("/api/waitlist/{name}%40example.com/boost"),
            json!({"points": points, "reason": "r"}),
        )
    };
    let (dan, points) = boost("dan", 9);
    admin.post(&dan, &points).expect(200);
    let invited = admin.post(INVITE, &json!({"count": 1})).expect(201);
    admin.delete("/api/waitlist/ada%40example.com").expect(200);
    admin.post("/api/operations/snapshot", &json!({})).expect(200);
    let taken = admin.post("/api/operations/snapshot", &json!({})).expect(200)["seq"].clone();
    let recent = admin.get(&format!("{path}/explain?since={taken}")).expect(200);
    assert_eq!((&recent["since"]["seq"], &recent["changes"]), (&taken, &json!([])));
    server.kill_and_restart();
    let mut admin = server.admin();
    let (cyd, points) = boost("cyd", -30);
    admin.post(&cyd, &points).expect(200);
    join_all(&mut admin, &["eve"]);
    let last = admin.get(&format!("{path}/explain?since={seq}")).expect(200);
    assert_adds_up(&last);
    let changes = json!([
        {"cause": "joined-above", "people": 1, "places": 1},
        {"cause": "boosted", "people": 1, "places": 1},
        {"cause": "left", "people": 1, "places": -1},
        {"cause": "invited", "people": 1, "places": -1},
    ]);
    assert_eq!(last["changes"], changes, "the boost of one's own passed nobody");
    let before = admin.get(&format!("{path}?as_of={seq}")).expect(200);
    assert_eq!((&before["position"], &before["total"]), (&json!(3), &json!(3)));
    let stats = admin.get(&format!("/api/waitlist/stats?as_of={seq}")).expect(200);
    assert_eq!((&stats["total"], &stats["invited"]), (&json!(3), &json!(0)));
    let code = invited["invites"][0]["code"].as_str().expect("a code");
    let code = format!("/api/invites/{code}");
    assert_eq!(admin.get(&code).expect(200)["status"], "active");
    assert_eq!(admin.get(&format!("{code}?as_of={seq}")).problem(404), "unknown-code");
    let trust = admin.get(&format!("/api/quality/trust-score?as_of={seq}")).expect(200);
    assert_eq!((&trust["gate"], &trust["trust_score"]), (&json!("green"), &json!(1.0)));
    let early = admin.get(&format!("{path}?as_of=1970-01-01T00:00:00Z"));
    assert_eq!(early.problem(404), "unknown-person");
    assert_eq!(admin.get(&format!("{path}/explain?since=x")).wrong_fields(), ["since"]);
}
