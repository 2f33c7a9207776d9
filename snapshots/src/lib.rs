//! Sequence numbers and bytes: the journal of VoBee, and not one business word.
//!
//! A record is an opaque body with personal sections beside it. Records are gathered in a
//! [`Batch`], a batch is committed by one [`Journal::append`], and when `append` has returned, a
//! power cut does not lose it. Records are numbered from 1 without a gap.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `journal.rs` | what the committer writes through, and what recovery reads through |
//! | `record.rs` | one record on disk, and the batch that gathers them |
//! | `frame.rs` | the unit of writing: header, checksum, parts of a large record |
//! | `chain.rs` | the running hash over everything ever appended |
//! | `watermark.rs` | the last acknowledged record, so that a lost tail is noticed |
//! | `disk.rs` | where frames and watermark are: files, or a simulation of them |
//! | `affinity.rs` | one core for the threads that carry a batch to the disk |
//! | `store.rs` | sled, used only in the way that survives a power cut |
//! | `sled_journal.rs` | the journal over that store |
//! | `epochs.rs` | the epochs of a journal, and the snapshots between them |
//! | `closed.rs` | where closed epochs begin and end, and the link of the chain over a record |
//! | `snapshot.rs` | a state at one seq, in one file |
//! | `kept.rs` | closed epochs that stay for somebody who reads behind the others |
//! | `archive/` | a closed epoch, compressed, for as long as anybody may ask |
//! | `moment.rs` | all of it at one moment, for a backup, and the way back |
//! | `layout.rs` | where everything lies in a data directory |
//! | `recovery.rs` | the walk that tells the journal from a torn tail and from damage |
//! | `still.rs` | a journal that nobody writes to, to be read and left as it is |
//! | `verify.rs` | the same walk over a copy, for an operator who only wants to know |
//! | `lock.rs` | one owner for a data directory |
//! | `files.rs` | directories and files that are there after a power cut |
//! | `simulation.rs` | a disk that delays, fails, tears and forgets, for tests |
//!
//! Deliberately absent: threads, timers, retries of a failed write, and any clock but the one
//! that measures how long a sync took.

mod affinity;
pub mod archive;
mod chain;
mod closed;
mod disk;
mod epochs;
mod error;
mod files;
mod frame;
mod journal;
mod kept;
mod layout;
mod lock;
mod moment;
mod record;
mod recovery;
mod runway;
#[cfg(feature = "simulation")]
pub mod simulation;
mod sled_journal;
mod snapshot;
mod still;
mod store;
mod verify;
mod watermark;

pub use affinity::{share_core, use_one_core};
pub use epochs::{Epochs, Progress};
pub use error::Error;
pub use files::free_bytes;
pub use frame::FRAME_BYTES_MAX;
pub use journal::{Appended, Journal, Reader};
pub use kept::Released;
pub use layout::{archive_dir, archive_path};
pub use lock::DataLock;
pub use moment::{Moment, restore_journal};
pub use record::{Batch, RECORD_BYTES_MAX, RecordView, Section, SectionView};
pub use sled_journal::{Options, Recovered, SledJournal};
pub use snapshot::{PartReader, PartWriter, Position, Snapshot, SnapshotWriter};
pub use still::Still;
pub use verify::{Verified, verify, verify_within};
