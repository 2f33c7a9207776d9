//! The `vobee` node around the engine: HTTP, configuration, keys, signals.
//!
//! [`run`] is the whole node; the binary and the tests call it. The engine in `actors` knows none
//! of what is here and runs without it.

pub mod backup;
pub mod cli;
pub mod config;
mod descriptors;
mod disposable;
pub mod http;
pub mod keys;
mod policies;
pub mod postgres;
pub mod shutdown;
pub mod telemetry;
mod waves;

mod load;
mod run;

pub use run::{RunError, run};
