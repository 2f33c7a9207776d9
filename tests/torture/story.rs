//! A load of everything at once, and what became of each request as far as its sender knows.
//!
//! People join, are told of by an inviter, and redeem codes that others want too, some of which let
//! three in; some leave again. Beside them an operator issues codes, takes snapshots and compacts.
//! [`Books`] holds what was answered against what a node says afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Server};

const CALLERS: usize = 16;
/// They want the same codes.
const RIVALS: usize = 4;
/// More for each caller than it gets done before the end.
const PEOPLE: usize = 400;
const CLAIM_EVERY: usize = 20;
const LEAVE_EVERY: usize = 10;
/// Every so many codes one lets several in.
const WIDE_EVERY: usize = 5;
const WIDE_USES: usize = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// A node that ends epochs all the time, and waits for nobody.
pub(super) const SETTINGS: [(&str, &str); 4] = [
    ("VOBEE_SNAPSHOTS__EVENTS", "1000"),
    ("VOBEE_SERVER__HEADER_TIMEOUT_SECONDS", "600"),
    ("VOBEE_STORAGE__FREE_MIN_BYTES", "0"),
    // Everybody here looks like everybody else.
    ("VOBEE_FRAUD__WITHHOLD_AT", "1"),
];

/// What became of a request as far as its sender knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    NotSent,
    Unknown,
    Answered(u16),
}

/// Somebody who joins, is told of by an inviter, and redeems a code that others want too; or joins
/// and leaves.
#[derive(Debug)]
struct Person {
    name: String,
    inviter: String,
    code: Code,
    leaves: bool,
    joined: Fate,
    shared: Fate,
    redeemed: Fate,
    left: Fate,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Code {
    text: String,
    uses_max: usize,
}

/// What the callers of one round have done so far.
#[derive(Default)]
pub(super) struct Progress {
    answered: AtomicUsize,
    acknowledged: AtomicUsize,
    /// The operator waits for the end of a compaction.
    pub(super) compacting: AtomicBool,
    /// A caller has lost the node.
    gone: AtomicBool,
}

impl Progress {
    /// Waits until so many requests have been answered in this round.
    pub(super) fn wait_for_answers(&self, count: usize) {
        self.wait_until(|| self.answered.load(Ordering::Relaxed) >= count);
    }

    /// Waits until `so`, while the load goes on.
    pub(super) fn wait_until(&self, so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !so() && !self.gone.load(Ordering::Relaxed) {
            assert!(Instant::now() < deadline, "it does not come to that");
            thread::yield_now();
        }
    }

    /// Writes that were answered with success.
    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    fn fate(&self, status: Option<u16>) -> Fate {
        match status {
            // Such an answer says nothing of what became of the request.
            None | Some(500..) => Fate::Unknown,
            Some(status) => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                self.acknowledged.fetch_add(usize::from(status < 300), Ordering::Relaxed);
                Fate::Answered(status)
            }
        }
    }
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

    /// Goes through all that this person does; false when the node is gone.
    fn go_through(&mut self, client: &mut Client, progress: &Progress) -> bool {
        let mut ask = |method: &str, path: &str, body: &Value| {
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let headers = [("content-type", "application/json")];
            let answer = client.try_send(method, path, &headers, body.as_bytes());
            progress.fate(answer.ok().map(|answer| answer.status))
        };
        self.joined = ask("POST", "/api/waitlist/join", &wants(&self.name));
        if self.joined == Fate::Unknown {
            return false;
        }
        if self.leaves {
            self.left = ask("DELETE", &path(&self.name), &Value::Null);
            return self.left != Fate::Unknown;
        }
        self.shared = ask("POST", "/api/referrals/share", &self.share());
        if self.shared == Fate::Unknown {
            return false;
        }
        let redeem = json!({"code": self.code.text, "email": email(&self.name)});
        self.redeemed = ask("POST", "/api/invites/redeem", &redeem);
        self.redeemed != Fate::Unknown
    }
}

/// One round of the load, ready to begin.
pub(super) struct Round {
    number: usize,
    codes: Vec<Code>,
    callers: Vec<Client>,
    operator: Client,
}

/// What one round has left to be held against the node.
pub(super) struct Played {
    people: Vec<Person>,
    issued: Vec<String>,
    pub(super) acknowledged: usize,
}

impl Round {
    /// Issues the codes that people are going to race for. Every round has a number of its own.
    pub(super) fn new(server: &Server, number: usize) -> Self {
        let mut operator = server.admin();
        let count = CALLERS / RIVALS * PEOPLE;
        let wide = count / WIDE_EVERY;
        let mut singles = issue(&mut operator, count - wide, 1).expect("codes").into_iter();
        let mut wides = issue(&mut operator, wide, WIDE_USES).expect("codes").into_iter();
        let code = |index: usize| match index.is_multiple_of(WIDE_EVERY) {
            true => Code { text: wides.next().expect("enough"), uses_max: WIDE_USES },
            false => Code { text: singles.next().expect("enough"), uses_max: 1 },
        };
        let codes = (0..count).map(code).collect();
        let callers = (0..CALLERS).map(|_| server.admin()).collect();
        Self { number, codes, callers, operator }
    }

    /// Lets everybody go ahead until `end` has seen to it that the node is gone.
    pub(super) fn play(
        self,
        server: &mut Server,
        end: impl FnOnce(&mut Server, &Progress),
    ) -> Played {
        let progress = Progress::default();
        let Self { number, codes, callers, operator } = self;
        thread::scope(|scope| {
            let callers: Vec<_> = callers
                .into_iter()
                .enumerate()
                .map(|(caller, client)| {
                    let (codes, progress) = (&codes, &progress);
                    scope.spawn(move || call(client, number, caller, codes, progress))
                })
                .collect();
            let operator = scope.spawn(|| operate(operator, &progress));
            // Whoever is through looks on until the node is gone, so it has to go in any case.
            let ended = catch_unwind(AssertUnwindSafe(|| end(server, &progress)));
            if let Err(panic) = ended {
                server.kill();
                resume_unwind(panic);
            }
            let people = callers.into_iter().flat_map(|c| c.join().expect("a caller")).collect();
            let issued = operator.join().expect("the operator");
            Played { people, issued, acknowledged: progress.acknowledged() }
        })
    }
}

fn issue(client: &mut Client, count: usize, uses_max: usize) -> Option<Vec<String>> {
    let batch = json!({"batch_size": count, "max_uses": uses_max, "force": true});
    let answer = client.try_post("/api/invites/generate", &batch).ok()?;
    let codes = (answer.status < 500).then(|| answer.expect(201)["codes"].clone())?;
    Some(serde_json::from_value(codes).expect("a list of codes"))
}

/// All that one caller does until the node is gone.
fn call(
    mut client: Client,
    round: usize,
    caller: usize,
    codes: &[Code],
    progress: &Progress,
) -> Vec<Person> {
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let mut person = Person {
            name: format!("r{round}c{caller}n{number}"),
            inviter: format!("inviter{caller}r{round}"),
            code: codes[caller / RIVALS * PEOPLE + number].clone(),
            leaves: number % LEAVE_EVERY == LEAVE_EVERY - 1,
            joined: Fate::NotSent,
            shared: Fate::NotSent,
            redeemed: Fate::NotSent,
            left: Fate::NotSent,
        };
        let mut there = person.go_through(&mut client, progress);
        if there && number % CLAIM_EVERY == CLAIM_EVERY - 2 {
            let claim = json!({"user_email": email(&person.inviter)});
            there = client.try_post("/api/referrals/earn", &claim).is_ok();
        }
        people.push(person);
        if !there {
            progress.gone.store(true, Ordering::Relaxed);
            return people;
        }
    }
    // On a quick machine a caller is through before the end. Nobody need wait for more then; look
    // on until the node is gone.
    progress.gone.store(true, Ordering::Relaxed);
    while client.try_send("GET", "/api/waitlist/stats", &[], b"").is_ok() {}
    people
}

/// Issues codes, takes snapshots and compacts until the node is gone; the codes.
fn operate(mut client: Client, progress: &Progress) -> Vec<String> {
    let mut issued = Vec::new();
    while let Some(codes) = issue(&mut client, 3, 1) {
        progress.acknowledged.fetch_add(1, Ordering::Relaxed);
        issued.extend(codes);
        if client.try_post("/api/operations/snapshot", &json!({})).is_err() {
            return issued;
        }
        progress.compacting.store(true, Ordering::Relaxed);
        let compacted = client.try_post("/api/operations/compact", &json!({}));
        progress.compacting.store(false, Ordering::Relaxed);
        if compacted.is_err() {
            return issued;
        }
    }
    issued
}

/// Where everybody of all rounds is. What was unknown when the node went is known once it has been
/// asked, and stays so from then on.
#[derive(Default)]
pub(super) struct Books {
    /// `None` for those who never came to be.
    states: BTreeMap<String, Option<State>>,
    /// How often each code was used.
    uses: BTreeMap<String, usize>,
    pub(super) acknowledged: usize,
    /// Requests whose fate was unknown when the node went.
    pub(super) unknown: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Waiting,
    Invited,
    Member,
    Left,
}

impl State {
    fn of(entry: &Value) -> Self {
        match entry["state"].as_str() {
            Some("waiting") => Self::Waiting,
            Some("invited") => Self::Invited,
            Some("member") => Self::Member,
            _ => panic!("{entry}"),
        }
    }
}

impl Books {
    /// So many people join, each of whom is answered.
    pub(super) fn join(&mut self, server: &Server, count: usize) {
        let mut client = server.public();
        for _ in 0..count {
            let name = format!("one{}", self.states.len());
            client.post("/api/waitlist/join", &wants(&name)).expect(201);
            self.states.insert(name, Some(State::Waiting));
            self.acknowledged += 1;
        }
    }

    /// What the first of these sends.
    pub(super) fn first() -> Value {
        wants("one0")
    }

    /// Holds the round, and the totals of all rounds, against what the node says now.
    pub(super) fn check(&mut self, server: &Server, played: &Played) {
        let mut admin = server.admin();
        let Played { people, issued, acknowledged } = played;
        self.acknowledged += acknowledged;
        for person in people {
            let fates = [person.joined, person.shared, person.redeemed, person.left];
            self.unknown += fates.iter().filter(|fate| **fate == Fate::Unknown).count();
            self.states.insert(person.name.clone(), state_now(&mut admin, person));
        }
        self.assert_codes(&mut admin, people);
        for code in issued {
            let status = admin.get(&format!("/api/invites/{code}/status")).expect(200);
            assert_eq!((&status["uses"], &status["max_uses"]), (&json!(0), &json!(1)), "{code}");
            self.uses.insert(code.clone(), 0);
        }
        assert_referrals(&mut admin, people);
        // That has told some for the first time, who may hold a code now.
        for person in people.iter().filter(|person| person.shared == Fate::Unknown) {
            self.states.insert(person.name.clone(), state_now(&mut admin, person));
        }
        self.assert_totals(&mut admin);
    }

    /// Asks for everybody of all rounds again.
    pub(super) fn check_everybody(&self, server: &Server) {
        let mut admin = server.admin();
        for (name, state) in &self.states {
            let found = admin.get(&path(name));
            let now = match found.status {
                404 => None,
                410 => Some(State::Left),
                _ => Some(State::of(&found.expect(200))),
            };
            assert_eq!(now, *state, "{name}");
        }
        for (code, uses) in &self.uses {
            let status = admin.get(&format!("/api/invites/{code}/status")).expect(200);
            assert_eq!(status["uses"], *uses, "{code}: {status}");
        }
        self.assert_totals(&mut admin);
    }

    /// Every code was redeemed as often as it has let people in, and never more than it may be.
    fn assert_codes(&mut self, admin: &mut Client, people: &[Person]) {
        let mut members: BTreeMap<&Code, Vec<&str>> = BTreeMap::new();
        for person in people.iter().filter(|person| !person.leaves) {
            let in_by = members.entry(&person.code).or_default();
            if self.states[&person.name] == Some(State::Member) {
                in_by.push(&person.name);
            }
        }
        for (Code { text, uses_max }, names) in members {
            let status = admin.get(&format!("/api/invites/{text}/status")).expect(200);
            assert_eq!(status["uses"], names.len(), "{text} of {names:?}: {status}");
            assert!(names.len() <= *uses_max, "{text} let {names:?} in");
            self.uses.insert(text.clone(), names.len());
            for name in names {
                let again = json!({"code": text, "email": email(name)});
                let again = admin.post("/api/invites/redeem", &again).expect(200);
                assert_eq!(again["already_redeemed"], true, "{name}");
            }
        }
    }

    fn assert_totals(&self, admin: &mut Client) {
        let count = |state| self.states.values().filter(|found| **found == Some(state)).count();
        let stats = admin.get("/api/waitlist/stats").expect(200);
        assert_eq!(stats["total"], count(State::Waiting), "{stats}");
        assert_eq!(stats["invited"], count(State::Invited), "{stats}");
        assert_eq!(stats["members"], count(State::Member), "{stats}");
        assert_eq!(stats["removed"], count(State::Left), "{stats}");
        let trust = admin.get("/api/quality/trust-score").expect(200);
        assert_eq!(trust["sample_size"]["members"], count(State::Member), "{trust}");
        let waiting = self.states.iter().filter(|(_, found)| **found == Some(State::Waiting));
        let waiting: BTreeSet<String> = waiting.map(|(name, _)| email(name)).collect();
        let mut listed = BTreeSet::new();
        for entry in admin.whole_list() {
            let email = entry["email"].as_str().expect("an address").to_owned();
            assert!(listed.insert(email), "twice: {entry}");
        }
        assert!(listed == waiting, "{:?}", listed.symmetric_difference(&waiting));
    }
}

/// Where the person is, once all that was answered has been found to hold.
fn state_now(admin: &mut Client, person: &Person) -> Option<State> {
    let found = admin.get(&path(&person.name));
    if found.status == 404 {
        assert!(matches!(person.joined, Fate::NotSent | Fate::Unknown), "lost: {person:?}");
        assert_eq!(found.problem(404), "unknown-person", "{person:?}");
        return None;
    }
    assert_ne!(person.joined, Fate::NotSent, "from nowhere: {person:?}");
    if found.status == 410 {
        assert_ne!(person.left, Fate::NotSent, "{person:?}");
        return Some(State::Left);
    }
    let entry = found.expect(200);
    assert!(!matches!(person.left, Fate::Answered(_)), "has left: {person:?} {entry}");
    for (field, value) in wants(&person.name).as_object().expect("an object") {
        assert_eq!(&entry[field], value, "wholly in: {person:?}");
    }
    let state = State::of(&entry);
    match person.redeemed {
        Fate::Answered(200) => assert_eq!(state, State::Member, "{person:?} {entry}"),
        Fate::Answered(409) | Fate::NotSent => {
            assert_ne!(state, State::Member, "{person:?} {entry}");
        }
        Fate::Answered(_) => panic!("{person:?}"),
        Fate::Unknown => {}
    }
    assert_eq!(entry["position"].is_null(), state != State::Waiting, "{person:?} {entry}");
    Some(state)
}

/// Referrals are there once, and each code that was granted is with the inviter or was given away.
fn assert_referrals(admin: &mut Client, people: &[Person]) {
    let mut given: BTreeMap<&str, usize> = BTreeMap::new();
    let mut shares: BTreeMap<&str, usize> = BTreeMap::new();
    for person in people {
        let again = match person.shared {
            Fate::NotSent => continue,
            Fate::Unknown | Fate::Answered(_) => {
                admin.post("/api/referrals/share", &person.share())
            }
        };
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
