//! Asking for snapshots.

use crate::snapshotter::{Error, Taken};

use super::Engine;

impl Engine {
    /// Writes the state down, so that the next start reads it and replays only what came after.
    /// The engine goes on meanwhile.
    ///
    /// # Errors
    /// [`Error`]; the journal and the snapshot before are as they were.
    pub async fn snapshot(&self) -> Result<Taken, Error> {
        self.0.snapshotter.take().await
    }

    /// The journal as it is now, for a backup.
    #[must_use]
    pub fn moment(&self) -> snapshots::Moment {
        self.0.snapshotter.epochs.moment()
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
    /// As for [`snapshot`](Self::snapshot).
    pub async fn compact(&self) -> Result<Taken, Error> {
        let first = self.snapshot().await?;
        let second = self.snapshot().await?;
        let erased = first.erased + second.erased;
        Ok(Taken { took: first.took + second.took, erased, ..second })
    }
}
