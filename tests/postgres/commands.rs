//! The commands, beside a running node and without one.

use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::cluster::Cluster;
use super::export::{LIBERAL, exporting, live};
use super::failures::copy;
use super::tables::{assert_equal, wait_until_caught_up, wait_until_it_says};
use crate::interrupted::{Running, names};
use crate::support::{PROGRAM, Server};

pub(super) fn vobee(cluster: &Cluster, server: &Server, words: &[&str]) -> Output {
    command(cluster, server, words).output().expect("the program runs")
}

fn command(cluster: &Cluster, server: &Server, words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(words).arg("--data-dir").arg(server.data());
    command.args(["--port", &server.port().to_string()]);
    command.env("DATABASE_URL", cluster.url());
    command
}

pub(super) fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

#[test]
fn a_data_directory_is_exported_once_while_no_node_runs() {
    let cluster = Cluster::start();
    let mut server = Server::with(&LIBERAL);
    live(&mut server.admin(), 0);
    let output = vobee(&cluster, &server, &["postgres", "export", "--once"]);
    assert_eq!(output.status.code(), Some(4), "a node runs: {}", said(&output));
    assert!(server.stop().success());
    let output = vobee(&cluster, &server, &["postgres", "export", "--once"]);
    assert!(output.status.success(), "{}", said(&output));
    let output = vobee(&cluster, &server, &["postgres", "export", "--once"]);
    assert!(said(&output).contains("up to date at event"), "{}", said(&output));
    let output = vobee(&cluster, &server, &["postgres", "verify"]);
    assert!(output.status.success(), "{}", said(&output));
    server.start_again();
    assert_equal(&server, &cluster);
}

#[test]
fn an_export_at_once_takes_the_histories_back_too() {
    let cluster = Cluster::start();
    let mut server = Server::with(&LIBERAL);
    let once = |server: &Server| {
        let output = vobee(&cluster, server, &["postgres", "export", "--once"]);
        assert!(output.status.success(), "{}", said(&output));
    };
    live(&mut server.admin(), 0);
    assert!(server.stop().success());
    once(&server);
    let scratch = tempfile::tempdir().expect("a directory");
    let earlier = scratch.path().join("data");
    copy(server.data(), &earlier);
    let kept = "SELECT count(*) > 0 FROM vobee_quality_history WHERE source = 'of then'";
    let sampled =
        "INSERT INTO vobee_quality_history VALUES (now(), 1, 1, 1, 1, 'green', 'of then')";
    cluster.run(sampled);
    server.start_again();
    live(&mut server.admin(), 100);
    assert!(server.stop().success());
    once(&server);
    assert_eq!(cluster.value(kept), "t", "this journal has gone on");
    server.replace_data(&earlier);
    server.start_again();
    for from in [200, 300] {
        live(&mut server.admin(), from);
    }
    assert!(server.stop().success());
    once(&server);
    assert_eq!(cluster.value(kept), "f", "that of another history is gone");
    server.start_again();
    assert_equal(&server, &cluster);
}

#[test]
fn a_difference_is_named_by_its_key() {
    let cluster = Cluster::start();
    let server = exporting(&cluster, &[]);
    wait_until_it_says(&server, "following");
    live(&mut server.admin(), 0);
    wait_until_caught_up(&server, &cluster);
    let verify = || vobee(&cluster, &server, &["postgres", "verify", "--json"]);
    let output = verify();
    assert!(output.status.success(), "{}", said(&output));

    let id = |email: &str| {
        let sql = format!("SELECT id FROM waitlist WHERE email = '{email}@example.com'");
        cluster.value(&sql)
    };
    let (other, missing) = (id("person3"), id("person4"));
    cluster.run("UPDATE waitlist SET priority_score = 99 WHERE email = 'person3@example.com'");
    cluster.run("DELETE FROM waitlist WHERE email = 'person4@example.com'");
    cluster.run("INSERT INTO invite_codes (code) VALUES ('VOBEE-000000000000')");
    let output = verify();
    assert_eq!(output.status.code(), Some(8), "{}", said(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut named: Vec<String> = told["tables"]
        .as_array()
        .expect("tables")
        .iter()
        .flat_map(|table| table["keys"].as_array().expect("keys"))
        .map(|key| format!("{} {}", key["key"], key["difference"]).replace('"', ""))
        .collect();
    named.sort();
    let mut expected = vec![
        "VOBEE-000000000000 in the table only".to_owned(),
        format!("{other} another row"),
        format!("{missing} not in the table"),
    ];
    expected.sort();
    assert_eq!(named, expected);
}

#[test]
fn tables_of_another_node_are_taken_over_only_when_that_is_asked_for() {
    let cluster = Cluster::start();
    let first = exporting(&cluster, &[]);
    live(&mut first.admin(), 0);
    wait_until_caught_up(&first, &cluster);
    drop(first);
    cluster.run(
        "INSERT INTO vobee_quality_history VALUES (now(), 1, 1, 1, 1, 'green', 'first');
        INSERT INTO vobee_gate_changes VALUES (now(), 'green', 'of the first node');
        ALTER TABLE vobee_export DROP COLUMN exported_at",
    );
    let second = exporting(&cluster, &[]);
    wait_until_it_says(&second, "the tables are another node's");
    let output = vobee(&cluster, &second, &["postgres", "init", "--again"]);
    assert!(output.status.success(), "{}", said(&output));
    live(&mut second.admin(), 500);
    wait_until_caught_up(&second, &cluster);
    assert_equal(&second, &cluster);
    let points = "SELECT count(*) FROM vobee_quality_history WHERE source = 'first'";
    let moves = "SELECT count(*) FROM vobee_gate_changes WHERE reason = 'of the first node'";
    assert_eq!((cluster.value(points), cluster.value(moves)), ("0".into(), "0".into()));
    let output = vobee(&cluster, &second, &["postgres", "status"]);
    assert!(said(&output).contains("node: following"), "{}", said(&output));
}

#[test]
fn a_certificate_is_held_to_the_authority_that_is_trusted() {
    let mut cluster = Cluster::start();
    let authority = cluster.use_tls();
    let dir = tempfile::tempdir().expect("a directory");
    let connect = |query: &str, file: &str| {
        let mut command = Command::new(PROGRAM);
        command.args(["postgres", "status", "--data-dir"]).arg(dir.path());
        command.env("DATABASE_URL", cluster.url_by_name(query));
        command.env("VOBEE_POSTGRES__CA_FILE", file);
        command.output().expect("the program runs")
    };
    let authority = authority.to_str().expect("a plain path");
    let trusted = connect("sslmode=verify-full", authority);
    assert!(trusted.status.success(), "{}", said(&trusted));
    let unknown = connect("sslmode=verify-full", "");
    assert!(!unknown.status.success() && said(&unknown).contains("certificate"), "{unknown:?}");
    let unchecked = connect("sslmode=require", "");
    assert!(unchecked.status.success(), "{}", said(&unchecked));
    let here = cluster.url_by_name("sslmode=verify-full").replace("localhost", "127.0.0.1");
    let mut command = Command::new(PROGRAM);
    command.args(["postgres", "status", "--data-dir"]).arg(dir.path());
    command.env("DATABASE_URL", here).env("VOBEE_POSTGRES__CA_FILE", authority);
    let other = command.output().expect("the program runs");
    assert!(!other.status.success(), "the certificate is for another name: {}", said(&other));
}

#[test]
fn a_comparison_that_is_ended_leaves_no_copy_of_the_node() {
    let cluster = Cluster::start();
    let server = exporting(&cluster, &[]);
    live(&mut server.admin(), 0);
    wait_until_caught_up(&server, &cluster);
    server.freeze();
    for signal in ["INT", "TERM"] {
        let dir = TempDir::new().expect("a directory");
        let mut command = command(&cluster, &server, &["postgres", "verify"]);
        let mut comparing = Running::start(command.env("TMPDIR", dir.path()));
        comparing.wait_for(dir.path(), ".tmp");
        comparing.interrupt(signal);
        assert_eq!(names(dir.path()), [""; 0]);
    }
}
