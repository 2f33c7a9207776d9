//! A launch on the real program, with a `kill -9` in the middle: everything that was answered is
//! there exactly once, and what was in flight is wholly in or wholly out.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::support::{Client, Server};

const JOINS: usize = 100_000;
const CONNECTIONS: usize = 64;
const CODES: usize = 1_000;
const RACED: usize = 200;
const CALLERS: usize = 32;
const PERSONAS: [&str; 6] =
    ["solo_founder", "small_team", "agency", "content_creator", "other", "astronaut"];

fn address(number: usize) -> String {
    format!("person{number}@example.com")
}

fn wants(number: usize) -> Value {
    let words = if number.is_multiple_of(7) { 21 } else { 3 };
    let about = if number.is_multiple_of(3) { "automation " } else { "nothing " };
    json!({
        "email": address(number),
        "use_case": about.repeat(words),
        "persona": PERSONAS[number % PERSONAS.len()],
    })
}

/// The score by the published rules, worked out anew.
fn score(number: usize) -> i64 {
    let persona = [10, 15, 20, 8, 5, 5][number % PERSONAS.len()];
    let words = if number.is_multiple_of(7) { 10 } else { 0 };
    persona + words + if number.is_multiple_of(3) { 5 } else { 0 }
}

/// Joins `people` on 64 connections; who was answered with success. Stops when the node is gone.
fn join_all(port: u16, people: std::ops::Range<usize>, answered: &AtomicUsize) -> HashSet<usize> {
    let next = AtomicUsize::new(people.start);
    thread::scope(|scope| {
        let caller = || {
            let mut known = HashSet::new();
            let Ok(mut client) = Client::try_new(port) else { return known };
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= people.end {
                    return known;
                }
                match client.try_post("/api/waitlist/join", &wants(number)) {
                    Ok(answer) => {
                        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
                        known.insert(number);
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(_) => return known,
                }
            }
        };
        let callers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(caller)).collect();
        callers.into_iter().flat_map(|caller| caller.join().expect("a caller")).collect()
    })
}

/// Each person once, in the order of a plain sorted list, with positions from 1.
fn assert_in_order(list: &[Value], total: u64) {
    let mut sorted = list.to_vec();
    sorted.sort_by_key(|entry| {
        let text = |field: &str| entry[field].as_str().expect("a text").to_owned();
        let score = entry["priority_score"].as_i64().expect("a score");
        let joined: actors::Timestamp = text("joined_at").parse().expect("a time");
        (-score, joined, text("id"))
    });
    let ids = |list: &[Value]| list.iter().map(|entry| entry["id"].clone()).collect::<Vec<_>>();
    assert!(ids(list) == ids(&sorted), "the order is that of a sorted list");
    assert_eq!(list.len() as u64, total);
    let mut seen = HashSet::new();
    for (index, entry) in list.iter().enumerate() {
        assert_eq!(entry["position"], index + 1, "{entry}");
        assert!(seen.insert(entry["email"].as_str().expect("an address").to_owned()), "{entry}");
    }
}

fn number_of(entry: &Value) -> usize {
    let email = entry["email"].as_str().expect("an address");
    let digits = email.trim_start_matches("person").trim_end_matches("@example.com");
    digits.parse().expect("one of ours")
}

/// 32 callers race for each code; who won which.
fn race(port: u16, codes: &[String]) -> BTreeMap<String, String> {
    let won = thread::scope(|scope| {
        let caller = |caller: usize| {
            let mut client = Client::new(port);
            let mut won = Vec::new();
            for (number, code) in codes.iter().enumerate() {
                let email = format!("racer{caller}-{number}@example.com");
                let answer =
                    client.post("/api/invites/redeem", &json!({"code": code, "email": email}));
                match answer.status {
                    200 => won.push((code.clone(), email)),
                    _ => assert_eq!(answer.problem(409), "code-used"),
                }
            }
            won
        };
        let callers: Vec<_> =
            (0..CALLERS).map(|number| scope.spawn(move || caller(number))).collect();
        let joined = callers.into_iter().flat_map(|caller| caller.join().expect("a caller"));
        joined.collect::<Vec<_>>()
    });
    assert_eq!(won.len(), codes.len(), "every code has exactly one winner");
    won.into_iter().collect()
}

/// What happened before the joins, to be found again after the kill.
struct Before {
    winners: BTreeMap<String, String>,
    earned: Value,
    churn_rate: Value,
}

/// Codes and a race for each of 200 of them, shares, earned codes, members who go, a closed gate.
fn before_the_joins(server: &Server) -> Before {
    let mut admin = server.admin();
    let generated = admin.post("/api/invites/generate", &json!({"batch_size": CODES})).expect(201);
    let codes: Vec<String> =
        serde_json::from_value(generated["codes"].clone()).expect("a list of codes");
    assert_eq!(codes.iter().collect::<HashSet<_>>().len(), CODES);
    let winners = race(server.port(), &codes[..RACED]);
    for (number, code) in codes[RACED..RACED + 3].iter().enumerate() {
        let friend = format!("friend{number}@example.com");
        let share = json!({"inviter_email": "ada@example.com", "recipient_email": friend});
        admin.post("/api/referrals/share", &share).expect(201);
        admin.post("/api/invites/redeem", &json!({"code": code, "email": friend})).expect(200);
    }
    let earned = admin.post("/api/referrals/earn", &claim()).expect(200);
    assert_eq!((&earned["earned"], &earned["codes_available"]), (&json!(true), &json!(3)));
    let gone = winners.values().take(100);
    let events: Vec<_> = gone.map(|email| json!({"email": email, "type": "churned"})).collect();
    admin.post("/api/quality/events", &json!({"events": events})).expect(200);
    let gate = admin.post("/api/quality/evaluate-gate", &json!({})).expect(200);
    assert_eq!(gate["invites_allowed"], false);
    let trust = admin.get("/api/quality/trust-score").expect(200);
    Before { winners, earned, churn_rate: trust["churn_rate"].clone() }
}

fn claim() -> Value {
    json!({"user_email": "ada@example.com"})
}

/// All of it is there, and nothing of it happens twice.
fn assert_still_so(before: &Before, admin: &mut Client) {
    for (code, email) in &before.winners {
        let redeem = |email: &str| json!({"code": code, "email": email});
        assert_eq!(admin.get(&format!("/api/invites/{code}/status")).expect(200)["used"], true);
        admin.post("/api/invites/redeem", &redeem(email)).expect(200);
        let late = admin.post("/api/invites/redeem", &redeem("late@example.com"));
        assert_eq!(late.problem(409), "code-used");
    }
    let again = admin.post("/api/referrals/earn", &claim()).expect(200);
    assert_eq!((&again["earned"], &again["codes"]), (&json!(false), &before.earned["codes"]));
    let trust = admin.get("/api/quality/trust-score").expect(200);
    assert_eq!(trust["churn_rate"], before.churn_rate);
    let generate = admin.post("/api/invites/generate", &json!({"batch_size": 1}));
    assert_eq!(generate.problem(409), "invites-paused");
}

/// Joins everybody, and kills the node half-way; who was answered until then.
fn join_and_kill(server: &mut Server) -> HashSet<usize> {
    let answered = AtomicUsize::new(0);
    let port = server.port();
    thread::scope(|scope| {
        let joins = scope.spawn(|| join_all(port, 0..JOINS, &answered));
        while answered.load(Ordering::Relaxed) < JOINS / 2 {
            thread::yield_now();
        }
        server.kill();
        joins.join().expect("the callers")
    })
}

#[test]
fn a_launch_survives_a_kill_in_the_middle_with_everything_that_was_answered() {
    let mut server = Server::with(&[
        ("VOBEE_LIMITS__PER_ADDRESS", "0"),
        // The operator's connection is idle for as long as the joins take.
        ("VOBEE_SERVER__HEADER_TIMEOUT_SECONDS", "600"),
    ]);
    let before = before_the_joins(&server);
    let mut known = join_and_kill(&mut server);
    assert!(known.len() < JOINS, "the kill came in the middle");
    server.start_again();
    let mut admin = server.admin();

    let list = admin.whole_list();
    let total = admin.get("/api/waitlist/stats").expect(200)["total"].as_u64().expect("a total");
    assert_in_order(&list, total);
    let points = |entry: &Value| entry["priority_score"].as_i64().expect("a score");
    let there: HashMap<usize, i64> =
        list.iter().map(|entry| (number_of(entry), points(entry))).collect();
    for number in &known {
        assert!(there.contains_key(number), "{} was answered and is lost", address(*number));
    }
    let unanswered = there.len() - known.len();
    assert!(unanswered <= CONNECTIONS, "{unanswered} more are there than were under way");
    for (&number, &points) in &there {
        assert_eq!(points, score(number), "{}", address(number));
    }
    assert_still_so(&before, &mut admin);

    // Everybody who was not answered asks again.
    known.extend(join_all(server.port(), 0..JOINS, &AtomicUsize::new(0)));
    assert_eq!(known.len(), JOINS);
    let list = admin.whole_list();
    assert_in_order(&list, JOINS as u64);
    for entry in list.iter().step_by(997) {
        let email = entry["email"].as_str().expect("an address").replace('@', "%40");
        let alone = admin.get(&format!("/api/waitlist/{email}")).expect(200);
        assert_eq!(alone["position"], entry["position"]);
    }
}
