//! Links, records and seqs out of a file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use zstd::bulk::Decompressor;

use super::block;
use super::format::{
    Entry, FOOTER_BYTES_MIN, Footer, HASH_BYTES, HEADER_BYTES, Header, STRANGE_RECORDS,
    TRAILER_BYTES, Trailer, damaged,
};
use super::link::{self, Link};
use crate::{Error, RecordView};

const STRANGE_FOOTER: &str = "the footer is not one that fits the file";
const BYTES_MIN: u64 = (HEADER_BYTES + FOOTER_BYTES_MIN + TRAILER_BYTES) as u64;

/// An archive that is read. It keeps its file open, and goes on reading that file when another
/// one has got the name. Any number of threads may read through one.
#[derive(Debug)]
pub struct Archive {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) header: Header,
    pub(super) footer: Footer,
    footer_offset: u64,
    /// Where the hash stands, which covers everything before it.
    pub(super) hashed_bytes: u64,
    pub(super) sha256: [u8; HASH_BYTES],
}

impl Archive {
    /// Opens an archive and checks its header and its footer. Blocks are checked when they are
    /// read.
    ///
    /// # Errors
    /// [`Error::DamagedFile`]; [`Error::Newer`]; [`Error::Io`].
    pub fn open(path: &Path) -> Result<Archive, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let length = file.metadata().map_err(Error::io("open", path))?.len();
        if length < BYTES_MIN {
            return Err(damaged(path, "it is cut short"));
        }
        let read =
            |into: &mut [u8], at| file.read_exact_at(into, at).map_err(Error::io("read", path));
        let mut header = [0; HEADER_BYTES];
        read(&mut header, 0)?;
        let header = Header::decode(&header, path)?;
        let mut trailer = [0; TRAILER_BYTES];
        let trailer_offset = length - TRAILER_BYTES as u64;
        read(&mut trailer, trailer_offset)?;
        let Trailer { footer_offset, footer_crc } = Trailer::decode(&trailer)
            .ok_or_else(|| damaged(path, "it does not end as an archive; it may be cut short"))?;
        // No longer than the file, so the allocation is bounded by what lies on the disk.
        let footer_bytes = trailer_offset.checked_sub(footer_offset);
        let footer_bytes = footer_bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let mut footer = vec![0; footer_bytes.ok_or_else(|| damaged(path, STRANGE_FOOTER))?];
        read(&mut footer, footer_offset)?;
        if crc32c::crc32c(&footer) != footer_crc {
            return Err(damaged(path, "the footer fails its checksum"));
        }
        let (footer, sha256) = Footer::decode(&footer, footer_offset, &header)
            .ok_or_else(|| damaged(path, STRANGE_FOOTER))?;
        let hashed_bytes = trailer_offset - HASH_BYTES as u64;
        let path = path.to_path_buf();
        Ok(Archive { file, path, header, footer, footer_offset, hashed_bytes, sha256 })
    }

    /// The epoch that its records were in.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.header.epoch
    }

    /// The number of its first record.
    #[must_use]
    pub fn first_seq(&self) -> u64 {
        self.header.first_seq
    }

    /// The number after its last record: the first one, if it has no record.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.footer.totals.next_seq
    }

    /// The hash chain before its first record.
    #[must_use]
    pub fn chain_before(&self) -> [u8; 32] {
        self.header.chain
    }

    /// The hash chain after its last record, as stored; [`Archive::verify`] computes it.
    #[must_use]
    pub fn chain(&self) -> [u8; 32] {
        self.footer.totals.chain
    }

    /// The least and the greatest time of a link, or `None` if there is no link.
    #[must_use]
    pub fn times(&self) -> Option<(i64, i64)> {
        let spans = || self.footer.index.iter().map(|entry| entry.span);
        let earliest = spans().map(|span| span.earliest).min()?;
        let latest = spans().map(|span| span.latest).max()?;
        Some((earliest, latest))
    }

    /// Visits the links in order, starting with the one that holds `from_seq`: with the first if
    /// that is before the archive, and none if it is behind it. The chain is not computed.
    ///
    /// # Errors
    /// [`Error::DamagedFile`] if a block is not what was written, when `visit` has seen everything
    /// before that block; [`Error::Io`]; what `visit` returns, which ends the walk.
    pub fn links(
        &self,
        from_seq: u64,
        visit: &mut dyn FnMut(&Link<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut blocks = self.blocks()?;
        for at in self.block_of(from_seq)..self.index().len() {
            let links = blocks.links(at)?;
            for link in links.iter().filter(|link| link.next_seq() > Some(from_seq)) {
                visit(link)?;
            }
        }
        Ok(())
    }

    /// Visits the records with `from <= seq < to` that the archive holds, whole and in order.
    ///
    /// # Errors
    /// [`Error::DamagedFile`], when `visit` has seen everything before the damage; [`Error::Io`].
    pub fn scan(
        &self,
        from: u64,
        to: u64,
        visit: &mut dyn FnMut(RecordView<'_>),
    ) -> Result<(), Error> {
        if from >= to {
            return Ok(());
        }
        let end = self.index().len().min(self.block_of(to - 1) + 1);
        let mut blocks = self.blocks()?;
        for at in self.block_of(from)..end {
            for link in blocks.links(at)? {
                let mut rest = link.payload;
                for seq in (link.first_seq..to).take(link.count as usize) {
                    let record = RecordView::take(seq, &mut rest)
                        .ok_or_else(|| damaged(&self.path, STRANGE_RECORDS))?;
                    if seq >= from {
                        visit(record);
                    }
                }
            }
        }
        Ok(())
    }

    /// The hash chain over record `seq`; None where the archive does not have that record.
    ///
    /// # Errors
    /// [`Error::DamagedFile`]; [`Error::Io`].
    pub fn chain_at(&self, seq: u64) -> Result<Option<[u8; 32]>, Error> {
        let block = self.block_of(seq);
        if seq < self.first_seq() || block == self.index().len() {
            return Ok(None);
        }
        let mut blocks = self.blocks()?;
        let links = blocks.links(block)?;
        Ok(links.iter().find(|link| link.next_seq() > Some(seq)).map(|link| link.chain))
    }

    /// The last record of the newest link whose time is `time` or less, or `None` if every link
    /// is later. Newest by number: where times go back, earlier links may be of later times.
    ///
    /// # Errors
    /// [`Error::DamagedFile`]; [`Error::Io`].
    pub fn seq_at(&self, time: i64) -> Result<Option<u64>, Error> {
        // Not a binary search: times may go back, and the index is small and in memory.
        let block = self.index().iter().rposition(|entry| entry.span.earliest <= time);
        let Some(block) = block else {
            return Ok(None);
        };
        let mut blocks = self.blocks()?;
        let links = blocks.links(block)?;
        let newest = links.iter().rfind(|link| link.time <= time);
        Ok(newest.and_then(Link::next_seq).map(|next| next - 1))
    }

    pub(super) fn index(&self) -> &[Entry] {
        &self.footer.index
    }

    pub(super) fn blocks(&self) -> Result<Blocks<'_>, Error> {
        let zstd = Decompressor::new().map_err(Error::io("decompress", &self.path))?;
        Ok(Blocks { archive: self, zstd, packed: Vec::new(), plain: Vec::new() })
    }

    /// The block that holds `seq`, or the number of blocks if `seq` is behind all of them.
    fn block_of(&self, seq: u64) -> usize {
        self.index().partition_point(|entry| entry.span.last_seq < seq)
    }
}

/// Reads one block after the other, and keeps what that needs from one to the next.
pub(super) struct Blocks<'a> {
    archive: &'a Archive,
    zstd: Decompressor<'static>,
    packed: Vec<u8>,
    plain: Vec<u8>,
}

impl Blocks<'_> {
    /// The links of block `at` of the index, checked to be well formed and those that the index
    /// says.
    pub(super) fn links(&mut self, at: usize) -> Result<Vec<Link<'_>>, Error> {
        self.read(at)?;
        let path = &self.archive.path;
        block::unpack(&mut self.zstd, &self.packed, &mut self.plain)
            .map_err(|what| damaged(path, what))?;
        link::parse(&self.plain, &self.archive.index()[at].span)
            .ok_or_else(|| damaged(path, "a block does not hold the links of the index"))
    }

    /// The block whose links were read last, as it lies in the file.
    pub(super) fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// Bytes before compression of the same block.
    pub(super) fn plain_bytes(&self) -> u64 {
        self.plain.len() as u64
    }

    fn read(&mut self, at: usize) -> Result<(), Error> {
        let Archive { file, path, footer_offset, .. } = self.archive;
        let index = self.archive.index();
        let start = index[at].offset;
        let end = index.get(at + 1).map_or(*footer_offset, |next| next.offset);
        let bytes = usize::try_from(end - start).expect("the index was checked against a bound");
        self.packed.resize(bytes, 0);
        file.read_exact_at(&mut self.packed, start).map_err(Error::io("read", path))
    }
}
