//! What was acknowledged and is gone is said out loud, and nothing is touched until told so.

use std::fs;
use std::path::Path;

use snapshots::Error;
use tempfile::TempDir;

use crate::support;

/// Four acknowledged batches of ten records, one frame each.
fn four_frames() -> TempDir {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    for _ in 0..4 {
        assert_eq!(support::append_next(&mut journal, 10).frames, 1);
    }
    dir
}

fn assert_refused(dir: &Path, from: u64, to: u64) {
    for _ in 0..2 {
        let refusal = support::refusal(dir);
        let Error::Damaged { missing_from, missing_to, .. } = refusal else {
            panic!("refused for another reason: {refusal}");
        };
        assert_eq!((missing_from, missing_to), (from, to));
    }
}

#[test]
fn a_missing_frame_below_the_watermark_is_refused_and_named() {
    let dir = four_frames();
    support::meddle(dir.path(), |db| {
        db.remove(&support::keys(db)[1]).expect("the store writes");
    });
    assert_refused(dir.path(), 11, 20);
}

#[test]
fn an_unreadable_frame_below_the_watermark_is_refused_and_named() {
    let dir = four_frames();
    support::meddle(dir.path(), |db| support::flip(db, &support::keys(db)[2]));
    assert_refused(dir.path(), 21, 30);
}

#[test]
fn a_lost_tail_below_the_watermark_is_refused_and_named() {
    let dir = four_frames();
    support::meddle(dir.path(), |db| {
        db.remove(&support::keys(db)[3]).expect("the store writes");
    });
    assert_refused(dir.path(), 31, 40);
}

#[test]
fn a_journal_that_vanished_is_refused() {
    let dir = four_frames();
    fs::remove_dir_all(dir.path().join("journal")).expect("the journal goes");
    assert_refused(dir.path(), 1, 40);
}

#[test]
fn a_journal_with_another_history_than_the_watermark_is_refused() {
    let (dir, other) = (four_frames(), TempDir::new().expect("a directory"));
    let (mut journal, _) = support::open(other.path());
    support::append(&mut journal, &vec![support::record(5); 40]);
    drop(journal);
    fs::copy(other.path().join("watermark"), dir.path().join("watermark")).expect("a copy");
    assert_refused(dir.path(), 1, 40);
}

#[test]
fn accepted_damage_leaves_the_whole_prefix_and_a_journal_that_goes_on() {
    let dir = four_frames();
    support::meddle(dir.path(), |db| {
        db.remove(&support::keys(db)[1]).expect("the store writes");
    });
    let (mut journal, recovered) = support::open_accepting_loss(dir.path());
    assert_eq!((recovered.next_seq, recovered.cut), (11, 2));
    support::append_next(&mut journal, 7);
    drop(journal);
    let (journal, recovered) = support::open(dir.path());
    assert_eq!(recovered.cut, 0);
    support::assert_holds_exactly(&journal, 18);
}

#[test]
fn a_deleted_or_unreadable_watermark_is_written_again() {
    let dir = four_frames();
    let path = dir.path().join("watermark");
    fs::remove_file(&path).expect("the watermark goes");
    drop(support::open(dir.path()));
    fs::write(&path, vec![0x5a; 8192]).expect("the watermark is spoilt");
    let (journal, _) = support::open(dir.path());
    support::assert_holds_exactly(&journal, 41);
    drop(journal);
    support::meddle(dir.path(), |db| {
        db.remove(&support::keys(db)[3]).expect("the store writes");
    });
    assert_refused(dir.path(), 31, 40);
}

#[test]
fn one_spoilt_slot_of_the_watermark_leaves_the_other() {
    let dir = four_frames();
    let path = dir.path().join("watermark");
    let whole = fs::read(&path).expect("there is a watermark");
    // The sequence number, and the format: not every other one is a later release's.
    for (slot, byte) in [(0, 20), (4096, 20), (0, 4), (4096, 4)] {
        let mut spoilt = whole.clone();
        spoilt[slot + byte] ^= 2;
        fs::write(&path, spoilt).expect("the watermark is spoilt");
        let verified = snapshots::verify(dir.path()).expect("the journal is whole");
        assert!(matches!(verified.watermark, Some(30 | 40)), "{:?}", verified.watermark);
    }
}

#[test]
fn a_frame_of_a_later_format_is_refused_even_above_the_watermark() {
    let dir = four_frames();
    fs::remove_file(dir.path().join("watermark")).expect("the watermark goes");
    support::meddle(dir.path(), |db| {
        let key = support::keys(db)[3].clone();
        let mut frame = db.get(&key).expect("the store reads").expect("it is there").to_vec();
        frame[4] = 2;
        db.insert(key, frame).expect("the store writes");
    });
    for _ in 0..2 {
        assert!(matches!(support::refusal(dir.path()), Error::Newer { found: 2, known: 1 }));
    }
}
