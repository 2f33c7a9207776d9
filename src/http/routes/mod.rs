//! The handlers, one file a service: read the input, call the engine, give its answer as JSON.
//!
//! An answer is a struct: first the fields that every client relies on, then what came on top.

pub(super) mod invites;
pub(super) mod operations;
pub(super) mod past;
pub(super) mod policies;
pub(super) mod quality;
pub(super) mod referrals;
pub(super) mod review;
pub(super) mod waitlist;

mod text;
