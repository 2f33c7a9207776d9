//! A launch in a temporary directory, with a clock that a test turns.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use actors::fraud::DisposableDomains;
use actors::snapshotter::Archive;
use actors::{
    Clock, Email, Engine, Error, Failure, Generate, Identity, InviteCode, Join, Options, PersonId,
    Policies, Recovery, Timestamp,
};
use tempfile::TempDir;

pub(crate) const NOON: &str = "2026-01-05T12:00:00Z";

pub(crate) struct Launch {
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    /// What the last start found.
    pub(crate) recovery: Recovery,
    dir: TempDir,
}

impl Launch {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOON.parse().unwrap());
        let (engine, recovery) = open(&dir, &clock, 1_000, Policies::default()).await;
        Self { engine, clock, recovery, dir }
    }

    /// Opens it again, with closed epochs kept as said.
    pub(crate) async fn restart_keeping(mut self, archive: Archive) -> Self {
        self.engine.close().await;
        drop(self.engine);
        let mut options = options(&self.dir, &self.clock, 1_000, Policies::default());
        options.snapshots.archive = archive;
        (self.engine, self.recovery) = open_with(options).await;
        self
    }

    /// A launch that goes on from a copy of a data directory.
    pub(crate) async fn start_from(data: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(data, dir.path());
        let clock = Clock::manual(NOON.parse().unwrap());
        let (engine, recovery) = open(&dir, &clock, 1_000, Policies::default()).await;
        Self { engine, clock, recovery, dir }
    }

    /// Where its data lies.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Stops the engine in good order and opens it again on the same directory.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(Policies::default()).await
    }

    pub(crate) async fn restart_with(mut self, policies: Policies) -> Self {
        self.engine.close().await;
        drop(self.engine);
        (self.engine, self.recovery) = open(&self.dir, &self.clock, 1_000, policies).await;
        self
    }

    pub(crate) async fn with_room_for(mut self, in_flight_max: usize) -> Self {
        self.engine.close().await;
        drop(self.engine);
        let policies = Policies::default();
        (self.engine, self.recovery) = open(&self.dir, &self.clock, in_flight_max, policies).await;
        self
    }

    pub(crate) fn pass_days(&self, days: u32) {
        self.clock.set(self.clock.now().plus_days(days));
    }

    pub(crate) async fn join(&self, name: &str) -> Result<actors::waitlist::Joined, Error> {
        self.engine.join(wants(name), None).await
    }

    pub(crate) async fn codes(&self, count: u32) -> Vec<InviteCode> {
        let generate = Generate { count, force: true, ..Generate::default() };
        self.engine.generate(generate, None).await.unwrap().codes
    }

    pub(crate) fn person(&self, name: &str) -> PersonId {
        self.engine.identity().person(&email(name))
    }

    /// Waits until nothing is under way any more: a round of reads of all domains during which
    /// nothing was written.
    pub(crate) async fn settled(&self) -> [[u8; 32]; 5] {
        loop {
            assert_eq!(self.engine.writable(), Ok(()));
            let before = self.engine.stats().await.durable_seq;
            let Ok(digests) = self.engine.digests().await else {
                tokio::task::yield_now().await;
                continue;
            };
            if self.engine.stats().await.durable_seq == before {
                return digests;
            }
        }
    }
}

async fn open(
    dir: &TempDir,
    clock: &Clock,
    in_flight_max: usize,
    policies: Policies,
) -> (Engine, Recovery) {
    open_with(options(dir, clock, in_flight_max, policies)).await
}

fn options(dir: &TempDir, clock: &Clock, in_flight_max: usize, policies: Policies) -> Options {
    Options {
        dir: dir.path().to_owned(),
        policies,
        in_flight_max,
        timeout: Duration::from_secs(20),
        cache_bytes: 8 << 20,
        accept_loss: false,
        snapshots: actors::snapshotter::Policy::default(),
        disposable: DisposableDomains::parse("trash.example"),
        clock: clock.clone(),
    }
}

async fn open_with(options: Options) -> (Engine, Recovery) {
    // The directory's lock goes when the last of the old engine's threads has seen that it ended.
    loop {
        match Engine::open(options.clone(), Identity::new(&[7; 32])).await {
            Ok(opened) => return opened,
            Err(actors::OpenError::Journal(snapshots::Error::InUse { .. })) => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(crate) fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).unwrap()
}

pub(crate) fn wants(name: &str) -> Join {
    Join {
        email: email(name),
        use_case: format!("{name} wants in"),
        persona: "agency".to_owned(),
        referral_code: None,
        metadata: vec![("source".to_owned(), name.to_owned())],
        client: None,
    }
}

pub(crate) fn minutes(n: i64) -> i64 {
    n * 60_000_000
}

pub(crate) fn later(now: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(now.micros() + micros)
}

/// Asks until the answer is not that a part of the engine restarts.
pub(crate) async fn when_back<T, F>(mut ask: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    loop {
        match ask().await {
            Err(Error::Failed(Failure::Unavailable)) => tokio::task::yield_now().await,
            outcome => return outcome,
        }
    }
}
