//! Which files there are, before, during and after.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::support::*;
use crate::archive::{ArchiveWriter, list, remove_unfinished};

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let dir = TempDir::new().expect("a directory");
    let path = path_in(&dir.path().join("archive"));
    let mut writer = ArchiveWriter::create(&path, EPOCH, FIRST, BEFORE).expect("a writer");
    for link in numbered(60, 10, 1000) {
        writer.push(&link.link()).expect("the link follows");
    }
    let unfinished = dir.path().join("archive/0000000000000007.events.zst.tmp");
    let mode = fs::metadata(&unfinished).expect("a temporary file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(writer);
    assert_eq!(files_in(&dir.path().join("archive")), 0);
}

#[test]
fn what_a_crash_left_is_no_archive_and_does_not_disturb_the_next_writer() {
    let dir = TempDir::new().expect("a directory");
    let links = numbered(2, 2, 10);
    let left = dir.path().join("0000000000000007.events.zst.tmp");
    fs::write(&left, [1; 100_000]).expect("there is room");
    assert_eq!(list(dir.path()).expect("a directory"), []);
    let path = write(dir.path(), &links);
    assert!(all_of(&path).expect("a sound archive").2 == links);
    assert!(!left.exists());
}

#[test]
fn archives_are_listed_by_epoch_and_leftovers_removed_by_name() {
    let dir = TempDir::new().expect("a directory");
    let names = [
        "0000000000000010.events.zst",
        "0000000000000009.events.zst",
        "0000000000000011.events.zst.tmp",
        "+000000000000012.events.zst",
        "000000000000013.events.zst",
        "0000000000000014.snap",
        "notes.tmp",
    ];
    for name in names {
        fs::write(dir.path().join(name), "").expect("there is room");
    }
    let wanted = [(9, dir.path().join(names[1])), (10, dir.path().join(names[0]))];
    assert_eq!(list(dir.path()).expect("a directory"), wanted);
    remove_unfinished(dir.path()).expect("a directory");
    let left: Vec<_> = names.iter().filter(|name| dir.path().join(name).exists()).collect();
    assert_eq!(left.len(), names.len() - 1);
    assert!(!left.contains(&&names[2]));
    let absent = dir.path().join("absent");
    assert_eq!(list(&absent).expect("no archive is no error"), []);
    remove_unfinished(&absent).expect("no archive is no error");
}
