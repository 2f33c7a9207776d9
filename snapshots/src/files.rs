//! Directories and files that are still there after a power cut.
//!
//! A new name is durable only when the directory that holds it has been synced, so whoever
//! creates something here syncs the parent before anything relies on it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::Error;

/// Creates the directory and what is missing above it, for the owner only, and syncs the parent
/// of each one that it created.
pub(crate) fn create_dir(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    create_dir(parent)?;
    DirBuilder::new().mode(0o700).create(path).map_err(Error::io("create", path))?;
    sync_dir(parent)
}

/// Makes the names inside the directory durable.
pub(crate) fn sync_dir(path: &Path) -> Result<(), Error> {
    let dir = File::open(path).map_err(Error::io("open", path))?;
    dir.sync_all().map_err(Error::io("sync", path))
}

/// Bytes of all files below a directory. What goes meanwhile counts for nothing.
pub(crate) fn size(dir: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        bytes += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path())?,
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(Error::io("look at", &entry.path())(error)),
        };
    }
    Ok(bytes)
}

/// Bytes that may still be written to the file system on which a directory lies.
///
/// # Errors
/// When the system cannot say.
pub fn free_bytes(dir: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Writes a large file beside a journal that syncs all the time, without making it wait: what has
/// been written is made durable piece by piece, so that no commit of the file system has more than
/// a piece of it to take along.
pub(crate) struct Paced {
    file: File,
    unsynced: usize,
}

/// The disk is a few milliseconds busy with a piece.
const PIECE_BYTES: usize = 512 * 1024;

impl Paced {
    pub(crate) fn new(file: File) -> Paced {
        Paced { file, unsynced: 0 }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

impl Write for Paced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(&bytes[..bytes.len().min(PIECE_BYTES)])?;
        self.unsynced += written;
        if self.unsynced >= PIECE_BYTES {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Removes a large file as gently as [`Paced`] writes one: from its end, piece by piece.
pub(crate) fn shrink_away(path: &Path) -> Result<(), Error> {
    let file = OpenOptions::new().write(true).open(path).map_err(Error::io("open", path))?;
    let length = file.metadata().map_err(Error::io("open", path))?.len();
    for end in (0..length).rev().step_by(REMOVED_BYTES) {
        let end = end / REMOVED_BYTES as u64 * REMOVED_BYTES as u64;
        file.set_len(end).map_err(Error::io("truncate", path))?;
        file.sync_all().map_err(Error::io("sync", path))?;
    }
    fs::remove_file(path).map_err(Error::io("remove", path))
}

const REMOVED_BYTES: usize = 8 << 20;

/// Opens a file for reading and writing, and creates it for the owner only if it is not there.
pub(crate) fn open_or_create(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(Error::io("open", path))
}

/// Names in the directory, in no order. Names that are not UTF-8 are none of ours.
pub(crate) fn names(path: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(Error::io("list", path))? {
        let entry = entry.map_err(Error::io("list", path))?;
        names.extend(entry.file_name().into_string().ok());
    }
    Ok(names)
}
