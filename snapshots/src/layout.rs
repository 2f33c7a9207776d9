//! Where things lie in a data directory, and what they are called.
//!
//! ```text
//! <data>/journal/<epoch>/           one sled database an epoch
//! <data>/snapshots/<epoch>.snap     the state at the end of that epoch
//! <data>/archive/<epoch>.events.zst the records of that epoch
//! ```
//! An epoch is written with 16 digits, so that names sort as numbers do. The first is 1.

use std::path::{Path, PathBuf};

use crate::{Error, files};

pub(crate) const EPOCH_FIRST: u64 = 1;

const JOURNAL: &str = "journal";
const SNAPSHOTS: &str = "snapshots";
const ARCHIVE: &str = "archive";
const SNAPSHOT_END: &str = ".snap";
const BAD_SNAPSHOT_END: &str = ".snap.bad";
const ARCHIVE_END: &str = ".events.zst";
const EPOCH_DIGITS: usize = 16;

pub(crate) fn journal_dir(dir: &Path) -> PathBuf {
    dir.join(JOURNAL)
}

pub(crate) fn epoch_path(dir: &Path, epoch: u64) -> PathBuf {
    journal_dir(dir).join(format!("{epoch:016}"))
}

pub(crate) fn snapshots_dir(dir: &Path) -> PathBuf {
    dir.join(SNAPSHOTS)
}

pub(crate) fn snapshot_path(dir: &Path, epoch: u64) -> PathBuf {
    snapshots_dir(dir).join(format!("{epoch:016}{SNAPSHOT_END}"))
}

/// What a snapshot is called that was found damaged.
pub(crate) fn bad_snapshot_path(dir: &Path, epoch: u64) -> PathBuf {
    snapshots_dir(dir).join(format!("{epoch:016}{BAD_SNAPSHOT_END}"))
}

/// Where the archives of a data directory lie.
#[must_use]
pub fn archive_dir(dir: &Path) -> PathBuf {
    dir.join(ARCHIVE)
}

/// The archive of one epoch.
#[must_use]
pub fn archive_path(dir: &Path, epoch: u64) -> PathBuf {
    archive_dir(dir).join(format!("{epoch:016}{ARCHIVE_END}"))
}

/// The epochs that have a directory, oldest first.
pub(crate) fn epochs(dir: &Path) -> Result<Vec<u64>, Error> {
    numbers(&journal_dir(dir), "")
}

/// The epochs that have a snapshot, oldest first.
pub(crate) fn snapshots(dir: &Path) -> Result<Vec<u64>, Error> {
    numbers(&snapshots_dir(dir), SNAPSHOT_END)
}

/// The epochs that have a snapshot that was found damaged, oldest first.
pub(crate) fn bad_snapshots(dir: &Path) -> Result<Vec<u64>, Error> {
    numbers(&snapshots_dir(dir), BAD_SNAPSHOT_END)
}

fn numbers(dir: &Path, end: &str) -> Result<Vec<u64>, Error> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let names = files::names(dir)?;
    let digits = names.iter().filter_map(|name| name.strip_suffix(end));
    let digits = digits.filter(|digits| digits.len() == EPOCH_DIGITS);
    let mut numbers: Vec<u64> = digits.filter_map(|digits| digits.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}
