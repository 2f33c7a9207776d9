//! Directories and files that are still there after a power cut.
//!
//! A new name is durable only when the directory that holds it has been synced, so whoever
//! creates something here syncs the parent before anything relies on it.

use std::fs::{self, DirBuilder, File, OpenOptions};
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
