//! The engine without HTTP, on a real journal.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod feed;
mod fixture;
mod idempotency;
mod past;
mod policies;
mod reactions;
mod replay;
mod snapshot;
mod supervision;
mod support;
mod verdicts;
