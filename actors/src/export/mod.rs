//! What a database outside is told: every record of the journal as changes of rows, and the whole
//! state as the changes that lead to it.
//!
//! A [`Feed`] reads the journal from disk, from wherever its reader has come to, so that a reader
//! who is slow, or away for a day, costs the engine nothing: no queue grows, and no actor knows of
//! it. A record becomes [`Change`]s by a pure function, without any state; what is to be looked up
//! (the address of a person, the batch of a code) is left to whoever keeps the rows. Somebody who
//! begins, or has been away for longer than history is kept, takes over the newest snapshot, which
//! is handed out as changes too, and goes on behind it.
//!
//! What is deliberately absent: SQL, and any database.

mod change;
mod feed;
mod project;
mod whole;

pub use change::{Change, Issue, Joined, Redeemed, Referred, Waved};
pub use feed::{Error, Feed, Place, Read};
pub use whole::{Fold, FoldError, Whole};
