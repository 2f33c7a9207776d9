//! Looking without touching.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use snapshots::Error;
use tempfile::TempDir;

use crate::support;

fn every_byte(dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("the directory is there") {
        let path = entry.expect("the directory reads").path();
        if path.is_dir() {
            files.extend(every_byte(&path));
            files.insert(path, None);
        } else {
            let bytes = fs::read(&path).expect("the file reads");
            files.insert(path, Some(bytes));
        }
    }
    files
}

#[test]
fn verifying_says_what_opening_finds_and_changes_no_byte() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    for _ in 0..20 {
        support::append_next(&mut journal, 100);
    }
    drop(journal);
    let before = every_byte(dir.path());
    let verified = snapshots::verify(dir.path()).expect("the journal is whole");
    assert!(every_byte(dir.path()) == before);
    let (_, recovered) = support::open(dir.path());
    assert_eq!(verified.next_seq, recovered.next_seq);
    assert_eq!(verified.records, 2000);
    assert_eq!(verified.frames, recovered.frames);
    assert_eq!(verified.chain, recovered.chain);
    assert_eq!(verified.watermark, Some(2000));
    assert_eq!(verified.torn, None);
}

#[test]
fn verifying_names_damage_and_a_torn_tail_and_leaves_them() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    support::append_next(&mut journal, 10);
    support::unacknowledged(dir.path(), || {
        support::append_next(&mut journal, 10);
        drop(journal);
    });
    support::meddle(dir.path(), |db| support::flip(db, &support::keys(db)[1]));
    let before = every_byte(dir.path());
    let verified = snapshots::verify(dir.path()).expect("what was acknowledged is there");
    assert_eq!((verified.records, verified.watermark), (10, Some(10)));
    assert!(verified.torn.is_some_and(|torn| torn.contains("checksum")));
    assert!(every_byte(dir.path()) == before);

    support::meddle(dir.path(), |db| support::flip(db, &support::keys(db)[0]));
    let before = every_byte(dir.path());
    let damaged = snapshots::verify(dir.path());
    assert!(matches!(damaged, Err(Error::Damaged { missing_from: 1, missing_to: 10, .. })));
    assert!(every_byte(dir.path()) == before);
}

#[test]
fn verifying_waits_for_no_owner() {
    let dir = TempDir::new().expect("a directory");
    let (journal, _) = support::open(dir.path());
    let refused = snapshots::verify(dir.path());
    assert!(matches!(refused, Err(Error::InUse { pid: Some(_), .. })));
    drop(journal);
    let verified = snapshots::verify(dir.path()).expect("the owner is gone");
    assert_eq!(verified.records, 0);
}
