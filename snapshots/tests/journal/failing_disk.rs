//! A write that fails stops the journal, and what was acknowledged before it stays.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use snapshots::{Error, Journal};
use tempfile::TempDir;

use crate::support;

/// Tells the child where to write.
const DIR: &str = "VOBEE_TEST_FULL_DIR";
/// In blocks of 512 bytes: three segments of the store fit, and not many more.
const FILE_BLOCKS_MAX: u32 = 6144;

/// The child: appends until the disk refuses, and then once more.
#[test]
#[ignore = "the child of the test below, which starts it with a limit on the size of files"]
fn child() {
    let dir = PathBuf::from(std::env::var_os(DIR).expect("the parent says where"));
    let (mut journal, _) = support::open(&dir);
    let records: Vec<_> = (0..200).map(support::record).collect();
    let batch = support::batch(&records);
    let mut out = std::io::stdout().lock();
    let failed = loop {
        match journal.append(journal.next_seq(), &batch) {
            Ok(appended) => {
                writeln!(out, "acked {}", appended.next_seq - 1).expect("the parent listens");
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(failed, Error::Store(_) | Error::Io { .. }), "{failed}");
    let next_seq = journal.next_seq();
    let again = journal.append(next_seq, &batch);
    assert!(matches!(again, Err(Error::Stopped { .. })), "{again:?}");
    assert_eq!(journal.next_seq(), next_seq, "nothing counts that was not acknowledged");
    writeln!(out, "stopped").expect("the parent listens");
}

#[test]
fn a_refused_write_stops_the_journal_and_loses_nothing_acknowledged() {
    let dir = TempDir::new().expect("a directory");
    let limited = format!("trap '' XFSZ; ulimit -f {FILE_BLOCKS_MAX}; exec \"$0\" \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &limited])
        .arg(std::env::current_exe().expect("this binary has a path"))
        .args(["--ignored", "--exact", "failing_disk::child", "--nocapture"])
        .env(DIR, dir.path())
        .stderr(Stdio::inherit())
        .output()
        .expect("the child runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("stopped"), "{said}");
    let acked = said.lines().filter_map(|line| line.split_once("acked ")).next_back();
    let acked: u64 = acked.expect("some appends worked").1.parse().expect("a number");
    let (journal, recovered) = support::open(dir.path());
    assert!(recovered.next_seq > acked, "{} after {acked}", recovered.next_seq);
    let seen = support::scan(&*journal.reader(), 1, u64::MAX);
    for (seq, record) in seen {
        assert_eq!(record, support::record((seq - 1) % 200));
    }
}
