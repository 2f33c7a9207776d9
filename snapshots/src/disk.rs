//! Where a journal keeps its frames and its watermark.
//!
//! Everything above goes through this seam, so that the journal can be run over a disk that fails,
//! tears and forgets on purpose (`simulation.rs`). It is asked once an epoch, never for a frame.

use std::path::PathBuf;

use crate::store::{SledStore, Store};
use crate::watermark::{SlotFile, Slots};
use crate::{Error, layout};

/// The epochs and the slots of one journal.
pub(crate) trait Disk: Send + Sync {
    /// The epochs that are there, oldest first.
    fn epochs(&self) -> Result<Vec<u64>, Error>;
    /// Opens an epoch, or creates it, and makes it durable as it is.
    fn open_store(&self, epoch: u64) -> Result<Box<dyn Store>, Error>;
    /// Removes an epoch that nobody has open.
    fn remove_epoch(&self, epoch: u64) -> Result<(), Error>;
    /// The watermark's slots as they are, to read them; `None` if there are none.
    fn look_at_slots(&self) -> Result<Option<Box<dyn Slots>>, Error>;
    /// The watermark's slots, to write them.
    fn open_slots(&self) -> Result<Box<dyn Slots>, Error>;
}

/// A data directory.
pub(crate) struct Files {
    pub(crate) dir: PathBuf,
    /// What sled may keep in memory.
    pub(crate) cache_bytes: u64,
}

impl Disk for Files {
    fn epochs(&self) -> Result<Vec<u64>, Error> {
        layout::epochs(&self.dir)
    }

    fn open_store(&self, epoch: u64) -> Result<Box<dyn Store>, Error> {
        let path = layout::epoch_path(&self.dir, epoch);
        Ok(Box::new(SledStore::open(&path, self.cache_bytes)?))
    }

    fn remove_epoch(&self, epoch: u64) -> Result<(), Error> {
        SledStore::remove(&layout::epoch_path(&self.dir, epoch))
    }

    fn look_at_slots(&self) -> Result<Option<Box<dyn Slots>>, Error> {
        let slots = SlotFile::look(&self.dir)?;
        Ok(slots.map(|slots| -> Box<dyn Slots> { Box::new(slots) }))
    }

    fn open_slots(&self) -> Result<Box<dyn Slots>, Error> {
        Ok(Box::new(SlotFile::open(&self.dir)?))
    }
}
