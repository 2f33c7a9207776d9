//! Makes known what has become durable: first to the actors that follow, then to whoever waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::ids::Seq;

use super::batch::{Committed, Delivery, Emptied};
use super::thread::Shared;
use super::tickets::{Receipt, Ticket};

/// Batches that a follower may leave unread before the herald waits for it.
const OUTSTANDING_MAX: usize = 1_024;
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// An actor that hears of durable records.
pub(crate) struct Follower {
    /// Which records matter to it. A batch without any is not delivered.
    pub(crate) wants: fn(&Committed) -> bool,
    /// Its mailbox: false when nobody reads it any more.
    pub(crate) deliver: Box<dyn Fn(Delivery) -> bool + Send + Sync>,
}

/// The hash chain before and after a commit.
#[derive(Clone, Copy, Default)]
pub(super) struct Link {
    pub(super) before: [u8; 32],
    pub(super) after: [u8; 32],
}

/// What the committing thread has to say.
pub(super) enum Tidings {
    /// These records are durable, and so is all that these answers were computed from.
    Committed { records: Vec<Committed>, tickets: Vec<(Seq, Ticket)>, link: Link },
    /// Somebody wants to hear of everything after what has been said so far.
    Follow { follower: Follower, from: oneshot::Sender<Seq> },
}

/// Delivers and releases, batch after batch, on the runtime: what it wakes is near.
pub(super) struct Herald {
    shared: Arc<Shared>,
    followers: Vec<(Follower, Arc<AtomicUsize>)>,
    /// The newest batch, which followers may still be reading.
    delivered: Arc<Vec<Committed>>,
}

impl Herald {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, followers: Vec::new(), delivered: Arc::default() }
    }

    pub(super) async fn run(mut self, mut tidings: mpsc::Receiver<Tidings>) {
        while let Some(tidings) = tidings.recv().await {
            self.tell(tidings).await;
        }
    }

    pub(super) async fn tell(&mut self, tidings: Tidings) {
        match tidings {
            Tidings::Committed { records, tickets, link } => {
                let emptied = self.announce(records, tickets, link).await;
                self.shared.on_announced(emptied);
            }
            Tidings::Follow { follower, from } => {
                self.followers.push((follower, Arc::default()));
                // A follower that has died meanwhile is found out at the next delivery.
                let _ = from.send(self.shared.durable.load(Ordering::Relaxed));
            }
        }
    }

    async fn announce(
        &mut self,
        mut records: Vec<Committed>,
        mut tickets: Vec<(Seq, Ticket)>,
        link: Link,
    ) -> Emptied {
        let first = records.first().map_or(Seq::MAX, |record| record.seq);
        if let Some(newest) = records.last().map(|record| record.seq) {
            records = self.deliver(records).await;
            self.shared.durable.store(newest, Ordering::Release);
        }
        for (seq, ticket) in tickets.drain(..) {
            debug_assert!(seq <= self.shared.durable.load(Ordering::Relaxed));
            let (chain_before, chain) = (link.before, link.after);
            ticket.release((seq >= first).then_some(Receipt { seq, chain_before, chain }));
        }
        Emptied { records, tickets }
    }

    /// Hands the batch to every follower that it matters to, before its answers are released, so
    /// that whoever gets one and asks another domain next sees the consequences. Followers that
    /// have died are forgotten: they follow again when they are back. Returns the list of the batch
    /// before, empty, if everybody has read it.
    async fn deliver(&mut self, records: Vec<Committed>) -> Vec<Committed> {
        let records = Arc::new(records);
        let mut index = 0;
        while let Some((follower, outstanding)) = self.followers.get(index) {
            let mut alive = true;
            if records.iter().any(follower.wants) {
                while outstanding.load(Ordering::Acquire) >= OUTSTANDING_MAX {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                outstanding.fetch_add(1, Ordering::AcqRel);
                let (records, outstanding) = (Arc::clone(&records), Arc::clone(outstanding));
                alive = (follower.deliver)(Delivery { records, outstanding });
            }
            if alive {
                index += 1;
            } else {
                self.followers.swap_remove(index);
            }
        }
        let before = std::mem::replace(&mut self.delivered, records);
        let mut emptied = Arc::into_inner(before).unwrap_or_default();
        emptied.clear();
        emptied
    }
}

impl Drop for Herald {
    fn drop(&mut self) {
        self.shared.on_herald_gone();
    }
}
