//! One owner for a directory, and what it finds there.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use snapshots::{DataLock, Error, Journal};
use tempfile::TempDir;

use crate::support;

#[test]
fn a_second_owner_is_refused_and_told_who_the_first_is() {
    let dir = TempDir::new().expect("a directory");
    let (journal, _) = support::open(dir.path());
    let refusal = support::refusal(dir.path());
    let Error::InUse { pid, since } = &refusal else {
        panic!("refused for another reason: {refusal}");
    };
    assert_eq!(*pid, Some(std::process::id()));
    assert!(since.as_deref().is_some_and(|since| since.ends_with('Z')));
    assert!(refusal.to_string().contains(&format!("process {} since 2", std::process::id())));
    assert!(matches!(DataLock::acquire(dir.path()), Err(Error::InUse { .. })));
    drop(journal);
    drop(DataLock::acquire(dir.path()).expect("the first owner let go"));
}

#[test]
fn a_reader_keeps_the_directory_until_it_is_gone() {
    let dir = TempDir::new().expect("a directory");
    let (journal, _) = support::open(dir.path());
    let reader = journal.reader();
    drop(journal);
    assert!(matches!(support::refusal(dir.path()), Error::InUse { .. }));
    drop(reader);
    support::open(dir.path());
}

#[test]
fn an_unfinished_snapshot_of_the_store_is_removed() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    support::append_next(&mut journal, 10);
    drop(journal);
    let unfinished = support::epoch(dir.path()).join("snap.0000000000000ABC.generating");
    fs::write(&unfinished, b"half").expect("a file");
    let (journal, _) = support::open(dir.path());
    assert!(!unfinished.exists());
    support::assert_holds_exactly(&journal, 11);
}

#[test]
fn everything_created_is_for_the_owner_only() {
    let parent = TempDir::new().expect("a directory");
    let dir = parent.path().join("var").join("data");
    drop(support::open(&dir));
    for created in ["", "journal", "journal/0000000000000001", "journal/0000000000000001/blobs"] {
        let mode = fs::metadata(dir.join(created)).expect("it was created").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{created}");
    }
    for created in ["LOCK", "watermark"] {
        let mode = fs::metadata(dir.join(created)).expect("it was created").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{created}");
    }
}

#[test]
fn a_database_whose_creation_was_killed_halfway_is_created_again() {
    let dir = TempDir::new().expect("a directory");
    let epoch = support::epoch(dir.path());
    std::fs::create_dir_all(&epoch).expect("creates");
    // As sled writes it, without the checksum that comes in a second write.
    let unfinished = b"segment_size: 1048576\nuse_compression: false\nversion: 0.34\n";
    std::fs::write(epoch.join("conf"), unfinished).expect("writes");
    let (mut journal, recovered) = support::open(dir.path());
    assert_eq!(recovered.records, 0);
    support::append_next(&mut journal, 3);
    drop(journal);
    assert_eq!(support::open(dir.path()).1.records, 3);
}
