//! The committer: the one writer of the journal, and the reason why no answer outruns the disk.
//!
//! Domain actors append records as they decide, each with the answer that waits for it. One thread
//! takes what has gathered, writes it as a batch and syncs it. Then the herald hands it to the
//! actors that follow other domains, and only after that releases the answers; when it is done, the
//! next batch begins. Whatever comes meanwhile gathers: group commit without a timer, so that one
//! request waits for one sync and ten thousand share theirs. A record that nobody waits for does
//! not start a commit; it goes along with the next one.
//!
//! A record has a seq from the moment it is appended; it is *durable* once its batch has been
//! synced. Answers that change nothing wait for the newest record of the state that they were read
//! from.
//!
//! What is deliberately absent: retries. A write or sync that failed may have happened, so the
//! committer stops for good, releases nothing, and the process ends; what is on disk tells at the
//! next start. A watchdog ends the process when a commit hangs.

mod batch;
#[cfg(feature = "simulation")]
mod desk;
mod herald;
mod thread;
mod tickets;

pub(crate) use batch::{Committed, Delivery};
#[cfg(feature = "simulation")]
pub(crate) use desk::Desk;
pub(crate) use herald::Follower;
pub(crate) use thread::{Committer, Fatal, Uncommitted};
pub(crate) use tickets::{Receipt, Ticket};
