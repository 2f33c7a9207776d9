//! The work itself, on a thread that yields to everybody else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use snapshots::{Epochs, Position, SnapshotWriter, archive};

use crate::event::{Event, Stream};
use crate::ids::{PersonId, Seq, Timestamp};
use crate::mailbox::Probe;
use crate::record::{self, NO_EVENT};
use crate::role::FoldError;
use crate::supervisor::Supervised;

use super::policy::Archive;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A snapshot that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The epoch at whose end it stands.
    pub epoch: u64,
    /// The last record in it.
    pub seq: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// How long it took, from the end of the epoch to a file that has been read back.
    pub took: Duration,
    /// Sections of text in older archives that were erased behind it.
    pub erased: u64,
}

/// A snapshot, and whether what it covers was tidied up.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) taken: Taken,
    pub(crate) tidied: Result<(), Error>,
}

/// Why there is no snapshot. The journal is whole, and so is the snapshot before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The disk, or the journal.
    #[error("{0}")]
    Failed(String),
    /// A live state is another one than the journal has; its actor is being rebuilt.
    #[error("the live state of {actor} differs from the journal at record {seq}; it is rebuilt")]
    Differs {
        /// Whose.
        actor: &'static str,
        /// Where it was noticed.
        seq: Seq,
    },
    /// It might touch what is to stay free on the disk.
    #[error(
        "{what} may take {bytes} bytes; {free} are free on the disk, and {reserve} are to stay \
         free; make room"
    )]
    NoRoom {
        /// A snapshot, or a backup.
        what: &'static str,
        /// As much as it may take.
        bytes: u64,
        /// As much as is free.
        free: u64,
        /// As much as is to stay free.
        reserve: u64,
    },
    /// Somebody copies what would be removed.
    #[error(
        "a backup or a load of PostgreSQL reads what would be removed; try again after its end"
    )]
    Held,
    /// The engine stops.
    #[error("the engine is stopping")]
    Stopping,
}

impl From<snapshots::Error> for Error {
    fn from(error: snapshots::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// All that the work needs.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) epochs: Epochs,
    pub(crate) children: Arc<[Arc<dyn Supervised>]>,
    pub(crate) archive: Archive,
}

impl Worker {
    /// Writes the snapshot as of `end`. What it covers is still to be tidied up.
    pub(crate) fn take(
        &self,
        end: Position,
        probes: &[Option<Probe>],
        now: Timestamp,
    ) -> Result<Taken, Error> {
        let began = Instant::now();
        let mut writer = SnapshotWriter::create(self.epochs.dir(), end, now.micros())?;
        for (index, child) in self.children.iter().enumerate() {
            crash_point!("snapshotter.before_fold");
            let probe = probes.get(index).copied().flatten();
            child.fold(end, probe, &mut writer).map_err(|error| match error {
                FoldError::Differs(seq) => {
                    child.condemn();
                    Error::Differs { actor: child.name(), seq }
                }
                FoldError::Replay(_) | FoldError::Write(_) => Error::Failed(error.to_string()),
            })?;
        }
        let snapshot = writer.finish()?;
        let (bytes, took) = (snapshot.bytes(), began.elapsed());
        crash_point!("snapshotter.before_adopt");
        self.epochs.adopt(snapshot);
        Ok(Taken { epoch: end.epoch, seq: end.seq, bytes, took, erased: 0 })
    }

    /// Brings the archive up to date, erases from it the text of those who left, and removes what
    /// two newer snapshots cover; how many sections were erased. Whatever is cut short is done by
    /// the next call: an epoch stays until all this has been done for it.
    ///
    /// What fails does not keep the rest from being done; the first failure is returned.
    pub(crate) fn tidy(&self, now: Timestamp) -> Result<u64, Error> {
        let mut done = Done::default();
        let kept = self.keep(&mut done);
        let is_kept = kept.is_ok();
        done.note(kept);
        crash_point!("snapshotter.before_retire");
        if is_kept || self.archive != Archive::Off {
            let retired = self.epochs.retire(self.archive != Archive::Off);
            done.is_held = matches!(retired, Ok(false));
            done.note(retired.map(|_| ()));
        }
        if let Archive::Days(days) = self.archive {
            let oldest = now.micros().saturating_sub(i64::from(days) * MICROS_PER_DAY);
            done.note(self.epochs.forget(oldest));
        }
        match done.failed {
            Some(error) => Err(error.into()),
            None if done.is_held => Err(Error::Held),
            None => Ok(done.erased),
        }
    }

    /// Archives the closed epochs, oldest first, as far as nothing stands in the way.
    fn keep(&self, done: &mut Done) -> Result<(), snapshots::Error> {
        for epoch in self.epochs.unarchived()? {
            let leavers = self.epochs.leavers(epoch, &leaver)?;
            let gone = |owner: u128, seq: u64| leavers.get(&owner).is_some_and(|&left| seq <= left);
            if !leavers.is_empty() {
                self.erase(&gone, done)?;
            }
            if self.archive != Archive::Off {
                crash_point!("snapshotter.before_archive");
                self.epochs.archive(epoch, &time, &gone)?;
            }
        }
        Ok(())
    }

    /// Takes text out of the archives. One that cannot be read for good is left to the operator:
    /// the others must not wait for it.
    fn erase(
        &self,
        gone: &dyn Fn(u128, u64) -> bool,
        done: &mut Done,
    ) -> Result<(), snapshots::Error> {
        for (_, path) in archive::list(&snapshots::archive_dir(self.epochs.dir()))? {
            crash_point!("snapshotter.before_erase");
            match archive::erase(&path, gone) {
                Ok(sections) => done.erased += sections,
                Err(error) if error.is_unreadable() => {
                    let path = path.display();
                    tracing::error!(
                        %error, %path,
                        "text of those who left may be in an archive that cannot be read; remove \
                         it: a copy of it from before has that text as well"
                    );
                    done.note(Err(error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What has been tidied up, and the first thing that went wrong.
#[derive(Default)]
struct Done {
    erased: u64,
    /// Something was not removed, since somebody reads it.
    is_held: bool,
    failed: Option<snapshots::Error>,
}

impl Done {
    fn note(&mut self, outcome: Result<(), snapshots::Error>) {
        if let Err(error) = outcome {
            self.failed.get_or_insert(error);
        }
    }
}

/// Who left with a record, and is to be forgotten.
fn leaver(body: &[u8]) -> Option<u128> {
    let record = record::read(body).ok()?;
    if record.head.stream != Stream::Waitlist || record.head.tag == NO_EVENT {
        return None;
    }
    match Event::decode(record.head, record.payload) {
        Ok(Event::Waitlist(event)) => event.forgets().map(PersonId::get),
        Ok(_) | Err(_) => None,
    }
}

/// When a record of the journal was decided, in microseconds since 1970, by its body; 0 for a body
/// that is none of ours.
#[must_use]
pub fn time(body: &[u8]) -> i64 {
    record::read(body).map_or(0, |record| record.head.at.micros())
}

/// Puts this thread behind all others. Where that is not allowed, it works beside them.
pub(crate) fn yield_to_others() {
    let thread = rustix::thread::gettid();
    let _ = rustix::process::setpriority_process(Some(thread), 19);
}
