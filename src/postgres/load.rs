//! Everything anew, from a state instead of from events.

use actors::export::{Change, Place};
use tokio::sync::mpsc;

use super::batch::Batch;
use super::error::Error;
use super::portion::Portion;
use super::session::Session;

/// Changes that are written at once.
const CHANGES: usize = 20_000;
/// Bytes of changes after which no more are written at once.
const BYTES: usize = 16 << 20;
/// Pieces that wait to be written, at most.
const WAITING_MAX: usize = 2;

/// Writes everything that `visit` hands out, in place of what the tables hold, in one transaction;
/// how many rows that were. `visit` runs on a thread that may block, stops when its argument says
/// no more, and returns the place that the state stands at.
///
/// # Errors
/// When PostgreSQL refuses, or there is nothing to read; the tables are as they were then.
pub async fn load_from<E: ToString + Send + 'static>(
    session: &mut Session,
    portion: Portion,
    visit: impl FnOnce(&mut dyn FnMut(Change) -> bool) -> Result<Place, E> + Send + 'static,
) -> Result<(Place, u64), Error> {
    let (sender, mut pieces) = mpsc::channel::<Vec<Change>>(WAITING_MAX);
    let reading = tokio::task::spawn_blocking(move || {
        let mut piece = Piece::of(portion);
        let read = visit(&mut |change| {
            // An invitation stays with the person whom it is for, so that each has one row.
            let full = piece.is_full() && !matches!(change, Change::Invited { .. });
            let sent = !full || {
                let full = std::mem::replace(&mut piece, Piece::of(portion));
                sender.blocking_send(full.changes).is_ok()
            };
            piece.push(change);
            sent
        });
        // Where nobody takes it, the load has failed already.
        let _ = sender.blocking_send(piece.changes);
        read.map_err(|error| Error::Journal(error.to_string()))
    });
    let loaded = async {
        let mut load = session.begin_load(portion).await?;
        while let Some(piece) = pieces.recv().await {
            load.write(&Batch::of(piece)).await?;
        }
        Ok::<_, Error>(load)
    };
    let loaded = loaded.await;
    // Where that has failed: whoever reads has a whole part of the state in memory, and ends before
    // the next load begins.
    drop(pieces);
    let read = reading.await.map_err(|error| Error::Journal(error.to_string()))?;
    let (load, place) = (loaded?, read?);
    let rows = load.finish(place).await?;
    Ok((place, rows))
}

/// Changes that are written at once.
struct Piece {
    changes: Vec<Change>,
    /// Of the changes.
    bytes: usize,
    portion: Portion,
}

impl Piece {
    fn of(portion: Portion) -> Self {
        Self { changes: Vec::with_capacity(portion.of(CHANGES)), bytes: 0, portion }
    }

    fn is_full(&self) -> bool {
        self.changes.len() >= self.portion.of(CHANGES) || self.bytes > self.portion.of(BYTES)
    }

    fn push(&mut self, change: Change) {
        self.bytes += change.bytes();
        self.changes.push(change);
    }
}

#[cfg(test)]
mod tests {
    use actors::PersonId;
    use actors::people::Profile;

    use super::*;

    /// Somebody who has typed so much.
    fn named(number: u128, bytes: usize) -> Change {
        let profile = Profile { use_case: "x".repeat(bytes), ..Profile::default() };
        Change::Named { person: PersonId::from_owner(number), profile, whole: true }
    }

    fn fill(piece: &mut Piece, bytes: usize) -> usize {
        for number in 0.. {
            if piece.is_full() {
                break;
            }
            piece.push(named(number, bytes));
        }
        piece.changes.len()
    }

    #[test]
    fn a_piece_is_bounded_by_its_changes_and_by_their_bytes_and_halved_with_the_portion() {
        let mut portion = Portion::default();
        assert_eq!(fill(&mut Piece::of(portion), 10), CHANGES);
        let long = fill(&mut Piece::of(portion), 16 << 10);
        assert!(long <= BYTES / (16 << 10) + 1, "{long} of 16 KiB each");
        portion.after(&Error::Late(60));
        assert_eq!(fill(&mut Piece::of(portion), 10), CHANGES / 2);
        assert!(fill(&mut Piece::of(portion), 16 << 10) <= long / 2 + 1);
    }
}
