//! One owner for a data directory.
//!
//! `<dir>/LOCK` is locked with `flock`, which the kernel gives back when the process ends in
//! whatever way. What stands in the file (process id and time) only tells a second comer whom to
//! look for.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use rustix::fs::{FlockOperation, flock};

use crate::{Error, files};

const NAME: &str = "LOCK";
const TEXT_BYTES_MAX: usize = 128;

/// Holds the data directory until it is dropped.
#[derive(Debug)]
pub struct DataLock {
    file: File,
    /// Whether the file names us, so that our name must go when the lock does.
    named: bool,
}

impl DataLock {
    /// Takes the directory, which is created if it is not there.
    ///
    /// # Errors
    /// [`Error::InUse`] if another process, or another part of this one, holds it.
    pub fn acquire(dir: &Path) -> Result<DataLock, Error> {
        files::create_dir(dir)?;
        let path = dir.join(NAME);
        let mut file = files::open_or_create(&path)?;
        take(&file, FlockOperation::NonBlockingLockExclusive, &path)?;
        let now = DateTime::<Utc>::from(SystemTime::now());
        let since = now.to_rfc3339_opts(SecondsFormat::Secs, true);
        file.set_len(0).map_err(Error::io("write", &path))?;
        writeln!(file, "{} {since}", std::process::id()).map_err(Error::io("write", &path))?;
        Ok(DataLock { file, named: true })
    }

    /// Keeps owners out while somebody only reads, and writes nothing. `None` if the directory
    /// never had an owner.
    pub(crate) fn share(dir: &Path) -> Result<Option<DataLock>, Error> {
        let path = dir.join(NAME);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        take(&file, FlockOperation::NonBlockingLockShared, &path)?;
        Ok(Some(DataLock { file, named: false }))
    }
}

impl Drop for DataLock {
    fn drop(&mut self) {
        if self.named
            && let Err(error) = self.file.set_len(0)
        {
            tracing::warn!(%error, "cannot clear the lock file; the next owner will");
        }
    }
}

fn take(file: &File, operation: FlockOperation, path: &Path) -> Result<(), Error> {
    match flock(file, operation) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(in_use(file)),
        Err(error) => Err(Error::io("lock", path)(error.into())),
    }
}

fn in_use(file: &File) -> Error {
    let mut text = [0; TEXT_BYTES_MAX];
    // Whom to name is a courtesy: an unreadable file names nobody.
    let length = file.read_at(&mut text, 0).unwrap_or(0);
    let text = String::from_utf8_lossy(&text[..length]);
    let mut words = text.split_whitespace();
    Error::InUse {
        pid: words.next().and_then(|word| word.parse().ok()),
        since: words.next().map(str::to_owned),
    }
}
