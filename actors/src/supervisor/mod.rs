//! The supervisor: starts every actor, and starts it again when it has panicked.
//!
//! A panic loses the actor's state and mailbox, so both are built anew: the state from the journal,
//! the mailbox empty. Meanwhile the other domains go on answering, and callers of the lost one get
//! 503. What the lost actor had already appended is committed and answered as if nothing had
//! happened.
//!
//! Restarts have a budget. An actor that keeps panicking would keep losing its callers' requests,
//! so past the budget the whole process ends and says why.

mod restart;
mod tree;

pub(crate) use tree::{Child, Supervised, Supervisor};
