//! A backup from a running node, and a node from a backup.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Client, PROGRAM, Server};

fn vobee(arguments: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).arg("--data-dir").arg(dir).output().expect("the program runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn join(client: &mut Client, name: &str) {
    let body = json!({
        "email": format!("{name}@example.com"), "use_case": "time", "persona": "agency",
    });
    client.post("/api/waitlist/join", &body).expect(201);
}

fn back_up(server: &Server, file: &Path) -> Value {
    let node = format!("127.0.0.1:{}", server.port());
    let file = file.to_str().expect("a plain path");
    let arguments = ["backup", "create", file, "--node", &node, "--json"];
    let made = vobee(&arguments, server.data());
    assert!(made.status.success(), "{}", said(&made));
    serde_json::from_slice(&made.stdout).expect("JSON")
}

/// The whole list, as an operator sees it.
fn list(server: &Server) -> Value {
    server.admin().get("/api/waitlist?limit=1000").expect(200)["items"].clone()
}

#[test]
fn a_node_restored_from_a_backup_answers_as_the_node_did_at_that_moment() {
    let server = Server::start();
    let mut admin = server.admin();
    let scratch = TempDir::new().expect("a directory");
    for (file, people) in [("before.vobee", 20), ("behind.vobee", 35)] {
        for number in people - 15..people {
            join(&mut admin, &format!("person{number}"));
        }
        let file = scratch.path().join(file);
        let made = back_up(&server, &file);
        let expected = list(&server);
        // The second one is made of a snapshot and what came behind it.
        admin.post("/api/operations/snapshot", &json!({})).expect(200);
        join(&mut admin, &format!("later{people}"));

        let target = scratch.path().join(format!("restored{people}"));
        let path = file.to_str().expect("a plain path");
        let restored = vobee(&["restore", path], &target);
        assert!(restored.status.success(), "{}", said(&restored));
        let mut node = Server::start();
        node.stop();
        node.replace_data(&target);
        node.start_again_with_key(server.admin_key());
        assert_eq!(list(&node), expected, "{made}");
    }
}

#[test]
fn a_restore_into_a_directory_that_holds_something_is_refused_and_changes_nothing() {
    let server = Server::start();
    join(&mut server.admin(), "ada");
    let scratch = TempDir::new().expect("a directory");
    let file = scratch.path().join("a.vobee");
    back_up(&server, &file);
    let target = scratch.path().join("taken");
    fs::create_dir(&target).expect("room");
    fs::write(target.join("precious"), "text").expect("room");
    let refused = vobee(&["restore", file.to_str().expect("a plain path")], &target);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("is not empty"), "{}", said(&refused));
    let names: Vec<_> = fs::read_dir(&target).expect("a list").collect();
    assert_eq!(names.len(), 1);
    let left = fs::read_dir(scratch.path()).expect("a list").count();
    assert_eq!(left, 2, "nothing half done lies beside it");
}

#[test]
fn a_restore_into_a_directory_that_is_there_fills_it_and_sweeps_what_an_earlier_one_left() {
    let server = Server::start();
    join(&mut server.admin(), "ada");
    let scratch = TempDir::new().expect("a directory");
    let file = scratch.path().join("a.vobee");
    back_up(&server, &file);
    // As a mount point is: it stays the directory that it was.
    let target = scratch.path().join("mounted");
    for name in ["lost+found", ".vobee-restore-killed"] {
        fs::create_dir_all(target.join(name)).expect("room");
    }
    let before = fs::metadata(&target).expect("a directory").ino();
    let restored = vobee(&["restore", file.to_str().expect("a plain path")], &target);
    assert!(restored.status.success(), "{}", said(&restored));
    assert_eq!(fs::metadata(&target).expect("a directory").ino(), before);
    let names = fs::read_dir(&target).expect("a list").map(|entry| entry.expect("one").file_name());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["journal", "keys", "lost+found", "watermark"]);
    let verified = vobee(&["verify"], &target);
    assert!(verified.status.success(), "{}", said(&verified));
}

#[test]
fn a_backup_that_is_cut_short_or_changed_is_refused_and_says_so() {
    let server = Server::start();
    join(&mut server.admin(), "ada");
    let scratch = TempDir::new().expect("a directory");
    let file = scratch.path().join("a.vobee");
    back_up(&server, &file);
    let whole = fs::read(&file).expect("the file");
    let path = file.to_str().expect("a plain path").to_owned();
    for length in [0, 100, 512, whole.len() / 2, whole.len() - 1_500] {
        fs::write(&file, &whole[..length]).expect("room");
        let refused = vobee(&["backup", "verify", &path], scratch.path());
        assert!(!refused.status.success(), "cut to {length} bytes");
        assert!(said(&refused).contains("is no whole backup"), "{}", said(&refused));
    }
    let mut changed = whole.clone();
    changed[700] ^= 1;
    fs::write(&file, changed).expect("room");
    assert!(!vobee(&["backup", "verify", &path], scratch.path()).status.success());
    fs::write(&file, whole).expect("room");
    assert!(vobee(&["backup", "verify", &path], scratch.path()).status.success());
}

#[test]
fn a_node_that_is_not_there_or_says_no_is_told_from_other_failures() {
    let mut server = Server::start();
    let key = vobee(&["keys", "create", "--scope", "app", "--json"], server.data());
    let key: Value = serde_json::from_slice(&key.stdout).expect("JSON");
    server.kill_and_restart();
    let scratch = TempDir::new().expect("a directory");
    let file = scratch.path().join("a.vobee");
    let path = file.to_str().expect("a plain path");
    let node = format!("127.0.0.1:{}", server.port());
    let create = ["backup", "create", path, "--node", &node, "--key", "vobee_1_2"];
    let refused = vobee(&create, server.data());
    assert_eq!(refused.status.code(), Some(7), "{}", said(&refused));
    let mut app = Client::new(server.port()).with_key(key["key"].as_str().expect("a key"));
    assert_eq!(app.post("/api/operations/backup", &json!({})).problem(403), "forbidden");
    let nowhere = ["backup", "create", path, "--node", "127.0.0.1:1"];
    let unreachable = vobee(&nowhere, server.data());
    assert_eq!(unreachable.status.code(), Some(7), "{}", said(&unreachable));
    assert_eq!(fs::read_dir(scratch.path()).expect("a list").count(), 0, "nothing is left");
}

#[test]
fn compaction_is_asked_for_from_the_shell() {
    let server = Server::start();
    let mut admin = server.admin();
    join(&mut admin, "ada");
    admin.delete("/api/waitlist/ada%40example.com").expect(200);
    let node = format!("127.0.0.1:{}", server.port());
    let compacted = vobee(&["compact", "--node", &node, "--json"], server.data());
    assert!(compacted.status.success(), "{}", said(&compacted));
    let compacted: Value = serde_json::from_slice(&compacted.stdout).expect("JSON");
    assert_eq!(compacted["epoch"], 2, "{compacted}");
}

#[test]
fn what_a_killed_process_had_copied_for_a_backup_is_gone_after_the_next_start() {
    let mut server = Server::start();
    let left = server.data().join(".vobee-backup-x1Y2z3");
    fs::create_dir(&left).expect("room");
    fs::write(left.join("tail.events.zst"), "everybody's text").expect("room");
    server.kill_and_restart();
    assert!(!left.exists());
}

/// So much that it does not fit into what lies between a node and a client.
const LARGE_PEOPLE: usize = 800;

#[test]
fn a_backup_that_nobody_reads_is_cut_off_and_keeps_nothing_on_disk() {
    let mut server = Server::with(&[("VOBEE_SERVER__WRITE_TIMEOUT_SECONDS", "1")]);
    let mut admin = server.admin();
    for number in 0..LARGE_PEOPLE {
        let email = format!("person{number}@example.com");
        let use_case = "\u{20000}".repeat(4_000);
        let body = json!({"email": email, "use_case": use_case, "persona": "agency"});
        admin.post("/api/waitlist/join", &body).expect(201);
    }
    // A snapshot is not compressed.
    admin.post("/api/operations/snapshot", &json!({})).expect(200);
    let mut stalled = server.public();
    let key = server.admin_key();
    let head = "POST /api/operations/backup HTTP/1.1\r\nhost: node\r\ncontent-length: 0\r\n";
    let request = format!("{head}authorization: Bearer {key}\r\n\r\n");
    stalled.write(request.as_bytes()).expect("a request is taken");
    assert_eq!(stalled.read_answer().expect("the head of an answer").status, 200);
    server.wait_until_it_says("a backup broke off");
    // It would be refused if something could not go from the disk.
    admin.post("/api/operations/compact", &json!({})).expect(200);
}
