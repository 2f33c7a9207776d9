//! Closed epochs that stay for a reader, and what becomes of them when an archive is switched on.

use std::fs;
use std::path::{Path, PathBuf};

use snapshots::archive::Archive;
use snapshots::{Epochs, SledJournal, archive_path};
use tempfile::TempDir;

use crate::epochs::{archive, rotate};
use crate::support;

const RECORDS: u64 = 10;

/// A journal of `epochs` closed epochs, all of which a reader needs.
fn kept(dir: &Path, epochs: u64) -> SledJournal {
    let (mut journal, _) = support::open(dir);
    journal.epochs().need(Some(1), u64::MAX);
    for _ in 0..epochs {
        support::append_next(&mut journal, RECORDS);
        rotate(&mut journal, dir);
        journal.epochs().retire(false).expect("nothing stands in the way");
    }
    journal
}

fn path(dir: &Path, epoch: u64) -> PathBuf {
    dir.join(format!("journal/{epoch:016}"))
}

fn on_disk(dir: &Path) -> Vec<u64> {
    (1..100).filter(|&epoch| path(dir, epoch).exists()).collect()
}

fn size(path: &Path) -> u64 {
    let entries = fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry"));
    let size = |entry: fs::DirEntry| match entry.metadata().expect("it is there") {
        about if about.is_dir() => size(&entry.path()),
        about => about.len(),
    };
    entries.map(size).sum()
}

/// Lets go of all but the newest two of the epochs that two snapshots cover.
fn trim(journal: &SledJournal, dir: &Path) {
    let covered = on_disk(dir).into_iter().rev().skip(2);
    let room = covered.take(2).map(|epoch| size(&path(dir, epoch))).sum();
    journal.epochs().need(Some(1), room);
    journal.epochs().retire(false).expect("nothing stands in the way");
}

/// What a node does with its archive on.
fn tidy(journal: &SledJournal) {
    let epochs = journal.epochs();
    for epoch in epochs.unarchived().expect("a list") {
        archive(&epochs, epoch);
    }
    epochs.retire(true).expect("nothing stands in the way");
}

#[test]
fn an_archive_that_is_switched_on_after_epochs_were_trimmed_begins_behind_the_oldest() {
    for restarted in [false, true] {
        let dir = TempDir::new().expect("a directory");
        let mut journal = kept(dir.path(), 6);
        trim(&journal, dir.path());
        assert_eq!(on_disk(dir.path()), [4, 5, 6, 7]);
        if restarted {
            drop(journal);
            journal = support::open(dir.path()).0;
        }
        tidy(&journal);
        assert_eq!(on_disk(dir.path()), [6, 7]);
        let first = if restarted { 5 } else { 4 };
        for epoch in first..=6 {
            let archive = Archive::open(&archive_path(dir.path(), epoch)).expect("an archive");
            archive.verify().expect("the chain holds");
            assert_eq!(archive.first_seq(), (epoch - 1) * RECORDS + 1);
        }
        support::append_next(&mut journal, RECORDS);
        rotate(&mut journal, dir.path());
        tidy(&journal);
        assert_eq!(on_disk(dir.path()), [7, 8]);
    }
}

#[test]
fn an_epoch_that_says_what_the_next_follows_on_stays_until_the_archive_has_that() {
    let dir = TempDir::new().expect("a directory");
    let journal = kept(dir.path(), 6);
    trim(&journal, dir.path());
    drop(journal);
    let (journal, _) = support::open(dir.path());
    archive(&journal.epochs(), 4);
    journal.epochs().retire(true).expect("nothing stands in the way");
    assert_eq!(on_disk(dir.path()), [4, 5, 6, 7], "the archive of the fifth has failed");
    tidy(&journal);
    assert_eq!(on_disk(dir.path()), [6, 7]);
    assert!(archive_path(dir.path(), 5).exists());
}

#[test]
fn epochs_that_a_reader_has_behind_it_go_though_there_is_no_snapshot_where_it_is() {
    for restarted in [false, true] {
        let dir = TempDir::new().expect("a directory");
        let mut journal = kept(dir.path(), 6);
        if restarted {
            drop(journal);
            journal = support::open(dir.path()).0;
        }
        journal.epochs().need(Some(3 * RECORDS + 5), u64::MAX);
        journal.epochs().retire(false).expect("nothing stands in the way");
        assert_eq!(on_disk(dir.path()), [4, 5, 6, 7]);
    }
}

/// A journal of `epochs` closed epochs, all of which are in the archive.
fn archived(dir: &Path, epochs: u64) -> SledJournal {
    let (mut journal, _) = support::open(dir);
    for _ in 0..epochs {
        support::append_next(&mut journal, RECORDS);
        rotate(&mut journal, dir);
        tidy(&journal);
    }
    journal
}

/// Appends batches of one frame each, and one record that takes many; the chain over every record.
fn append_noting_chains(journal: &mut SledJournal, chains: &mut Vec<[u8; 32]>) {
    for count in [3, 1, 6] {
        let appended = support::append_next(journal, count);
        assert_eq!(appended.frames, 1);
        chains.extend((0..count).map(|_| appended.chain));
    }
    let large = support::Record { body: vec![7; 100_000], ..support::record(1) };
    chains.push(support::append(journal, &[large]).chain);
}

#[track_caller]
fn assert_chains(epochs: &Epochs, chains: &[[u8; 32]]) {
    for (seq, chain) in (0..).zip(chains) {
        assert_eq!(epochs.chain_at(seq).expect("an answer"), Some(*chain), "over {seq}");
    }
    let behind = epochs.chain_at(chains.len() as u64).expect("an answer");
    assert_eq!(behind, None, "what is not there has none");
}

#[test]
fn the_chain_over_a_record_is_told_by_whatever_has_the_record() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    journal.epochs().need(Some(1), u64::MAX);
    let mut chains = vec![[0; 32]];
    for _ in 0..4 {
        append_noting_chains(&mut journal, &mut chains);
        assert_chains(&journal.epochs(), &chains);
        rotate(&mut journal, dir.path());
        journal.epochs().retire(false).expect("nothing stands in the way");
        assert_chains(&journal.epochs(), &chains);
    }
    append_noting_chains(&mut journal, &mut chains);
    journal.epochs().prepare().expect("a next epoch");
    assert_chains(&journal.epochs(), &chains);
    drop(journal);
    let (journal, _) = support::open(dir.path());
    assert_chains(&journal.epochs(), &chains);
    tidy(&journal);
    assert_eq!(on_disk(dir.path()), [4, 5, 6]);
    assert_chains(&journal.epochs(), &chains);
    drop(journal);
    let (journal, _) = support::open(dir.path());
    assert_chains(&journal.epochs(), &chains);
    fs::remove_dir_all(dir.path().join("archive")).expect("it is there");
    let known: Vec<u64> = (1..chains.len() as u64)
        .filter(|&seq| journal.epochs().chain_at(seq).expect("an answer").is_some())
        .collect();
    assert_eq!(known, (33..chains.len() as u64).collect::<Vec<_>>(), "33 ends the third epoch");
}

#[test]
fn an_archive_that_cannot_be_read_hides_no_earlier_one_that_an_epoch_follows_on() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    let mut chains = vec![[0; 32]];
    for _ in 0..4 {
        append_noting_chains(&mut journal, &mut chains);
        rotate(&mut journal, dir.path());
        tidy(&journal);
    }
    append_noting_chains(&mut journal, &mut chains);
    assert_eq!(on_disk(dir.path()), [4, 5]);
    drop(journal);
    fs::write(archive_path(dir.path(), 4), "no archive").expect("room");
    fs::remove_file(dir.path().join(format!("snapshots/{:016}.snap", 3))).expect("it is there");
    let (journal, _) = support::open(dir.path());
    let archives = journal.epochs().archived(1).expect("a list");
    let epoch = |path: PathBuf| Archive::open(&path).expect("it is sound").epoch();
    let archives: Vec<_> = archives.into_iter().map(|path| path.ok().map(epoch)).collect();
    assert_eq!(archives, [Some(1), Some(2), Some(3), None]);
    assert_chains(&journal.epochs(), &chains);
}

#[test]
fn an_archive_that_was_removed_hides_no_earlier_one() {
    let dir = TempDir::new().expect("a directory");
    let journal = archived(dir.path(), 4);
    fs::remove_file(archive_path(dir.path(), 2)).expect("it is there");
    let archives = journal.epochs().archived(1).expect("a list");
    let epoch = |path: PathBuf| Archive::open(&path).expect("it is sound").epoch();
    let archives: Vec<_> = archives.into_iter().flatten().map(epoch).collect();
    assert_eq!(archives, [1, 3, 4]);
}

#[test]
fn archives_of_what_was_taken_back_are_not_of_the_journal_that_has_gone_on_otherwise() {
    let dirs = [TempDir::new(), TempDir::new()].map(|dir| dir.expect("a directory"));
    let mut journals = [&dirs[0], &dirs[1]].map(|dir| archived(dir.path(), 2));
    let [ours, others] = &mut journals;
    for (journal, dir, records) in [(ours, &dirs[0], 4), (others, &dirs[1], 7)] {
        for _ in 0..3 {
            support::append_next(journal, records);
            rotate(journal, dir.path());
            if records == 7 {
                tidy(journal);
            }
        }
    }
    let of = |journal: &SledJournal, from| {
        let archives = journal.epochs().archived(from).expect("a list");
        let epoch = |path: PathBuf| Archive::open(&path).expect("it is sound").epoch();
        archives.into_iter().map(|path| epoch(path.expect("it is sound"))).collect::<Vec<_>>()
    };
    let ours = &journals[0];
    for epoch in 3..=5 {
        let path = |dir: &TempDir| archive_path(dir.path(), epoch);
        fs::copy(path(&dirs[1]), path(&dirs[0])).expect("room");
    }
    fs::copy(archive_path(dirs[1].path(), 5), archive_path(dirs[0].path(), 6)).expect("room");
    assert_eq!(of(ours, 1), [1, 2]);
    assert_eq!(of(ours, RECORDS + 1), [2]);
    assert_eq!(of(ours, 2 * RECORDS + 1), [0; 0]);
    tidy(ours);
    assert_eq!(of(ours, 1), [1, 2, 3, 4, 5]);
}

#[test]
fn an_archive_of_another_history_tells_no_chain() {
    let (ours, others) = (TempDir::new(), TempDir::new());
    let [ours, others] = [ours, others].map(|dir| dir.expect("a directory"));
    let (mut journal, _) = support::open(ours.path());
    let mut chains = vec![[0; 32]];
    for _ in 0..4 {
        append_noting_chains(&mut journal, &mut chains);
        rotate(&mut journal, ours.path());
        tidy(&journal);
    }
    assert_chains(&journal.epochs(), &chains);
    let (mut other, _) = support::open(others.path());
    for _ in 0..4 {
        support::append_next(&mut other, chains.len() as u64 / 4);
        rotate(&mut other, others.path());
        tidy(&other);
    }
    fs::copy(archive_path(others.path(), 2), archive_path(ours.path(), 2)).expect("room");
    let told = |seq: usize| journal.epochs().chain_at(seq as u64).expect("an answer");
    assert_eq!([told(5), told(15)], [None, None], "nothing leads back there");
    assert_eq!([told(25), told(35)], [25, 35].map(|seq| Some(chains[seq])));
}
