//! A simulated mailbox, and the actor behind it.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use snapshots::Reader;

use crate::committer::{Committer, Delivery, Desk, Follower};
use crate::crash::Passed;
use crate::mailbox::{Envelope, Probe};
use crate::role::{ReplayError, Role, replay, restore};

/// What waits for an actor. A clone is the same mailbox.
pub(super) struct Queue<M>(Arc<Mutex<Waiting<M>>>);

struct Waiting<M> {
    /// Counts the actors that have read it: what is meant for one is not for its successor.
    life: u64,
    envelopes: VecDeque<Envelope<M>>,
}

impl<M> Clone for Queue<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M> Queue<M> {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Waiting { life: 0, envelopes: VecDeque::new() })))
    }

    pub(super) fn send(&self, message: M) {
        self.waiting().envelopes.push_back(Envelope::Message(message));
    }

    /// False when the actor that follows is gone.
    fn deliver(&self, life: u64, delivery: Delivery) -> bool {
        let mut waiting = self.waiting();
        let alive = waiting.life == life;
        if alive {
            waiting.envelopes.push_back(Envelope::Delivery(delivery));
        }
        alive
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an actor did not do what it was to do.
pub(super) enum Trouble {
    /// A crash point that the run has armed.
    Armed,
    /// The disk has failed, and the journal has stopped.
    Disk(String),
    /// A fault of the engine's.
    Bug(String),
}

impl Trouble {
    /// What a panic was about.
    pub(super) fn of_panic(name: &str, payload: &(dyn Any + Send)) -> Self {
        if payload.is::<Passed>() {
            return Self::Armed;
        }
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        Self::Bug(format!("{name} panicked: {}", text.unwrap_or("without a word")))
    }
}

/// One role of the engine, with its mailbox.
pub(super) struct Post<R: Role> {
    pub(super) name: &'static str,
    pub(super) make: Arc<dyn Fn() -> R + Send + Sync>,
    pub(super) queue: Queue<R::Message>,
    pub(super) role: Option<R>,
}

impl<R: Role> Post<R> {
    pub(super) fn new(name: &'static str, make: impl Fn() -> R + Send + Sync + 'static) -> Self {
        Self { name, make: Arc::new(make), queue: Queue::new(), role: None }
    }

    /// The path of every start: the snapshot, the journal, the committer's follower, the rest of
    /// the journal, the reactions that were cut short.
    fn rebuild(
        &self,
        committer: &Committer,
        reader: &dyn Reader,
        desk: &mut Desk,
    ) -> Result<R, Trouble> {
        let bug = |error: ReplayError| Trouble::Bug(format!("{}: {error}", self.name));
        let mut role = (self.make)();
        let from = restore(self.name, &mut role, reader.base().as_deref()).map_err(bug)?;
        let durable = committer.durable();
        let from = replay(&mut role, reader, from, durable + 1).map_err(bug)?;
        let (queue, life) = (self.queue.clone(), self.queue.waiting().life);
        let deliver = move |delivery| queue.deliver(life, delivery);
        let follower = Follower { wants: R::wants, deliver: Box::new(deliver) };
        let mut following = std::pin::pin!(committer.follow(follower));
        let newest = loop {
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(newest) = following.as_mut().poll(&mut context) {
                break newest.ok_or_else(|| bug(ReplayError::Stopped))?;
            }
            let moved = desk.commit().map_err(|error| Trouble::Disk(error.to_string()))?;
            if !moved && !desk.announce() {
                return Err(Trouble::Bug("nobody lets an actor follow".to_owned()));
            }
        };
        replay(&mut role, reader, from, newest + 1).map_err(bug)?;
        role.on_replayed();
        Ok(role)
    }
}

/// What all posts have in common.
pub(super) trait Stage {
    fn name(&self) -> &'static str;
    /// Takes the next envelope; false when there is none.
    fn run(&mut self) -> Result<bool, Trouble>;
    /// The actor and what waits for it are gone.
    fn vacate(&mut self);
    fn start(
        &mut self,
        committer: &Committer,
        reader: &dyn Reader,
        desk: &mut Desk,
    ) -> Result<(), Trouble>;
    fn probe(&self) -> Option<Probe>;
    /// The state that a start would make of what `feed` replays, at the turn of a probe.
    fn folded(
        &self,
        turn: u64,
        feed: &mut dyn FnMut(&mut dyn Replays) -> Result<(), String>,
    ) -> Folded;
}

/// The fingerprint of a fresh state, or why there is none.
pub(super) type Folded = Result<Option<u64>, String>;

/// What is replayed into.
pub(super) trait Replays {
    fn restore(&mut self, reader: &dyn Reader) -> Result<u64, String>;
    fn replay(&mut self, reader: &dyn Reader, from: u64, to: u64) -> Result<(), String>;
    fn replay_one(
        &mut self,
        seq: u64,
        body: &[u8],
        sections: &[snapshots::Section],
    ) -> Result<(), String>;
}

struct Fresh<R>(R, &'static str);

impl<R: Role> Replays for Fresh<R> {
    fn restore(&mut self, reader: &dyn Reader) -> Result<u64, String> {
        restore(self.1, &mut self.0, reader.base().as_deref()).map_err(|error| error.to_string())
    }

    fn replay(&mut self, reader: &dyn Reader, from: u64, to: u64) -> Result<(), String> {
        replay(&mut self.0, reader, from, to).map(drop).map_err(|error| error.to_string())
    }

    fn replay_one(
        &mut self,
        seq: u64,
        body: &[u8],
        sections: &[snapshots::Section],
    ) -> Result<(), String> {
        self.0.replay(seq, body, sections).map_err(|error| error.to_string())
    }
}

impl<R: Role> Stage for Post<R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn run(&mut self) -> Result<bool, Trouble> {
        let Some(role) = &mut self.role else { return Ok(false) };
        let Some(envelope) = self.queue.waiting().envelopes.pop_front() else { return Ok(false) };
        let running = AssertUnwindSafe(|| match envelope {
            Envelope::Message(message) => role.handle(message),
            Envelope::Delivery(delivery) => role.on_delivery(&delivery),
            Envelope::Probe(_) | Envelope::Condemn => {}
        });
        catch_unwind(running).map_err(|payload| Trouble::of_panic(self.name, payload.as_ref()))?;
        Ok(true)
    }

    fn vacate(&mut self) {
        self.role = None;
        let mut waiting = self.queue.waiting();
        waiting.life += 1;
        let lost = std::mem::take(&mut waiting.envelopes);
        drop(waiting);
        drop(lost);
    }

    fn start(
        &mut self,
        committer: &Committer,
        reader: &dyn Reader,
        desk: &mut Desk,
    ) -> Result<(), Trouble> {
        let starting = AssertUnwindSafe(|| self.rebuild(committer, reader, desk));
        let started = catch_unwind(starting);
        let role = started.map_err(|payload| Trouble::of_panic(self.name, payload.as_ref()))??;
        self.role = Some(role);
        Ok(())
    }

    fn probe(&self) -> Option<Probe> {
        let role = self.role.as_ref()?;
        Some(Probe { seq: role.at(), fingerprint: role.fingerprint(role.at()) })
    }

    fn folded(
        &self,
        turn: u64,
        feed: &mut dyn FnMut(&mut dyn Replays) -> Result<(), String>,
    ) -> Folded {
        let mut fresh = Fresh((self.make)(), self.name);
        feed(&mut fresh)?;
        Ok(fresh.0.fingerprint(turn))
    }
}
