//! From a running node into a file, or into an answer.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use snapshots::Moment;
use tar::{Builder, Header};

use super::manifest::{FORMAT, Hashing, Manifest, hex};
use super::{KEYS, MANIFEST, TAIL};

/// How a directory begins that the records behind the snapshot are copied into.
const SCRATCH: &str = ".vobee-backup-";

/// What a backup is made of.
pub struct Source<'a> {
    /// The data directory.
    pub dir: &'a Path,
    /// Its journal as it is now.
    pub moment: Moment,
    /// Reads the time of an event from its record.
    pub time: fn(&[u8]) -> i64,
    /// The time of the backup, RFC 3339.
    pub made_at: String,
}

/// Writes the backup. Blocks.
///
/// # Errors
/// When the journal cannot be read, or `out` takes no more.
pub fn write(source: &Source<'_>, out: impl Write) -> io::Result<Manifest> {
    let mut tar = Builder::new(out);
    let mut files = Vec::new();
    let mut put = |name: &str, mut content: File| -> io::Result<()> {
        let length = content.metadata()?.len();
        let mut content = Hashing::new(Read::by_ref(&mut content).take(length));
        tar.append_data(&mut header(length), name, &mut content)?;
        if content.bytes != length {
            return Err(io::Error::other(format!("{name} changed while it was copied")));
        }
        files.push(content.entry(name));
        Ok(())
    };
    let snapshot = source.moment.snapshot();
    if let Some(snapshot) = snapshot {
        let name = format!("snapshots/{:016}.snap", snapshot.position().epoch);
        put(&name, snapshot.reopen()?)?;
    }
    let scratch = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(source.dir)?;
    let path = scratch.path().join(TAIL);
    let tail = source.moment.write_tail(&path, &source.time).map_err(io::Error::other)?;
    put(TAIL, File::open(&path)?)?;
    for name in KEYS {
        put(name, File::open(source.dir.join(name))?)?;
    }
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: source.made_at.clone(),
        seq: tail.next_seq - 1,
        chain: hex(&tail.chain),
        snapshot_seq: snapshot.map_or(0, |snapshot| snapshot.position().seq),
        files,
    };
    let text = serde_json::to_vec_pretty(&manifest)?;
    tar.append_data(&mut header(text.len() as u64), MANIFEST, text.as_slice())?;
    tar.into_inner()?.flush()?;
    Ok(manifest)
}

/// Removes from a data directory what a process that was killed had copied for a backup:
/// everybody's text is in it. Only by the directory's owner, and before the first backup.
///
/// # Errors
/// When the directory cannot be read, or something in it not be removed.
pub fn sweep(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(SCRATCH)) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn header(bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header
}
