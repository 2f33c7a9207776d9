//! Files that only the owner of the process may read, and that are there after a power cut.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The directory of keys in a data directory.
#[derive(Clone, Debug)]
pub(super) struct Vault {
    pub(super) dir: PathBuf,
}

/// Held while anything in the directory changes; released when dropped.
pub(super) struct Guard {
    _lock: File,
}

impl Vault {
    pub(super) fn of(data_dir: &Path) -> Self {
        Self { dir: data_dir.join("keys") }
    }

    /// Makes the directory, and the data directory around it, where they are missing.
    pub(super) fn create(&self) -> io::Result<()> {
        if self.dir.is_dir() {
            return Ok(());
        }
        let created = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        created.map_err(named("create", &self.dir))?;
        for dir in self.dir.ancestors().skip(1).take(2) {
            sync_dir(dir)?;
        }
        Ok(())
    }

    /// Waits until nobody else changes anything here.
    pub(super) fn lock(&self) -> io::Result<Guard> {
        let path = self.dir.join("api-keys.lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(&path).map_err(named("open", &path))?;
        file.lock().map_err(named("lock", &path))?;
        Ok(Guard { _lock: file })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Replaces a file as a whole, mode 0600. Whoever reads it sees the old or the new one, also
    /// after a power cut. The guard shows that nobody else is writing.
    pub(super) fn replace(&self, _guard: &Guard, name: &str, content: &[u8]) -> io::Result<()> {
        let (path, temporary) = (self.path(name), self.path(&format!("{name}.new")));
        self.remove(&format!("{name}.new"))?;
        let mut options = OpenOptions::new();
        let file = options.create_new(true).write(true).mode(0o600).open(&temporary);
        let mut file = file.map_err(named("create", &temporary))?;
        file.write_all(content).map_err(named("write", &temporary))?;
        file.sync_all().map_err(named("sync", &temporary))?;
        fs::rename(&temporary, &path).map_err(named("replace", &path))?;
        sync_dir(&self.dir)
    }

    /// Removes a file if it is there.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(named("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }
}

/// For `map_err`: the same kind of error, saying what was tried with which file.
pub(super) fn named(what: &str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("cannot {what} {}: {error}", path.display()))
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir).and_then(|file| file.sync_all()).map_err(named("sync", dir))
}
