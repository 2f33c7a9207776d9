//! What a backup says about itself.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The newest form that this program reads, and the one that it writes.
pub(super) const FORMAT: u32 = 1;

/// The last entry of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the backup, 1.
    pub format: u32,
    /// The program that made it.
    pub version: String,
    /// When it was made, RFC 3339.
    pub made_at: String,
    /// The last event in it; 0 for none.
    pub seq: u64,
    /// The journal's hash chain after that event.
    pub chain: String,
    /// The last event that its snapshot covers; 0 without one.
    pub snapshot_seq: u64,
    /// Its other files, in order.
    pub files: Vec<Entry>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name in the backup.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content, in hex.
    pub sha256: String,
}

/// Passes bytes on, and hashes them on the way.
pub(super) struct Hashing<T> {
    inner: T,
    hash: Sha256,
    pub(super) bytes: u64,
}

impl<T> Hashing<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    pub(super) fn entry(self, name: &str) -> Entry {
        let digest: [u8; 32] = self.hash.finalize().into();
        Entry { name: name.to_owned(), bytes: self.bytes, sha256: hex(&digest) }
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.hash.update(&out[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
