//! A process that is killed in the middle of an append loses nothing that it had reported.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::support;

/// Tells the child where to write.
const DIR: &str = "VOBEE_TEST_KILL_DIR";

/// The child: appends batches of all sizes and reports each last number, until it is killed.
#[test]
#[ignore = "the child of the test below, which starts it"]
fn child() {
    let dir = PathBuf::from(std::env::var_os(DIR).expect("the parent says where"));
    let (mut journal, _) = support::open(&dir);
    let mut out = std::io::stdout().lock();
    for round in 0_u64.. {
        let appended = support::append_next(&mut journal, round * 37 % 150 + 1);
        writeln!(out, "acked {}", appended.next_seq - 1).expect("the parent listens");
        out.flush().expect("the parent listens");
    }
}

fn start(dir: &TempDir) -> Child {
    Command::new(std::env::current_exe().expect("this binary has a path"))
        .args(["--ignored", "--exact", "kill_and_reopen::child", "--nocapture"])
        .env(DIR, dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the child starts")
}

/// Kills the child after so many reports; gives the last number that it reported before it died.
fn kill_after(reports: usize, mut child: Child) -> u64 {
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut acked = 0;
    let mut heard = 0;
    for line in &mut lines {
        let line = line.expect("the pipe reads");
        // The test harness writes its own words on the same line now and then.
        let Some((_, seq)) = line.split_once("acked ") else {
            continue;
        };
        let Ok(seq) = seq.parse() else {
            continue;
        };
        acked = seq;
        heard += 1;
        if heard == reports {
            // What is still in the pipe was reported too, so reading goes on to its end.
            child.kill().expect("the child is there to be killed");
        }
    }
    assert!(heard >= reports, "the child died by itself");
    child.wait().expect("the child is gone");
    acked
}

#[test]
fn a_killed_process_loses_nothing_that_it_reported() {
    let dir = TempDir::new().expect("a directory");
    for reports in [1, 2, 40, 7, 111] {
        let acked = kill_after(reports, start(&dir));
        let (journal, recovered) = support::open(dir.path());
        assert!(recovered.next_seq > acked, "{} after {acked}", recovered.next_seq);
        support::assert_holds_exactly(&journal, recovered.next_seq);
    }
}
