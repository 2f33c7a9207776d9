//! `vobee simulate`: who would stand where under another scoring policy.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use actors::policies::{self, Asked, Move, Simulation, Step};
use anyhow::{Context, ensure};

use super::{Output, interruptible, talk};
use crate::config::{Loaded, lay_over};
use crate::policies::{COUNT_MAX, LIMIT_DEFAULT, Report, TOP_DEFAULT};
use crate::shutdown::Shutdown;

const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Rows of a list for people; `--json` has them all.
const ROWS_MAX: usize = 10;

/// Which policy, and how to print the result.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Configuration file of which [waitlist.scoring] counts, laid over the configuration
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// How many places the top of the list has
    #[arg(
        long, default_value_t = TOP_DEFAULT, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=COUNT_MAX)
    )]
    top: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Replays the data directory and prints what the policy would change. Within a tokio runtime.
///
/// # Errors
/// When the policy is none, a process owns the directory, or it is damaged.
pub async fn run(options: &Options, loaded: &Loaded, output: &mut Output) -> anyhow::Result<()> {
    let tried = lay_over(loaded, &options.policy, "--policy")?;
    let dir = &loaded.config.storage.dir;
    ensure!(dir.is_dir(), "no data directory at {}; name it with --data-dir", dir.display());
    let configured = loaded.config.waitlist.policy();
    let (policy, top) = (tried.waitlist.policy(), options.top);
    let asked = Asked { policy, top, limit: LIMIT_DEFAULT };
    let simulation = interruptible(async |stop| {
        let (of, stop) = (dir.clone(), stop.clone());
        let simulating = move || policies::simulate(&of, &configured, &asked, &mut progress(stop));
        let simulation = tokio::task::spawn_blocking(simulating).await?;
        simulation.with_context(|| format!("cannot simulate with the data in {}", dir.display()))
    });
    let simulation = simulation.await?;
    if options.json {
        output.json(&Report::of(&simulation))?;
        return Ok(());
    }
    tell(&simulation, output)
}

/// A line now and then for whoever waits; whether to go on.
fn progress(stop: Shutdown) -> impl FnMut(Step) -> bool {
    let mut said = Instant::now();
    move |step| {
        if said.elapsed() < PROGRESS_EVERY {
            return !stop.is_requested();
        }
        match step {
            Step::Replayed(done, all) => talk(format_args!("replayed {done} of {all} events")),
            Step::Scored(done, all) => talk(format_args!("scored {done} of {all} people")),
        }
        said = Instant::now();
        !stop.is_requested()
    }
}

fn tell(simulation: &Simulation, output: &mut Output) -> anyhow::Result<()> {
    let found = &simulation.comparison;
    let (people, moved, mean) = (found.people, found.moved, found.mean_places);
    output.line(format_args!("{moved} of {people} people who wait have another place"))?;
    output.line(format_args!("by {mean:.1} places each in the mean of all"))?;
    if let Some(tau) = found.rank_correlation {
        output.line(format_args!("rank correlation {tau:.4} (Kendall's tau-b)"))?;
    }
    let (n, changed) = (found.top.n, found.top.changed);
    output.line(format_args!("the first {n}: {changed} enter, as many leave"))?;
    let (earlier, processed) = (found.invited_earlier_count, found.processed);
    let who = "would have been among them instead";
    output.line(format_args!("{processed} were taken off the list; {earlier} who wait {who}"))?;
    let otherwise = simulation.recorded_otherwise;
    if otherwise > 0 {
        let why = "were scored by another policy than the configured one";
        output.line(format_args!("{otherwise} people {why}"))?;
    }
    rows("largest moves", &found.largest_moves, output)?;
    rows("entering the top", &found.top.enters, output)?;
    rows("leaving the top", &found.top.leaves, output)?;
    rows("invited earlier", &found.invited_earlier, output)?;
    let (events, seconds) = (simulation.events_replayed, simulation.took.as_secs_f64());
    output.line(format_args!("simulated {events} events in {seconds:.2} s"))?;
    Ok(())
}

fn rows(title: &str, moves: &[Move], output: &mut Output) -> anyhow::Result<()> {
    if moves.is_empty() {
        return Ok(());
    }
    output.line(format_args!("{title}:"))?;
    for Move { person, email, from, to } in moves.iter().take(ROWS_MAX) {
        match email {
            Some(email) => output.line(format_args!("  {from} to {to}: {email}"))?,
            None => output.line(format_args!("  {from} to {to}: {person}"))?,
        }
    }
    Ok(())
}
