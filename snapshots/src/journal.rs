//! The seam between the engine and whatever keeps its records.
//!
//! Nothing here can be done only by an embedded store: a database on another machine that checks
//! the expected sequence number in the transaction that inserts can stand behind it too.

use std::sync::Arc;

use crate::{Batch, Error, Position, RecordView, Snapshot};

/// What the committer writes through. One owner, which calls from one thread.
pub trait Journal: Send {
    /// Makes the whole batch durable, or fails. `expected` is the number its first record gets.
    ///
    /// # Errors
    /// [`Error::Unexpected`] and [`Error::TooLarge`] leave the journal as it was. After any other
    /// error the fate of the batch is unknown and every later append fails: restart and recover.
    fn append(&mut self, expected: u64, batch: &Batch) -> Result<Appended, Error>;

    /// The number that the next record gets. The first is 1.
    fn next_seq(&self) -> u64;

    /// Ends the epoch behind the last record, where a snapshot can be taken, and begins the next.
    ///
    /// # Errors
    /// [`Error::Stopped`]; when the next epoch cannot begin, the old one goes on and nothing is
    /// lost.
    fn rotate(&mut self) -> Result<Position, Error>;

    /// A reader that sees every append that has returned.
    fn reader(&self) -> Box<dyn Reader>;
}

/// What recovery reads through, on any thread, also while appends go on.
pub trait Reader: Send + Sync {
    /// Visits the durable records with `from <= seq < to`, whole and in order.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a durable record in the range is missing or unreadable, or is covered
    /// by a snapshot and gone; `visit` has then seen everything before it.
    fn scan(&self, from: u64, to: u64, visit: &mut dyn FnMut(RecordView<'_>)) -> Result<(), Error>;

    /// The newest snapshot, if there is one: reading begins behind it.
    fn base(&self) -> Option<Arc<Snapshot>>;

    /// Another reader of the same journal.
    fn box_clone(&self) -> Box<dyn Reader>;
}

/// What one append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The number that the next record gets.
    pub next_seq: u64,
    /// Frames written.
    pub frames: u32,
    /// Bytes of these frames, headers included.
    pub bytes: u64,
    /// The hash chain before these records.
    pub chain_before: [u8; 32],
    /// The hash chain after them.
    pub chain: [u8; 32],
    /// Time spent waiting for the disk.
    pub sync_micros: u64,
}
