//! The command line: one file a subcommand.
//!
//! What goes to stdout is data, what goes to stderr is talk, and a reader that closes its end of a
//! pipe is no error. Every subcommand loads the same configuration from the same sources, so
//! `vobee config show` tells what `vobee serve` would do with the same flags. Deliberately absent:
//! logic about waitlists, codes or gates; what a command beside a running node wants to know about
//! those, it asks the node.

mod arguments;
pub mod backup;
pub mod client;
pub mod compact;
pub mod config;
pub mod exit;
pub mod import;
mod interruptible;
pub mod keys;
pub mod openapi;
mod output;
pub mod postgres;
pub mod serve;
pub mod simulate;
pub mod verify;
pub mod version;

pub use arguments::{Arguments, Command};
use interruptible::interruptible;
pub use output::{Output, talk};
