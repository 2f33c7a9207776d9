//! A snapshot: the state at one seq, in named parts, in one file.
//!
//! ```text
//! header   magic "vobs" | format u16 | zero u16 | epoch u64 | seq u64 | chain [32] | made at i64
//!          | CRC-32C u32
//! part     1 | name length u8 | name | version u16 | chunks, the last of length 0
//! chunk    length u32 | CRC-32C u32 | bytes
//! end      0 | number of parts u8 | SHA-256 [32] of everything before it
//! ```
//! Numbers are little-endian. A file appears under its name only when it is whole and durable, and
//! is read back in full before anybody relies on it. What is in a part is its owner's business.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::{Error, files, layout};

const MAGIC: [u8; 4] = *b"vobs";
const FORMAT: u16 = 1;
const HEADER_BYTES: usize = 68;
const CHUNK_BYTES_MAX: usize = 64 * 1024;
const READ_BYTES: usize = 256 * 1024;
const TEMPORARY_END: &str = ".snap.tmp";
const PART: u8 = 1;
const END: u8 = 0;
const DIGEST_BYTES: u64 = 32;

/// The place in the journal that a snapshot stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The epoch that ends there.
    pub epoch: u64,
    /// The last record that is in the state.
    pub seq: u64,
    /// The hash chain after that record.
    pub chain: [u8; 32],
}

/// Writes a snapshot, part after part. Dropped unfinished, it leaves nothing.
pub struct SnapshotWriter {
    out: BufWriter<Hashing>,
    temporary: PathBuf,
    path: PathBuf,
    parts: u8,
    finished: bool,
}

/// A file, and the hash of what was written to it.
struct Hashing {
    file: files::Paced,
    hash: Sha256,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl SnapshotWriter {
    /// Begins the snapshot of `position` in a data directory, under a temporary name.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(dir: &Path, position: Position, made_at: i64) -> Result<Self, Error> {
        files::create_dir(&layout::snapshots_dir(dir))?;
        let path = layout::snapshot_path(dir, position.epoch);
        let temporary = path.with_extension("snap.tmp");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(Error::io("create", &temporary))?;
        let out = BufWriter::with_capacity(
            READ_BYTES,
            Hashing { file: files::Paced::new(file), hash: Sha256::new() },
        );
        let mut writer = Self { out, temporary, path, parts: 0, finished: false };
        writer.put(&header(position, made_at))?;
        Ok(writer)
    }

    /// Begins the next part. Its bytes count once it is closed.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn part(&mut self, name: &str, version: u16) -> Result<PartWriter<'_>, Error> {
        let length = u8::try_from(name.len()).expect("a part has a short name");
        self.put(&[PART, length])?;
        self.put(name.as_bytes())?;
        self.put(&version.to_le_bytes())?;
        self.parts += 1;
        Ok(PartWriter { snapshot: self, chunk: Vec::with_capacity(CHUNK_BYTES_MAX) })
    }

    /// Makes the file whole and durable, reads it back, and gives it its name.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::DamagedFile`] if the disk gives back something else.
    pub fn finish(mut self) -> Result<Snapshot, Error> {
        let parts = self.parts;
        self.put(&[END, parts])?;
        self.out.flush().map_err(Error::io("write", &self.temporary))?;
        let digest: [u8; 32] = self.out.get_ref().hash.clone().finalize().into();
        self.put(&digest)?;
        self.out.flush().map_err(Error::io("write", &self.temporary))?;
        let file = self.out.get_ref().file.file();
        file.sync_all().map_err(Error::io("sync", &self.temporary))?;
        let mut snapshot = Snapshot::open(&self.temporary)?;
        if snapshot.digest != digest {
            return Err(damaged(&self.path, "it does not read back as it was written"));
        }
        fs::rename(&self.temporary, &self.path).map_err(Error::io("rename", &self.temporary))?;
        self.finished = true;
        if let Some(dir) = self.path.parent() {
            files::sync_dir(dir)?;
        }
        snapshot.path.clone_from(&self.path);
        Ok(snapshot)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out.write_all(bytes).map_err(Error::io("write", &self.temporary))
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed now is removed at the next start.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Where a snapshot stands, by its header alone, which is checked.
pub(crate) fn position(path: &Path) -> Result<Position, Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let end = HEADER_BYTES as u64;
    let mut walk = Walk { file: &file, path, at: 0, end, hash: Sha256::new() };
    let (position, _) = walk.header()?;
    Ok(position)
}

/// Removes a snapshot, whole or damaged. First it loses its name, durably, so that after a power
/// cut nobody takes what is half removed for a snapshot; under the new one the next start removes
/// what is left.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    let gone = path.with_extension("").with_extension("snap.tmp");
    fs::rename(path, &gone).map_err(Error::io("rename", path))?;
    path.parent().map_or(Ok(()), files::sync_dir)?;
    files::shrink_away(&gone)
}

/// Removes the snapshots of a data directory that were not finished. Only while nobody writes one.
pub(crate) fn remove_unfinished(dir: &Path) -> Result<(), Error> {
    let dir = layout::snapshots_dir(dir);
    if !dir.is_dir() {
        return Ok(());
    }
    for name in files::names(&dir)?.iter().filter(|name| name.ends_with(TEMPORARY_END)) {
        let path = dir.join(name);
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
    }
    Ok(())
}

/// One part while it is written.
pub struct PartWriter<'a> {
    snapshot: &'a mut SnapshotWriter,
    chunk: Vec<u8>,
}

impl PartWriter<'_> {
    /// Ends the part.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn close(mut self) -> Result<(), Error> {
        let path = self.snapshot.temporary.clone();
        self.put_chunk().map_err(Error::io("write", &path))?;
        self.snapshot.put(&0_u32.to_le_bytes())
    }

    fn put_chunk(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let length = u32::try_from(self.chunk.len()).expect("a chunk is short");
        let out = &mut self.snapshot.out;
        out.write_all(&length.to_le_bytes())?;
        out.write_all(&crc32c::crc32c(&self.chunk).to_le_bytes())?;
        out.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }
}

impl Write for PartWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK_BYTES_MAX {
            self.put_chunk()?;
        }
        let taken = bytes.len().min(CHUNK_BYTES_MAX - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A whole snapshot. What was taken for the state to start from stays on disk while it is held.
#[derive(Debug)]
pub struct Snapshot {
    file: Arc<File>,
    path: PathBuf,
    position: Position,
    made_at: i64,
    bytes: u64,
    digest: [u8; 32],
    parts: Vec<PartPlace>,
}

#[derive(Debug)]
struct PartPlace {
    name: String,
    version: u16,
    at: u64,
}

impl Snapshot {
    /// Opens a snapshot and checks all of it.
    ///
    /// # Errors
    /// [`Error::DamagedFile`]; [`Error::Newer`]; [`Error::Io`].
    pub fn open(path: &Path) -> Result<Snapshot, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let bytes = file.metadata().map_err(Error::io("open", path))?.len();
        let file = Arc::new(file);
        let mut walk = Walk { file: &file, path, at: 0, end: bytes, hash: Sha256::new() };
        let (position, made_at) = walk.header()?;
        let parts = walk.parts()?;
        let counted: [u8; 32] = walk.hash.clone().finalize().into();
        walk.end = bytes;
        let digest: [u8; 32] = walk.take()?;
        if counted != digest || walk.at != bytes {
            return Err(damaged(path, "its SHA-256 is another one"));
        }
        let path = path.to_path_buf();
        Ok(Snapshot { file, path, position, made_at, bytes, digest, parts })
    }

    /// Where in the journal it stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// When it was made, as its writer said.
    #[must_use]
    pub fn made_at(&self) -> i64 {
        self.made_at
    }

    /// Its size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file from its beginning. It stays whole while the snapshot is held.
    ///
    /// # Errors
    /// When the operating system gives no second descriptor.
    pub fn reopen(&self) -> io::Result<File> {
        // Through the descriptor: a copy of that would share its offset.
        File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// SHA-256 of its content.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The names of its parts.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|part| part.name.as_str())
    }

    /// Reads a part from its beginning; its version comes with it. `None` if there is none of that
    /// name.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<(u16, PartReader)> {
        let place = self.parts.iter().find(|part| part.name == name)?;
        let file = Arc::clone(&self.file);
        let reader = PartReader { file, at: place.at, chunk: Vec::new(), read: 0, ended: false };
        Some((place.version, reader))
    }
}

/// The bytes of one part.
pub struct PartReader {
    file: Arc<File>,
    at: u64,
    chunk: Vec<u8>,
    read: usize,
    ended: bool,
}

impl PartReader {
    fn next_chunk(&mut self) -> io::Result<()> {
        let mut head = [0; 8];
        self.file.read_exact_at(&mut head[..4], self.at)?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        self.chunk.clear();
        self.read = 0;
        if length == 0 {
            self.ended = true;
            return Ok(());
        }
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "a chunk fails its checksum");
        if length > CHUNK_BYTES_MAX {
            return Err(broken());
        }
        self.file.read_exact_at(&mut head, self.at)?;
        self.chunk.resize(length, 0);
        self.file.read_exact_at(&mut self.chunk, self.at + 8)?;
        self.at += 8 + length as u64;
        let crc = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        if crc32c::crc32c(&self.chunk) == crc { Ok(()) } else { Err(broken()) }
    }
}

impl Read for PartReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.read == self.chunk.len() && !self.ended {
            self.next_chunk()?;
        }
        let taken = out.len().min(self.chunk.len() - self.read);
        out[..taken].copy_from_slice(&self.chunk[self.read..self.read + taken]);
        self.read += taken;
        Ok(taken)
    }
}

/// The first walk over a file: hashes everything, and notes where the parts begin.
struct Walk<'a> {
    file: &'a File,
    path: &'a Path,
    at: u64,
    /// Nothing behind this belongs to what is walked.
    end: u64,
    hash: Sha256,
}

impl Walk<'_> {
    fn header(&mut self) -> Result<(Position, i64), Error> {
        let header: [u8; HEADER_BYTES] = self.take()?;
        if header[..4] != MAGIC {
            return Err(damaged(self.path, "it does not begin as a snapshot does"));
        }
        let crc = u32::from_le_bytes(field(&header, HEADER_BYTES - 4));
        if crc32c::crc32c(&header[..HEADER_BYTES - 4]) != crc {
            return Err(damaged(self.path, "its header fails its checksum"));
        }
        // Behind the checksum, so that a flipped bit is not taken for a later release.
        let found = u16::from_le_bytes(field(&header, 4));
        if found > FORMAT {
            return Err(Error::Newer { found, known: FORMAT });
        }
        let position = Position {
            epoch: u64::from_le_bytes(field(&header, 8)),
            seq: u64::from_le_bytes(field(&header, 16)),
            chain: field(&header, 24),
        };
        Ok((position, i64::from_le_bytes(field(&header, 56))))
    }

    fn parts(&mut self) -> Result<Vec<PartPlace>, Error> {
        self.end = self.end.saturating_sub(DIGEST_BYTES);
        let mut parts = Vec::new();
        loop {
            let [tag, length] = self.take()?;
            if tag == END && usize::from(length) == parts.len() && self.at == self.end {
                return Ok(parts);
            }
            if tag != PART {
                return Err(damaged(self.path, "a part begins with a strange mark"));
            }
            let name = self.bytes(usize::from(length))?;
            let name = String::from_utf8(name);
            let name = name.map_err(|_| damaged(self.path, "a part has a strange name"))?;
            let version = u16::from_le_bytes(self.take()?);
            parts.push(PartPlace { name, version, at: self.at });
            while let length @ 1.. = u32::from_le_bytes(self.take()?) {
                if length as usize > CHUNK_BYTES_MAX {
                    return Err(damaged(self.path, "a chunk is too long"));
                }
                self.bytes(4 + length as usize)?;
            }
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; length];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        if self.at + bytes.len() as u64 > self.end {
            return Err(damaged(self.path, "it is cut short"));
        }
        self.file.read_exact_at(bytes, self.at).map_err(Error::io("read", self.path))?;
        self.at += bytes.len() as u64;
        self.hash.update(&*bytes);
        Ok(())
    }
}

fn header(position: Position, made_at: i64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&FORMAT.to_le_bytes());
    header[8..16].copy_from_slice(&position.epoch.to_le_bytes());
    header[16..24].copy_from_slice(&position.seq.to_le_bytes());
    header[24..56].copy_from_slice(&position.chain);
    header[56..64].copy_from_slice(&made_at.to_le_bytes());
    let crc = crc32c::crc32c(&header[..HEADER_BYTES - 4]);
    header[HEADER_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
    header
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::DamagedFile { path: path.to_path_buf(), what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSITION: Position = Position { epoch: 3, seq: 77, chain: [9; 32] };

    fn write(dir: &Path, parts: &[(&str, Vec<u8>)]) -> Snapshot {
        let mut writer = SnapshotWriter::create(dir, POSITION, 5).expect("a file");
        for (name, bytes) in parts {
            let mut part = writer.part(name, 2).expect("a part");
            part.write_all(bytes).expect("room");
            part.close().expect("room");
        }
        writer.finish().expect("a snapshot")
    }

    fn read(snapshot: &Snapshot, name: &str) -> Vec<u8> {
        let (version, mut reader) = snapshot.part(name).expect("the part is there");
        assert_eq!(version, 2);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).expect("a whole part");
        bytes
    }

    #[test]
    fn parts_of_all_sizes_read_back_as_they_were_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let sizes = [0, 1, CHUNK_BYTES_MAX - 1, CHUNK_BYTES_MAX, 3 * CHUNK_BYTES_MAX + 5];
        let names = ["a", "b", "c", "d", "e"];
        let parts: Vec<_> = names
            .iter()
            .zip(sizes)
            .map(|(name, size)| (*name, (0..size).map(|at| (at % 251) as u8).collect()))
            .collect();
        let snapshot = write(dir.path(), &parts);
        assert_eq!(snapshot.position(), POSITION);
        assert_eq!(snapshot.made_at(), 5);
        for (name, bytes) in &parts {
            assert!(read(&snapshot, name) == *bytes, "part {name}");
        }
        assert!(snapshot.part("f").is_none());
    }

    #[test]
    fn one_flipped_bit_anywhere_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let snapshot = write(dir.path(), &[("a", b"some bytes".to_vec()), ("b", vec![])]);
        let good = fs::read(snapshot.path()).expect("the file");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            fs::write(snapshot.path(), &bad).expect("room");
            let refusal = Snapshot::open(snapshot.path());
            let is_damage = matches!(refusal, Err(Error::DamagedFile { .. }));
            assert!(is_damage, "bit {bit}: no later release wrote it");
        }
    }

    #[test]
    fn a_file_cut_short_or_made_longer_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let snapshot = write(dir.path(), &[("a", vec![7; 100])]);
        let mut bytes = fs::read(snapshot.path()).expect("the file");
        for length in 0..bytes.len() {
            fs::write(snapshot.path(), &bytes[..length]).expect("room");
            assert!(Snapshot::open(snapshot.path()).is_err(), "length {length}");
        }
        bytes.push(0);
        fs::write(snapshot.path(), &bytes).expect("room");
        assert!(Snapshot::open(snapshot.path()).is_err());
    }

    #[test]
    fn an_unfinished_snapshot_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut writer = SnapshotWriter::create(dir.path(), POSITION, 5).expect("a file");
        writer.part("a", 1).expect("a part").close().expect("room");
        drop(writer);
        assert!(files::names(&layout::snapshots_dir(dir.path())).expect("a list").is_empty());
    }
}
