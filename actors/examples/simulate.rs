//! Plays the runs of many seeds, or of one:
//! `cargo run --release -p vobee-actors --example simulate -- --seeds N [--from X]`, or `--seed X`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use actors::simulation::{Played, simulate};

const USAGE: &str = "usage: simulate --seeds N [--from X] | --seed X";
const PROGRESS_EVERY: u64 = 1_000;

fn main() -> ExitCode {
    let Some((from, count)) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let began = Instant::now();
    let (mut sum, mut failures) = (Played::default(), 0);
    for (done, seed) in (1..).zip(from..from.saturating_add(count)) {
        match simulate(seed) {
            Ok(played) => sum += played,
            Err(failure) => {
                failures += 1;
                eprintln!("{failure}\n");
            }
        }
        if done % PROGRESS_EVERY == 0 {
            eprintln!("{done} of {count} seeds, {failures} failed");
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let pace = sum.steps as f64 / seconds;
    let line =
        format!("{count} seeds, {failures} failed, {seconds:.1} s, {pace:.0} steps/s: {sum}");
    // A reader that has gone away wants no summary.
    let _ = writeln!(io::stdout(), "{line}");
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The first seed, and how many.
fn parse(args: impl Iterator<Item = String>) -> Option<(u64, u64)> {
    let (mut from, mut count) = (0, None);
    let mut args = args;
    while let Some(name) = args.next() {
        let value = args.next()?.parse().ok()?;
        match name.as_str() {
            "--seeds" => count = Some(value),
            "--from" => from = value,
            "--seed" => (from, count) = (value, Some(1)),
            _ => return None,
        }
    }
    Some((from, count?))
}
