//! What can go wrong between a record and the disk.

use std::io;
use std::path::{Path, PathBuf};

/// A failure of the journal. The text says what to do next where someone can do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {what} {}: {source}; check the disk and the permissions", path.display())]
    Io {
        /// The operation, as a verb: `open`, `sync`, `create`.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process owns the data directory.
    #[error(
        "data directory in use{}{}; stop that process or choose another directory",
        pid.map_or_else(String::new, |pid| format!(" by process {pid}")),
        since.as_deref().map_or_else(String::new, |since| format!(" since {since}"))
    )]
    InUse {
        /// The owner, if it has written its id already.
        pid: Option<u32>,
        /// When it took the directory, RFC 3339.
        since: Option<String>,
    },
    /// Records that were acknowledged are gone or unreadable.
    #[error(
        "journal damaged: records {missing_from} to {missing_to} are missing ({what}); restore a \
         backup, or keep a copy of the data directory and start once with --accept-loss, without \
         them and everything behind them"
    )]
    Damaged {
        /// The first record that is missing.
        missing_from: u64,
        /// The last record of the first hole.
        missing_to: u64,
        /// How it was noticed.
        what: String,
    },
    /// A file that stands by itself (a snapshot, an archive) is not what was written.
    #[error("{} is damaged: {what}; restore it from a backup", path.display())]
    DamagedFile {
        /// The file.
        path: PathBuf,
        /// How it was noticed.
        what: String,
    },
    /// sled refused or failed.
    #[error("journal store failed: {0}; check the disk, then restart")]
    Store(String),
    /// The caller and the journal disagree about the next sequence number.
    #[error("append expected sequence number {expected}, the journal is at {found}")]
    Unexpected {
        /// The number the caller thought was next.
        expected: u64,
        /// The number that is next.
        found: u64,
    },
    /// The directory was written by a later release.
    #[error("journal format {found} is newer than {known}; start the release that wrote it")]
    Newer {
        /// The format on disk.
        found: u16,
        /// The newest that this program knows.
        known: u16,
    },
    /// An earlier append failed, so the disk may be behind or ahead of what the caller knows.
    #[error("journal stopped after a failure ({reason}); restart the process to recover")]
    Stopped {
        /// The first failure.
        reason: String,
    },
    /// Whoever asked for it does not want it any more.
    #[error("interrupted")]
    Interrupted,
    /// A record is larger than the format holds. Nothing was written.
    #[error("record of {bytes} bytes is larger than the maximum of {bytes_max}")]
    TooLarge {
        /// Its size in disk form.
        bytes: usize,
        /// The largest that is taken.
        bytes_max: usize,
    },
}

impl Error {
    /// Whether a file that stands by itself cannot be read for good: it is not what was written, or
    /// the disk does not give it back.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Error::DamagedFile { .. } | Error::Io { what: "read", .. })
    }

    /// For `map_err`: names the operation and the path of a failed file operation.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { what, path: path.to_path_buf(), source }
    }
}

impl From<sled::Error> for Error {
    fn from(error: sled::Error) -> Error {
        Error::Store(error.to_string())
    }
}
