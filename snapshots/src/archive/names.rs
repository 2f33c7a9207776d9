//! Which archives a directory has.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::Archive;
use crate::{Error, files};

const EPOCH_DIGITS: usize = 16;
const ARCHIVE_END: &str = ".events.zst";
const TEMPORARY_END: &str = ".tmp";

/// The archives in a directory with their epochs, oldest first. Files of other names are ignored,
/// and a directory that is not there has none.
///
/// # Errors
/// [`Error::Io`].
pub fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let names = names(dir)?;
    let epochs = names.iter().filter_map(|name| Some((epoch(name)?, dir.join(name))));
    let mut archives: Vec<_> = epochs.collect();
    archives.sort_unstable();
    Ok(archives)
}

/// Removes from a directory what writers left there that did not come to their end. Only while
/// nobody writes an archive in it.
///
/// # Errors
/// [`Error::Io`].
pub fn remove_unfinished(dir: &Path) -> Result<(), Error> {
    let names = names(dir)?;
    let unfinished: Vec<_> = names.iter().filter(|name| is_unfinished(name)).collect();
    for name in &unfinished {
        let path = dir.join(name);
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
    }
    if !unfinished.is_empty() {
        // They may hold text that has been erased since, so they must not come back.
        files::sync_dir(dir)?;
    }
    Ok(())
}

/// What a file is called until it gets the name `path`.
pub(super) fn temporary(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(TEMPORARY_END);
    PathBuf::from(name)
}

/// The directory of `path`.
pub(super) fn parent(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn names(dir: &Path) -> Result<Vec<String>, Error> {
    if dir.is_dir() { files::names(dir) } else { Ok(Vec::new()) }
}

fn epoch(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(ARCHIVE_END)?;
    let all_digits = digits.len() == EPOCH_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    if all_digits { digits.parse().ok() } else { None }
}

fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(TEMPORARY_END).and_then(epoch).is_some()
}

/// Removes the archives of a directory that are of an epoch before `epoch`, and whose newest record
/// is older than `oldest`.
///
/// # Errors
/// [`Error::Io`]; [`Error::DamagedFile`] for an archive that cannot say how old it is, which stays.
/// The others are removed all the same.
pub fn remove_before(dir: &Path, oldest: i64, epoch: u64) -> Result<(), Error> {
    let (mut removed, mut failed) = (false, Ok(()));
    for (number, path) in list(dir)? {
        if number >= epoch {
            break;
        }
        match remove_if_before(&path, oldest) {
            Ok(gone) => removed |= gone,
            Err(error) => failed = failed.and(Err(error)),
        }
    }
    if removed {
        files::sync_dir(dir)?;
    }
    failed
}

fn remove_if_before(path: &Path, oldest: i64) -> Result<bool, Error> {
    let is_old = Archive::open(path)?.times().is_some_and(|(_, newest)| newest < oldest);
    if is_old {
        fs::remove_file(path).map_err(Error::io("remove", path))?;
    }
    Ok(is_old)
}
