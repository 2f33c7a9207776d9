//! The walk of recovery, for an operator who wants to know and to change nothing.
//!
//! The epochs behind the newest snapshot are walked in a copy (`still.rs`). Snapshots and archives
//! are read where they lie, every byte of them.

use std::path::Path;

use crate::archive::{self, Archive};
use crate::disk::Files;
use crate::snapshot::Snapshot;
use crate::still::{CACHE_BYTES, Copies};
use crate::watermark::WatermarkFile;
use crate::{DataLock, Error, layout, sled_journal};

/// What a sound data directory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The newest epoch; `None` if there is no journal yet.
    pub epoch: Option<u64>,
    /// The number that the next record gets.
    pub next_seq: u64,
    /// The last record that the newest snapshot covers; 0 without one.
    pub snapshot_seq: u64,
    /// Records behind that snapshot.
    pub records: u64,
    /// Frames behind that snapshot.
    pub frames: u64,
    /// The hash chain after the last record.
    pub chain: [u8; 32],
    /// The last acknowledged record, if the watermark is readable.
    pub watermark: Option<u64>,
    /// What is wrong with the tail that the next start will cut off, if there is one.
    pub torn: Option<String>,
    /// Sound snapshots.
    pub snapshots: usize,
    /// Sound archives.
    pub archives: usize,
    /// Records in them.
    pub archived: u64,
    /// Records up to the newest snapshot that no archive has, as first and last. That may be as it
    /// was set; it is for the reader to know.
    pub unarchived: Vec<(u64, u64)>,
}

/// Checks every snapshot and archive, and every frame, the chain and the watermark of the journal
/// in a data directory.
///
/// # Errors
/// [`Error::Damaged`] if acknowledged records are missing; [`Error::DamagedFile`];
/// [`Error::InUse`] while the directory has an owner; [`Error::Newer`], [`Error::Store`] and
/// [`Error::Io`].
pub fn verify(dir: &Path) -> Result<Verified, Error> {
    verify_within(dir, &std::env::temp_dir(), &mut || true)
}

/// As [`verify`], with the copies of the epochs in `room`, where they go again. `go_on` is asked
/// again and again, and a no ends it.
///
/// # Errors
/// As for [`verify`]; [`Error::Interrupted`].
pub fn verify_within(
    dir: &Path,
    room: &Path,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Verified, Error> {
    let mut go_on = || if go_on() { Ok(()) } else { Err(Error::Interrupted) };
    let _lock = DataLock::share(dir)?;
    let archives = verify_archives(dir, &mut go_on)?;
    let snapshots = layout::snapshots(dir)?;
    let mut newest = None;
    for &epoch in &snapshots {
        go_on()?;
        newest = Some(Snapshot::open(&layout::snapshot_path(dir, epoch))?.position());
    }
    let found = WatermarkFile::read(&Files { dir: dir.to_path_buf(), cache_bytes: CACHE_BYTES })?;
    let copies = Copies::of(dir, newest, room)?;
    go_on()?;
    let walked = sled_journal::walk(&copies.stores, newest, found)?;
    if let Some(damage) = walked.damage {
        return Err(damage.into());
    }
    let snapshot_seq = newest.map_or(0, |position| position.seq);
    Ok(Verified {
        epoch: copies.epochs.last().copied().filter(|_| !copies.fresh),
        next_seq: walked.next_seq,
        snapshot_seq,
        records: walked.next_seq - 1 - snapshot_seq,
        frames: walked.frames,
        chain: walked.chain,
        watermark: found.mark().map(|mark| mark.seq),
        torn: walked.flaw.map(|flaw| flaw.to_string()),
        snapshots: snapshots.len(),
        archives: archives.len(),
        archived: archives.iter().map(|(first, next)| next - first).sum(),
        unarchived: gaps(&archives, snapshot_seq + 1),
    })
}

/// What lies before `end` and in none of the ranges, which are in order.
fn gaps(ranges: &[(u64, u64)], end: u64) -> Vec<(u64, u64)> {
    let mut gaps = Vec::new();
    let mut next = 1;
    for &(first, after) in ranges.iter().chain(&[(end, end)]) {
        if first > next {
            gaps.push((next, first - 1));
        }
        next = next.max(after);
    }
    gaps
}

/// Which records each archive holds: the first, and the one after the last. Each has to follow on
/// the one before, as far as that is there.
fn verify_archives(
    dir: &Path,
    go_on: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<Vec<(u64, u64)>, Error> {
    let mut before: Option<(u64, Archive)> = None;
    let mut ranges = Vec::new();
    for (epoch, path) in archive::list(&layout::archive_dir(dir))? {
        go_on()?;
        let archive = Archive::open(&path)?;
        archive.verify()?;
        if let Some((number, before)) = &before
            && number + 1 == epoch
            && (before.next_seq(), before.chain()) != (archive.first_seq(), archive.chain_before())
        {
            let what = "it does not follow on the archive before it".to_owned();
            return Err(Error::DamagedFile { path, what });
        }
        ranges.push((archive.first_seq(), archive.next_seq()));
        before = Some((epoch, archive));
    }
    Ok(ranges)
}
