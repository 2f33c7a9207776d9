//! How things were at a moment of the past, and what has changed a place since.
//!
//! History is in the journal: the newest snapshot and the epochs behind it, and before that the
//! archive. A moment is reached by the code that recovery runs, on a thread of its own and behind
//! all others: from the newest snapshot when that is older than the moment, else from the first
//! event on. One at a time, since each makes a list of its own in memory.
//!
//! What is deliberately absent: what people had typed, which is kept as it is now or not at all,
//! and moments that the archive no longer has ([`Error::NotKept`]).

mod changes;
mod walk;

pub(crate) use changes::explain;
pub use changes::{Cause, Change, Explained};
pub use walk::{Error, Moment};
pub(crate) use walk::{Subject, Walk, at};
