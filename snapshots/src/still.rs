//! The journal of a data directory that no process writes to, to be read and left as it is.
//!
//! sled cannot open a database without writing to it, so the epochs behind the newest snapshot are
//! copied into a temporary directory, the copies are opened, and they go again at the end. That
//! takes as much room there (`TMPDIR`) as the epochs do.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tempfile::TempDir;

use crate::disk::Files;
use crate::epochs::{EpochReader, Epochs, Shared};
use crate::journal::Reader;
use crate::snapshot::{Position, Snapshot};
use crate::store::{self, SledStore, Store};
use crate::watermark::WatermarkFile;
use crate::{DataLock, Error, layout, sled_journal};

pub(crate) const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Copies of the epochs behind a snapshot. Stores go before the directory that they lie in.
pub(crate) struct Copies {
    pub(crate) epochs: Vec<u64>,
    /// Whether there is no journal yet.
    pub(crate) fresh: bool,
    pub(crate) stores: Vec<Box<dyn Store>>,
    pub(crate) scratch: TempDir,
}

impl Copies {
    /// In a directory of their own in `room`.
    pub(crate) fn of(dir: &Path, newest: Option<Position>, room: &Path) -> Result<Copies, Error> {
        let scratch = tempfile::Builder::new()
            .prefix("vobee-verify-")
            .tempdir_in(room)
            .map_err(Error::io("create a directory in", room))?;
        let (epochs, fresh) = sled_journal::epochs_behind(layout::epochs(dir)?, newest);
        let mut stores: Vec<Box<dyn Store>> = Vec::new();
        for epoch in &epochs {
            let target = layout::epoch_path(scratch.path(), *epoch);
            fs::create_dir_all(&target).map_err(Error::io("create", &target))?;
            let source = layout::epoch_path(dir, *epoch);
            if source.is_dir() {
                copy(&source, &target)?;
            }
            stores.push(Box::new(SledStore::open(&target, CACHE_BYTES)?));
        }
        Ok(Copies { epochs, fresh, stores, scratch })
    }
}

/// A journal that stands still. Keeps owners out of the directory, and goes with its copies.
pub struct Still {
    shared: Arc<Shared>,
    chain: [u8; 32],
    _scratch: TempDir,
}

impl Still {
    /// Opens the newest snapshot and the journal behind it, and checks both. A torn tail is left
    /// out, as a start would cut it off.
    ///
    /// # Errors
    /// [`Error::Damaged`] if acknowledged records are missing; [`Error::DamagedFile`];
    /// [`Error::InUse`] while the directory has an owner; [`Error::Newer`], [`Error::Store`] and
    /// [`Error::Io`].
    pub fn open(dir: &Path) -> Result<Still, Error> {
        let lock = DataLock::share(dir)?;
        let newest = layout::snapshots(dir)?.last().copied();
        let base = newest.map(|epoch| Snapshot::open(&layout::snapshot_path(dir, epoch)));
        let base = base.transpose()?;
        let position = base.as_ref().map(Snapshot::position);
        let files = Files { dir: dir.to_path_buf(), cache_bytes: CACHE_BYTES };
        let found = WatermarkFile::read(&files)?;
        // In this order, so that on an early return stores go before their directory here too.
        let Copies { scratch, epochs, stores, .. } =
            Copies::of(dir, position, &std::env::temp_dir())?;
        let mut walked = sled_journal::walk(&stores, position, found)?;
        if let Some(damage) = walked.damage.take() {
            return Err(damage.into());
        }
        let (next_seq, chain) = (walked.next_seq, walked.chain);
        let epochs = sled_journal::epochs(epochs, stores, &walked);
        let disk = Arc::new(Files { dir: scratch.path().to_path_buf(), ..files });
        let shared = Shared::new(dir.to_path_buf(), disk, epochs, base, next_seq, lock);
        Ok(Still { shared: Arc::new(shared), chain, _scratch: scratch })
    }

    /// One more than its last record.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.shared.next_seq.load(Ordering::Acquire)
    }

    /// The hash chain after its last record.
    #[must_use]
    pub fn chain(&self) -> [u8; 32] {
        self.chain
    }

    /// The link of the chain over record `seq`, as [`Epochs::chain_at`] finds it.
    ///
    /// # Errors
    /// As there.
    pub fn chain_at(&self, seq: u64) -> Result<Option<[u8; 32]>, Error> {
        Epochs(Arc::clone(&self.shared)).chain_at(seq)
    }

    /// Reads it. Not to be kept for longer than this.
    #[must_use]
    pub fn reader(&self) -> Box<dyn Reader> {
        Box::new(EpochReader(Arc::clone(&self.shared)))
    }
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
