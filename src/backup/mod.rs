//! A backup: the whole of a node at one moment, in one tar file.
//!
//! ```text
//! snapshots/<epoch>.snap   the newest snapshot, if there is one
//! tail.events.zst          every event behind it that was durable when the backup began
//! keys/identity.key        without it nobody could be found by address again
//! keys/api-keys.json       the API keys, hashed
//! manifest.json            size and SHA-256 of each file, the last event and the hash chain there
//! ```
//! The manifest comes last, so a file that ends too early has none and is refused. The node goes on
//! while the backup is written: the snapshot is held open, the events are copied beside it. A
//! backup is verified by restoring it somewhere and walking the result like any data directory.
//!
//! While a backup is written nothing goes that it reads, so the edge cuts off whoever has stopped
//! reading. The copy of the events takes room, and is refused where it might touch what is to stay
//! free on the disk.
//!
//! Deliberately absent: the archive. Its files are whole in themselves and change only when
//! somebody is erased; copy them as files. And encryption: a backup holds addresses and the
//! identity secret, and is made for its owner only (mode 0600).

mod manifest;
mod read;
mod write;

pub use manifest::{Entry, Manifest};
pub use read::{Progress, Restored, restore, verify};
pub use write::{Source, sweep, write};

/// The tail's name in the file.
const TAIL: &str = "tail.events.zst";
/// The manifest's name in the file.
const MANIFEST: &str = "manifest.json";
/// The key files that belong to it, below the data directory.
const KEYS: [&str; 2] = ["keys/identity.key", "keys/api-keys.json"];
