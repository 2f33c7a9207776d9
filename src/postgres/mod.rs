//! A copy of everything in PostgreSQL, and the way in from there: the only place that knows it.
//!
//! The export is a reader of the journal at its own pace. It takes some records from the disk,
//! turns them into rows, brings the rows into temporary tables by binary COPY and merges them by
//! `INSERT … ON CONFLICT`; the number of the last record stands in the same transaction, so that
//! every event arrives exactly once, whenever either side is killed. The three tables of the
//! original services are made of the normal tables beside them, whose names begin with `vobee_`.
//!
//! What this module promises: the engine never waits for it. Nothing is queued; what has not been
//! exported is on disk. When PostgreSQL is away, full, read-only or has lost a table, the export
//! says so and tries again, ever more seldom, and catches up by itself. When the records that it
//! needs are gone, or the tables are of a history that the node was taken back from, it begins
//! again with the newest snapshot, in one transaction.
//!
//! What is deliberately absent: reading anything back that decides something. A database that was
//! changed by somebody else is wrong until the rows change again; `vobee postgres verify` names
//! them, and `vobee postgres init --again` writes all anew.

mod address;
mod backoff;
mod batch;
mod columns;
mod copy;
mod error;
mod expected;
mod exporter;
mod import;
mod load;
mod merge;
mod portion;
mod schema;
mod session;
mod source;
mod stage;
mod status;
mod tls;
mod verify;

pub use address::{Address, AddressError};
pub use error::Error;
pub(crate) use exporter::{Export, watch};
pub use import::{Imported, Listener, Reject, import};
pub use load::load_from;
pub use portion::Portion;
pub use schema::Found;
pub use session::Session;
pub(crate) use status::Status;
pub use verify::{Compared, Difference, Tables};
