//! Asking what another scoring policy would change.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, Failure};
use crate::policies::{Asked, Move, Rescoring, Simulation};
use crate::snapshotter::yield_to_others;
use crate::waitlist::{self, Entrant};

use super::Engine;

/// Entries that the waitlist copies in one go: a fraction of a millisecond.
const ENTRIES_A_PIECE: u32 = 16_384;
/// People whose texts are asked for in one go. A text has up to 16,000 bytes, so a piece has at
/// most 32 MB, and usually some hundred kilobytes.
const TEXTS_A_PIECE: usize = 2_048;
/// Pieces of text that wait to be worked on.
const PIECES_WAITING_MAX: usize = 1;

type Texts = Vec<Option<Box<str>>>;

impl Engine {
    /// The scoring policy that people who join now are scored by.
    #[must_use]
    pub fn scoring(&self) -> &waitlist::Policy {
        &self.0.policies.waitlist
    }

    /// Where everybody would stand under another policy; see [`policies`](crate::policies). The
    /// list and the texts are copied piece by piece, the work is done on a thread behind all
    /// others. Dropping the future ends it.
    ///
    /// # Errors
    /// [`Failure::Busy`] while another simulation runs; another [`Failure`] when an actor does not
    /// answer.
    pub async fn simulate(&self, asked: Asked) -> Result<Simulation, Error> {
        let began = Instant::now();
        let one = Arc::clone(&self.0.simulating).try_acquire_owned().map_err(|_| Failure::Busy)?;
        let line: Arc<[Entrant]> = self.line().await?.into();
        let events = self.0.committer.durable();
        let (pieces, waiting) = mpsc::channel(PIECES_WAITING_MAX);
        let (sender, simulated) = oneshot::channel();
        let rescoring = Rescoring::new(self.scoring(), &asked.policy, line.len());
        let whole = Arc::clone(&line);
        let work = move || {
            yield_to_others();
            let simulation = rescore(rescoring, &whole, waiting, &asked);
            drop(one);
            // None when a piece did not come; then, too, whoever asked has given up.
            if let Some(simulation) = simulation {
                let _ = sender.send(simulation);
            }
        };
        let thread = thread::Builder::new().name("policy-simulation".to_owned());
        thread.spawn(work).map_err(|_| Failure::Busy)?;
        for piece in line.chunks(TEXTS_A_PIECE) {
            let people = piece.iter().map(|entrant| entrant.person).collect();
            let texts = self.0.people.use_cases(self.now(), people).await?;
            pieces.send(texts).await.map_err(|_| Failure::Unavailable)?;
        }
        drop((pieces, line));
        let mut simulation = simulated.await.map_err(|_| Failure::Unavailable)?;
        self.name(&mut simulation).await?;
        simulation.events_replayed = events;
        simulation.took = began.elapsed();
        Ok(simulation)
    }

    /// A copy of everybody who is or was in line.
    async fn line(&self) -> Result<Vec<Entrant>, Error> {
        let (mut line, mut from) = (Vec::new(), Some(0));
        while let Some(first) = from {
            let piece = self.0.waitlist.stretch(self.now(), first, ENTRIES_A_PIECE).await?;
            if first == 0 {
                line.reserve_exact(piece.total as usize);
            }
            line.extend(piece.entrants);
            from = piece.next;
        }
        Ok(line)
    }

    /// Puts the addresses beside the moves that are told.
    async fn name(&self, simulation: &mut Simulation) -> Result<(), Error> {
        let mut moves: Vec<&mut Move> = simulation.moves().collect();
        for piece in moves.chunks_mut(TEXTS_A_PIECE) {
            let people = piece.iter().map(|moved| moved.person).collect();
            let profiles = self.0.people.profiles(self.now(), people).await?;
            for (moved, profile) in piece.iter_mut().zip(profiles) {
                moved.email = profile.map(|profile| profile.email);
            }
        }
        Ok(())
    }
}

/// Scores everybody, piece by piece; None when not all pieces came.
fn rescore(
    mut rescoring: Rescoring,
    line: &[Entrant],
    mut pieces: mpsc::Receiver<Texts>,
    asked: &Asked,
) -> Option<Simulation> {
    while let Some(texts) = pieces.blocking_recv() {
        for (entrant, text) in line[rescoring.len()..].iter().zip(texts) {
            rescoring.push(entrant, text.as_deref());
        }
    }
    (rescoring.len() == line.len()).then(|| rescoring.finish(line, asked))
}
