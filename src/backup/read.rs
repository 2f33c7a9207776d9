//! From a file back into a data directory.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail, ensure};
use snapshots::Verified;
use tar::Archive;

use super::manifest::{FORMAT, Hashing, Manifest, hex};
use super::{MANIFEST, TAIL};

const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// A backup that was restored and walked.
#[derive(Debug)]
pub struct Restored {
    /// What the backup says about itself.
    pub manifest: Manifest,
    /// What the walk over the restored directory found.
    pub verified: Verified,
}

/// Checks a backup by restoring it into a scratch directory, which goes again. `progress` hears how
/// many bytes were read.
///
/// # Errors
/// When the file is not a whole backup; it says what is wrong with which part.
pub fn verify(backup: &Path, progress: &mut dyn FnMut(u64)) -> anyhow::Result<Restored> {
    let scratch = tempfile::Builder::new().prefix("vobee-backup-").tempdir()?;
    unpack(backup, scratch.path(), progress)
}

/// Restores a backup as the data directory `dir`, which must be empty or not there. The directory
/// appears as a whole or not at all.
///
/// # Errors
/// When `dir` holds something, or the file is not a whole backup.
pub fn restore(
    backup: &Path,
    dir: &Path,
    progress: &mut dyn FnMut(u64),
) -> anyhow::Result<Restored> {
    let taken = || format!("{} is not empty; restore into a new directory", dir.display());
    match fs::read_dir(dir) {
        Ok(mut entries) => ensure!(entries.next().is_none(), taken()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", dir.display())),
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    // Beside its place, so that one rename puts it there; removed when anything goes wrong.
    let scratch = tempfile::Builder::new().prefix(".vobee-restore-").tempdir_in(parent)?;
    let restored = unpack(backup, scratch.path(), progress)?;
    let made = scratch.keep();
    if let Err(error) = fs::rename(&made, dir) {
        let _ = fs::remove_dir_all(&made);
        return Err(error).with_context(taken);
    }
    File::open(parent)?.sync_all()?;
    Ok(restored)
}

fn unpack(backup: &Path, dir: &Path, progress: &mut dyn FnMut(u64)) -> anyhow::Result<Restored> {
    let file = File::open(backup).with_context(|| format!("cannot open {}", backup.display()))?;
    let mut tar = Archive::new(BufReader::with_capacity(1 << 20, file));
    let mut found = Vec::new();
    let mut manifest: Option<Manifest> = None;
    let (mut bytes, broken) = (0, || format!("{} is no whole backup", backup.display()));
    for entry in tar.entries().with_context(broken)? {
        let mut entry = entry.with_context(broken)?;
        let name = entry.path().with_context(broken)?.into_owned();
        ensure!(manifest.is_none(), "{}: something follows the manifest", broken());
        if name == Path::new(MANIFEST) {
            let mut text = Vec::new();
            entry.by_ref().take(MANIFEST_BYTES_MAX).read_to_end(&mut text).with_context(broken)?;
            manifest = Some(serde_json::from_slice(&text).with_context(broken)?);
            continue;
        }
        let (target, name) = place(dir, &name).with_context(broken)?;
        let mut content = Hashing::new(&mut entry);
        write_file(&target, &mut content).with_context(broken)?;
        bytes += content.bytes;
        found.push(content.entry(&name));
        progress(bytes);
    }
    let Some(manifest) = manifest else { bail!("{}: it has no manifest", broken()) };
    ensure!(manifest.format <= FORMAT, "the backup was made by a later release; use that one");
    for (entry, said) in found.iter().zip(&manifest.files) {
        ensure!(entry == said, "{}: {} is not what the manifest says", broken(), said.name);
    }
    ensure!(found.len() == manifest.files.len(), "{}: a file is missing", broken());
    let tail = dir.join(TAIL);
    snapshots::restore_journal(dir, &tail).with_context(broken)?;
    fs::remove_file(&tail)?;
    let verified = snapshots::verify(dir).with_context(broken)?;
    let same = verified.next_seq == manifest.seq + 1 && hex(&verified.chain) == manifest.chain;
    ensure!(same, "{}: the journal ends elsewhere than the manifest says", broken());
    Ok(Restored { manifest, verified })
}

/// Where a file of the backup goes: nowhere but below `dir`.
fn place(dir: &Path, name: &Path) -> anyhow::Result<(PathBuf, String)> {
    let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
    let text = name.to_str().filter(|_| plain && name.components().count() <= 2);
    let text = text.with_context(|| format!("{} is a strange name", name.display()))?;
    Ok((dir.join(name), text.to_owned()))
}

/// Writes a file for the owner only, durably.
fn write_file(path: &Path, content: &mut impl Read) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::copy(content, &mut file)?;
    file.flush()?;
    file.sync_all()?;
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}
