//! The server with many people on its list, on which all but one scenario run.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::options::Options;
use crate::scenario::{Choice, Codes, Requests, Scenario};
use crate::scratch::Scratch;
use crate::server::{Resident, Server};
use crate::workload::fill;
use crate::{client, report};

const FILL_CONNECTIONS: usize = 256;
const FILL_STEP: u64 = 100_000;
const FILL_STEP_MAX: Duration = Duration::from_secs(120);
/// A server is at rest when its memory has not become less for so long: its allocator returns what
/// is free to the system within ten seconds.
const SETTLE: Duration = Duration::from_secs(12);
const SETTLE_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

const BATCH: u64 = 10_000;
const CODES_TO_LOOK_UP: u64 = 100_000;
/// More than any server redeems here; when a window has used its codes up, it ends early.
const REDEEMED_PER_SECOND_MAX: f64 = 40_000.0;

/// What putting many people on the list showed.
pub(crate) struct Prefill {
    pub(crate) people: u64,
    pub(crate) took: Duration,
    pub(crate) before: Resident,
    pub(crate) after: Resident,
    /// The most that was seen while a snapshot of all of them was taken.
    pub(crate) snapshotting: Resident,
    /// From a start on this journal to the first good answer of `/readyz`.
    pub(crate) restarted_in: Duration,
    pub(crate) after_restart: Resident,
    /// On disk.
    pub(crate) data_bytes: u64,
}

/// The server, and what its callers know of it.
pub(crate) struct LongList {
    server: Server,
    pub(crate) prefill: Prefill,
    people: u64,
    joined: u64,
    codes: Codes,
    codes_used: u64,
    batches: u64,
}

impl LongList {
    /// Starts a server, fills its list through the API, stops it and starts it again.
    pub(crate) fn create(scratch: &Scratch, options: &Options) -> Result<LongList, String> {
        let dir = scratch.inner("long-list")?;
        let server = Server::vobee(scratch.vobee(), &dir)?;
        let people = options.people;
        let before = server.resident()?;
        let took = join_all(&server, people)?;
        let snapshotting = take_snapshot(&server)?;
        let after = at_rest(&server)?;
        server.stop()?;
        let data_bytes = size_of_files(&dir.join("data"))
            .map_err(|error| format!("{}: {error}", dir.display()))?;
        let server = Server::vobee(scratch.vobee(), &dir)?;
        let restarted_in = server.started_in;
        let after_restart = at_rest(&server)?;
        let prefill = Prefill {
            people,
            took,
            before,
            after,
            snapshotting,
            restarted_in,
            after_restart,
            data_bytes,
        };
        let codes = Codes::default();
        Ok(LongList { server, prefill, people, joined: people, codes, codes_used: 0, batches: 0 })
    }

    /// Makes sure that there are codes for one window.
    pub(crate) fn prepare(&mut self, scenario: Scenario, options: &Options) -> Result<(), String> {
        let wanted = match scenario {
            Scenario::JoinEmpty | Scenario::JoinFull | Scenario::Position => return Ok(()),
            Scenario::Status => CODES_TO_LOOK_UP.min(options.people),
            Scenario::Redeem => {
                let seconds = (options.window + options.warm_up).as_secs_f64();
                (REDEEMED_PER_SECOND_MAX * seconds) as u64
            }
        };
        while self.codes.len() - self.codes_used < wanted {
            self.generate()?;
        }
        Ok(())
    }

    fn generate(&mut self) -> Result<(), String> {
        self.batches += 1;
        // Forced: the members that the bench makes are as quiet as a gate likes least.
        let body = format!(
            "{{\"batch_size\":{BATCH},\"batch_id\":\"launch-{}\",\"force\":true}}",
            self.batches
        );
        let (status, answer) =
            client::call(self.server.address(), "POST", "/api/invites/generate", &body)?;
        if status != 201 {
            return Err(self.server.explain(&format!("generating codes: {status} {answer}")));
        }
        let answer: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
        let codes = answer.get("codes").and_then(Value::as_array).ok_or("codes are missing")?;
        for code in codes {
            self.codes.push(code.as_str().ok_or("a code is no text")?)?;
        }
        Ok(())
    }

    /// The server, and the next requests of a scenario to it.
    pub(crate) fn requests(&self, scenario: Scenario) -> (&Server, Requests<'_>) {
        let choice = match scenario {
            Scenario::JoinEmpty | Scenario::JoinFull => {
                Choice::Once { first: self.joined, count: u64::MAX }
            }
            Scenario::Status | Scenario::Position => Choice::Any { below: self.people },
            // Those who redeem are on the list and leave it, so each is also a reaction.
            Scenario::Redeem => Choice::Once { first: self.codes_used, count: u64::MAX },
        };
        (&self.server, Requests::new(scenario, choice, &self.codes, self.codes_used))
    }

    /// Stops the server; what putting people on its list showed, and whether it ended as it should.
    pub(crate) fn stop(self) -> (Prefill, Result<(), String>) {
        (self.prefill, self.server.stop())
    }

    /// Notes how many of them were sent.
    pub(crate) fn advance(&mut self, scenario: Scenario, written: u64) {
        match scenario {
            Scenario::JoinEmpty | Scenario::JoinFull => self.joined += written,
            Scenario::Redeem => self.codes_used += written,
            Scenario::Status | Scenario::Position => {}
        }
    }
}

fn join_all(server: &Server, people: u64) -> Result<Duration, String> {
    let codes = Codes::default();
    let mut took = Duration::ZERO;
    let mut joined = 0;
    while joined < people {
        let count = FILL_STEP.min(people - joined);
        let choice = Choice::Once { first: joined, count };
        let mut requests = Requests::new(Scenario::JoinFull, choice, &codes, 0);
        took += fill(server, Scenario::JoinFull, &mut requests, FILL_CONNECTIONS, FILL_STEP_MAX)?;
        if requests.written() < count {
            return Err(format!("{count} people did not join within {FILL_STEP_MAX:?}"));
        }
        joined += count;
        eprintln!("{} people joined in {took:.1?}", report::thousands(joined));
    }
    Ok(took)
}

/// The server's memory once it gives none of it back any more. Its metrics are read meanwhile, as
/// those of a server in use always are: its allocator does its tidying beside other work.
fn at_rest(server: &Server) -> Result<Resident, String> {
    let begin = Instant::now();
    let mut least = server.resident()?;
    let mut since = begin;
    while since.elapsed() < SETTLE && begin.elapsed() < SETTLE_MAX {
        std::thread::sleep(LOOK_EVERY);
        client::call(server.address(), "GET", "/metrics", "")?;
        let now = server.resident()?;
        if now.all < least.all {
            (least, since) = (now, Instant::now());
        }
    }
    Ok(least)
}

/// Has a snapshot taken, and looks at the server's memory all the while.
fn take_snapshot(server: &Server) -> Result<Resident, String> {
    let mut most = server.resident()?;
    std::thread::scope(|scope| {
        let path = "/api/operations/snapshot";
        let taking = scope.spawn(|| client::call(server.address(), "POST", path, ""));
        while !taking.is_finished() {
            std::thread::sleep(LOOK_EVERY);
            let now = server.resident()?;
            most = if now.all > most.all { now } else { most };
        }
        let answer = taking.join().map_err(|_| "the thread that asks panicked".to_owned())?;
        match answer? {
            (200 | 201, _) => Ok(most),
            (status, answer) => {
                Err(server.explain(&format!("taking a snapshot: {status} {answer}")))
            }
        }
    })
}

fn size_of_files(dir: &Path) -> std::io::Result<u64> {
    let mut size = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let about = entry.metadata()?;
        size += if about.is_dir() { size_of_files(&entry.path())? } else { about.len() };
    }
    Ok(size)
}
