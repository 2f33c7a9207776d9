//! The system refuses what the node asks of the disk. A commit that fails ends the node, without
//! another answer and with a message; a snapshot that fails is logged, and the journal goes on.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::disk::Disk;
use super::rounds::report;
use super::story::{Books, Round, SETTINGS};
use crate::postgres::{
    Cluster, assert_equal, exporting, live, wait_until_caught_up, wait_until_it_says,
};
use crate::support::Server;

/// A node that takes longer to give up hangs.
const END_MAX: Duration = Duration::from_secs(5);
/// The journal makes room ahead of itself, which a load on a slow machine is long in using up.
const USED_UP_MAX: Duration = Duration::from_secs(60);
const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];
const JOINED_BEFORE: usize = 50;
/// So many answers show that a load is in full swing.
const ANSWERS_BEFORE: usize = 500;
const DISK_MEBIBYTES: u64 = 96;
const RESERVE_BYTES: usize = 32 << 20;

/// A tracer that makes calls of a running node fail until it goes out of scope.
struct Injection(Child);

impl Injection {
    /// `when` counts the calls of each thread from 1; with `+`, all from there on.
    fn begin(pid: u32, calls: &str, error: &str, when: &str) -> Self {
        let mut tracer = Command::new("strace")
            .args(["-f", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e"])
            .arg(format!("inject={calls}:error={error}:when={when}"))
            .args(["-p", &pid.to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace runs");
        let mut said = BufReader::new(tracer.stderr.take().expect("stderr is a pipe")).lines();
        let first = said.next().expect("strace says something").expect("text");
        // Tracing a process that is no child needs root or kernel.yama.ptrace_scope = 0.
        assert!(first.contains("attached"), "strace cannot attach: {first}");
        // Nobody reads what it says later, which is little.
        std::thread::spawn(move || said.for_each(drop));
        Self(tracer)
    }

    /// Lets the node go on without the tracer.
    fn end(mut self) {
        let pid = self.0.id().to_string();
        let asked = Command::new("kill").args(["-INT", &pid]).status().expect("kill runs");
        assert!(asked.success());
        self.0.wait().expect("the tracer has ended");
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        // It has ended when the node has.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A node with people in it.
fn inhabited(books: &mut Books) -> Server {
    let server = Server::with(&SETTINGS);
    books.join(&server, JOINED_BEFORE);
    server
}

#[test]
fn a_commit_that_fails_ends_the_node_without_another_answer() {
    let (mut faults, mut checked) = (0, 0);
    for call in ["fdatasync", "pwrite64"] {
        for error in ERRORS {
            let mut books = Books::default();
            let mut server = inhabited(&mut books);
            let round = Round::new(&server, faults);
            let injection = Injection::begin(server.pid(), call, error, "1+");
            let played = round.play(&mut server, |server, progress| {
                let status = server.end_within(END_MAX);
                let said = server.last_words();
                assert!(!status.success(), "{call} {error}: {status} {said}");
                assert!(said.contains("cannot be written"), "{call} {error}: {said}");
                assert!(said.contains("check the disk"), "{call} {error}: {said}");
                assert_eq!(progress.acknowledged(), 0, "{call} {error}: {said}");
            });
            drop(injection);
            server.start_again();
            books.check(&server, &played);
            books.check_everybody(&server);
            (faults, checked) = (faults + 1, checked + books.acknowledged);
        }
    }
    let figures: [(&str, &dyn std::fmt::Display); 3] =
        [("faults", &faults), ("acknowledged writes checked", &checked), ("lost", &0)];
    report("failing commits", &figures);
}

#[test]
fn a_commit_that_fails_in_the_middle_of_a_load_loses_nothing_that_was_answered() {
    let (mut faults, mut checked, mut unknown) = (0, 0, 0);
    for call in ["fdatasync", "pwrite64"] {
        for error in ERRORS {
            let mut books = Books::default();
            let mut server = inhabited(&mut books);
            let played = Round::new(&server, faults).play(&mut server, |server, progress| {
                progress.wait_for_answers(ANSWERS_BEFORE);
                let _injection = Injection::begin(server.pid(), call, error, "1+");
                let status = server.end_within(END_MAX);
                let said = server.last_words();
                assert!(!status.success(), "{call} {error}: {status} {said}");
                assert!(said.contains("cannot be written"), "{call} {error}: {said}");
            });
            assert!(played.acknowledged > 0, "{call} {error}: nothing was under way");
            server.start_again();
            books.check(&server, &played);
            books.check_everybody(&server);
            (faults, checked) = (faults + 1, checked + books.acknowledged);
            unknown += books.unknown;
        }
    }
    assert!(unknown > 0, "no failure has met a request under way");
    let figures: [(&str, &dyn std::fmt::Display); 4] = [
        ("faults", &faults),
        ("acknowledged writes checked", &checked),
        ("under way at the failure", &unknown),
        ("lost", &0),
    ];
    report("commits failing under load", &figures);
}

#[test]
fn a_snapshot_that_fails_is_logged_and_the_journal_goes_on() {
    let (mut faults, mut checked) = (0, 0);
    for calls in ["fsync", "/^rename"] {
        for error in ERRORS {
            let mut books = Books::default();
            let mut server = inhabited(&mut books);
            let round = Round::new(&server, faults);
            let injection = Injection::begin(server.pid(), calls, error, "1+");
            let played = round.play(&mut server, |server, progress| {
                let mut admin = server.admin();
                let failed = admin.post("/api/operations/snapshot", &json!({}));
                assert_eq!(failed.problem(503), "no-snapshot", "{calls} {error}");
                let before = progress.acknowledged();
                progress.wait_until(|| progress.acknowledged() > before + 100);
                assert!(progress.acknowledged() > before + 100, "the journal goes on");
                injection.end();
                admin.post("/api/operations/snapshot", &json!({})).expect(200);
                let said = server.log();
                assert!(said.contains("no snapshot; the journal goes on"), "{said}");
                server.kill();
            });
            server.start_again();
            books.check(&server, &played);
            books.check_everybody(&server);
            (faults, checked) = (faults + 1, checked + books.acknowledged);
        }
    }
    let figures: [(&str, &dyn std::fmt::Display); 3] =
        [("faults", &faults), ("acknowledged writes checked", &checked), ("lost", &0)];
    report("failing snapshots", &figures);
}

#[test]
fn a_start_that_fails_says_why_and_the_next_one_finds_everything() {
    let mut books = Books::default();
    let dir = TempDir::new().expect("a temporary directory");
    let mut server = Server::at(dir.path(), &SETTINGS);
    books.join(&server, JOINED_BEFORE);
    server.kill();
    let mut faults = 0;
    for call in ["fsync", "fdatasync", "pwrite64"] {
        for error in ERRORS {
            let (trace, inject) =
                (format!("trace={call}"), format!("inject={call}:error={error}:when=1+"));
            let tracer =
                ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
            let began = Instant::now();
            let (mut refused, status) = Server::attempt(dir.path(), &tracer, &SETTINGS);
            let status = status.expect("a start without a disk that works");
            let said = refused.last_words();
            assert!(began.elapsed() < END_MAX, "{call} {error} hangs: {said}");
            assert!(!status.success(), "{call} {error}: {status} {said}");
            assert!(said.contains("check the disk"), "{call} {error}: {said}");
            let server = Server::at(dir.path(), &SETTINGS);
            books.check_everybody(&server);
            faults += 1;
        }
    }
    report("failing starts", &[("faults", &faults), ("refused", &faults), ("lost", &0)]);
}

/// Takes room on a disk until no more than so many bytes are left.
fn fill(disk: &Path, left: u64) -> PathBuf {
    let path = disk.join("filler");
    let mut file = std::fs::File::create(&path).expect("a file");
    let free = || {
        let stat = rustix::fs::statvfs(disk).expect("a file system");
        // Root may use what is kept back for it.
        stat.f_bfree * stat.f_frsize
    };
    while free() > left {
        // The node takes some of the room too.
        if let Err(error) = file.write_all(&[1; 64 << 10]) {
            assert_eq!(error.kind(), ErrorKind::StorageFull);
            break;
        }
    }
    path
}

#[test]
#[ignore = "needs root and loop mounts; scripts/test runs it where they are there"]
fn a_full_disk_ends_the_node_and_room_on_it_brings_everything_back() {
    let mut books = Books::default();
    let disk = Disk::new(DISK_MEBIBYTES);
    let mut server = Server::at(&disk.path().join("data"), &SETTINGS);
    books.join(&server, JOINED_BEFORE);
    let mut filler = None;
    let played = Round::new(&server, 0).play(&mut server, |server, progress| {
        progress.wait_for_answers(500);
        filler = Some(fill(&disk.path(), 64 << 10));
        let deadline = Instant::now() + USED_UP_MAX;
        while !server.log().contains("cannot be written") {
            assert!(Instant::now() < deadline, "a full disk is written: {}", server.log());
            std::thread::yield_now();
        }
        let status = server.end_within(END_MAX);
        let said = server.last_words();
        assert!(!status.success(), "{status} {said}");
        assert!(said.contains("cannot be written"), "{said}");
        assert!(said.contains("check the disk"), "{said}");
    });
    std::fs::remove_file(filler.expect("the disk was filled")).expect("the filler is there");
    server.start_again();
    books.check(&server, &played);
    books.check_everybody(&server);
    server.kill();
    report("full disk", &[("acknowledged writes checked", &books.acknowledged), ("lost", &0)]);
}

#[test]
#[ignore = "needs root and loop mounts; scripts/test runs it where they are there"]
fn an_almost_full_disk_holds_writes_until_there_is_room() {
    let mut books = Books::default();
    let disk = Disk::new(DISK_MEBIBYTES);
    let reserve = RESERVE_BYTES.to_string();
    let server = Server::at(
        &disk.path().join("data"),
        &[("VOBEE_STORAGE__FREE_MIN_BYTES", reserve.as_str())],
    );
    books.join(&server, JOINED_BEFORE);
    let filler = fill(&disk.path(), RESERVE_BYTES as u64 / 2);
    let mut admin = server.admin();
    // Joining again writes nothing, and is held all the same.
    let mut again = || admin.post("/api/waitlist/join", &Books::first());
    let deadline = Instant::now() + END_MAX;
    while again().status != 503 {
        assert!(Instant::now() < deadline, "writes are taken on an almost full disk");
    }
    assert_eq!(again().problem(503), "storage-low");
    books.check_everybody(&server);
    std::fs::remove_file(filler).expect("the filler is there");
    let deadline = Instant::now() + END_MAX;
    while again().status == 503 {
        assert!(Instant::now() < deadline, "writes are not taken again");
    }
    books.join(&server, JOINED_BEFORE);
    books.check_everybody(&server);
}

#[test]
#[ignore = "needs root and loop mounts; scripts/test runs it where they are there"]
fn a_full_disk_of_postgresql_holds_up_nobody_and_the_copy_catches_up_once_there_is_room() {
    let disk = Disk::new(DISK_MEBIBYTES);
    let cluster = Cluster::start();
    cluster.keep_tables_in(&disk.path().join("tables"));
    let server = exporting(&cluster, &[]);
    wait_until_it_says(&server, "following");
    let filler = fill(&disk.path(), 0);
    live(&mut server.admin(), 0);
    wait_until_it_says(&server, "trying again: PostgreSQL refuses (53100)");
    assert_eq!(server.public().get("/readyz").status, 200, "the node takes writes");
    live(&mut server.admin(), 100);
    std::fs::remove_file(filler).expect("the filler is there");
    wait_until_caught_up(&server, &cluster);
    assert_equal(&server, &cluster);
}
