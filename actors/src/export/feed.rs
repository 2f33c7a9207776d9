//! Reading the journal from where a reader has come to.

use std::path::PathBuf;
use std::sync::Arc;

use snapshots::{Epochs, Reader, RecordView, Snapshot};

use crate::committer::Committer;
use crate::ids::Seq;
use crate::past::Walk;
use crate::record::Unreadable;

use super::change::Change;
use super::project::project;
use super::whole::Whole;

/// Records that one read looks at, at most.
const RECORDS_MAX: u64 = 8_192;

/// Changes after which a read ends. One record may bring some more.
const CHANGES_MAX: usize = 16_384;

/// Why there is nothing to read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The records from there on are not kept any more, or are not there yet: begin again.
    #[error("the events from {0} on are not kept")]
    NotKept(Seq),
    /// The disk, or what is on it.
    #[error("{0}")]
    Failed(String),
}

impl From<snapshots::Error> for Error {
    fn from(error: snapshots::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Unreadable> for Error {
    fn from(error: Unreadable) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What was read.
#[derive(Debug)]
pub struct Read {
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// The first record that was not looked at.
    pub next: Seq,
}

/// A running engine's journal, for somebody who follows it at their own pace. Reading blocks.
#[derive(Clone)]
pub struct Feed {
    reader: Arc<dyn Reader>,
    epochs: Epochs,
    committer: Committer,
}

impl Feed {
    pub(crate) fn new(reader: Box<dyn Reader>, epochs: Epochs, committer: Committer) -> Self {
        Self { reader: reader.into(), epochs, committer }
    }

    /// The newest durable record.
    #[must_use]
    pub fn durable(&self) -> Seq {
        self.committer.durable()
    }

    /// The newest snapshot as changes, to begin with; None before the first snapshot, when one
    /// begins at record 1.
    #[must_use]
    pub fn whole(&self) -> Option<Whole> {
        self.base().map(Whole::of_snapshot)
    }

    fn base(&self) -> Option<Arc<Snapshot>> {
        self.reader.base()
    }

    /// The first record that a reader who begins without a snapshot can have.
    #[must_use]
    pub fn snapshot_seq(&self) -> Seq {
        self.base().map_or(0, |base| base.position().seq)
    }

    /// Keeps what a reader needs who has come to `next`, as far as that is no more than `bytes_max`
    /// bytes; None needs nothing.
    pub fn need(&self, next: Option<Seq>, bytes_max: u64) {
        self.epochs.need(next, bytes_max);
    }

    /// The changes of some records from `from` on; none at the end of the journal. Blocks.
    ///
    /// # Errors
    /// [`Error::NotKept`] when it is too late, or too early.
    pub fn read(&self, from: Seq) -> Result<Read, Error> {
        let end = self.durable();
        if from > end + 1 {
            return Err(Error::NotKept(from));
        }
        let to = end.min(from + RECORDS_MAX - 1);
        let mut reading = Reading { changes: Vec::new(), next: from, unreadable: None };
        if to < from {
            return Ok(Read { changes: reading.changes, next: from });
        }
        // What is behind the newest snapshot is open. All else is in the archive, or in an epoch
        // that was kept.
        let open = self.reader.scan(from, to + 1, &mut |record| reading.take(&record));
        let read = match open {
            Err(snapshots::Error::Damaged { .. }) if reading.next == from => {
                self.read_closed(from, to, &mut reading)
            }
            other => other.map_err(Error::from),
        };
        match (read, reading.unreadable) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(unreadable)) => Err(unreadable.into()),
            (Ok(()), None) => Ok(Read { changes: reading.changes, next: reading.next }),
        }
    }

    fn read_closed(&self, from: Seq, to: Seq, reading: &mut Reading) -> Result<(), Error> {
        let dir: PathBuf = self.epochs.dir().to_owned();
        let walk = Walk { reader: self.reader.as_ref(), dir: &dir, end: to };
        let read = walk.records(from, &mut |record| {
            reading.take(&record);
            !reading.is_full()
        });
        if read.is_ok() || reading.next > from {
            return Ok(());
        }
        self.epochs.scan_kept(from, to + 1, &mut |record| reading.take(&record))?;
        if reading.next > from { Ok(()) } else { Err(Error::NotKept(from)) }
    }
}

/// What has been read so far.
struct Reading {
    changes: Vec<Change>,
    next: Seq,
    unreadable: Option<Unreadable>,
}

impl Reading {
    fn is_full(&self) -> bool {
        self.changes.len() >= CHANGES_MAX || self.unreadable.is_some()
    }

    fn take(&mut self, record: &RecordView<'_>) {
        if self.is_full() || record.seq != self.next {
            return;
        }
        match project(record, &mut self.changes) {
            Ok(()) => self.next = record.seq + 1,
            Err(unreadable) => self.unreadable = Some(unreadable),
        }
    }
}
