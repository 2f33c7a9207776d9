//! The walk of recovery, for an operator who wants to know and to change nothing.
//!
//! sled cannot open a database without writing to it, so the newest epoch is copied into a
//! temporary directory, the copy is opened, and it goes again at the end. That takes as much room
//! there (`TMPDIR`) as the epoch does.

use std::fs;
use std::path::Path;

use crate::store::{self, Store};
use crate::watermark::WatermarkFile;
use crate::{DataLock, Error, recovery, sled_journal};

const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// What a sound journal holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The epoch that was walked; `None` if there is no journal yet.
    pub epoch: Option<u64>,
    /// The number that the next record gets.
    pub next_seq: u64,
    /// Records in the journal.
    pub records: u64,
    /// Frames in the journal.
    pub frames: u64,
    /// The hash chain after the last record.
    pub chain: [u8; 32],
    /// The last acknowledged record, if the watermark is readable.
    pub watermark: Option<u64>,
    /// What is wrong with the tail that the next start will cut off, if there is one.
    pub torn: Option<String>,
}

/// Checks every frame, the chain and the watermark of the journal in a data directory.
///
/// # Errors
/// [`Error::Damaged`] if acknowledged records are missing; [`Error::InUse`] while the directory
/// has an owner; [`Error::Newer`], [`Error::Store`] and [`Error::Io`].
pub fn verify(dir: &Path) -> Result<Verified, Error> {
    let _lock = DataLock::share(dir)?;
    let found = WatermarkFile::read(dir)?;
    let epoch = sled_journal::newest_epoch(dir)?;
    let scratch = tempfile::Builder::new()
        .prefix("vobee-verify-")
        .tempdir()
        .map_err(Error::io("create a directory in", &std::env::temp_dir()))?;
    if let Some(epoch) = epoch {
        copy(&sled_journal::epoch_path(dir, epoch), scratch.path())?;
    }
    let store = Store::open(scratch.path(), CACHE_BYTES)?;
    let walked = recovery::walk(store.db(), found)?;
    if let Some(damage) = walked.damage {
        return Err(damage.into());
    }
    Ok(Verified {
        epoch,
        next_seq: walked.next_seq,
        records: walked.next_seq - 1,
        frames: walked.frames,
        chain: walked.chain,
        watermark: found.mark().map(|mark| mark.seq),
        torn: walked.flaw.map(|flaw| flaw.to_string()),
    })
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(from).map_err(Error::io("list", from))? {
        let entry = entry.map_err(Error::io("list", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            fs::create_dir(&target).map_err(Error::io("create", &target))?;
            copy(&source, &target)?;
        } else if !entry.file_name().to_str().is_some_and(store::is_unfinished_snapshot) {
            fs::copy(&source, &target).map_err(Error::io("copy", &source))?;
        }
    }
    Ok(())
}
