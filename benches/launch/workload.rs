//! The order of things: which server is driven how, when, and what is noted.
//!
//! The machine is shared and noisy, so the two servers take turns, window by window, and change who
//! goes first; a ratio compares windows that lie side by side.

use std::time::{Duration, Instant};

use crate::generator::{Driven, Generator};
use crate::long_list::{LongList, Prefill};
use crate::machine::busy_time;
use crate::options::Options;
use crate::scenario::{Choice, Codes, Requests, Scenario};
use crate::scratch::Scratch;
use crate::server::{Server, cpu_time};
use crate::{client, report};

/// One measured window of one server.
pub(crate) struct Window {
    pub(crate) driven: Driven,
    pub(crate) server_cpu: Duration,
    pub(crate) generator_cpu: Duration,
    /// What neither of the two used: other processes, the kernel's own threads, other machines.
    pub(crate) others_cpu: Duration,
    /// What the journal did meanwhile; none for a server without one.
    pub(crate) journal: Option<Journal>,
}

/// What a server's journal has done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Journal {
    pub(crate) commits: f64,
    pub(crate) events: f64,
}

/// All windows of one scenario at one number of connections; the pairs lie side by side in time.
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    pub(crate) connections: usize,
    pub(crate) noop: Vec<Window>,
    pub(crate) real: Vec<Window>,
}

/// What a run found.
pub(crate) struct Findings {
    pub(crate) rows: Vec<Row>,
    pub(crate) prefill: Option<Prefill>,
    /// Whether the servers ended as they should. No reason to withhold what they have done before.
    pub(crate) stopped: Result<(), String>,
}

/// What the servers are driven with.
struct Workload<'a> {
    options: &'a Options,
    scratch: &'a Scratch,
    noop: Server,
    long_list: Option<LongList>,
    /// Codes for the no-op server, which does not know any.
    codes: Codes,
    fresh_servers: u32,
}

/// Runs everything that the options ask for.
pub(crate) fn run(options: &Options, scratch: &Scratch) -> Result<Findings, String> {
    let mut codes = Codes::default();
    for number in 0..10_000 {
        codes.push(&format!("VOBEE-{number:012X}"))?;
    }
    let noop = Server::noop(scratch.path())?;
    let mut workload =
        Workload { options, scratch, noop, long_list: None, codes, fresh_servers: 0 };
    let mut rows = Vec::new();
    for scenario in options.scenarios.iter().copied() {
        for connections in options.connections.iter().copied() {
            rows.push(workload.row(scenario, connections)?);
        }
    }
    // In good order, also for the sake of builds that write their profile at the end.
    let stopped = workload.noop.stop();
    let (prefill, ended) = workload.long_list.map(LongList::stop).unzip();
    Ok(Findings { rows, prefill, stopped: stopped.and(ended.unwrap_or(Ok(()))) })
}

impl Workload<'_> {
    fn row(&mut self, scenario: Scenario, connections: usize) -> Result<Row, String> {
        let mut row = Row { scenario, connections, noop: Vec::new(), real: Vec::new() };
        for round in 0..self.options.rounds {
            for turn in 0..2 {
                if (round + turn) % 2 == 0 {
                    row.noop.push(self.noop_window(scenario, connections)?);
                } else if !self.options.noop_only {
                    row.real.push(self.real_window(scenario, connections)?);
                }
            }
        }
        eprintln!("{}", report::brief(&row));
        Ok(row)
    }

    fn noop_window(&self, scenario: Scenario, connections: usize) -> Result<Window, String> {
        let choice = Choice::Any { below: self.options.people };
        let mut requests = Requests::new(scenario, choice, &self.codes, 0);
        window(&self.noop, scenario, connections, &mut requests, self.options)
    }

    fn real_window(&mut self, scenario: Scenario, connections: usize) -> Result<Window, String> {
        if scenario == Scenario::JoinEmpty {
            return self.fresh_window(connections);
        }
        if self.long_list.is_none() {
            self.long_list = Some(LongList::create(self.scratch, self.options)?);
        }
        let Some(list) = &mut self.long_list else {
            return Err("the long list is missing".to_owned());
        };
        list.prepare(scenario, self.options)?;
        let (server, mut requests) = list.requests(scenario);
        let window = window(server, scenario, connections, &mut requests, self.options)?;
        let written = requests.written();
        list.advance(scenario, written);
        Ok(window)
    }

    /// Joins into a list that is empty: on a server of its own, which is thrown away.
    fn fresh_window(&mut self, connections: usize) -> Result<Window, String> {
        self.fresh_servers += 1;
        let dir = self.scratch.inner(&format!("empty-{}", self.fresh_servers))?;
        let server = Server::vobee(self.scratch.vobee(), &dir)?;
        let codes = Codes::default();
        let everybody = Choice::Once { first: 0, count: u64::MAX };
        let mut requests = Requests::new(Scenario::JoinEmpty, everybody, &codes, 0);
        let window =
            window(&server, Scenario::JoinEmpty, connections, &mut requests, self.options)?;
        server.stop()?;
        std::fs::remove_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        Ok(window)
    }
}

/// CPU time since whenever, to be subtracted.
struct CpuTimes {
    server: Duration,
    generator: Duration,
    all: Duration,
}

impl CpuTimes {
    fn read(server: &Server) -> Result<CpuTimes, String> {
        Ok(CpuTimes {
            server: server.cpu_time()?,
            generator: cpu_time(std::process::id())?,
            all: busy_time()?,
        })
    }
}

/// Drives a server, first for a while that does not count. Both parts end with every answer in, so
/// that the work between the two looks at the counters is exactly that of the counted answers.
fn window(
    server: &Server,
    scenario: Scenario,
    connections: usize,
    requests: &mut Requests<'_>,
    options: &Options,
) -> Result<Window, String> {
    let explain = |error: String| {
        server.explain(&format!("{}, {connections} connections: {error}", scenario.name()))
    };
    let mut generator = Generator::connect(server.address(), connections)?;
    let status = scenario.status();
    generator.drive(requests, status, options.warm_up).map_err(explain)?;
    let journal_before = journal(server)?;
    let before = CpuTimes::read(server)?;
    let driven = generator.drive(requests, status, options.window).map_err(explain)?;
    let after = CpuTimes::read(server)?;
    let journal_after = journal(server)?;
    if driven.answers == 0 {
        return Err(format!("{}: there was nothing left to ask", scenario.name()));
    }
    let server_cpu = after.server.saturating_sub(before.server);
    let generator_cpu = after.generator.saturating_sub(before.generator);
    Ok(Window {
        driven,
        server_cpu,
        generator_cpu,
        others_cpu: (after.all.saturating_sub(before.all))
            .saturating_sub(server_cpu + generator_cpu),
        journal: journal_before.zip(journal_after).map(|(before, after)| Journal {
            commits: after.commits - before.commits,
            events: after.events - before.events,
        }),
    })
}

fn journal(server: &Server) -> Result<Option<Journal>, String> {
    let (status, text) = client::call(server.address(), "GET", "/metrics", "")?;
    if status != 200 {
        return Ok(None);
    }
    let commits = client::metric(&text, "vobee_journal_commit_seconds_count");
    let events = client::metric(&text, "vobee_journal_events_total");
    Ok(commits.zip(events).map(|(commits, events)| Journal { commits, events }))
}

/// Drives a server with a fixed number of requests as fast as it goes; how long that took.
pub(crate) fn fill(
    server: &Server,
    scenario: Scenario,
    requests: &mut Requests<'_>,
    connections: usize,
    time_max: Duration,
) -> Result<Duration, String> {
    let begin = Instant::now();
    let mut generator = Generator::connect(server.address(), connections)?;
    generator
        .drive(requests, scenario.status(), time_max)
        .map_err(|error| server.explain(&error))?;
    Ok(begin.elapsed())
}
