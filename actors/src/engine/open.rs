//! Opening, closing and watching an engine.

use std::future::ready;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::Either;
use ractor::ActorCell;
use serde::de::DeserializeOwned;
use snapshots::{Epochs, Journal, Reader, Section, SledJournal};
use tokio::sync::Semaphore;

use crate::answers::{self, Answers, Begun, UnderWay};
use crate::cell::{Cell, Domain};
use crate::clock::Clock;
use crate::committer::{Committer, Fatal};
use crate::entropy;
use crate::error::{Error, Failure};
use crate::fraud::{DisposableDomains, Marks};
use crate::identity::Identity;
use crate::ids::{Email, PersonId, Timestamp};
use crate::mailbox::{Live, Mailbox};
use crate::people::{self, People, Text};
use crate::record;
use crate::request::RequestTag;
use crate::role::Role;
use crate::snapshotter::{self, Keeper, Snapshotter};
use crate::supervisor::{Child, Supervised, Supervisor};
use crate::{invites, quality, referrals, waitlist};

/// How often the gate is looked at when nothing happens: calm has to be noticed too.
const GATE_EVERY: Duration = Duration::from_secs(5);

/// The rules of all domains.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies {
    /// Of the queue.
    pub waitlist: waitlist::Policy,
    /// Of codes.
    pub invites: invites::Policy,
    /// Of referrals and rewards.
    pub referrals: referrals::Policy,
    /// Of rates and the gate.
    pub quality: quality::Policy,
}

/// What an engine is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory; created when missing.
    pub dir: PathBuf,
    /// The rules.
    pub policies: Policies,
    /// Requests under way to one actor; more are refused.
    pub in_flight_max: usize,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Memory that the journal's store may use for pages, in bytes.
    pub cache_bytes: u64,
    /// Go on although acknowledged records are missing.
    pub accept_loss: bool,
    /// When snapshots are taken, and what becomes of the records that they cover.
    pub snapshots: snapshotter::Policy,
    /// Domains of addresses to throw away; replaced at will.
    pub disposable: DisposableDomains,
    /// Where the time comes from.
    pub clock: Clock,
}

/// What opening found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Records since the beginning.
    pub events: u64,
    /// The last record that the snapshot covered; 0 without one.
    pub snapshot_seq: u64,
    /// Records behind the snapshot, which were replayed.
    pub replayed: u64,
    /// Frames that were never acknowledged and were cut off.
    pub cut: u64,
    /// The acknowledged records that are gone for good, first and last, where that was accepted.
    pub lost: Option<(u64, u64)>,
    /// Damaged snapshots that were set aside.
    pub set_aside: usize,
    /// From the first look at the disk to the last actor's readiness.
    pub took: Duration,
}

/// Why an engine does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] snapshots::Error),
    /// An actor.
    #[error("{0}")]
    Rebuild(String),
}

/// A running engine. Cheap to clone; every clone is the same engine.
#[derive(Clone)]
pub struct Engine(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) identity: Identity,
    pub(super) disposable: DisposableDomains,
    pub(super) clock: Clock,
    pub(super) policies: Policies,
    pub(super) committer: Committer,
    fatal: Fatal,
    /// Whether commands are refused for want of room on the disk.
    held: AtomicBool,
    supervisor: ActorCell,
    pub(super) snapshotter: Snapshotter,
    /// What has happened, and where its archive lies.
    pub(super) history: (Box<dyn Reader>, Epochs),
    /// One permit: one policy simulation, or one look back, at a time.
    pub(super) simulating: Arc<Semaphore>,
    pub(super) waitlist: waitlist::Handle,
    pub(super) invites: invites::Handle,
    pub(super) referrals: referrals::Handle,
    pub(super) quality: quality::Handle,
    pub(super) people: people::Handle,
    pub(super) answers: answers::Handle,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine(…)")
    }
}

impl Engine {
    /// Opens the engine on a data directory: recovers the journal, rebuilds every actor from it,
    /// finishes the reactions that a crash has cut short.
    ///
    /// # Errors
    /// When the directory is in use or damaged, or the journal holds what this version cannot read.
    pub async fn open(options: Options, identity: Identity) -> Result<(Self, Recovery), OpenError> {
        let began = Instant::now();
        let store = snapshots::Options {
            dir: options.dir.clone(),
            cache_bytes: options.cache_bytes,
            accept_loss: options.accept_loss,
        };
        let opening = tokio::task::spawn_blocking(move || SledJournal::open(store));
        let (journal, recovered) =
            opening.await.map_err(|error| OpenError::Rebuild(error.to_string()))??;
        let epochs = journal.epochs();
        let engine = Self::start(&options, identity, Box::new(journal), epochs).await?;
        let took = began.elapsed();
        let recovery = Recovery {
            events: recovered.records,
            snapshot_seq: recovered.snapshot_seq,
            replayed: recovered.records - recovered.snapshot_seq,
            cut: recovered.cut,
            lost: recovered.lost,
            set_aside: recovered.set_aside.len(),
            took,
        };
        metrics::gauge!("vobee_recovery_seconds").set(took.as_secs_f64());
        metrics::gauge!("vobee_recovered_events").set(recovery.replayed as f64);
        Ok((engine, recovery))
    }

    /// Starts the actors on an open journal.
    async fn start(
        options: &Options,
        identity: Identity,
        journal: Box<dyn Journal>,
        epochs: Epochs,
    ) -> Result<Self, OpenError> {
        let Options { policies, clock, .. } = options;
        let reader = journal.reader();
        let fatal = Fatal::new();
        let committer = Committer::start(journal, clock.clone(), fatal.clone());
        let base = Base { options, committer: &committer, reader: reader.as_ref() };
        let (waitlist, waitlist_child) =
            base.domain::<waitlist::Waitlist>("waitlist", policies.waitlist.clone());
        let (invites, invites_child) =
            base.domain::<invites::Invites>("invites", policies.invites.clone());
        let (referrals, referrals_child) =
            base.domain::<referrals::Referrals>("referrals", policies.referrals.clone());
        let (quality, quality_child) = base.domain::<quality::Quality>("quality", policies.quality);
        let (people, people_child) = base.role("people", People::default);
        let (answers, answers_child) = base.role("answers", Answers::default);
        let children = vec![
            waitlist_child,
            invites_child,
            referrals_child,
            quality_child,
            people_child,
            answers_child,
        ];
        let supervisor = Supervisor::start(clock.clone(), fatal.clone(), children.clone())
            .await
            .map_err(OpenError::Rebuild)?;
        let history = (reader.box_clone(), epochs.clone());
        let keeper = Keeper {
            policy: options.snapshots,
            epochs,
            children,
            committer: committer.clone(),
            clock: clock.clone(),
        };
        let engine = Self(Arc::new(Inner {
            identity,
            disposable: options.disposable.clone(),
            clock: clock.clone(),
            policies: policies.clone(),
            committer,
            fatal,
            held: AtomicBool::new(false),
            supervisor,
            snapshotter: keeper.start(),
            history,
            simulating: Arc::new(Semaphore::new(1)),
            waitlist: waitlist::Handle(waitlist),
            invites: invites::Handle(invites),
            referrals: referrals::Handle(referrals),
            quality: quality::Handle(quality),
            people: people::Handle(people),
            answers: answers::Handle(answers),
        }));
        tokio::spawn(watch_gate(Arc::downgrade(&engine.0)));
        Ok(engine)
    }

    /// Derives ids and tokens.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// What an address, and a request from `client`, show of whoever sent it.
    pub(super) fn marks(&self, email: &Email, client: Option<IpAddr>) -> Marks {
        self.0.identity.marks(email, self.0.disposable.has(email), client)
    }

    /// The time, as events get it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Whether writes are taken.
    ///
    /// # Errors
    /// Why they are not.
    pub fn writable(&self) -> Result<(), String> {
        self.0.fatal.reason().map_or(Ok(()), Err)
    }

    /// Refuses commands from now on, or takes them again: the disk is almost full, or has room.
    /// Reads go on.
    pub fn hold_writes(&self, hold: bool) {
        self.0.held.store(hold, Ordering::Relaxed);
    }

    pub(super) fn take_writes(&self) -> Result<(), Failure> {
        if self.0.held.load(Ordering::Relaxed) { Err(Failure::StorageLow) } else { Ok(()) }
    }

    /// Waits until the engine cannot go on, and says why and what to do. Whatever was answered is
    /// on disk.
    pub async fn failed(&self) -> String {
        self.0.fatal.raised().await
    }

    /// Takes no more writes, commits those that were taken, and ends the actors.
    pub async fn close(&self) {
        self.0.committer.close().await;
        self.0.supervisor.stop(None);
    }

    /// Personal text, ready to travel beside an event.
    pub(super) fn section(person: PersonId, text: &Text<'_>) -> Section {
        Section { owner: person.get(), salt: entropy::salt(), text: text.encode() }
    }

    /// Carries out a request once, however often it is sent with its key.
    pub(super) fn once<T, R, F>(
        &self,
        tag: Option<RequestTag>,
        run: impl FnOnce(Option<UnderWay>) -> F,
    ) -> impl Future<Output = Result<T, Error>>
    where
        T: DeserializeOwned,
        R: DeserializeOwned + Into<Error>,
        F: Future<Output = Result<T, Error>>,
    {
        let Some(tag) = tag else {
            return match self.take_writes() {
                Ok(()) => Either::Left(run(None)),
                Err(failure) => Either::Right(Either::Left(ready(Err(failure.into())))),
            };
        };
        // Boxed: most requests carry no key, and every answer under way has room for the larger.
        Either::Right(Either::Right(Box::pin(self.once_by_key::<T, R, F>(tag, run))))
    }

    async fn once_by_key<T, R, F>(
        &self,
        tag: RequestTag,
        run: impl FnOnce(Option<UnderWay>) -> F,
    ) -> Result<T, Error>
    where
        T: DeserializeOwned,
        R: DeserializeOwned + Into<Error>,
        F: Future<Output = Result<T, Error>>,
    {
        match self.0.answers.begin(self.now(), tag).await? {
            Begun::Fresh(under_way) => {
                self.take_writes()?;
                run(Some(under_way)).await
            }
            Begun::Answered(outcome) => {
                let outcome: Result<T, R> = record::decode(&outcome)
                    .map_err(|_| Error::from(crate::request::Rejection::OtherBody))?;
                outcome.map_err(Into::into)
            }
        }
    }
}

/// What all actors are started with.
struct Base<'a> {
    options: &'a Options,
    committer: &'a Committer,
    reader: &'a dyn Reader,
}

impl Base<'_> {
    fn domain<D: Domain>(
        &self,
        name: &'static str,
        policy: D::Policy,
    ) -> (Mailbox<D::Message>, Arc<dyn Supervised>)
    where
        D::State: Send,
    {
        let committer = self.committer.clone();
        self.role(name, move || Cell::<D>::new(policy.clone(), committer.clone()))
    }

    fn role<R: Role>(
        &self,
        name: &'static str,
        make: impl Fn() -> R + Send + Sync + 'static,
    ) -> (Mailbox<R::Message>, Arc<dyn Supervised>) {
        let mailbox = Mailbox::new(self.options.in_flight_max, self.options.timeout);
        let live: Live<R::Message> = Arc::clone(mailbox.live());
        let child = Child {
            name,
            live,
            make: Box::new(make),
            committer: self.committer.clone(),
            reader: self.reader.box_clone(),
        };
        (mailbox, Arc::new(child))
    }
}

/// Looks at the gate now and then, for as long as the engine lives.
async fn watch_gate(engine: std::sync::Weak<Inner>) {
    loop {
        tokio::time::sleep(GATE_EVERY).await;
        let Some(inner) = engine.upgrade() else { return };
        // A gate that does not answer now is asked again; whoever needs its colour asks by
        // themselves.
        let _ = inner.quality.evaluate(inner.clock.now(), None).await;
    }
}
