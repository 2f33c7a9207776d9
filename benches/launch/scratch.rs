//! The directory that one run of the bench may fill, and that is gone afterwards.

use std::path::{Path, PathBuf};

const PREFIX: &str = "launch-bench-";

/// Removes itself when dropped. What a killed run left behind, the next one removes.
pub(crate) struct Scratch {
    path: PathBuf,
    vobee: PathBuf,
}

impl Scratch {
    /// Makes the directory inside `parent`.
    pub(crate) fn create(parent: &Path) -> Result<Scratch, String> {
        let path = parent.join(format!("{PREFIX}{}", std::process::id()));
        std::fs::create_dir_all(parent)
            .and_then(|()| remove_leftovers(parent))
            .and_then(|()| std::fs::create_dir(&path))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let path = path.canonicalize().map_err(|error| error.to_string())?;
        let vobee = path.join("vobee");
        let scratch = Scratch { path, vobee };
        std::fs::copy(env!("CARGO_BIN_EXE_vobee"), &scratch.vobee)
            .map_err(|error| format!("{}: {error}", scratch.vobee.display()))?;
        Ok(scratch)
    }

    /// A copy of the program under test, so that a build that ends meanwhile changes nothing: all
    /// windows of a run are of the same program.
    pub(crate) fn vobee(&self) -> &Path {
        &self.vobee
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A new directory inside.
    pub(crate) fn inner(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.path.join(name);
        std::fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            eprintln!("{} could not be removed: {error}", self.path.display());
        }
    }
}

fn remove_leftovers(parent: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
