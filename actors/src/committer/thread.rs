//! The committing thread and the handle that domain actors append through.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram};
use snapshots::{Appended, Journal, Position, Section};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::event::Event;
use crate::ids::{Seq, Timestamp};
use crate::request::RequestTag;

use super::batch::{Committed, Gathering};
use super::herald::{Follower, Herald, Link, Tidings};
use super::tickets::Ticket;

/// A commit that takes longer than this hangs for good: the process is ended.
const COMMIT_SECONDS_MAX: u64 = 30;
/// Batches that are durable and not yet announced, at most.
const UNANNOUNCED_MAX: usize = 64;
/// Room that a batch's buffer keeps between batches, in bytes.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// Room that a batch's lists keep between batches, in records and in answers.
const KEPT_RECORDS_MAX: usize = 16_384;

/// Says once why the engine must end.
#[derive(Clone, Debug)]
pub(crate) struct Fatal(watch::Sender<Option<String>>);

impl Fatal {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Records the first reason; later ones are its consequences.
    pub(crate) fn raise(&self, reason: String) {
        self.0.send_if_modified(|first| {
            let raised = first.is_none();
            first.get_or_insert(reason);
            raised
        });
    }

    pub(crate) fn reason(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    pub(crate) async fn raised(&self) -> String {
        let mut reasons = self.0.subscribe();
        let reason = reasons.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        reason.unwrap_or_default()
    }
}

#[derive(Default)]
struct Inbox {
    gathering: Gathering,
    /// Lists of earlier batches, empty. A new list for each batch would be allocated by one thread,
    /// be freed by another, and grow while everybody waits for the lock.
    spare_records: Vec<Committed>,
    spare_tickets: Vec<(Seq, Ticket)>,
    followers: Followers,
    /// Who waits for the epoch to end.
    rotations: Vec<Rotation>,
    next_seq: Seq,
    /// Batches that are durable and that the herald has not announced yet.
    unannounced: usize,
    /// The committing thread waits to be woken.
    idle: bool,
    closing: bool,
    stopped: bool,
}

impl Inbox {
    /// Whether somebody waits for a commit.
    fn has_work(&self) -> bool {
        let unwritten = !self.gathering.records.is_empty();
        let awaited = !self.gathering.tickets.is_empty()
            || !self.followers.is_empty()
            || !self.rotations.is_empty();
        awaited || self.closing && unwritten
    }

    /// Everything that has gathered. The next batch gets the buffer, and is likely to be as large.
    fn take(&mut self, spare: snapshots::Batch) -> Turn {
        let mut next = Gathering {
            bytes: spare,
            records: std::mem::take(&mut self.spare_records),
            tickets: std::mem::take(&mut self.spare_tickets),
        };
        next.records.reserve(self.gathering.records.len());
        next.tickets.reserve(self.gathering.tickets.len());
        let batch = std::mem::replace(&mut self.gathering, next);
        let followers = std::mem::take(&mut self.followers);
        (batch, followers, std::mem::take(&mut self.rotations))
    }
}

/// What the committing thread, the herald and the handles have in common.
pub(super) struct Shared {
    inbox: Mutex<Inbox>,
    wake: Condvar,
    /// Seq of the newest record that is durable and that every follower has been told of.
    pub(super) durable: AtomicU64,
    /// Seconds since `started` at which the running commit began, plus 1; 0 while none runs.
    commit_since: AtomicU64,
    started: Instant,
    pub(super) ended: AtomicBool,
}

impl Shared {
    /// The herald is done with a batch: the next may begin.
    pub(super) fn on_announced(&self, emptied: Vec<(Seq, Ticket)>) {
        let mut inbox = self.inbox();
        inbox.unannounced -= 1;
        keep(&mut inbox.spare_tickets, emptied);
        if inbox.has_work() || inbox.closing {
            self.wake(inbox);
        }
    }

    /// Nobody reads a batch any more.
    pub(super) fn on_read(&self, emptied: Vec<Committed>) {
        keep(&mut self.inbox().spare_records, emptied);
    }

    /// The herald is gone: nobody would announce what is committed.
    pub(super) fn on_herald_gone(&self) {
        let mut inbox = self.inbox();
        inbox.unannounced = 0;
        self.ended.store(true, Ordering::Release);
        self.wake(inbox);
    }

    /// Wakes the committing thread when it waits and may go on.
    fn wake(&self, mut inbox: MutexGuard<'_, Inbox>) {
        let go = inbox.idle && inbox.unannounced == 0;
        inbox.idle &= !go;
        drop(inbox);
        if go {
            self.wake.notify_one();
        }
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Appends records and answers to the batch that gathers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Committer(pub(super) Arc<Shared>);

impl Committer {
    /// Starts the committing thread on `journal`, and the herald on the runtime of the caller.
    pub(crate) fn start(journal: Box<dyn Journal>, clock: Clock, fatal: Fatal) -> Self {
        let (worker, announced) = Worker::new(journal, clock);
        let shared = Arc::clone(&worker.shared);
        tokio::spawn(Herald::new(Arc::clone(&shared)).run(announced));
        spawn("committer", move || {
            snapshots::share_core();
            worker.run(&fatal);
        });
        let watched = Arc::clone(&shared);
        spawn("commit-watchdog", move || watch_commits(&watched));
        Self(shared)
    }

    /// Appends one record and the answer that waits for it; the record's seq, or None when the
    /// committer has stopped (the answer is dropped then, and the caller's state is ahead of the
    /// disk for good). A record that nobody waits for goes to disk with the next one that somebody
    /// does: a crash before that loses only what replay decides again.
    pub(crate) fn append(
        &self,
        body: &[u8],
        record: Uncommitted,
        ticket: Option<Ticket>,
    ) -> Option<Seq> {
        let mut inbox = self.0.inbox();
        if inbox.stopped || inbox.closing {
            return None;
        }
        let seq = inbox.next_seq;
        inbox.next_seq += 1;
        let gathering = &mut inbox.gathering;
        gathering.bytes.push(body, &record.sections);
        let Uncommitted { at, event, sections, request } = record;
        gathering.records.push(Committed { seq, at, event, sections, request });
        if let Some(ticket) = ticket {
            gathering.tickets.push((seq, ticket));
            self.0.wake(inbox);
        }
        Some(seq)
    }

    /// Releases the answer once `seq` is durable: now, when it is already. Never, when it will not
    /// be.
    pub(crate) fn when_durable(&self, seq: Seq, ticket: Ticket) {
        if self.0.durable.load(Ordering::Acquire) >= seq {
            ticket.release(None);
            return;
        }
        let mut inbox = self.0.inbox();
        if inbox.stopped || seq >= inbox.next_seq {
            return;
        }
        inbox.gathering.tickets.push((seq, ticket));
        self.0.wake(inbox);
    }

    /// From the next batch on the follower gets every batch that it wants; the seq before that
    /// batch's first record. Everything up to that seq is durable and can be read from the journal.
    pub(crate) async fn follow(&self, follower: Follower) -> Option<Seq> {
        let (from, answer) = oneshot::channel();
        {
            let mut inbox = self.0.inbox();
            if inbox.stopped {
                return None;
            }
            inbox.followers.push((follower, from));
            self.0.wake(inbox);
        }
        crash_point!("committer.follow");
        answer.await.ok()
    }

    /// Ends the epoch behind everything that has been appended so far, and begins the next.
    pub(crate) async fn rotate(&self) -> Result<Position, snapshots::Error> {
        let stopped = || snapshots::Error::Stopped { reason: "the engine is closing".to_owned() };
        let (sender, answer) = oneshot::channel();
        {
            let mut inbox = self.0.inbox();
            if inbox.stopped {
                return Err(stopped());
            }
            inbox.rotations.push(sender);
            self.0.wake(inbox);
        }
        answer.await.map_err(|_| stopped())?
    }

    /// Refuses new records, commits those that have gathered and stops. Returns when that is done.
    pub(crate) async fn close(&self) {
        {
            let mut inbox = self.0.inbox();
            inbox.closing = true;
            self.0.wake(inbox);
        }
        while !self.0.ended.load(Ordering::Acquire) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Seq of the newest durable record.
    pub(crate) fn durable(&self) -> Seq {
        self.0.durable.load(Ordering::Acquire)
    }
}

/// A record that has no seq yet.
pub(crate) struct Uncommitted {
    pub(crate) at: Timestamp,
    pub(crate) event: Option<Event>,
    pub(crate) sections: Vec<Section>,
    pub(crate) request: Option<(RequestTag, Box<[u8]>)>,
}

struct Meters {
    commit_seconds: Histogram,
    batch_events: Histogram,
    events: Counter,
    bytes: Counter,
    failures: Counter,
    last_commit: Gauge,
}

impl Meters {
    fn new() -> Self {
        let meters = Self {
            commit_seconds: metrics::histogram!("vobee_journal_commit_seconds"),
            batch_events: metrics::histogram!("vobee_journal_batch_events"),
            events: metrics::counter!("vobee_journal_events_total"),
            bytes: metrics::counter!("vobee_journal_bytes_total"),
            failures: metrics::counter!("vobee_journal_failures_total"),
            last_commit: metrics::gauge!("vobee_journal_last_commit_timestamp_seconds"),
        };
        meters.failures.increment(0);
        meters
    }

    fn on_commit(&self, events: usize, appended: &Appended, seconds: f64, now: Timestamp) {
        self.commit_seconds.record(seconds);
        self.batch_events.record(events as f64);
        self.events.increment(events as u64);
        self.bytes.increment(appended.bytes);
        self.last_commit.set(now.micros() as f64 / 1e6);
    }
}

type Rotation = oneshot::Sender<Result<Position, snapshots::Error>>;
type Followers = Vec<(Follower, oneshot::Sender<Seq>)>;
/// What the committing thread does at a time: a batch, and what comes behind it.
type Turn = (Gathering, Followers, Vec<Rotation>);

pub(super) struct Worker {
    shared: Arc<Shared>,
    journal: Box<dyn Journal>,
    clock: Clock,
    tidings: mpsc::Sender<Tidings>,
    meters: Meters,
}

impl Worker {
    /// The writer of `journal`, and where it says what it has written.
    pub(super) fn new(
        journal: Box<dyn Journal>,
        clock: Clock,
    ) -> (Worker, mpsc::Receiver<Tidings>) {
        let next_seq = journal.next_seq();
        let shared = Arc::new(Shared {
            inbox: Mutex::new(Inbox { next_seq, ..Inbox::default() }),
            wake: Condvar::new(),
            durable: AtomicU64::new(next_seq - 1),
            commit_since: AtomicU64::new(0),
            started: Instant::now(),
            ended: AtomicBool::new(false),
        });
        let (tidings, announced) = mpsc::channel(UNANNOUNCED_MAX);
        (Worker { shared, journal, clock, tidings, meters: Meters::new() }, announced)
    }

    #[cfg(feature = "simulation")]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn run(mut self, fatal: &Fatal) {
        self.meters.last_commit.set(self.clock.now().micros() as f64 / 1e6);
        let shared = Arc::clone(&self.shared);
        let failure = match catch_unwind(AssertUnwindSafe(|| self.work())) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the committer panicked".to_owned()),
        };
        let unwritten = {
            let mut inbox = shared.inbox();
            inbox.stopped = true;
            inbox.take(snapshots::Batch::default())
        };
        // Not under the lock: whoever is told that no answer comes may come back to it.
        drop(unwritten);
        if let Some(reason) = failure {
            metrics::counter!("vobee_journal_failures_total").increment(1);
            fatal.raise(format!(
                "the journal cannot be written: {reason}; nothing unwritten was acknowledged; \
                 check the disk, then start again"
            ));
        }
    }

    fn work(&mut self) -> Result<(), snapshots::Error> {
        let mut bytes = snapshots::Batch::default();
        while let Some(turn) = self.next(bytes) {
            bytes = self.take(turn)?;
        }
        Ok(())
    }

    /// Does what has gathered; the buffer is for the next batch.
    fn take(&mut self, turn: Turn) -> Result<snapshots::Batch, snapshots::Error> {
        let (batch, followers, rotations) = turn;
        let bytes = self.commit(batch)?;
        for rotation in rotations {
            self.shared.commit_since.store(self.seconds_up() + 1, Ordering::Relaxed);
            let end = self.journal.rotate();
            self.shared.commit_since.store(0, Ordering::Relaxed);
            let stopped = stop_reason(&end);
            // Whoever asked has given up; the epoch ends all the same.
            let _ = rotation.send(end);
            if let Some(reason) = stopped {
                return Err(snapshots::Error::Stopped { reason });
            }
        }
        // Whoever follows anew may succeed an actor that has appended to this very batch: its
        // records are to be read from the journal, so they have to be there.
        for (follower, from) in followers {
            self.announce(Tidings::Follow { follower, from })?;
        }
        Ok(bytes)
    }

    /// Does what has gathered, if it is time for that; whether it was.
    #[cfg(feature = "simulation")]
    pub(super) fn take_turn(&mut self) -> Result<bool, snapshots::Error> {
        let turn = {
            let mut inbox = self.shared.inbox();
            let due = inbox.unannounced == 0 && inbox.has_work();
            due.then(|| inbox.take(snapshots::Batch::default()))
        };
        turn.map_or(Ok(false), |turn| self.take(turn).map(|_| true))
    }

    /// What has gathered, once there is something; None when it is time to stop.
    fn next(&self, spare: snapshots::Batch) -> Option<Turn> {
        let mut inbox = self.shared.inbox();
        while inbox.unannounced > 0 || !inbox.has_work() {
            if inbox.closing && !inbox.has_work() {
                return None;
            }
            inbox.idle = true;
            inbox = self.shared.wake.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
        inbox.idle = false;
        Some(inbox.take(spare))
    }

    fn commit(&mut self, batch: Gathering) -> Result<snapshots::Batch, snapshots::Error> {
        let Gathering { mut bytes, records, tickets } = batch;
        let mut link = Link::default();
        if !records.is_empty() {
            let began = Instant::now();
            self.shared.commit_since.store(self.seconds_up() + 1, Ordering::Relaxed);
            crash_point!("committer.before_append");
            let appended = self.journal.append(records[0].seq, &bytes)?;
            link = Link { before: appended.chain_before, after: appended.chain };
            self.shared.commit_since.store(0, Ordering::Relaxed);
            let seconds = began.elapsed().as_secs_f64();
            self.meters.on_commit(records.len(), &appended, seconds, self.clock.now());
        }
        self.shared.inbox().unannounced += 1;
        self.announce(Tidings::Committed { records, tickets, link })?;
        if bytes.byte_len() > KEPT_BYTES_MAX {
            bytes = snapshots::Batch::default();
        }
        bytes.clear();
        Ok(bytes)
    }

    fn announce(&self, tidings: Tidings) -> Result<(), snapshots::Error> {
        let gone = |_| snapshots::Error::Stopped { reason: "nobody announces commits".to_owned() };
        self.tidings.blocking_send(tidings).map_err(gone)
    }

    fn seconds_up(&self) -> u64 {
        self.shared.started.elapsed().as_secs()
    }
}

/// Keeps the roomier of two empty lists, if it is not too large to keep.
fn keep<T>(spare: &mut Vec<T>, emptied: Vec<T>) {
    if (spare.capacity() + 1..=KEPT_RECORDS_MAX).contains(&emptied.capacity()) {
        *spare = emptied;
    }
}

/// Why the journal takes nothing more, if that is why the epoch did not end.
fn stop_reason(end: &Result<Position, snapshots::Error>) -> Option<String> {
    match end {
        Err(snapshots::Error::Stopped { reason }) => Some(reason.clone()),
        Ok(_) | Err(_) => None,
    }
}

fn watch_commits(shared: &Shared) {
    while !shared.ended.load(Ordering::Acquire) {
        thread::sleep(Duration::from_millis(500));
        let since = shared.commit_since.load(Ordering::Relaxed);
        if since != 0 && shared.started.elapsed().as_secs() + 1 > since + COMMIT_SECONDS_MAX {
            tracing::error!(
                seconds = COMMIT_SECONDS_MAX,
                "a commit hangs: the disk does not answer; ending the process, \
                 nothing unwritten was acknowledged"
            );
            std::process::abort();
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .expect("the operating system starts a thread at the beginning of the process");
}
