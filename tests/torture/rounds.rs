//! How often something is done, with which luck, and the line that says what came of it.

use std::fmt::Display;
use std::time::{SystemTime, UNIX_EPOCH};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// A number from the environment, or the one of the short form.
pub(super) fn setting(name: &str, short: usize) -> usize {
    let Ok(text) = std::env::var(name) else { return short };
    text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}"))
}

/// Random numbers that can be had again: a test that fails prints the seed.
pub(super) struct Luck {
    rng: SmallRng,
    seed: u64,
    /// What it has led to last.
    note: String,
}

impl Luck {
    /// From `VOBEE_TORTURE_SEED`, or from the time.
    pub(super) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
        let seed = setting("VOBEE_TORTURE_SEED", now.subsec_nanos() as usize) as u64;
        Self { rng: SmallRng::seed_from_u64(seed), seed, note: String::new() }
    }

    /// Below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end)
    }

    /// Keeps what is being tried, for a failure to be told with.
    pub(super) fn note(&mut self, note: String) {
        self.note = note;
    }
}

impl Drop for Luck {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed at: {}", self.note);
            eprintln!("again with VOBEE_TORTURE_SEED={}", self.seed);
        }
    }
}

/// One line for whoever writes down what was tried.
pub(super) fn report(what: &str, figures: &[(&str, &dyn Display)]) {
    let figures: Vec<_> = figures.iter().map(|(name, figure)| format!("{figure} {name}")).collect();
    eprintln!("torture: {what}: {}", figures.join(", "));
}
