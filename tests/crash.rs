//! Kills while everything happens at once: joins, shares, claims, and redemptions of codes that two
//! people want. Whatever was answered holds, whatever was not has happened wholly or not at all, in
//! every domain alike.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::support::{Client, PROGRAM, Server};

const KILLS: usize = 3;
const CALLERS: usize = 16;
/// More for each caller than it gets done before the kill.
const PEOPLE: usize = 300;
const ANSWERS: usize = 1500;
const CLAIM_EVERY: usize = 20;

/// What became of a request as far as its sender knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    NotSent,
    Unknown,
    Answered(u16),
}

/// Somebody who joins, is told of by an inviter, and redeems a code that somebody else wants too.
#[derive(Debug)]
struct Person {
    name: String,
    inviter: String,
    code: String,
    joined: Fate,
    shared: Fate,
    redeemed: Fate,
}

fn email(name: &str) -> String {
    format!("{name}@example.com")
}

fn path(name: &str) -> String {
    format!("/api/waitlist/{name}%40example.com")
}

fn wants(name: &str) -> Value {
    json!({"email": email(name), "use_case": format!("what {name} wants"), "persona": "agency"})
}

impl Person {
    fn share(&self) -> Value {
        json!({"inviter_email": email(&self.inviter), "recipient_email": email(&self.name)})
    }

    /// Joins, is shared with and redeems; false when the node is gone.
    fn go_through(&mut self, client: &mut Client, answered: &AtomicUsize) -> bool {
        let mut ask = |path: &str, body: &Value| {
            let fate = client
                .try_post(path, body)
                .map_or(Fate::Unknown, |answer| Fate::Answered(answer.status));
            answered.fetch_add(usize::from(fate != Fate::Unknown), Ordering::Relaxed);
            fate
        };
        self.joined = ask("/api/waitlist/join", &wants(&self.name));
        if self.joined != Fate::Unknown {
            self.shared = ask("/api/referrals/share", &self.share());
        }
        if !matches!(self.shared, Fate::Unknown | Fate::NotSent) {
            let redeem = json!({"code": self.code, "email": email(&self.name)});
            self.redeemed = ask("/api/invites/redeem", &redeem);
        }
        !matches!(self.redeemed, Fate::Unknown | Fate::NotSent)
    }
}

/// All that one caller does until the node is gone.
fn call(
    client: &mut Client,
    round: usize,
    caller: usize,
    codes: &[String],
    answered: &AtomicUsize,
) -> Vec<Person> {
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let mut person = Person {
            name: format!("r{round}c{caller}n{number}"),
            inviter: format!("inviter{caller}"),
            code: codes[caller / 2 * PEOPLE + number].clone(),
            joined: Fate::NotSent,
            shared: Fate::NotSent,
            redeemed: Fate::NotSent,
        };
        let mut there = person.go_through(client, answered);
        if there && number % CLAIM_EVERY == CLAIM_EVERY - 1 {
            let claim = json!({"user_email": email(&person.inviter)});
            there = client.try_post("/api/referrals/earn", &claim).is_ok();
        }
        people.push(person);
        if !there {
            return people;
        }
    }
    panic!("caller {caller} was through before the kill");
}

/// Everything at once, and a kill in the middle of it.
fn load_and_kill(server: &mut Server, round: usize) -> Vec<Person> {
    let batch = json!({"batch_size": CALLERS / 2 * PEOPLE});
    let batch = server.admin().post("/api/invites/generate", &batch).expect(201);
    let codes: Vec<String> = serde_json::from_value(batch["codes"].clone()).expect("codes");
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (mut client, codes, answered) = (server.admin(), &codes, &answered);
                scope.spawn(move || call(&mut client, round, caller, codes, answered))
            })
            .collect();
        while answered.load(Ordering::Relaxed) < ANSWERS
            && !callers.iter().any(thread::ScopedJoinHandle::is_finished)
        {
            thread::yield_now();
        }
        server.kill();
        callers.into_iter().flat_map(|caller| caller.join().expect("a caller")).collect()
    })
}

/// Whether the person is in, once all that was answered has been found to hold.
fn is_member(admin: &mut Client, person: &Person) -> bool {
    let found = admin.get(&path(&person.name));
    if person.joined == Fate::NotSent || (person.joined == Fate::Unknown && found.status == 404) {
        assert_eq!(found.problem(404), "unknown-person", "{person:?}");
        return false;
    }
    let entry = found.expect(200);
    for (field, value) in wants(&person.name).as_object().expect("an object") {
        assert_eq!(&entry[field], value, "wholly in: {person:?}");
    }
    let member = entry["state"] == "member";
    match person.redeemed {
        Fate::Answered(200) => assert!(member, "{person:?} {entry}"),
        Fate::Answered(409) | Fate::NotSent => assert!(!member, "{person:?} {entry}"),
        Fate::Answered(_) => panic!("{person:?}"),
        Fate::Unknown => {}
    }
    assert_eq!(entry["position"].is_null(), entry["state"] != "waiting", "{person:?} {entry}");
    member
}

/// Every code was redeemed by one person or by nobody; how many were.
fn assert_codes(admin: &mut Client, people: &[Person]) -> usize {
    let mut members: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for person in people {
        let in_by = members.entry(&person.code).or_default();
        if is_member(admin, person) {
            in_by.push(&person.name);
        }
    }
    for (code, names) in &members {
        let status = admin.get(&format!("/api/invites/{code}/status")).expect(200);
        assert_eq!(status["uses"], names.len(), "{code} of {names:?}: {status}");
        assert!(names.len() <= 1, "{code} let {names:?} in");
        if let [name] = names.as_slice() {
            let again = json!({"code": code, "email": email(name)});
            let again = admin.post("/api/invites/redeem", &again).expect(200);
            assert_eq!(again["already_redeemed"], true, "{name}");
        }
    }
    members.values().map(Vec::len).sum()
}

/// Referrals are there once, and each code that was granted is with the inviter or was given away.
fn assert_referrals(admin: &mut Client, people: &[Person]) {
    let mut given: BTreeMap<&str, usize> = BTreeMap::new();
    let mut shares: BTreeMap<&str, usize> = BTreeMap::new();
    for person in people.iter().filter(|person| person.shared != Fate::NotSent) {
        let again = admin.post("/api/referrals/share", &person.share());
        let kept = again.status == 200 || (again.status == 201 && person.shared == Fate::Unknown);
        assert!(kept, "{person:?}: {again:?}");
        *shares.entry(&person.inviter).or_default() += 1;
        *given.entry(&person.inviter).or_default() +=
            usize::from(again.json()["invite_code"].is_string());
    }
    for (inviter, shared) in shares {
        let claim = json!({"user_email": email(inviter)});
        let earned = admin.post("/api/referrals/earn", &claim).expect(200);
        let quality = format!("/api/referrals/{inviter}%40example.com/quality");
        let quality = admin.get(&quality).expect(200);
        assert_eq!(quality["referred_count"], shared, "{inviter}");
        let rewards = quality["rewards"].as_array().expect("a list of rewards");
        let granted: u64 = rewards
            .iter()
            .filter(|reward| reward["type"] == "invite_codes")
            .filter_map(|reward| reward["amount"].as_u64())
            .sum();
        let held = earned["codes_available"].as_u64().expect("a number");
        assert_eq!(held + given[inviter] as u64, granted, "{inviter}: {earned} {quality}");
    }
}

#[test]
fn kills_under_mixed_load_leave_every_domain_with_the_same_story() {
    let mut server = Server::with(&[("VOBEE_SERVER__HEADER_TIMEOUT_SECONDS", "600")]);
    let mut people = Vec::new();
    for round in 0..KILLS {
        people.extend(load_and_kill(&mut server, round));
        server.start_again();
        let mut admin = server.admin();
        let members = assert_codes(&mut admin, &people);
        assert_referrals(&mut admin, &people);

        let trust = admin.get("/api/quality/trust-score").expect(200);
        assert_eq!(trust["sample_size"]["members"], members, "{trust}");
        let stats = admin.get("/api/waitlist/stats").expect(200);
        let there = people.iter().filter(|person| {
            person.joined != Fate::NotSent && admin.get(&path(&person.name)).status == 200
        });
        let outside = stats["total"].as_u64().zip(stats["invited"].as_u64());
        let outside = outside.map(|(waiting, invited)| waiting + invited);
        assert_eq!(outside, Some((there.count() - members) as u64), "{stats}");
        assert_eq!(stats["members"], members, "{stats}");
    }
    let unknown = |fate: fn(&Person) -> Fate| people.iter().any(|p| fate(p) == Fate::Unknown);
    let in_flight = [unknown(|p| p.joined), unknown(|p| p.shared), unknown(|p| p.redeemed)];
    assert!(in_flight.contains(&true), "no kill has met a request under way");

    assert_eq!(server.stop().code(), Some(0));
    let walk = Command::new(PROGRAM).args(["verify", "--data-dir"]).arg(server.data()).output();
    let walk = walk.expect("the program runs");
    let said = String::from_utf8_lossy(&walk.stderr);
    assert_eq!(walk.status.code(), Some(0), "{said}");
}
