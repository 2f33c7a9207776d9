//! What the node tells those who run it: a log and metrics.
//!
//! The log says what a person should know or do; it never holds an address, a code, a key or
//! anything else that somebody sent. Metrics come from two sides: what happens at the edge
//! (requests, limits) is counted as it happens, through handles that are resolved once; what the
//! engine knows (people, codes, the gate, the journal) is asked for when somebody scrapes, so that
//! it costs nothing otherwise and cannot drift from the truth.
//!
//! Every family is listed in `families` with its help text, and every label's values come from a
//! closed set, exported from the start with 0. Prometheus counters are floats and those of the
//! `metrics` crate are not, so the process's own figures are written by hand.

mod engine;
mod families;
mod log;
mod process;
mod recorder;

pub use log::start as start_log;

pub(crate) use engine::{fill, fill_edge};
pub(crate) use process::StartTime;
pub(crate) use recorder::{Recorder, rate_limited, wrong_codes};
