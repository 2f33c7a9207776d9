//! Answers to requests that carry a key, so that repeating one is safe.
//!
//! A record that a keyed request has caused carries the key's tag and the encoded outcome, in the
//! same write as the event: the journal knows of both or of neither. Here they are kept for 24
//! hours, also over a restart. While the first request is under way, a second with the same key is
//! turned away.
//!
//! Refusals with a key are written down too, without an event, so that a repeated request gets the
//! first answer even when another would be right by now.

mod actor;
mod memory;

pub(crate) use actor::{Answers, Begun, Handle, UnderWay};
