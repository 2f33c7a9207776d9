//! Makes known what has become durable: first to the actors that follow, then to whoever waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::ids::Seq;

use super::batch::{Committed, Delivery, Records};
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
}

impl Herald {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, followers: Vec::new() }
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

    /// Returns the list of the answers, empty.
    async fn announce(
        &mut self,
        records: Vec<Committed>,
        mut tickets: Vec<(Seq, Ticket)>,
        link: Link,
    ) -> Vec<(Seq, Ticket)> {
        let first = records.first().map_or(Seq::MAX, |record| record.seq);
        let records = Arc::new(Records { list: records, shared: Arc::clone(&self.shared) });
        if let Some(newest) = records.last().map(|record| record.seq) {
            self.deliver(&records).await;
            self.shared.durable.store(newest, Ordering::Release);
        }
        for (seq, ticket) in tickets.drain(..) {
            debug_assert!(seq <= self.shared.durable.load(Ordering::Relaxed));
            let (chain_before, chain) = (link.before, link.after);
            ticket.release((seq >= first).then_some(Receipt { seq, chain_before, chain }));
        }
        tickets
    }

    /// Hands the batch to every follower that it matters to, before its answers are released, so
    /// that whoever gets one and asks another domain next sees the consequences. Followers that
    /// have died are forgotten: they follow again when they are back.
    async fn deliver(&mut self, records: &Arc<Records>) {
        let mut index = 0;
        while let Some((follower, outstanding)) = self.followers.get(index) {
            let mut alive = true;
            if records.iter().any(follower.wants) {
                while outstanding.load(Ordering::Acquire) >= OUTSTANDING_MAX {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                outstanding.fetch_add(1, Ordering::AcqRel);
                let (records, outstanding) = (Arc::clone(records), Arc::clone(outstanding));
                alive = (follower.deliver)(Delivery { records, outstanding });
            }
            if alive {
                index += 1;
            } else {
                self.followers.swap_remove(index);
            }
        }
    }
}

impl Drop for Herald {
    fn drop(&mut self) {
        self.shared.on_herald_gone();
    }
}
