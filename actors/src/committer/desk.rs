//! The committing thread and the herald without thread or runtime: they work when they are told to.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use snapshots::Journal;
use tokio::sync::mpsc;

use crate::clock::Clock;

use super::herald::{Herald, Tidings};
use super::thread::{Committer, Worker};

/// Both of them, each with one step at a time.
pub(crate) struct Desk {
    worker: Worker,
    herald: Herald,
    tidings: mpsc::Receiver<Tidings>,
}

impl Desk {
    pub(crate) fn new(journal: Box<dyn Journal>, clock: Clock) -> (Self, Committer) {
        let (worker, tidings) = Worker::new(journal, clock);
        let shared = Arc::clone(worker.shared());
        let herald = Herald::new(Arc::clone(&shared));
        (Self { worker, herald, tidings }, Committer(shared))
    }

    /// The committing thread's next turn, if one is due: a batch, or none, and what comes behind
    /// it. After an error nothing more may be asked of it.
    pub(crate) fn commit(&mut self) -> Result<bool, snapshots::Error> {
        self.worker.take_turn()
    }

    /// The herald's next piece of news, if there is one.
    pub(crate) fn announce(&mut self) -> bool {
        let Ok(tidings) = self.tidings.try_recv() else { return false };
        let telling = std::pin::pin!(self.herald.tell(tidings));
        let told = telling.poll(&mut Context::from_waker(Waker::noop()));
        assert!(told == Poll::Ready(()), "no simulated mailbox is ever full");
        true
    }
}
