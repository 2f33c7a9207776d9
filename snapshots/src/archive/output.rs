//! A file that gets its name when it has been verified.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::format::{Entry, Footer, Header, Totals, Trailer};
use super::link::Span;
use super::names;
use super::reader::Archive;
use crate::{Error, files};

/// An archive that was written, verified and named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The file.
    pub path: PathBuf,
    /// The number after its last record.
    pub next_seq: u64,
    /// The hash chain after its last record.
    pub chain: [u8; 32],
    /// Links in it.
    pub links: u64,
    /// Bytes of the links before compression.
    pub plain_bytes: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
}

/// Blocks on their way into a file.
pub(super) struct Output {
    file: files::Paced,
    temporary: Temporary,
    path: PathBuf,
    header: Header,
    index: Vec<Entry>,
    /// Bytes written, and what they hash to.
    length: u64,
    hash: Sha256,
}

impl Output {
    /// Begins the file under its temporary name, in place of what an earlier attempt left there.
    pub(super) fn create(path: &Path, header: Header) -> Result<Output, Error> {
        files::create_dir(names::parent(path))?;
        let temporary = Temporary(Some(names::temporary(path)));
        let file = files::open_or_create(temporary.path())?;
        file.set_len(0).map_err(Error::io("truncate", temporary.path()))?;
        let file = files::Paced::new(file);
        let path = path.to_path_buf();
        let hash = Sha256::new();
        let mut output =
            Output { file, temporary, path, header, index: Vec::new(), length: 0, hash };
        output.write(&header.encode())?;
        Ok(output)
    }

    /// Adds a block in its form on disk.
    pub(super) fn put(&mut self, packed: &[u8], span: Span) -> Result<(), Error> {
        self.index.push(Entry { offset: self.length, span });
        self.write(packed)
    }

    /// The name that the file is to get.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Footer, disk, verification, name, in this order. After an error there is no file under the
    /// name that was not there before, or the new one in full.
    pub(super) fn finish(mut self, totals: Totals) -> Result<Archived, Error> {
        let footer_offset = self.length;
        let footer = Footer { index: std::mem::take(&mut self.index), totals };
        let mut footer = footer.encode(self.header.first_seq);
        footer.extend_from_slice(&self.hash.clone().chain_update(&footer).finalize());
        self.write(&footer)?;
        let footer_crc = crc32c::crc32c(&footer);
        self.write(&Trailer { footer_offset, footer_crc }.encode())?;
        self.file.file().sync_all().map_err(Error::io("sync", self.temporary.path()))?;
        // Under the temporary name: a file that does not verify must not replace one that does.
        Archive::open(self.temporary.path())?.verify()?;
        self.temporary.rename(&self.path)?;
        files::sync_dir(names::parent(&self.path))?;
        let Totals { links, next_seq, chain, plain_bytes } = totals;
        let (path, file_bytes) = (self.path, self.length);
        Ok(Archived { path, next_seq, chain, links, plain_bytes, file_bytes })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(Error::io("write", self.temporary.path()))?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// A file that goes with this value, unless it got another name.
struct Temporary(Option<PathBuf>);

impl Temporary {
    fn path(&self) -> &Path {
        self.0.as_deref().expect("a temporary file has its name until it gets another")
    }

    fn rename(mut self, to: &Path) -> Result<(), Error> {
        fs::rename(self.path(), to).map_err(Error::io("rename", self.path()))?;
        self.0 = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = fs::remove_file(path)
        {
            tracing::warn!(%error, path = %path.display(), "cannot remove an unfinished archive");
        }
    }
}
