//! How often who may call: who shares a limit is held back, and nobody else is.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::support::document::assert_documented;
use crate::support::{Answer, Client, Server};

const PATIENCE: Duration = Duration::from_secs(60);
/// So many calls from different addresses hardly ever meet in one of a million places.
const CALLS: usize = 50;
const FREE_CALLS: usize = 10;
const STATUS: &str = "/api/invites/VOBEE-000000000000/status";

/// Calls as a proxy that names these hops.
fn forwarded(client: &mut Client, hops: &str) -> Answer {
    client.try_send("GET", STATUS, &[("x-forwarded-for", hops)], b"").expect("an answer")
}

/// Calls until a call is held back, and looks at what it is told. With one call a second allowed,
/// the second is, unless the machine stands still in between.
#[track_caller]
fn assert_held_back(mut call: impl FnMut(usize) -> Answer) {
    for number in 0..CALLS {
        let answer = call(number);
        if answer.status == 429 {
            assert_eq!(answer.problem(429), "rate-limited");
            let wait = answer.header("retry-after").and_then(|wait| wait.parse::<u64>().ok());
            assert!(wait.is_some_and(|seconds| seconds >= 1), "{answer:?}");
            return;
        }
    }
    panic!("never held back in {CALLS} calls");
}

#[track_caller]
fn assert_never_held_back(mut call: impl FnMut(usize) -> Answer) {
    for number in 0..FREE_CALLS {
        assert_ne!(call(number).status, 429, "call {number}");
    }
}

/// What is held back now is let through later.
#[track_caller]
fn assert_let_through_again(mut call: impl FnMut() -> Answer) {
    let deadline = Instant::now() + PATIENCE;
    while call().status == 429 {
        assert!(Instant::now() < deadline, "held back for ever");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_global_limit_holds_everybody_back_but_not_those_who_watch() {
    let server = Server::with(&[("VOBEE_LIMITS__GLOBAL", "1")]);
    let mut public = server.public();
    assert_held_back(|_| public.get(STATUS));
    assert_held_back(|_| server.admin().get("/api/waitlist/stats"));
    for path in ["/health", "/livez", "/readyz"] {
        assert_never_held_back(|_| server.public().get(path));
    }
    assert_let_through_again(|| server.public().get(STATUS));
    let join = |n: usize| -> Value {
        json!({"email": format!("p{n}@example.com"), "use_case": "x", "persona": "other"})
    };
    let mut taken = 0;
    assert_held_back(|number| {
        let answer = server.public().post("/api/waitlist/join", &join(number));
        taken += usize::from(answer.status == 201);
        answer
    });
    let mut list = Value::Null;
    assert_let_through_again(|| {
        let answer = server.admin().get("/api/waitlist");
        list = answer.json();
        answer
    });
    assert_eq!(list["items"].as_array().map(Vec::len), Some(taken), "refused is not done");
}

#[test]
fn a_key_is_held_to_its_rate_and_other_callers_are_not() {
    let server = Server::with(&[("VOBEE_LIMITS__PER_KEY", "1")]);
    let mut admin = server.admin();
    assert_held_back(|_| admin.get("/api/waitlist/stats"));
    assert_never_held_back(|_| server.public().get(STATUS));
    assert_let_through_again(|| server.admin().get("/api/waitlist/stats"));
}

#[test]
fn a_client_behind_a_trusted_proxy_is_held_to_the_rate_of_its_address() {
    let server = Server::with(&[
        ("VOBEE_LIMITS__PER_ADDRESS", "1"),
        ("VOBEE_SERVER__TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8"),
    ]);
    let mut proxy = server.public();
    assert_never_held_back(|n| forwarded(&mut proxy, &format!("198.51.100.{n}")));
    assert_held_back(|_| forwarded(&mut proxy, "203.0.113.1"));
    // What a client writes into the header itself stands to the left of what the proxies add.
    assert_held_back(|n| forwarded(&mut proxy, &format!("198.51.{n}.1, 203.0.113.2, 10.1.1.1")));
    assert_never_held_back(|_| server.public().get(STATUS));
}

#[test]
fn whoever_has_a_network_of_ipv6_counts_as_one() {
    let server = Server::with(&[
        ("VOBEE_LIMITS__PER_ADDRESS", "1"),
        ("VOBEE_SERVER__TRUSTED_PROXIES", "127.0.0.1"),
    ]);
    let mut proxy = server.public();
    assert_held_back(|n| forwarded(&mut proxy, &format!("2001:db8::{:x}", n + 1)));
    assert_never_held_back(|n| forwarded(&mut proxy, &format!("2001:db8:0:{:x}::1", n + 1)));
}

#[test]
fn a_stranger_cannot_name_an_address_of_his_own() {
    let server = Server::with(&[("VOBEE_LIMITS__PER_ADDRESS", "1")]);
    let mut stranger = server.public();
    assert_held_back(|n| forwarded(&mut stranger, &format!("198.51.100.{n}")));
}

#[test]
fn who_comes_when_every_connection_is_taken_is_told_so_and_can_come_later() {
    let server = Server::with(&[("VOBEE_LIMITS__CONNECTIONS", "2")]);
    // The connection that saw the node get ready may not have ended yet.
    let hold = || {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut client = server.public();
            let answer = client.try_send("GET", "/livez", &[], b"");
            if answer.is_ok_and(|answer| answer.status == 200) {
                return client;
            }
            assert!(Instant::now() < deadline, "no connection is free");
        }
    };
    let (first, _second) = (hold(), hold());
    let refused = server.public().read_answer().expect("an answer");
    assert_eq!(refused.problem(503), "too-many-connections");
    assert_documented("GET", "/livez", &refused);
    assert!(refused.header("retry-after").is_some());
    drop(first);
    hold();
}

/// The soft and the hard limit of open files.
fn open_files(pid: u32) -> (String, String) {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("it runs");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let mut words = line.expect("a line").split_whitespace().map(str::to_owned);
    (words.next().expect("soft"), words.next().expect("hard"))
}

#[test]
fn a_node_takes_as_many_open_files_as_the_system_allows() {
    let limit = getrlimit(Resource::Nofile);
    let few = Rlimit { current: Some(512), ..limit };
    setrlimit(Resource::Nofile, few).expect("fewer are always allowed");
    let server = Server::start();
    let (soft, hard) = open_files(server.pid());
    assert_eq!(soft, hard);
    let few = Rlimit { current: Some(512), maximum: Some(512) };
    setrlimit(Resource::Nofile, few).expect("fewer are always allowed");
    let short = Server::start();
    assert!(short.log().contains("fewer open files than limits.connections needs"));
}
