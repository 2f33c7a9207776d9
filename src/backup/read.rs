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
use crate::shutdown::Interrupted;

const MANIFEST_BYTES_MAX: u64 = 1 << 20;
/// How a directory begins that a backup is unpacked into before it is in its place.
const SCRATCH: &str = ".vobee-restore-";
/// What some file systems have at their root.
const LOST_AND_FOUND: &str = "lost+found";
const KEYS_DIR: &str = "keys";

/// A backup that was restored and walked.
#[derive(Debug)]
pub struct Restored {
    /// What the backup says about itself.
    pub manifest: Manifest,
    /// What the walk over the restored directory found.
    pub verified: Verified,
}

/// Hears how many bytes of a backup were read, and may end the work.
pub type Progress<'a> = &'a mut dyn FnMut(u64) -> Result<(), Interrupted>;

/// Checks a backup by restoring it into a scratch directory, which goes again.
///
/// # Errors
/// When the file is not a whole backup; it says what is wrong with which part. When `progress` ends
/// the work, which leaves nothing.
pub fn verify(backup: &Path, progress: Progress<'_>) -> anyhow::Result<Restored> {
    // Beside the file is room for it, which a temporary directory may not have.
    let room = tempfile::Builder::new().prefix(".vobee-verify-").tempdir_in(parent(backup));
    let scratch = room.or_else(|_| tempfile::tempdir())?;
    unpack(backup, scratch.path(), progress)
}

/// Restores a backup as the data directory `dir`, which must be empty or not there. A directory
/// that was not there appears as a whole or not at all. One that was, which may be a mount point,
/// gets the keys last, and without them no node starts in it.
///
/// # Errors
/// When `dir` holds something, or the file is not a whole backup. When `progress` ends the work,
/// which leaves `dir` as it was.
pub fn restore(backup: &Path, dir: &Path, progress: Progress<'_>) -> anyhow::Result<Restored> {
    let is_there = is_there_and_empty(dir)?;
    // On the same file system as its place, so that renaming puts it there.
    let around = if is_there { dir } else { parent(dir) };
    fs::create_dir_all(around)?;
    let scratch = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(around)?;
    let restored = unpack(backup, scratch.path(), progress)?;
    if is_there {
        settle(scratch.path(), dir)?;
    } else {
        let made = scratch.keep();
        if let Err(error) = fs::rename(&made, dir) {
            let _ = fs::remove_dir_all(&made);
            return Err(error).with_context(|| format!("cannot create {}", dir.display()));
        }
    }
    File::open(around)?.sync_all()?;
    Ok(restored)
}

/// Whether there is such a directory, which then has nothing in it. What an earlier restore left
/// there goes, and what a file system keeps at its root does not count.
fn is_there_and_empty(dir: &Path) -> anyhow::Result<bool> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", dir.display())),
    };
    let mut left = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(SCRATCH) {
            left.push(entry.path());
        } else {
            let taken = || format!("{} is not empty; restore into a new directory", dir.display());
            ensure!(name == LOST_AND_FOUND, taken());
        }
    }
    left.iter().try_for_each(fs::remove_dir_all)?;
    Ok(true)
}

/// Moves what was unpacked into its place.
fn settle(from: &Path, dir: &Path) -> anyhow::Result<()> {
    let names = fs::read_dir(from)?.map(|entry| entry.map(|entry| entry.file_name()));
    let mut names = names.collect::<io::Result<Vec<_>>>()?;
    names.sort_unstable_by_key(|name| (name == KEYS_DIR, name.clone()));
    for name in names {
        if name == KEYS_DIR {
            // The journal has to be there for certain before anybody can start on it.
            File::open(dir)?.sync_all()?;
        }
        let moved = fs::rename(from.join(&name), dir.join(&name));
        moved.with_context(|| format!("cannot move a part into {}; empty it", dir.display()))?;
    }
    Ok(())
}

fn parent(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn unpack(backup: &Path, dir: &Path, progress: Progress<'_>) -> anyhow::Result<Restored> {
    let file = File::open(backup).with_context(|| format!("cannot open {}", backup.display()))?;
    let broken = || format!("{} is no whole backup", backup.display());
    let mut heard = Heard { file, bytes: 0, progress };
    let manifest = unpack_files(&mut heard, dir, &broken)?;
    let tail = dir.join(TAIL);
    snapshots::restore_journal(dir, &tail, &mut || heard.go_on().is_ok()).with_context(broken)?;
    fs::remove_file(&tail)?;
    let verified = snapshots::verify_within(dir, dir, &mut || heard.go_on().is_ok());
    let verified = verified.with_context(broken)?;
    let same = verified.next_seq == manifest.seq + 1 && hex(&verified.chain) == manifest.chain;
    ensure!(same, "{}: the journal ends elsewhere than the manifest says", broken());
    heard.go_on()?;
    Ok(Restored { manifest, verified })
}

/// Unpacks the files, which have to be those of the manifest at the end.
fn unpack_files(
    from: &mut Heard<'_>,
    dir: &Path,
    broken: &impl Fn() -> String,
) -> anyhow::Result<Manifest> {
    let mut tar = Archive::new(BufReader::with_capacity(1 << 20, from));
    let mut found = Vec::new();
    let mut manifest: Option<Manifest> = None;
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
        found.push(content.entry(&name));
    }
    let Some(manifest) = manifest else { bail!("{}: it has no manifest", broken()) };
    ensure!(manifest.format <= FORMAT, "the backup was made by a later release; use that one");
    for (entry, said) in found.iter().zip(&manifest.files) {
        ensure!(entry == said, "{}: {} is not what the manifest says", broken(), said.name);
    }
    ensure!(found.len() == manifest.files.len(), "{}: a file is missing", broken());
    Ok(manifest)
}

/// A file, and whoever hears how far it has been read.
struct Heard<'a> {
    file: File,
    bytes: u64,
    progress: Progress<'a>,
}

impl Heard<'_> {
    fn go_on(&mut self) -> Result<(), Interrupted> {
        (self.progress)(self.bytes)
    }
}

impl Read for Heard<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.go_on().map_err(io::Error::other)?;
        let read = self.file.read(out)?;
        self.bytes += read as u64;
        Ok(read)
    }
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
