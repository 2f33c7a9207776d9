//! What the program promises about the disk and about stopping, seen from outside.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Client, PROGRAM, Server};

fn wants(name: &str) -> serde_json::Value {
    json!({"email": format!("{name}@example.com"), "use_case": "x", "persona": "other"})
}

#[test]
fn the_journal_is_synced_between_a_request_and_its_answer() {
    let trace = tempfile::NamedTempFile::new().expect("a file");
    let path = trace.path().to_str().expect("a path").to_owned();
    let calls = "trace=recvfrom,read,sendto,write,writev,sendmsg,fdatasync";
    let mut server =
        Server::wrapped(&["strace", "-D", "-f", "-y", "-s", "200", "-o", &path, "-e", calls], &[]);
    server.public().post("/api/waitlist/join", &wants("traced")).expect(201);
    server.stop();
    // The tracer writes on for a moment after the traced program has ended.
    let pid = server.pid().to_string();
    let ended = |line: &str| line.contains("+++ exited") && line.split(' ').next() == Some(&pid);
    let deadline = Instant::now() + Duration::from_secs(30);
    let trace = loop {
        let trace = std::fs::read_to_string(&path).expect("a trace");
        if trace.lines().any(ended) {
            break trace;
        }
        assert!(Instant::now() < deadline, "the trace has no end:\n{trace}");
        thread::yield_now();
    };
    let lines: Vec<&str> = trace.lines().collect();
    let after = |from: usize, what: &dyn Fn(&str) -> bool| {
        (from..lines.len()).find(|&at| what(lines[at])).unwrap_or_else(|| panic!("{trace}"))
    };
    let asked = after(0, &|line| line.contains("POST /api/waitlist/join"));
    let sync_began = after(asked, &|line| {
        line.contains("fdatasync(") && line.contains("/journal/") && line.contains("/db>")
    });
    let thread = lines[sync_began].split(' ').next().expect("a thread");
    let sync_ended = after(sync_began, &|line| {
        line.starts_with(thread) && line.contains("fdatasync") && line.ends_with("= 0")
    });
    let answered = after(asked, &|line| line.contains("201 Created"));
    assert!(sync_ended < answered, "answered before the sync:\n{trace}");
}

#[test]
fn a_stop_under_load_answers_what_it_has_taken_and_loses_none_of_it() {
    let mut server = Server::with(&[("VOBEE_LIMITS__PER_ADDRESS", "0")]);
    let (answered, stopping) = (AtomicUsize::new(0), AtomicBool::new(false));
    let port = server.port();
    let known = thread::scope(|scope| {
        let caller = |caller: usize| {
            let (answered, stopping) = (&answered, &stopping);
            move || {
                let mut known = Vec::new();
                let mut client = Client::new(port);
                for number in 0.. {
                    let name = format!("person{caller}-{number}");
                    match client.try_post("/api/waitlist/join", &wants(&name)) {
                        Ok(answer) if answer.status == 201 => known.push(name),
                        Ok(answer) => assert_eq!(answer.status, 503),
                        Err(_) => {
                            assert!(stopping.load(Ordering::SeqCst), "cut off before the stop");
                            return known;
                        }
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                known
            }
        };
        let callers: Vec<_> = (0..16).map(|number| scope.spawn(caller(number))).collect();
        while answered.load(Ordering::Relaxed) < 500 {
            thread::yield_now();
        }
        stopping.store(true, Ordering::SeqCst);
        let status = server.stop();
        assert_eq!(status.code(), Some(0), "{}", server.log());
        callers.into_iter().flat_map(|caller| caller.join().expect("a caller")).collect::<Vec<_>>()
    });
    server.start_again();
    let mut admin = server.admin();
    for name in known {
        admin.get(&format!("/api/waitlist/{name}%40example.com")).expect(200);
    }
}

#[test]
fn a_second_owner_of_a_data_directory_is_refused_and_told_who_the_first_is() {
    let server = Server::start();
    let second = Command::new(PROGRAM)
        .args(["serve", "--port", "0", "--data-dir"])
        .arg(server.data())
        .env("VOBEE_SERVER__PORTS__WAITLIST", "0")
        .env("VOBEE_SERVER__PORTS__INVITES", "0")
        .env("VOBEE_SERVER__PORTS__REFERRALS", "0")
        .env("VOBEE_SERVER__PORTS__QUALITY", "0")
        .output()
        .expect("the program runs");
    assert_eq!(second.status.code(), Some(4));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains(&server.pid().to_string()), "{said}");
}

#[test]
fn a_repeated_request_gets_the_first_answer_again_after_a_kill() {
    let mut server = Server::start();
    let body = json!({"batch_size": 2}).to_string();
    let headers = [("content-type", "application/json"), ("idempotency-key", "once")];
    let generate = |server: &Server, body: &str| {
        let path = "/api/invites/generate";
        server.admin().try_send("POST", path, &headers, body.as_bytes()).expect("an answer")
    };
    let first = generate(&server, &body).expect(201);
    server.kill_and_restart();
    assert_eq!(generate(&server, &body).expect(201), first);
    let other = generate(&server, &json!({"batch_size": 3}).to_string());
    assert_eq!(other.problem(422), "idempotency-key-reused");
}

#[test]
fn a_walk_over_the_journal_finds_it_whole_and_changes_nothing() {
    let mut server = Server::start();
    server.public().post("/api/waitlist/join", &wants("ada")).expect(201);
    let walk = |dir: &std::path::Path| {
        Command::new(PROGRAM).args(["verify", "--json", "--data-dir"]).arg(dir).output()
    };
    let busy = walk(server.data()).expect("the program runs");
    assert_eq!(busy.status.code(), Some(4), "the node owns the directory");
    server.stop();
    let found = walk(server.data()).expect("the program runs");
    assert_eq!(found.status.code(), Some(0), "{}", String::from_utf8_lossy(&found.stderr));
    let found: serde_json::Value = serde_json::from_slice(&found.stdout).expect("JSON");
    assert!(found["acknowledged"].as_u64().is_some_and(|seq| seq >= 1), "{found}");
    assert_eq!(found["snapshot_seq"], found["acknowledged"], "taken at the stop: {found}");
    assert_eq!(found["archived_records"], found["acknowledged"], "{found}");
}

#[test]
fn neither_snapshot_nor_backup_takes_what_is_to_stay_free_on_the_disk() {
    let mut server = Server::start();
    server.public().post("/api/waitlist/join", &wants("ada")).expect(201);
    server.kill();
    // More than any disk has: the node is not ready, and answers.
    server.set("VOBEE_STORAGE__FREE_MIN_BYTES", &(1_u64 << 50).to_string());
    server.start_without_waiting();
    server.wait_until_it_says("listening on");
    let mut admin = server.admin();
    for operation in ["snapshot", "compact", "backup"] {
        let path = format!("/api/operations/{operation}");
        assert_eq!(admin.post(&path, &json!({})).problem(503), "storage-low", "{operation}");
    }
    admin.get("/api/waitlist/ada%40example.com").expect(200);
    let said = server.log();
    assert_eq!(said.matches("no snapshot; the journal goes on").count(), 2, "{said}");
    assert!(said.contains("a snapshot may take"), "{said}");
    let left = ["snapshots", "journal/0000000000000002"].map(|it| server.data().join(it).exists());
    assert_eq!(left, [false, false], "nothing was begun");
    server.stop();
    server.set("VOBEE_STORAGE__FREE_MIN_BYTES", "0");
    server.start_again();
    let mut admin = server.admin();
    admin.post("/api/operations/snapshot", &json!({})).expect(200);
    assert_eq!(admin.post("/api/operations/backup", &json!({})).status, 200);
}
