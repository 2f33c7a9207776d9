//! The handlers, one file a service: read the input, call the engine, give its answer as JSON.
//!
//! Every answer is a struct with SEED.md's fields in its order, then what goes beyond them.

pub(super) mod invites;
pub(super) mod operations;
pub(super) mod quality;
pub(super) mod referrals;
pub(super) mod waitlist;

mod text;
