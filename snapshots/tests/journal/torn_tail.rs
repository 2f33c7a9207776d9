//! What was never acknowledged is cut off, counted, and in nobody's way.

use snapshots::{Journal, SledJournal};
use tempfile::TempDir;

use crate::support::{self, Record};

/// Ten acknowledged records, and then a batch in three frames that was not acknowledged.
fn with_unacknowledged_tail() -> (TempDir, u64) {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    support::append_next(&mut journal, 10);
    let tail: Vec<_> = (11..=13).map(large).collect();
    let frames = support::unacknowledged(dir.path(), || {
        let appended = support::append(&mut journal, &tail);
        drop(journal);
        appended.frames
    });
    assert_eq!(frames, 3, "each of these records fills a frame");
    (dir, 13)
}

fn large(seq: u64) -> Record {
    Record { body: vec![u8::try_from(seq).expect("small"); 7_500], sections: Vec::new() }
}

fn assert_goes_on(mut journal: SledJournal, next_seq: u64) {
    assert_eq!(journal.next_seq(), next_seq);
    let appended = support::append_next(&mut journal, 5);
    assert_eq!(appended.next_seq, next_seq + 5);
    let seen = support::scan(&*journal.reader(), 1, u64::MAX);
    assert!(seen.iter().map(|(seq, _)| *seq).eq(1..next_seq + 5));
}

#[test]
fn a_whole_tail_above_the_watermark_is_kept() {
    let (dir, last) = with_unacknowledged_tail();
    let (journal, recovered) = support::open(dir.path());
    assert_eq!((recovered.next_seq, recovered.cut), (last + 1, 0));
    assert_goes_on(journal, last + 1);
}

#[test]
fn a_frame_that_fails_its_checksum_is_cut_off_with_all_behind_it() {
    let (dir, last) = with_unacknowledged_tail();
    support::meddle(dir.path(), |db| support::flip(db, &support::keys(db)[2]));
    let (journal, recovered) = support::open(dir.path());
    assert_eq!((recovered.next_seq, recovered.cut), (last - 1, 2));
    assert_goes_on(journal, last - 1);
    assert_eq!(support::open(dir.path()).1.cut, 0, "it is cut off once");
}

#[test]
fn what_lies_behind_a_gap_is_cut_off() {
    let (dir, last) = with_unacknowledged_tail();
    support::meddle(dir.path(), |db| {
        db.remove(&support::keys(db)[1]).expect("the store writes");
    });
    let (journal, recovered) = support::open(dir.path());
    assert_eq!((recovered.next_seq, recovered.cut), (last - 2, 2));
    assert_goes_on(journal, last - 2);
}

#[test]
fn a_frame_cut_short_and_a_strange_key_are_cut_off() {
    let (dir, last) = with_unacknowledged_tail();
    support::meddle(dir.path(), |db| {
        let key = support::keys(db)[3].clone();
        let frame = db.get(&key).expect("the store reads").expect("the frame is there");
        db.insert(&key, &frame[..30]).expect("the store writes");
        db.insert([0xff; 3], &[][..]).expect("the store writes");
    });
    let (journal, recovered) = support::open(dir.path());
    assert_eq!((recovered.next_seq, recovered.cut), (last, 2));
    assert_goes_on(journal, last);
}

#[test]
fn a_large_record_without_its_last_part_is_cut_off() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    support::append_next(&mut journal, 10);
    support::unacknowledged(dir.path(), || {
        let record = Record { body: vec![1; 60_000], sections: Vec::new() };
        assert_eq!(support::append(&mut journal, &[record]).frames, 5);
        drop(journal);
    });
    support::meddle(dir.path(), |db| {
        db.remove(support::keys(db).last().expect("there are keys")).expect("the store writes");
    });
    let (journal, recovered) = support::open(dir.path());
    assert_eq!((recovered.next_seq, recovered.cut), (11, 4));
    support::assert_holds_exactly(&journal, 11);
}

#[test]
fn a_frame_of_another_history_is_cut_off_by_its_chain() {
    let (dir, _) = with_unacknowledged_tail();
    let other = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(other.path());
    support::append(&mut journal, &(1..=10).map(large).collect::<Vec<_>>());
    support::append_next(&mut journal, 1);
    drop(journal);
    let mut stranger = None;
    support::meddle(other.path(), |db| stranger = db.last().expect("the store reads"));
    let (key, frame) = stranger.expect("the other journal is not empty");
    support::meddle(dir.path(), |db| {
        db.insert(key, frame).expect("the store writes");
    });
    let (journal, recovered) = support::open(dir.path());
    assert_eq!((recovered.next_seq, recovered.cut), (11, 3));
    support::assert_holds_exactly(&journal, 11);
}
