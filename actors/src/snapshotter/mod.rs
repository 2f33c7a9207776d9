//! The snapshotter: ends epochs, and puts a snapshot of the state at their end on disk.
//!
//! A snapshot is a rehearsed recovery. Beside the live actors, which go on undisturbed, each role
//! is restored from the snapshot before, caught up with the closed epoch by the code that a start
//! runs, compared with what the live actor had on the way, and written down. Only when the file
//! has been synced and read back does anything rest on it: then the closed epoch goes to the
//! archive, and what two newer snapshots cover is removed.
//!
//! A live state that differs from its journal is not trusted: there is no snapshot then, and the
//! actor is ended and rebuilt.
//!
//! It is refused when it might not leave free on the disk what is to stay free there. It would let
//! epochs go, but only when it is whole, and one that fills the disk stops the journal before.
//!
//! Erasing somebody needs no more than this: a state has no text of those who left, the archive is
//! written without it, older archives are rewritten, and the epochs and snapshots that still hold
//! it go with the next two rotations, or at once when somebody asks for it.

mod keeper;
mod policy;
mod room;
mod work;

pub(crate) use keeper::{Keeper, Snapshotter};
pub use policy::{Archive, Policy};
pub(crate) use room::for_backup as room_for_backup;
pub(crate) use work::Outcome;
#[cfg(feature = "simulation")]
pub(crate) use work::Worker;
pub(crate) use work::yield_to_others;
pub use work::{Error, Taken, time};
