//! A data directory, and a record in owned form to compare with.

use std::fs;
use std::path::{Path, PathBuf};

use snapshots::{
    Appended, Batch, Error, Journal, Options, Reader, Recovered, Section, SectionView, SledJournal,
};

pub(crate) const CACHE_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) body: Vec<u8>,
    pub(crate) sections: Vec<Section>,
}

/// A record whose content follows from its number.
pub(crate) fn record(seq: u64) -> Record {
    let length = usize::try_from(seq % 400).expect("a remainder fits");
    let mut body = seq.to_le_bytes().to_vec();
    body.resize(8 + length, seq.to_le_bytes()[0]);
    let text = format!("person {seq}").into_bytes().into_boxed_slice();
    let sections = vec![Section { owner: u128::from(seq) << 64, salt: [7; 16], text }];
    Record { body, sections }
}

pub(crate) fn batch(records: &[Record]) -> Batch {
    let mut batch = Batch::default();
    for record in records {
        batch.push(&record.body, &record.sections);
    }
    batch
}

pub(crate) fn append(journal: &mut SledJournal, records: &[Record]) -> Appended {
    journal.append(journal.next_seq(), &batch(records)).expect("the journal takes the batch")
}

/// Appends `count` records, each with the content that follows from its number, in one batch.
pub(crate) fn append_next(journal: &mut SledJournal, count: u64) -> Appended {
    let from = journal.next_seq();
    append(journal, &(from..from + count).map(record).collect::<Vec<_>>())
}

pub(crate) fn options(dir: &Path) -> Options {
    Options { dir: dir.to_path_buf(), cache_bytes: CACHE_BYTES, accept_loss: false }
}

pub(crate) fn open(dir: &Path) -> (SledJournal, Recovered) {
    SledJournal::open(options(dir)).expect("the journal opens")
}

pub(crate) fn open_accepting_loss(dir: &Path) -> (SledJournal, Recovered) {
    SledJournal::open(Options { accept_loss: true, ..options(dir) }).expect("the journal opens")
}

pub(crate) fn refusal(dir: &Path) -> Error {
    SledJournal::open(options(dir)).err().expect("the journal is refused")
}

pub(crate) fn scan(reader: &dyn Reader, from: u64, to: u64) -> Vec<(u64, Record)> {
    let mut records = Vec::new();
    let visited = reader.scan(from, to, &mut |view| {
        let sections = view.sections().map(kept).collect();
        records.push((view.seq, Record { body: view.body.to_vec(), sections }));
    });
    visited.expect("the journal is whole");
    records
}

fn kept(section: SectionView<'_>) -> Section {
    match section {
        SectionView::Kept { owner, salt, text } => Section { owner, salt, text: text.into() },
        SectionView::Erased { .. } => panic!("nothing was erased"),
    }
}

/// Holds the records with the content that follows from their numbers, `1..next_seq`.
pub(crate) fn assert_holds_exactly(journal: &SledJournal, next_seq: u64) {
    assert_eq!(journal.next_seq(), next_seq);
    let expected: Vec<_> = (1..next_seq).map(|seq| (seq, record(seq))).collect();
    assert!(scan(&*journal.reader(), 1, u64::MAX) == expected);
}

pub(crate) fn epoch(dir: &Path) -> PathBuf {
    dir.join("journal").join("0000000000000001")
}

/// Changes the store behind the journal's back.
pub(crate) fn meddle(dir: &Path, change: impl FnOnce(&sled::Db)) {
    let config =
        sled::Config::new().path(epoch(dir)).cache_capacity(CACHE_BYTES).segment_size(1 << 20);
    // The predecessor's thread pool may hold sled's lock a moment longer than the journal lived.
    let db = (0..500).find_map(|_| {
        let db = config.open().ok();
        if db.is_none() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        db
    });
    let db = db.expect("nobody else has the store");
    change(&db);
    db.flush().expect("the store flushes");
}

/// Flips one bit in the last byte of the frame under `key`.
pub(crate) fn flip(db: &sled::Db, key: &[u8]) {
    let mut frame = db.get(key).expect("the store reads").expect("the frame is there").to_vec();
    *frame.last_mut().expect("a frame is not empty") ^= 1;
    db.insert(key, frame).expect("the store writes");
}

pub(crate) fn keys(db: &sled::Db) -> Vec<sled::IVec> {
    db.iter().keys().collect::<Result<_, _>>().expect("the store reads")
}

/// Runs `later` and then puts the watermark back to where it was before.
pub(crate) fn unacknowledged<T>(dir: &Path, later: impl FnOnce() -> T) -> T {
    let path = dir.join("watermark");
    let before = fs::read(&path).expect("there is a watermark");
    let result = later();
    fs::write(&path, before).expect("the watermark is put back");
    result
}
