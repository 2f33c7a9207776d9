//! The way into an actor: a permit first, then the message, then the answer in bounded time.
//!
//! ractor's mailboxes have no bound, so a permit is taken before a message is sent and travels with
//! it until the answer leaves. Handles find the live actor through a shared slot, because a
//! restarted one has a new address.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::FutureExt;
use futures_util::future::Either;
use ractor::ActorRef;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::answers::UnderWay;
use crate::committer::Delivery;
use crate::error::{Error, Failure};
use crate::ids::{Seq, Timestamp};

/// What an actor receives: a request from a handle, a durable batch to follow, or a question from
/// whoever takes snapshots.
#[derive(Debug)]
pub(crate) enum Envelope<M> {
    Message(M),
    Delivery(Delivery),
    /// How far the state has come, and its fingerprint there.
    Probe(oneshot::Sender<Probe>),
    /// The state is another one than the journal has: end, and be rebuilt.
    Condemn,
}

/// A state at one record, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) seq: Seq,
    /// None for a state that is no pure fold of the journal.
    pub(crate) fingerprint: Option<u64>,
}

/// Counts what is under way to one actor.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    in_flight: AtomicUsize,
    messages: AtomicU64,
    refused: AtomicU64,
}

impl Gate {
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// The right to have one message under way.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Gate>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The way back to whoever asked.
#[derive(Debug)]
pub(crate) struct Reply<T> {
    sender: oneshot::Sender<Result<T, Error>>,
    _permit: Permit,
}

impl<T> Reply<T> {
    pub(crate) fn send(self, outcome: Result<T, Error>) {
        // The caller may have given up; then nobody wants the answer.
        let _ = self.sender.send(outcome);
    }
}

/// What every message carries: when it was asked, whether it may be repeated under a key, and the
/// way back.
#[derive(Debug)]
pub(crate) struct Ask<T> {
    pub(crate) now: Timestamp,
    pub(crate) request: Option<UnderWay>,
    pub(crate) reply: Reply<T>,
}

#[cfg(feature = "simulation")]
impl<T> Ask<T> {
    /// A message that did not come through a mailbox, and where its answer arrives.
    pub(crate) fn simulated(
        now: Timestamp,
        request: Option<UnderWay>,
    ) -> (Self, oneshot::Receiver<Result<T, Error>>) {
        let (sender, answer) = oneshot::channel();
        let gate = Arc::new(Gate { in_flight: AtomicUsize::new(1), ..Gate::default() });
        (Self { now, request, reply: Reply { sender, _permit: Permit(gate) } }, answer)
    }
}

/// Where the live actor of a role is found; empty while it restarts.
pub(crate) type Live<M> = Arc<ArcSwapOption<ActorRef<Envelope<M>>>>;

/// Sends messages to one role. Cheap to clone.
#[derive(Debug)]
pub(crate) struct Mailbox<M: Send + 'static> {
    live: Live<M>,
    gate: Arc<Gate>,
    in_flight_max: usize,
    timeout: Duration,
}

impl<M: Send + 'static> Clone for Mailbox<M> {
    fn clone(&self) -> Self {
        Self { live: Arc::clone(&self.live), gate: Arc::clone(&self.gate), ..*self }
    }
}

impl<M: Send + 'static> Mailbox<M> {
    pub(crate) fn new(in_flight_max: usize, timeout: Duration) -> Self {
        Self { live: Live::default(), gate: Arc::default(), in_flight_max, timeout }
    }

    pub(crate) fn live(&self) -> &Live<M> {
        &self.live
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Sends the message that `make` builds; the future waits for its answer.
    ///
    /// # Errors
    /// [`Failure`] as its variants say; else what the actor answered.
    pub(crate) fn ask<T>(
        &self,
        now: Timestamp,
        request: Option<UnderWay>,
        make: impl FnOnce(Ask<T>) -> M,
    ) -> impl Future<Output = Result<T, Error>> {
        match self.send(now, request, make) {
            Ok(answer) => Either::Left(timeout(self.timeout, answer).map(|answer| match answer {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(Failure::Unavailable.into()),
                Err(_) => Err(Failure::TimedOut.into()),
            })),
            Err(failure) => Either::Right(ready(Err(failure.into()))),
        }
    }

    fn send<T>(
        &self,
        now: Timestamp,
        request: Option<UnderWay>,
        make: impl FnOnce(Ask<T>) -> M,
    ) -> Result<oneshot::Receiver<Result<T, Error>>, Failure> {
        let permit = self.permit()?;
        let (sender, answer) = oneshot::channel();
        self.cast(make(Ask { now, request, reply: Reply { sender, _permit: permit } }))?;
        Ok(answer)
    }

    /// Sends a message that nobody waits for.
    pub(crate) fn cast(&self, message: M) -> Result<(), Failure> {
        let live = self.live.load();
        let actor = live.as_ref().ok_or(Failure::Unavailable)?;
        actor.cast(Envelope::Message(message)).map_err(|_| Failure::Unavailable)
    }

    fn permit(&self) -> Result<Permit, Failure> {
        let before = self.gate.in_flight.fetch_add(1, Ordering::AcqRel);
        let permit = Permit(Arc::clone(&self.gate));
        if before >= self.in_flight_max {
            self.gate.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Failure::Busy);
        }
        self.gate.messages.fetch_add(1, Ordering::Relaxed);
        Ok(permit)
    }
}
