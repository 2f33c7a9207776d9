//! The clock jumps under a running node: an hour back, a year ahead, and back again.

use std::path::Path;
use std::process::Command;

use actors::Timestamp;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::rounds::report;
use crate::support::{Client, Server};

const JOINS: usize = 20;
const WEEK_MICROS: i64 = 7 * 86_400_000_000;
const HOUR_MICROS: i64 = 3_600_000_000;

/// The library that `faketime` puts between a program and the system's clock.
fn library() -> String {
    let found = Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]).output();
    let found = found.expect("faketime runs; scripts/test installs it");
    String::from_utf8(found.stdout).expect("a path").trim().to_owned()
}

/// People who have joined, in the order in which they did.
struct Line {
    clock: NamedTempFile,
    joined: usize,
}

impl Line {
    fn set_clock(&self, offset: &str) {
        std::fs::write(self.clock.path(), format!("{offset}\n")).expect("a writable file");
    }

    fn join(&mut self, client: &mut Client) {
        for _ in 0..JOINS {
            let email = format!("person{}@example.com", self.joined);
            let wants = json!({"email": email, "use_case": "x", "persona": "other"});
            client.post("/api/waitlist/join", &wants).expect(201);
            self.joined += 1;
        }
    }

    /// Whoever came first stands first, and times go up.
    fn assert_in_order(&self, client: &mut Client) {
        let list = client.whole_list();
        assert_eq!(list.len(), self.joined);
        let times: Vec<Timestamp> = list.iter().map(|entry| time(&entry["joined_at"])).collect();
        assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
        for (number, entry) in list.iter().enumerate() {
            assert_eq!(entry["email"], format!("person{number}@example.com"), "{entry}");
            assert_eq!(entry["position"], number + 1, "{entry}");
        }
    }
}

fn time(text: &Value) -> Timestamp {
    text.as_str().and_then(|text| text.parse().ok()).expect("a time")
}

/// Two fresh codes, each to be redeemed once.
fn generate(client: &mut Client) -> Vec<String> {
    let before = time(&client.get("/health").expect(200)["timestamp"]).micros();
    let issued = client.post("/api/invites/generate", &json!({"batch_size": 2, "force": true}));
    let issued = issued.expect(201);
    let ahead = time(&issued["expires_at"]).micros() - before;
    // Times within a domain never go back, so a code that is issued after the clock did lives
    // longer by as much.
    assert!(ahead >= WEEK_MICROS, "{issued}");
    serde_json::from_value(issued["codes"].clone()).expect("codes")
}

fn redeem(client: &mut Client, code: &str, name: &str) -> crate::support::Answer {
    let body = json!({"code": code, "email": format!("{name}@example.net")});
    client.post("/api/invites/redeem", &body)
}

fn start(library: &str, clock: &Path) -> Server {
    Server::with(&[
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().expect("a plain path")),
        ("FAKETIME_NO_CACHE", "1"),
        // Deadlines are measured, not read off a clock that anybody sets.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
        ("VOBEE_SERVER__HEADER_TIMEOUT_SECONDS", "600"),
    ])
}

#[test]
fn a_clock_that_jumps_leaves_the_order_and_the_life_of_codes_as_they_should_be() {
    let mut line = Line { clock: NamedTempFile::new().expect("a file"), joined: 0 };
    line.set_clock("+0");
    let mut server = start(&library(), line.clock.path());
    let mut admin = server.admin();
    let began = time(&admin.get("/health").expect(200)["timestamp"]).micros();
    line.join(&mut admin);
    let first = generate(&mut admin);

    line.set_clock("-1h");
    let back = time(&admin.get("/health").expect(200)["timestamp"]).micros();
    assert!(back < began - HOUR_MICROS / 2, "the clock went back");
    line.join(&mut admin);
    redeem(&mut admin, &first[0], "early").expect(200);
    let second = generate(&mut admin);
    server.kill_and_restart();
    let mut admin = server.admin();
    line.join(&mut admin);
    redeem(&mut admin, &second[0], "late").expect(200);
    line.assert_in_order(&mut admin);

    line.set_clock("+365d");
    let ahead = time(&admin.get("/health").expect(200)["timestamp"]).micros();
    assert!(ahead > began + 50 * WEEK_MICROS, "the clock went ahead");
    line.join(&mut admin);
    assert_eq!(redeem(&mut admin, &first[1], "tardy").problem(410), "code-expired");
    let third = generate(&mut admin);
    redeem(&mut admin, &third[0], "next").expect(200);
    admin.post("/api/operations/snapshot", &json!({})).expect(200);
    server.kill_and_restart();
    let mut admin = server.admin();
    line.join(&mut admin);
    line.assert_in_order(&mut admin);

    line.set_clock("+0");
    line.join(&mut admin);
    redeem(&mut admin, &third[1], "again").expect(200);
    let fourth = generate(&mut admin);
    redeem(&mut admin, &fourth[0], "anew").expect(200);
    server.kill_and_restart();
    let mut admin = server.admin();
    line.assert_in_order(&mut admin);
    assert_eq!(redeem(&mut admin, &first[0], "other").problem(409), "code-used");
    assert_eq!(server.stop().code(), Some(0));
    let said = server.last_words();
    assert!(!said.contains("panicked"), "{said}");
    report("clock", &[("jumps", &3), ("joins in order", &line.joined), ("lost", &0)]);
}
