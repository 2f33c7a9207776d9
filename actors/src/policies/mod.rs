//! Policy simulation: where everybody would stand if another scoring policy had been in force since
//! the beginning.
//!
//! Only scores are worked out again; who joined, left, was boosted or invited stays as it was. The
//! simulated score of a person is what the tried policy gives to the persona and the use case that
//! were recorded, plus the person's boosts. Whoever's text is unknown keeps the recorded score.
//!
//! **Active** are the recorded scores: what people are ranked by now. A score is recorded at
//! joining and does not change with the configuration, so after a change of policy the list holds
//! scores of several. A tried policy that says the same as the configured one therefore keeps every
//! recorded score, and moves nobody. Any other one is applied to everybody, those who joined under
//! an older configuration included; [`Simulation::recorded_otherwise`] tells how many of the moves
//! may be owed to that.
//!
//! What is told of the difference:
//! - **Places** count the people who wait, from 1, as everywhere else.
//! - **Top** is the first `n` of them; who enters and who leaves it.
//! - **Invited earlier**: take everybody who waits or was taken off the list (invited, or let in),
//!   and has not left since. Let N be the number of those taken off. Had the N invitations gone to
//!   the first N of all of them, by the simulated scores, some who wait now would have been among
//!   them; those of these who would not have been, by the recorded scores, would have been invited
//!   earlier. That leaves out when each one joined and was invited, and invitations that did not go
//!   by priority.
//! - **Rank correlation** is Kendall's tau-b between the two orders of those who wait: 1 for the
//!   same order, -1 for the reversed one (`correlation.rs`).
//!
//! A running node hands its list over in pieces, and goes on meanwhile. Somebody who is invited in
//! between stands where the piece had them, so places may be off by the few whom that concerns;
//! both orders are computed from the same copy. At any time a simulation holds at most 80 bytes for
//! each entry, and three pieces of text.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `rescore.rs` | the score of each person under the tried policy |
//! | `compare.rs` | two orders of the same people, and what differs |
//! | `correlation.rs` | how alike two orders are, in O(n log n) |
//! | `offline.rs` | the same over a data directory that no node runs on |
//!
//! Deliberately absent: any effect. Nothing is written, and no policy is changed.

mod compare;
mod correlation;
mod offline;
mod rescore;

pub use compare::{Comparison, Move, Top};
pub use offline::{Error, Step, simulate};
pub(crate) use rescore::Rescoring;
pub use rescore::{Asked, Simulation};
