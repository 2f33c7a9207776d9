//! A database of the original services becomes the data directory of a node.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::cluster::Cluster;
use super::commands::said;
use super::export::{exporting, live};
use super::tables::{assert_equal, wait_until_caught_up};
use crate::interrupted::{Running, names};
use crate::support::{PROGRAM, Server};

const ORIGINAL: &str = include_str!("../../src/postgres/migrations/0001_tables.sql");

/// The three tables and nothing else.
fn original() -> Cluster {
    let cluster = Cluster::start();
    let end = ORIGINAL.find("-- What they are made of").expect("a comment of the migration");
    cluster.run(&ORIGINAL[..end]);
    cluster
}

fn import(cluster: &Cluster, data: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["import", "--from", &cluster.url(), "--data-dir"]).arg(data).args(words);
    command.arg("--rejects").arg(data.with_extension("rejects"));
    command.output().expect("the program runs")
}

const ROWS: &str = "
INSERT INTO waitlist (id, email, use_case, persona, priority_score, created_at, invited_at) VALUES
('00000000-0000-4000-8000-000000000001', 'ada@example.com', 'time', 'agency', 25,
    '2025-12-01 10:00:00.000001', NULL),
('00000000-0000-4000-8000-000000000002', 'Bob@example.com', 'money', 'solo_founder', 25,
    '2025-12-01 10:00:00', NULL),
('00000000-0000-4000-8000-000000000003', 'bob@Example.com', 'later', 'other', 90,
    '2025-12-02 10:00:00', NULL),
('00000000-0000-4000-8000-000000000004', 'eve@example.com', 'x', 'other', 5,
    '2025-12-03 10:00:00', '2025-12-04 10:00:00'),
('00000000-0000-4000-8000-000000000005', 'no address', 'x', 'other', 5, '2025-12-03', NULL),
('00000000-0000-4000-8000-000000000006', 'late@example.com', 'x', 'other', 5, '2199-01-01', NULL),
('00000000-0000-4000-8000-000000000007', 'zoe@example.com', 'x', 'other', 70,
    '2025-12-05 10:00:00', NULL);
INSERT INTO invite_codes
    (code, issued_to, batch_id, created_at, expires_at, used_by, used_at, status) VALUES
('VOBEE-00000000000A', 'ada@example.com', 'EARNED', '2025-12-02', '2199-01-01', NULL, NULL,
    'active'),
('VOBEE-00000000000B', NULL, 'BATCH-1', '2025-12-02', '2199-01-01', 'eve@example.com',
    '2025-12-06 10:00:00', 'used'),
('VOBEE-00000000000C', NULL, 'BATCH-1', '2025-12-02', '2025-12-09', NULL, NULL, 'expired'),
('VOBEE-00000000000D', NULL, 'BATCH-1', '2025-12-02', '2199-01-01', NULL, NULL, 'revoked'),
('VOBEE-00000000000E', NULL, 'BATCH-1', '2025-12-02', '2199-01-01', NULL, NULL, 'lent'),
('VOBEE-000000000010', NULL, 'BATCH-1', '2025-12-02', '2199-01-01', 'Eve@example.com',
    '2025-12-07 10:00:00', 'used'),
('VOBEE-000000000011', NULL, 'BATCH-1', '2025-12-02', '2199-01-01', 'nobody', '2025-12-07', 'used'),
('VOBEE-000000000012', NULL, 'BATCH-2', '2025-12-02 12:00:00', 'infinity', 'fay@example.com',
    '2025-12-02 10:00:00', 'used'),
('VOBEE-00000000000F', NULL, 'BATCH-1', '2025-12-02', '2199-01-01', NULL, NULL, 'used'),
('OTHER-1', NULL, 'BATCH-1', '2025-12-02', '2199-01-01', NULL, NULL, 'active');
INSERT INTO referrals (id, inviter_email, invited_email, invite_code, created_at) VALUES
('00000000-0000-4000-9000-000000000001', 'ADA@example.com', 'zoe@example.com',
    'VOBEE-00000000000A', '2025-12-04'),
('00000000-0000-4000-9000-000000000002', 'ada@example.com', 'eve@example.com', NULL, '2025-12-04'),
('00000000-0000-4000-9000-000000000003', 'ada@example.com', 'Ada@example.com', NULL, '2025-12-04'),
('00000000-0000-4000-9000-000000000004', 'zoe@example.com', 'ada@example.com', '', '2025-12-05');
";

#[test]
fn rows_keep_their_times_order_codes_and_edges_and_what_cannot_be_taken_is_told() {
    let cluster = original();
    cluster.run(ROWS);
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let output = import(&cluster, &data, &["--dry-run", "--json"]);
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    let dry: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(!data.exists(), "nothing was written");

    let output = import(&cluster, &data, &["--json"]);
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let counts = ["people", "merged", "codes", "redemptions", "referrals", "rejected"];
    counts.iter().for_each(|field| assert_eq!(told[*field], dry[*field], "{field}"));
    let counts = counts.map(|field| told[field].as_u64().expect("a number"));
    assert_eq!(counts, [4, 1, 8, 2, 2, 8], "{told}");
    let rejects = std::fs::read_to_string(data.with_extension("rejects")).expect("a file");
    for (key, reason) in [
        ("000000000005", "is not an e-mail address"),
        ("000000000006", "its time is in the future"),
        ("VOBEE-00000000000E", "its status lent is not known"),
        ("OTHER-1", "is not an invite code"),
        ("VOBEE-000000000010", "came in with another code before"),
        ("VOBEE-000000000011", "is not an e-mail address"),
        ("9000-000000000003", "both addresses are one person's"),
        ("9000-000000000004", "the recipient has brought the inviter"),
    ] {
        let line = rejects.lines().find(|line| line.contains(key)).expect(key);
        assert!(line.contains(reason), "{line}");
    }

    let server = Server::at(&data, &[]);
    let mut admin = server.admin();
    let list = admin.whole_list();
    let order: Vec<&str> = list.iter().map(|entry| entry["email"].as_str().expect("one")).collect();
    assert_eq!(order, ["zoe@example.com", "Bob@example.com", "ada@example.com"]);
    assert_eq!(list[1]["joined_at"], "2025-12-01T10:00:00Z");
    assert_eq!(list[1]["metadata"]["imported_id"], "00000000-0000-4000-8000-000000000002");
    let eve = admin.get("/api/waitlist/eve@example.com").expect(200);
    assert_eq!(
        (&eve["state"], &eve["invited_at"]),
        (&"member".into(), &"2025-12-04T10:00:00Z".into())
    );
    for (code, status) in [
        ("0A", "active"),
        ("0B", "used"),
        ("0C", "expired"),
        ("0D", "revoked"),
        ("0F", "used"),
        // Whoever used these cannot be taken, and nobody else may use them again.
        ("10", "used"),
        ("11", "used"),
        // Used before it was made, by the clocks of two time zones.
        ("12", "used"),
    ] {
        let path = format!("/api/invites/VOBEE-0000000000{code}/status");
        assert_eq!(admin.get(&path).expect(200)["status"], status, "{code}");
    }
    let quality = admin.get("/api/referrals/ada@example.com/analytics").expect(200);
    let mut edges: Vec<String> = quality["history"]
        .as_array()
        .expect("a history")
        .iter()
        .map(|edge| format!("{} {}", edge["email"], edge["state"]).replace('"', ""))
        .collect();
    edges.sort();
    assert_eq!(edges, ["eve@example.com redeemed", "zoe@example.com waiting"]);
}

#[test]
fn a_directory_that_is_not_empty_is_left_alone() {
    let (cluster, dir) = (original(), TempDir::new().expect("a directory"));
    std::fs::write(dir.path().join("mine"), "").expect("writes");
    let refused = import(&cluster, dir.path(), &[]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
}

#[test]
fn an_import_that_is_ended_leaves_nothing() {
    let cluster = original();
    cluster.run(ROWS);
    for (signal, words, scratch) in
        [("INT", &[][..], ".vobee-import-"), ("TERM", &[], ".vobee-import-"), ("INT", DRY, ".tmp")]
    {
        let dir = TempDir::new().expect("a directory");
        let mut command = Command::new(PROGRAM);
        command.args(["import", "--from", &cluster.url()]).args(words);
        command.arg("--data-dir").arg(dir.path().join("data"));
        // Where a dry run makes its scratch directory.
        command.current_dir(dir.path()).env("TMPDIR", dir.path());
        let _locked = cluster.lock("waitlist");
        let mut importing = Running::start(&mut command);
        importing.wait_for(dir.path(), scratch);
        importing.interrupt(signal);
        assert_eq!(names(dir.path()), [""; 0], "{words:?}");
    }
}

const DRY: &[&str] = &["--dry-run"];

/// All that the three tables say, but for ids, which another node makes anew.
fn contents(cluster: &Cluster) -> Vec<String> {
    let mut rows = cluster.rows(
        "SELECT p.position, w.email, w.use_case, w.persona, w.priority_score, w.created_at
         FROM waitlist_positions p JOIN waitlist w USING (id) ORDER BY p.position",
    );
    rows.extend(cluster.rows(
        "SELECT email, priority_score, created_at, invited_at FROM waitlist
         WHERE invited_at IS NOT NULL ORDER BY email",
    ));
    rows.extend(cluster.rows(
        "SELECT i.code, issued_to, batch_id, i.created_at, i.expires_at, used_by, used_at, status,
             c.uses, c.max_uses, c.channel
         FROM invite_codes i JOIN vobee_codes c USING (code) ORDER BY 1",
    ));
    rows.extend(cluster.rows(
        "SELECT r.id, regexp_replace(inviter_email, '^erased:.*', 'erased'),
             regexp_replace(invited_email, '^erased:.*', 'erased'), invite_code, r.created_at, state
         FROM referrals r JOIN vobee_referrals USING (id) ORDER BY 1",
    ));
    rows
}

#[test]
fn what_was_exported_and_imported_has_the_same_positions_codes_and_edges() {
    let cluster = Cluster::start();
    let server = exporting(&cluster, &[]);
    live(&mut server.admin(), 0);
    live(&mut server.admin(), 100);
    wait_until_caught_up(&server, &cluster);
    drop(server);
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let output = import(&cluster, &data, &[]);
    assert!(output.status.success(), "{}", said(&output));
    let second = Cluster::start();
    let url_file = second.url_file();
    let server = Server::at(&data, &[("VOBEE_POSTGRES__URL_FILE", &url_file)]);
    wait_until_caught_up(&server, &second);
    assert_equal(&server, &second);
    let (before, after) = (contents(&cluster), contents(&second));
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
}
