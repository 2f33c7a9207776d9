//! Making the journal of a new node from what somebody else has kept.
//!
//! Whoever imports says what happened, oldest first; it is written down as the events that would
//! have been decided, with the times that it happened at. A start of a node then finds a journal
//! like any other. Each record says that its domain had come to everything before it, so that no
//! domain reacts to what is written here: what follows from what is said too.
//!
//! What is deliberately absent: rules. What was decided elsewhere is taken as it is.

mod writer;

pub use writer::{Codes, Entry, Error, Writer};
