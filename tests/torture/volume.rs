//! Far more events than anybody wants to replay: rotation keeps memory and the next start small.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::kills::names;
use super::rounds::{report, setting};
use crate::support::{Client, Server};

const EVENTS: usize = 60_000;
const CONNECTIONS: usize = 64;
const PEOPLE: usize = 640;
/// Snapshots on the way.
const SPANS: usize = 10;
const SPAN_EVENTS_MIN: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(60);
/// What memory may do between the first spans and the last: an allocator keeps what it had.
const GROWTH_MAX: f64 = 1.25;
const GROWTH_MAX_MEBIBYTES: f64 = 64.0;

fn person(number: usize) -> String {
    format!("person{number}%40example.com")
}

/// Each connection moves its own people up and down; one event a request.
fn boost(port: u16, key: &str, connection: usize, count: usize) {
    let mut client = Client::new(port).with_key(key);
    for number in 0..count {
        let who = connection + number % (PEOPLE / CONNECTIONS) * CONNECTIONS;
        let points = if number.is_multiple_of(2) { 1 } else { -1 };
        let path = format!("/api/waitlist/{}/boost", person(who));
        client.post(&path, &json!({"points": points, "reason": "volume"})).expect(200);
    }
}

fn mebibytes(server: &Server) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("the node runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes / 1024.0
}

/// The number that stands between two texts in what the node said at its start.
fn said_between(log: &str, before: &str, after: &str) -> f64 {
    let rest = log.rsplit_once(before).expect("the node says so").1;
    let number = rest.split_once(after).expect("the node says so").0;
    number.rsplit(' ').next().and_then(|text| text.parse().ok()).expect("a number")
}

/// The log, once the line about the last start is in it: what the node says arrives in pieces.
fn log_of_the_start(server: &Server) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let log = server.log();
        let said = log.rsplit_once("(snapshot of");
        if said.is_some_and(|(_, rest)| rest.contains(" replayed)")) {
            return log;
        }
        assert!(Instant::now() < deadline, "{log}");
        thread::yield_now();
    }
}

#[test]
fn many_events_leave_memory_flat_and_the_next_start_short() {
    let events = setting("VOBEE_TORTURE_EVENTS", EVENTS);
    let span = (events / SPANS).max(SPAN_EVENTS_MIN);
    let every = span.to_string();
    let mut server = Server::with(&[
        ("VOBEE_SNAPSHOTS__EVENTS", every.as_str()),
        ("VOBEE_SERVER__HEADER_TIMEOUT_SECONDS", "600"),
    ]);
    let mut admin = server.admin();
    for number in 0..PEOPLE {
        let email = person(number).replace("%40", "@");
        let wants = json!({"email": email, "use_case": "x", "persona": "other"});
        admin.post("/api/waitlist/join", &wants).expect(201);
    }
    let began = Instant::now();
    let mut memory = Vec::new();
    for _ in 0..SPANS {
        let count = span / CONNECTIONS;
        let (port, key) = (server.port(), server.admin_key());
        thread::scope(|scope| {
            for connection in 0..CONNECTIONS {
                scope.spawn(move || boost(port, key, connection, count));
            }
        });
        memory.push(mebibytes(&server));
    }
    let rate = events as f64 / began.elapsed().as_secs_f64();
    admin.post("/api/operations/snapshot", &json!({})).expect(200);
    let (early, late) = (memory[SPANS / 3], memory[SPANS - 1]);
    let list = admin.whole_list();
    server.kill_and_restart();
    let log = log_of_the_start(&server);
    let replayed = said_between(&log, "(snapshot of", " replayed)");
    let seconds = said_between(&log, "events recovered in", " s (");
    assert!(late <= early * GROWTH_MAX + GROWTH_MAX_MEBIBYTES, "MiB after each span: {memory:?}");
    assert!(replayed < 2.0 * span as f64, "{log}");
    assert!(names(server.data(), "journal").len() <= 4, "old epochs stay");
    // How many epochs there are depends on how quick the machine is.
    assert!(!names(server.data(), "archive").is_empty(), "epochs are archived");
    let scores = |list: &[serde_json::Value]| {
        list.iter()
            .map(|entry| (entry["id"].to_string(), entry["boost"].to_string()))
            .collect::<Vec<_>>()
    };
    assert!(scores(&list) == scores(&server.admin().whole_list()), "the list is as it was");
    let texts = [rate, early, late, seconds].map(|figure| format!("{figure:.2}"));
    let [rate, early, late, seconds]: [&dyn Display; 4] =
        texts.each_ref().map(|t| t as &dyn Display);
    report(
        "volume",
        &[
            ("events", &events),
            ("events/s", rate),
            ("MiB early", early),
            ("MiB late", late),
            ("s to start", seconds),
            ("replayed", &replayed),
        ],
    );
}
