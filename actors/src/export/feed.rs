//! Reading the journal from where a reader has come to.

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

/// Bytes of changes after which a read ends.
const BYTES_MAX: usize = 8 << 20;

/// How far somebody has come in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The last record.
    pub seq: Seq,
    /// The link of the journal's chain over it, where that is known: the proof that this is the
    /// place of the same number in the same history.
    pub chain: Option<[u8; 32]>,
}

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

/// Whether a journal that goes as far as `durable`, and has such a chain, has what lies before
/// `place`. Whoever has no proof is believed.
pub(super) fn knows(
    place: Place,
    durable: Seq,
    chain_at: impl FnOnce(Seq) -> Result<Option<[u8; 32]>, snapshots::Error>,
) -> Result<Option<bool>, snapshots::Error> {
    if place.seq > durable {
        return Ok(Some(false));
    }
    let Some(chain) = place.chain else { return Ok(Some(true)) };
    Ok(chain_at(place.seq)?.map(|ours| ours == chain))
}

/// What was read.
#[derive(Debug)]
pub struct Read {
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// Where they end: at the last record that was looked at.
    pub end: Place,
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

    /// Whether somebody who says to be at a place has read this journal, and no other that has
    /// gone on from an earlier place of it; None when nothing here can tell any more. Whoever has
    /// no proof is believed. Blocks.
    ///
    /// # Errors
    /// When the disk gives no answer.
    pub fn knows(&self, place: Place) -> Result<Option<bool>, Error> {
        Ok(knows(place, self.durable(), |seq| self.epochs.chain_at(seq))?)
    }

    /// The changes of some records from `from` on; none at the end of the journal. What one read
    /// brings at most is halved so many times. Blocks.
    ///
    /// # Errors
    /// [`Error::NotKept`] when it is too late, or too early.
    pub fn read(&self, from: Seq, halvings: u32) -> Result<Read, Error> {
        let end = self.durable();
        if from > end + 1 {
            return Err(Error::NotKept(from));
        }
        let bounds = Bounds::halved(halvings);
        let to = end.min(from + bounds.records - 1);
        let mut reading =
            Reading { bounds, changes: Vec::new(), bytes: 0, next: from, unreadable: None };
        if to < from {
            let end = Place { seq: from - 1, chain: None };
            return Ok(Read { changes: reading.changes, end });
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
            (Ok(()), None) => {
                let seq = reading.next - 1;
                let end = Place { seq, chain: self.epochs.chain_at(seq)? };
                Ok(Read { changes: reading.changes, end })
            }
        }
    }

    fn read_closed(&self, from: Seq, to: Seq, reading: &mut Reading) -> Result<(), Error> {
        let walk = Walk { reader: self.reader.as_ref(), epochs: &self.epochs, end: to };
        let read = walk.records(from, &mut |record| {
            reading.take(&record);
            !reading.is_full()
        });
        if read.is_ok() || reading.next > from {
            return Ok(());
        }
        match self.epochs.scan_kept(from, to + 1, &mut |record| reading.take(&record)) {
            Ok(()) | Err(snapshots::Error::Damaged { .. }) if reading.next > from => Ok(()),
            // A hole is as bad as an end.
            Ok(()) | Err(snapshots::Error::Damaged { .. }) => Err(Error::NotKept(from)),
            Err(error) => Err(error.into()),
        }
    }
}

/// What one read brings, at most.
struct Bounds {
    records: u64,
    changes: usize,
    bytes: usize,
}

impl Bounds {
    /// Never less than one record.
    fn halved(times: u32) -> Self {
        Self {
            records: RECORDS_MAX.checked_shr(times).unwrap_or(0).max(1),
            changes: CHANGES_MAX.checked_shr(times).unwrap_or(0).max(1),
            bytes: BYTES_MAX.checked_shr(times).unwrap_or(0),
        }
    }
}

/// What has been read so far.
struct Reading {
    bounds: Bounds,
    changes: Vec<Change>,
    /// Of the changes.
    bytes: usize,
    next: Seq,
    unreadable: Option<Unreadable>,
}

impl Reading {
    fn is_full(&self) -> bool {
        let Bounds { changes, bytes, .. } = self.bounds;
        let enough = self.changes.len() >= changes || self.bytes > bytes;
        enough || self.unreadable.is_some()
    }

    fn take(&mut self, record: &RecordView<'_>) {
        if self.is_full() || record.seq != self.next {
            return;
        }
        let before = self.changes.len();
        match project(record, &mut self.changes) {
            Ok(()) => {
                self.next = record.seq + 1;
                self.bytes += self.changes[before..].iter().map(Change::bytes).sum::<usize>();
            }
            Err(unreadable) => self.unreadable = Some(unreadable),
        }
    }
}
