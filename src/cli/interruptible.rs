//! Commands that leave nothing half done when a signal ends them.
//!
//! What is half done has an owner that removes it when it goes out of scope: a part of a backup, a
//! scratch directory. So a signal must not end the process, but the work. Work that waits, for a
//! node or a database, is dropped where it waits. Work that does not wait asks the switch now and
//! then, and fails. A second signal ends the process at once, and may leave something behind.

use anyhow::Context;

use crate::shutdown::{Interrupted, Shutdown};

/// Runs a command until it is done, or until SIGINT or SIGTERM. Within a tokio runtime.
///
/// # Errors
/// Those of the command; after a signal, [`Interrupted`] whatever it fails with.
pub(super) async fn interruptible<T>(
    command: impl AsyncFnOnce(&Shutdown) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let stop = Shutdown::on_signals().context("cannot listen for signals")?;
    let done = tokio::select! {
        done = command(&stop) => done,
        () = stop.requested() => Err(Interrupted.into()),
    };
    done.map_err(|error| if stop.is_requested() { Interrupted.into() } else { error })
}
