//! The engine's parts without threads, on a disk that fails on purpose: the same seed, the same
//! run, for ever.
//!
//! What runs here is what runs in a release: decide and apply, the cell around them, the committing
//! thread's turn, the herald, the journal's frames and chain and watermark, recovery, rotation,
//! snapshots and archive. What is simulated is what none of them decides: the clock, the random
//! bytes, the disk ([`snapshots::simulation`]), who gets the processor next, and the callers.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `workload.rs` | the steps of a run, drawn from a seed |
//! | `post.rs`, `node.rs` | an actor and its mailbox; all six with committer and disk |
//! | `edge.rs` | a caller: what the engine's edge makes of one request |
//! | `history.rs` | the oracle: what the disk holds, folded into plain collections, written anew |
//! | `ledger.rs` | what callers were told, against what the disk holds |
//! | `rest.rs` | everything compared, once nothing is under way |
//! | `run.rs` | one run, step after step; the shortest one that still fails |
//!
//! After each step: what was answered is on disk, exactly once; nothing is there that nobody
//! asked for; no code is redeemed more often than it has uses, nobody is on the list twice; no code
//! of a reward is granted again that is in the world, and none to whom an operator has rejected;
//! every domain's times and causes only go up. At every crash: what was durable is there byte for
//! byte, on the same chain. At rest: every rank is that of a sorted list, graph and gates agree on
//! who is false, every state is that of the oracle, and of a replay from the snapshot, and of one
//! from the very beginning.
//!
//! Deliberately absent: HTTP, sled, time-outs and the mailboxes' bounds.

mod edge;
mod history;
mod ledger;
mod node;
mod post;
mod rest;
mod run;
mod workload;

pub use run::{Failure, Played, simulate};
pub use workload::{Step, Wish};
