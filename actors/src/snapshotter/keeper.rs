//! Decides when, and sees to it that one snapshot is taken at a time.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use snapshots::{Epochs, Position, Progress};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use crate::clock::Clock;
use crate::committer::Committer;
use crate::mailbox::Probe;
use crate::supervisor::Supervised;

use super::policy::Policy;
use super::room;
use super::work::{self, Error, Outcome, Taken, Worker};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a failure nothing is tried on its own for so long.
const PAUSE: Duration = Duration::from_secs(60);
/// An actor that does not say where it stands within this time is not compared.
const PROBE_MAX: Duration = Duration::from_secs(5);
/// Requests that wait, at most.
const WAITING_MAX: usize = 16;

type Request = oneshot::Sender<Result<Outcome, Error>>;

/// Asks for snapshots. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Snapshotter {
    requests: mpsc::Sender<Request>,
    pub(crate) epochs: Epochs,
    pub(crate) free_min_bytes: u64,
}

impl Snapshotter {
    /// Takes a snapshot now, and tidies up behind it.
    pub(crate) async fn take(&self) -> Result<Outcome, Error> {
        let (sender, taken) = oneshot::channel();
        self.requests.send(sender).await.map_err(|_| Error::Stopping)?;
        taken.await.unwrap_or(Err(Error::Stopping))
    }
}

/// What the keeper is started with.
pub(crate) struct Keeper {
    pub(crate) policy: Policy,
    pub(crate) epochs: Epochs,
    pub(crate) children: Vec<Arc<dyn Supervised>>,
    pub(crate) committer: Committer,
    pub(crate) clock: Clock,
}

impl Keeper {
    /// Starts it on the runtime of the caller. It ends when the last snapshotter is gone.
    pub(crate) fn start(self) -> Snapshotter {
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        let epochs = self.epochs.clone();
        if self.policy.kept_bytes > 0 {
            epochs.need(Some(1), self.policy.kept_bytes);
        }
        let worker = Worker {
            epochs: self.epochs,
            children: self.children.into(),
            archive: self.policy.archive,
        };
        let meters = Meters::new(&self.clock, &worker.epochs);
        let (policy, committer, clock) = (self.policy, self.committer, self.clock);
        let running = Running { policy, worker, committer, clock, meters };
        tokio::spawn(running.run(waiting));
        Snapshotter { requests, epochs, free_min_bytes: policy.free_min_bytes }
    }
}

struct Running {
    policy: Policy,
    worker: Worker,
    committer: Committer,
    clock: Clock,
    meters: Meters,
}

impl Running {
    async fn run(self, mut waiting: mpsc::Receiver<Request>) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Instant::now();
        let mut paused_until = last;
        // What a stop or a crash has cut short.
        let mut tidy_at = again_after(&self.tidy().await);
        loop {
            let request = tokio::select! {
                request = waiting.recv() => match request {
                    Some(request) => Some(request),
                    None => return,
                },
                _ = tick.tick() => None,
            };
            let left_over = self.worker.epochs.uncovered().is_some();
            let due = left_over || self.policy.is_due(self.progress(), last.elapsed());
            if request.is_none() && (!due || Instant::now() < paused_until) {
                if tidy_at.is_some_and(|at| at <= Instant::now()) {
                    tidy_at = again_after(&self.tidy().await);
                }
                continue;
            }
            let taken = match self.take().await {
                Ok(taken) => {
                    let tidied = self.tidy().await;
                    tidy_at = again_after(&tidied);
                    let erased = tidied.as_ref().map_or(0, |erased| *erased);
                    Ok(Outcome { taken: Taken { erased, ..taken }, tidied: tidied.map(|_| ()) })
                }
                Err(error) => Err(error),
            };
            last = Instant::now();
            self.note(&taken);
            if taken.is_err() {
                paused_until = last + PAUSE;
            }
            if let Some(request) = request {
                // Whoever asked has given up.
                let _ = request.send(taken);
            }
        }
    }

    fn progress(&self) -> Progress {
        self.worker.epochs.progress()
    }

    /// A failure here costs no snapshot: what is left over takes room, and is done later.
    async fn tidy(&self) -> Result<u64, Error> {
        let (worker, now) = (self.worker.clone(), self.clock.now());
        let tidying = move || {
            work::yield_to_others();
            worker.tidy(now)
        };
        let tidied = on_a_thread(tidying).await;
        match &tidied {
            Ok(_) | Err(Error::Stopping) => {}
            Err(Error::Held) => {
                tracing::info!("removes nothing that a backup or a load of PostgreSQL still reads")
            }
            Err(error @ (Error::Failed(_) | Error::Differs { .. } | Error::NoRoom { .. })) => {
                tracing::error!(
                    %error,
                    "cannot tidy up epochs and archive, and tries again in a minute; old epochs, \
                     snapshots and text stay on disk until then"
                );
            }
        }
        tidied
    }

    /// Ends the epoch, unless one waits for its snapshot since an earlier failure, and takes the
    /// snapshot of its end.
    async fn take(&self) -> Result<Taken, Error> {
        let (epochs, reserve) = (self.worker.epochs.clone(), self.policy.free_min_bytes);
        on_a_thread(move || room::for_snapshot(&epochs, reserve)).await?;
        let (end, probes) = match self.worker.epochs.uncovered() {
            Some(end) => (end, Vec::new()),
            None => self.rotate().await?,
        };
        let (worker, now) = (self.worker.clone(), self.clock.now());
        let taking = move || {
            work::yield_to_others();
            worker.take(end, &probes, now)
        };
        on_a_thread(taking).await
    }

    /// Ends the epoch. Each actor says before where it stands: everything that it has appended by
    /// then comes to lie before the end.
    async fn rotate(&self) -> Result<(Position, Vec<Option<Probe>>), Error> {
        let epochs = self.worker.epochs.clone();
        on_a_thread(move || epochs.prepare().map_err(Error::from)).await?;
        let mut probes = Vec::new();
        for child in self.worker.children.iter() {
            let probe = tokio::time::timeout(PROBE_MAX, child.probe()).await;
            probes.push(probe.unwrap_or(None));
        }
        Ok((self.committer.rotate().await?, probes))
    }

    fn note(&self, taken: &Result<Outcome, Error>) {
        match taken {
            Ok(Outcome { taken, .. }) => {
                self.meters.on_taken(taken, &self.clock);
                let Taken { epoch, seq, bytes, took, .. } = taken;
                let millis = took.as_millis();
                tracing::info!(epoch, seq, bytes, millis, "took a snapshot");
            }
            Err(Error::Stopping) => {}
            Err(error) => {
                self.meters.failures.increment(1);
                tracing::error!(%error, "no snapshot; the journal goes on and is whole");
            }
        }
    }
}

/// When to try again what has failed.
fn again_after<T>(tidied: &Result<T, Error>) -> Option<Instant> {
    tidied.is_err().then(|| Instant::now() + PAUSE)
}

/// Runs what blocks on a thread of its own, which may be slowed down without slowing others.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (sender, done) = oneshot::channel();
    let spawned = thread::Builder::new().name("snapshotter".to_owned()).spawn(move || {
        // Whoever waits has given up.
        let _ = sender.send(work());
    });
    spawned.map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;
    done.await.unwrap_or_else(|_| Err(Error::Failed("the snapshotter panicked".to_owned())))
}

struct Meters {
    last_success: metrics::Gauge,
    duration: metrics::Histogram,
    size: metrics::Gauge,
    failures: metrics::Counter,
}

impl Meters {
    fn new(clock: &Clock, epochs: &Epochs) -> Self {
        let meters = Self {
            last_success: metrics::gauge!("vobee_snapshot_last_success_timestamp_seconds"),
            duration: metrics::histogram!("vobee_snapshot_duration_seconds"),
            size: metrics::gauge!("vobee_snapshot_size_bytes"),
            failures: metrics::counter!("vobee_snapshot_failures_total"),
        };
        meters.failures.increment(0);
        meters.last_success.set(clock.now().micros() as f64 / 1e6);
        meters.size.set(epochs.base().map_or(0.0, |base| base.bytes() as f64));
        meters
    }

    fn on_taken(&self, taken: &Taken, clock: &Clock) {
        self.last_success.set(clock.now().micros() as f64 / 1e6);
        self.duration.record(taken.took.as_secs_f64());
        self.size.set(taken.bytes as f64);
    }
}
