//! Everything anew, from a state instead of from events.

use actors::export::Change;
use tokio::sync::mpsc;

use super::batch::Batch;
use super::error::Error;
use super::session::Session;

/// Changes that are written at once.
const CHANGES: usize = 20_000;
/// Pieces that wait to be written, at most.
const WAITING_MAX: usize = 2;

/// Writes everything that `visit` hands out, in place of what the tables hold, in one transaction;
/// how many rows that were. `visit` runs on a thread that may block, stops when its argument says
/// no more, and returns the record that the state stands at.
///
/// # Errors
/// When PostgreSQL refuses, or there is nothing to read; the tables are as they were then.
pub async fn load_from<E: ToString + Send + 'static>(
    session: &mut Session,
    visit: impl FnOnce(&mut dyn FnMut(Change) -> bool) -> Result<u64, E> + Send + 'static,
) -> Result<(u64, u64), Error> {
    let (sender, mut pieces) = mpsc::channel::<Vec<Change>>(WAITING_MAX);
    let reading = tokio::task::spawn_blocking(move || {
        let mut piece = Vec::with_capacity(CHANGES);
        let read = visit(&mut |change| {
            // An invitation stays with the person whom it is for, so that each has one row.
            let full = piece.len() >= CHANGES && !matches!(change, Change::Invited { .. });
            let sent = !full || {
                let full = std::mem::replace(&mut piece, Vec::with_capacity(CHANGES));
                sender.blocking_send(full).is_ok()
            };
            piece.push(change);
            sent
        });
        // Where nobody takes it, the load has failed already.
        let _ = sender.blocking_send(piece);
        read.map_err(|error| Error::Journal(error.to_string()))
    });
    let mut load = session.begin_load().await?;
    while let Some(piece) = pieces.recv().await {
        load.write(&Batch::of(piece)).await?;
    }
    let read = reading.await.map_err(|error| Error::Journal(error.to_string()))?;
    let seq = read?;
    let rows = load.finish(seq).await?;
    Ok((seq, rows))
}
