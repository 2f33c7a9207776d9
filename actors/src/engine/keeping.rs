//! Asking for snapshots.

use std::time::Duration;

use crate::snapshotter::{Error, Outcome, Snapshotter, Taken, room_for_backup};

use super::Engine;

/// So many snapshots are kept: what lies behind the older of them is gone.
const SNAPSHOTS_WITHOUT: u32 = 2;

impl Engine {
    /// Writes the state down, so that the next start reads it and replays only what came after.
    /// The engine goes on meanwhile.
    ///
    /// # Errors
    /// [`Error`]; the journal and the snapshot before are as they were.
    pub async fn snapshot(&self) -> Result<Taken, Error> {
        Ok(self.0.snapshotter.take().await?.taken)
    }

    /// The journal as it is now, for a backup. Looks at the disk.
    ///
    /// # Errors
    /// [`Error::NoRoom`] for a copy of what no snapshot covers.
    pub fn moment(&self) -> Result<snapshots::Moment, Error> {
        let Snapshotter { epochs, free_min_bytes, .. } = &self.0.snapshotter;
        room_for_backup(epochs, *free_min_bytes)?;
        Ok(epochs.moment())
    }

    /// Records that no snapshot covers: what a start would replay.
    #[must_use]
    pub fn unsaved_events(&self) -> u64 {
        self.0.snapshotter.epochs.progress().events
    }

    /// Makes the text of those who have left disappear from the disk now, rather than with the
    /// next rotations: two snapshots without it take the place of those with it, and what lies
    /// behind them goes.
    ///
    /// # Errors
    /// As for [`snapshot`](Self::snapshot), and when something is left on the disk, because of a
    /// failure or because somebody reads it.
    pub async fn compact(&self) -> Result<Taken, Error> {
        // What is appended from now on has no text of theirs, but the epoch that is written to now
        // may. A snapshot that was left over from a failure ends one before it.
        let epoch = self.0.snapshotter.epochs.progress().epoch;
        // Text that is to go does not wait for whoever would read epochs behind the others. A
        // snapshot that is read stays, and so does all that a backup reads: the caller is told.
        let _released = self.0.snapshotter.epochs.release();
        let (mut erased, mut took, mut covering) = (0, Duration::ZERO, 0);
        let mut tidied = Ok(());
        loop {
            let Outcome { taken, tidied: now } = self.0.snapshotter.take().await?;
            // What was held the first time is gone if it is not any more.
            tidied = match tidied {
                Err(Error::Held) => now,
                earlier => earlier.and(now),
            };
            erased += taken.erased;
            took += taken.took;
            covering += u32::from(taken.epoch >= epoch);
            if covering == SNAPSHOTS_WITHOUT {
                return tidied.map(|()| Taken { took, erased, ..taken });
            }
        }
    }
}
