//! The engine as its callers see it: a value that can be cloned, with one async method for each
//! thing to ask.
//!
//! Here is the edge of the deterministic core: the time and random bytes are taken once, addresses
//! become ids, what a person typed becomes a section that only the journal and the people book see,
//! and a request that spans domains is put together from one command and the reads around it, or,
//! for a share, from two commands of which the second can be repeated.
//! There is no rule here: rules are in `decide.rs` of each domain.
//!
//! What is deliberately absent: HTTP, files other than the journal's, signals, and global state. A
//! process may hold several engines.

mod export;
mod invites;
mod keeping;
mod open;
mod past;
mod policies;
mod quality;
mod referrals;
mod stats;
mod waitlist;

pub use invites::Generate;
pub use open::{Engine, OpenError, Options, Policies, Recovery};
pub use past::Explanation;
pub use quality::Sighting;
pub use referrals::Verdict;
pub use stats::{ActorStats, Stats};
pub use waitlist::{Join, Page, Sent, Wave};
