//! Epochs, the snapshots between them, and what becomes of both.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use snapshots::archive::Archive;
use snapshots::{
    Epochs, Error, Journal, Position, SectionView, SledJournal, Snapshot, SnapshotWriter,
    archive_path, restore_journal,
};
use tempfile::TempDir;

use crate::support;

fn snapshot(dir: &Path, position: Position) -> Snapshot {
    let mut writer = SnapshotWriter::create(dir, position, 0).expect("a file");
    let mut part = writer.part("state", 1).expect("a part");
    part.write_all(&position.seq.to_le_bytes()).expect("room");
    part.close().expect("room");
    writer.finish().expect("a whole snapshot")
}

/// Ends the epoch and puts a snapshot at its end, as whoever keeps snapshots does.
pub(crate) fn rotate(journal: &mut SledJournal, dir: &Path) -> Position {
    journal.epochs().prepare().expect("a next epoch");
    let end = journal.rotate().expect("the epoch ends");
    journal.epochs().adopt(snapshot(dir, end));
    end
}

pub(crate) fn archive(epochs: &Epochs, epoch: u64) {
    epochs.archive(epoch, &|_| 0, &|_, _| false).expect("the epoch is whole");
}

fn snapshot_path(dir: &Path, epoch: u64) -> PathBuf {
    dir.join(format!("snapshots/{epoch:016}.snap"))
}

fn spoil(path: &Path) {
    let mut bytes = fs::read(path).expect("the file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).expect("room");
}

#[test]
fn records_are_read_across_epochs_also_after_a_restart() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    for count in [3, 200, 1] {
        support::append_next(&mut journal, count);
        journal.rotate().expect("the epoch ends");
    }
    support::append_next(&mut journal, 5);
    support::assert_holds_exactly(&journal, 210);
    drop(journal);
    let (journal, recovered) = support::open(dir.path());
    assert_eq!((recovered.records, recovered.snapshot_seq, recovered.cut), (209, 0, 0));
    support::assert_holds_exactly(&journal, 210);
}

#[test]
fn a_start_begins_behind_the_newest_snapshot() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    support::append_next(&mut journal, 20);
    let end = rotate(&mut journal, dir.path());
    support::append_next(&mut journal, 7);
    let chain = journal.epochs().moment().next_seq();
    assert_eq!(chain, 28);
    drop(journal);
    let (mut journal, recovered) = support::open(dir.path());
    assert_eq!((recovered.records, recovered.snapshot_seq), (27, 20));
    assert_eq!(journal.reader().base().map(|base| base.position()), Some(end));
    assert_eq!(support::scan(&*journal.reader(), 21, u64::MAX).len(), 7);
    support::append_next(&mut journal, 1);
    assert_eq!(journal.next_seq(), 29);
}

#[test]
fn a_damaged_snapshot_is_set_aside_and_the_one_before_is_used() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    for _ in 0..2 {
        support::append_next(&mut journal, 20);
        rotate(&mut journal, dir.path());
    }
    support::append_next(&mut journal, 3);
    journal.epochs().retire(false).expect("nothing stands in the way");
    drop(journal);
    spoil(&snapshot_path(dir.path(), 2));
    let (journal, recovered) = support::open(dir.path());
    assert_eq!((recovered.snapshot_seq, recovered.records), (20, 43));
    assert_eq!(recovered.set_aside.len(), 1);
    assert!(snapshot_path(dir.path(), 2).with_extension("snap.bad").exists());
    assert_eq!(support::scan(&*journal.reader(), 21, u64::MAX).len(), 23);
}

#[test]
fn without_any_good_snapshot_a_start_is_refused_and_names_what_is_missing() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    for _ in 0..3 {
        support::append_next(&mut journal, 20);
        rotate(&mut journal, dir.path());
        journal.epochs().retire(false).expect("nothing stands in the way");
    }
    drop(journal);
    for epoch in [2, 3] {
        spoil(&snapshot_path(dir.path(), epoch));
    }
    let refusal = support::refusal(dir.path());
    let Error::Damaged { missing_from, missing_to, .. } = refusal else { panic!("{refusal}") };
    assert_eq!((missing_from, missing_to), (1, 40));
    for epoch in [2, 3] {
        spoil(&snapshot_path(dir.path(), epoch));
    }
    let (_, recovered) = support::open(dir.path());
    assert_eq!(recovered.snapshot_seq, 60, "a start that is refused leaves snapshots in place");
}

#[test]
fn a_hole_in_a_closed_epoch_is_damage_whatever_the_watermark_says() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    support::append_next(&mut journal, 3);
    let mark = fs::read(dir.path().join("watermark")).expect("a watermark");
    support::append_next(&mut journal, 2);
    support::append_next(&mut journal, 1);
    journal.rotate().expect("the epoch ends");
    support::append_next(&mut journal, 1);
    drop(journal);
    support::meddle(dir.path(), |db| {
        db.remove(&support::keys(db)[1]).expect("the store writes");
    });
    fs::write(dir.path().join("watermark"), mark).expect("room");
    let refusal = support::refusal(dir.path());
    let Error::Damaged { missing_from, missing_to, .. } = refusal else { panic!("{refusal}") };
    assert_eq!((missing_from, missing_to), (4, 5));
    let (_, recovered) = support::open_accepting_loss(dir.path());
    assert_eq!((recovered.records, recovered.lost), (3, Some((4, 7))));
}

#[test]
fn two_snapshots_and_the_epochs_behind_the_older_are_kept() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    for epoch in 1..=4 {
        support::append_next(&mut journal, 9);
        rotate(&mut journal, dir.path());
        journal.epochs().retire(true).expect("nothing stands in the way");
        let first = dir.path().join("journal/0000000000000001");
        assert!(first.exists(), "an epoch that is not in the archive stays");
        assert!(snapshot_path(dir.path(), epoch).exists());
    }
    let epochs = journal.epochs();
    for epoch in epochs.unarchived().expect("a list") {
        archive(&epochs, epoch);
    }
    epochs.retire(true).expect("nothing stands in the way");
    let there = |epoch: u64| {
        let journal = dir.path().join(format!("journal/{epoch:016}")).exists();
        (snapshot_path(dir.path(), epoch).exists(), journal)
    };
    let left: Vec<_> = (1..=5).map(there).collect();
    assert_eq!(left, [(false, false), (false, false), (true, false), (true, true), (false, true)]);
    support::append_next(&mut journal, 1);
    assert_eq!(support::scan(&*journal.reader(), 37, u64::MAX).len(), 1);
}

#[test]
fn a_removal_that_was_cut_short_is_finished_at_the_next_start() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    support::append_next(&mut journal, 9);
    rotate(&mut journal, dir.path());
    drop(journal);
    let half = dir.path().join("journal/0000000000000001.removed");
    fs::rename(support::epoch(dir.path()), &half).expect("room");
    let (journal, recovered) = support::open(dir.path());
    assert_eq!(recovered.records, 9);
    assert!(!half.exists());
    assert_eq!(journal.epochs().unarchived().expect("a list"), Vec::<u64>::new());
}

#[test]
fn the_archive_holds_every_record_and_the_text_of_nobody_who_is_gone() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    support::append_next(&mut journal, 50);
    let end = rotate(&mut journal, dir.path());
    let owner = |seq: u64| u128::from(seq) << 64;
    let gone = HashMap::from([(owner(7), 7), (owner(8), 7)]);
    let is_gone = |owner: u128, seq: u64| gone.get(&owner).is_some_and(|&last| seq <= last);
    journal.epochs().archive(1, &|_| 0, &is_gone).expect("the epoch is whole");
    let archive = Archive::open(&archive_path(dir.path(), 1)).expect("an archive");
    archive.verify().expect("the chain holds");
    assert_eq!((archive.first_seq(), archive.next_seq(), archive.chain()), (1, 51, end.chain));
    let mut erased = Vec::new();
    let mut records = 0;
    let read = archive.scan(1, 51, &mut |record| {
        records += 1;
        let mut sections = record.sections();
        if sections.any(|section| matches!(section, SectionView::Erased { .. })) {
            erased.push(record.seq);
        }
    });
    read.expect("a whole archive");
    assert_eq!((records, erased), (50, vec![7]), "who came back later keeps the later text");
}

#[test]
fn an_archive_that_is_gone_is_named_by_its_records() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    for epoch in 1..=3 {
        support::append_next(&mut journal, 10);
        rotate(&mut journal, dir.path());
        archive(&journal.epochs(), epoch);
    }
    drop(journal);
    let verified = snapshots::verify(dir.path()).expect("all is sound");
    assert_eq!((verified.archived, verified.unarchived), (30, vec![]));
    fs::remove_file(archive_path(dir.path(), 2)).expect("it is there");
    let verified = snapshots::verify(dir.path()).expect("what is there is sound");
    assert_eq!((verified.archived, verified.unarchived), (20, vec![(11, 20)]));
}

/// A copy of a journal of two epochs, before it went on.
fn rotated_and_copied(dir: &Path) -> (SledJournal, TempDir) {
    let (mut journal, _) = support::open(dir);
    support::append_next(&mut journal, 10);
    rotate(&mut journal, dir);
    archive(&journal.epochs(), 1);
    let moment = journal.epochs().moment();
    let copy = TempDir::new().expect("a directory");
    let tail = copy.path().join("tail");
    moment.write_tail(&tail, &|_| 0).expect("a tail");
    fs::create_dir(copy.path().join("snapshots")).expect("room");
    fs::copy(snapshot_path(dir, 1), snapshot_path(copy.path(), 1)).expect("room");
    restore_journal(copy.path(), &tail, &mut || true).expect("they fit together");
    (journal, copy)
}

#[test]
fn the_archive_of_another_history_is_set_aside_and_never_taken_for_the_own_one() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, copy) = rotated_and_copied(dir.path());
    support::append_next(&mut journal, 10);
    rotate(&mut journal, dir.path());
    archive(&journal.epochs(), 2);
    fs::create_dir(copy.path().join("archive")).expect("room");
    for epoch in 1..=2 {
        let (from, to) = (archive_path(dir.path(), epoch), archive_path(copy.path(), epoch));
        fs::copy(from, to).expect("room");
    }
    let (mut journal, _) = support::open(copy.path());
    let own: Vec<_> = (0..10).map(|number| support::record(1_000 + number)).collect();
    support::append(&mut journal, &own);
    let end = rotate(&mut journal, copy.path());
    assert_eq!(journal.epochs().unarchived().expect("a list"), vec![2]);
    support::append_next(&mut journal, 1);
    rotate(&mut journal, copy.path());
    journal.epochs().retire(true).expect("nothing stands in the way");
    assert!(copy.path().join("journal/0000000000000002").exists(), "the only copy stays");
    archive(&journal.epochs(), 2);
    let path = archive_path(copy.path(), 2);
    assert_eq!(Archive::open(&path).expect("an archive").chain(), end.chain);
    assert!(path.with_extension("zst.differs").exists());
    assert_eq!(journal.epochs().unarchived().expect("a list"), vec![3]);
}

#[test]
fn an_archive_that_cannot_be_read_is_made_again_while_its_epoch_is_there() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    support::append_next(&mut journal, 10);
    rotate(&mut journal, dir.path());
    archive(&journal.epochs(), 1);
    let path = archive_path(dir.path(), 1);
    fs::write(&path, "no archive").expect("room");
    assert_eq!(journal.epochs().unarchived().expect("a list"), vec![1]);
    archive(&journal.epochs(), 1);
    Archive::open(&path).expect("an archive").verify().expect("a whole one");
}

#[test]
fn an_archive_goes_by_its_age_only_when_no_epoch_rests_on_it() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    for _ in 0..3 {
        support::append_next(&mut journal, 10);
        rotate(&mut journal, dir.path());
        let epochs = journal.epochs();
        for epoch in epochs.unarchived().expect("a list") {
            archive(&epochs, epoch);
        }
        epochs.retire(true).expect("nothing stands in the way");
        epochs.forget(i64::MAX).expect("nothing stands in the way");
    }
    let left: Vec<_> = (1..=3).map(|epoch| archive_path(dir.path(), epoch).exists()).collect();
    assert_eq!(left, [false, true, true], "the third epoch is there and begins behind the second");
}

#[test]
fn one_archive_that_cannot_be_read_keeps_nobody_from_removing_the_others() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    for epoch in 1..=4 {
        support::append_next(&mut journal, 10);
        rotate(&mut journal, dir.path());
        archive(&journal.epochs(), epoch);
        journal.epochs().retire(true).expect("nothing stands in the way");
    }
    fs::write(archive_path(dir.path(), 1), "no archive").expect("room");
    let error = journal.epochs().forget(i64::MAX).expect_err("one cannot say how old it is");
    assert!(matches!(error, Error::DamagedFile { .. }), "{error}");
    let left: Vec<_> = (1..=4).map(|epoch| archive_path(dir.path(), epoch).exists()).collect();
    assert_eq!(left, [true, false, true, true]);
}

#[test]
fn an_epoch_is_archived_though_the_snapshot_that_it_begins_at_has_gone_bad() {
    for header in [false, true] {
        let dir = TempDir::new().expect("a directory");
        let (mut journal, _) = support::open(dir.path());
        for _ in 0..2 {
            support::append_next(&mut journal, 10);
            rotate(&mut journal, dir.path());
        }
        archive(&journal.epochs(), 1);
        journal.epochs().retire(true).expect("nothing stands in the way");
        let snapshot = snapshot_path(dir.path(), 1);
        if header {
            fs::write(snapshot, [0; 100]).expect("room")
        } else {
            spoil(&snapshot)
        }
        archive(&journal.epochs(), 2);
        assert_eq!(journal.epochs().unarchived().expect("a list"), Vec::<u64>::new());
    }
}

#[test]
fn a_snapshot_that_the_disk_does_not_give_back_is_set_aside_too() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    for _ in 0..2 {
        support::append_next(&mut journal, 20);
        rotate(&mut journal, dir.path());
    }
    drop(journal);
    let path = snapshot_path(dir.path(), 2);
    fs::remove_file(&path).expect("it is there");
    // Reading from a directory fails as reading from a bad sector does.
    fs::create_dir(&path).expect("room");
    let (_, recovered) = support::open(dir.path());
    assert_eq!((recovered.snapshot_seq, recovered.set_aside.len()), (20, 1));
}

#[test]
fn a_damaged_snapshot_goes_for_good_behind_two_newer_ones() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    for _ in 0..2 {
        support::append_next(&mut journal, 20);
        rotate(&mut journal, dir.path());
    }
    drop(journal);
    spoil(&snapshot_path(dir.path(), 2));
    let (mut journal, _) = support::open(dir.path());
    let bad = snapshot_path(dir.path(), 2).with_extension("snap.bad");
    for there in [true, true, false] {
        assert_eq!(bad.exists(), there);
        support::append_next(&mut journal, 1);
        rotate(&mut journal, dir.path());
        journal.epochs().retire(false).expect("nothing stands in the way");
    }
    assert!(!bad.exists());
}

#[test]
fn nothing_is_removed_while_a_moment_is_held_and_all_of_it_afterwards() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    support::append_next(&mut journal, 30);
    rotate(&mut journal, dir.path());
    support::append_next(&mut journal, 11);
    let moment = journal.epochs().moment();
    for _ in 0..4 {
        support::append_next(&mut journal, 1);
        rotate(&mut journal, dir.path());
        assert!(!journal.epochs().retire(false).expect("nothing stands in the way"));
    }
    let mut copied = Vec::new();
    let mut file = moment.snapshot().expect("there is one").reopen().expect("a file");
    file.read_to_end(&mut copied).expect("it is whole");
    assert_eq!(copied.len() as u64, moment.snapshot().map_or(0, Snapshot::bytes));
    let tail = dir.path().join("tail");
    assert_eq!(moment.write_tail(&tail, &|_| 0).expect("a tail").next_seq, 42);
    drop(moment);
    assert!(journal.epochs().retire(false).expect("nothing stands in the way"));
    assert!(!snapshot_path(dir.path(), 1).exists());
    let names = fs::read_dir(dir.path().join("snapshots")).expect("a list");
    assert_eq!(names.count(), 2, "nothing half removed is left");
}

#[test]
fn a_snapshot_that_somebody_reads_stays_until_that_has_ended() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    support::append_next(&mut journal, 1);
    rotate(&mut journal, dir.path());
    let base = journal.reader().base().expect("there is one");
    for epoch in 2..=4 {
        support::append_next(&mut journal, 1);
        rotate(&mut journal, dir.path());
        let all = journal.epochs().retire(false).expect("nothing stands in the way");
        assert_eq!(all, epoch < 3, "epoch {epoch}");
    }
    assert!(!snapshot_path(dir.path(), 2).exists(), "nobody reads the second");
    let (_, mut part) = base.part("state").expect("it has one");
    let mut bytes = Vec::new();
    part.read_to_end(&mut bytes).expect("it is whole");
    assert_eq!(bytes, 1_u64.to_le_bytes());
    drop((base, part));
    assert!(journal.epochs().retire(false).expect("nothing stands in the way"));
    assert!(!snapshot_path(dir.path(), 1).exists());
}

#[test]
fn a_moment_is_restored_with_the_same_records_and_chain() {
    for snapshots in 0..2 {
        let dir = TempDir::new().expect("a directory");
        let (mut journal, _) = support::open(dir.path());
        for _ in 0..snapshots {
            support::append_next(&mut journal, 30);
            rotate(&mut journal, dir.path());
        }
        support::append_next(&mut journal, 11);
        let moment = journal.epochs().moment();
        support::append_next(&mut journal, 5);
        let restored = TempDir::new().expect("a directory");
        let tail = restored.path().join("tail");
        let written = moment.write_tail(&tail, &|_| 0).expect("a tail");
        if let Some(snapshot) = moment.snapshot() {
            let place = snapshot_path(restored.path(), snapshot.position().epoch);
            fs::create_dir_all(place.parent().expect("a directory")).expect("room");
            fs::copy(snapshot.path(), place).expect("room");
        }
        let next_seq =
            restore_journal(restored.path(), &tail, &mut || true).expect("they fit together");
        assert_eq!(next_seq, 30 * snapshots + 12, "what came after the moment is not in it");
        let (journal, recovered) = support::open(restored.path());
        assert_eq!(recovered.chain, written.chain);
        assert_eq!(support::scan(&*journal.reader(), 30 * snapshots + 1, u64::MAX).len(), 11);
    }
}

#[test]
fn a_restore_that_nobody_wants_any_more_ends() {
    let (dir, target) = (TempDir::new().expect("one"), TempDir::new().expect("another"));
    let (mut journal, _) = support::open(dir.path());
    support::append_next(&mut journal, 1);
    support::append_next(&mut journal, 1);
    let tail = target.path().join("tail");
    journal.epochs().moment().write_tail(&tail, &|_| 0).expect("a tail");
    let mut asked = 0;
    let mut once = || {
        asked += 1;
        asked == 1
    };
    let ended = restore_journal(target.path(), &tail, &mut once);
    assert!(matches!(ended, Err(Error::Interrupted)), "{ended:?}");
    assert_eq!(asked, 2, "before every link");
}

#[test]
fn what_no_snapshot_covers_takes_room_on_disk_until_one_does() {
    const BYTES: usize = 8 << 20;
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    let large = support::Record { body: vec![7; BYTES], sections: Vec::new() };
    support::append(&mut journal, &[large]);
    let unsaved = |journal: &SledJournal| journal.epochs().unsaved_bytes().expect("the disk tells");
    assert!(unsaved(&journal) >= BYTES as u64);
    let end = journal.rotate().expect("the epoch ends");
    assert!(unsaved(&journal) >= BYTES as u64, "it has ended, and is needed");
    journal.epochs().adopt(snapshot(dir.path(), end));
    assert!(unsaved(&journal) < BYTES as u64);
}
