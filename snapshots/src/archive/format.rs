//! What lies around the blocks: header, index, totals and trailer.

use std::path::Path;

use super::block::{BLOCK_HEADER_BYTES, PACKED_BYTES_MAX};
use super::link::{Span, take};
use crate::Error;

pub(super) const HEADER_BYTES: usize = 60;
pub(super) const TRAILER_BYTES: usize = 20;
pub(super) const HASH_BYTES: usize = 32;
pub(super) const FOOTER_BYTES_MIN: usize = TOTALS_BYTES + HASH_BYTES;

/// What is wrong with links that pass their checksum and hold no records.
pub(super) const STRANGE_RECORDS: &str = "a link does not hold the records that it counts";

const MAGIC: [u8; 4] = *b"voba";
const TRAILER_MAGIC: [u8; 4] = *b"vobt";
const FORMAT: u16 = 1;
const ENTRY_BYTES: usize = 40;
const TOTALS_BYTES: usize = 64;

/// Where an archive stands in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) epoch: u64,
    pub(super) first_seq: u64,
    pub(super) chain: [u8; 32],
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&FORMAT.to_le_bytes());
        header.extend_from_slice(&[0; 2]);
        header.extend_from_slice(&self.epoch.to_le_bytes());
        header.extend_from_slice(&self.first_seq.to_le_bytes());
        header.extend_from_slice(&self.chain);
        put_checksum(&mut header);
        header
    }

    pub(super) fn decode(header: &[u8; HEADER_BYTES], path: &Path) -> Result<Header, Error> {
        let parse = |rest: &mut &[u8]| {
            let magic = take(rest)?;
            let format = u16::from_le_bytes(take(rest)?);
            take::<2>(rest)?;
            let epoch = u64::from_le_bytes(take(rest)?);
            let first_seq = u64::from_le_bytes(take(rest)?);
            Some((magic, format, Header { epoch, first_seq, chain: take(rest)? }))
        };
        let (magic, format, found) = parse(&mut &header[..]).expect("a header has all its fields");
        if magic != MAGIC {
            return Err(damaged(path, "it does not begin as an archive"));
        }
        // Before the checksum: a later format may place that elsewhere, and is no damage.
        if format > FORMAT {
            return Err(Error::Newer { found: format, known: FORMAT });
        }
        if format != FORMAT || without_checksum(header).is_none() {
            return Err(damaged(path, "the header fails its checksum"));
        }
        Ok(found)
    }
}

/// One block in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: u64,
    pub(super) span: Span,
}

/// What all links come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) links: u64,
    pub(super) next_seq: u64,
    pub(super) chain: [u8; 32],
    /// Bytes of all blocks before compression.
    pub(super) plain_bytes: u64,
}

/// Index and totals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) index: Vec<Entry>,
    pub(super) totals: Totals,
}

impl Footer {
    /// The footer without the hash at its end. `first_seq` is that of the header.
    pub(super) fn encode(&self, first_seq: u64) -> Vec<u8> {
        let mut footer = Vec::with_capacity(ENTRY_BYTES * self.index.len() + FOOTER_BYTES_MIN);
        for Entry { offset, span } in &self.index {
            for number in [*offset, span.first_seq, span.last_seq] {
                footer.extend_from_slice(&number.to_le_bytes());
            }
            for time in [span.earliest, span.latest] {
                footer.extend_from_slice(&time.to_le_bytes());
            }
        }
        let Totals { links, next_seq, chain, plain_bytes } = self.totals;
        for number in [links, next_seq - first_seq, next_seq] {
            footer.extend_from_slice(&number.to_le_bytes());
        }
        footer.extend_from_slice(&chain);
        footer.extend_from_slice(&plain_bytes.to_le_bytes());
        footer
    }

    /// Footer and hash of a file with this header whose footer lies at `offset`, or `None` if
    /// that is not a footer that could stand there.
    pub(super) fn decode(
        mut bytes: &[u8],
        offset: u64,
        header: &Header,
    ) -> Option<(Footer, [u8; HASH_BYTES])> {
        let mut entries = bytes.split_off(..bytes.len().checked_sub(FOOTER_BYTES_MIN)?)?;
        let mut index = Vec::with_capacity(entries.len() / ENTRY_BYTES);
        while !entries.is_empty() {
            index.push(take_entry(&mut entries)?);
        }
        let links = u64::from_le_bytes(take(&mut bytes)?);
        let records = u64::from_le_bytes(take(&mut bytes)?);
        let next_seq = u64::from_le_bytes(take(&mut bytes)?);
        let chain = take(&mut bytes)?;
        let plain_bytes = u64::from_le_bytes(take(&mut bytes)?);
        let footer = Footer { index, totals: Totals { links, next_seq, chain, plain_bytes } };
        let counted = next_seq.checked_sub(header.first_seq) == Some(records);
        let sound = counted && footer.fits(offset, header);
        sound.then_some((footer, take(&mut bytes)?))
    }

    /// Whether the blocks lie one after the other from the header to `end`, and cover one after
    /// the other the records from the header's to the last.
    fn fits(&self, end: u64, header: &Header) -> bool {
        let mut next_seq = header.first_seq;
        let ends = self.index.iter().skip(1).map(|entry| entry.offset).chain([end]);
        for (Entry { offset, span }, end) in self.index.iter().zip(ends) {
            let bytes = end.saturating_sub(*offset);
            let sized = bytes > BLOCK_HEADER_BYTES as u64 && bytes <= PACKED_BYTES_MAX;
            let ordered = span.first_seq <= span.last_seq && span.earliest <= span.latest;
            if !sized || !ordered || span.first_seq != next_seq {
                return false;
            }
            let Some(next) = span.last_seq.checked_add(1) else {
                return false;
            };
            next_seq = next;
        }
        let start = self.index.first().map_or(end, |entry| entry.offset);
        let untouched = self.totals.chain == header.chain;
        start == HEADER_BYTES as u64
            && next_seq == self.totals.next_seq
            && (untouched || !self.index.is_empty())
    }
}

fn take_entry(bytes: &mut &[u8]) -> Option<Entry> {
    let offset = u64::from_le_bytes(take(bytes)?);
    let first_seq = u64::from_le_bytes(take(bytes)?);
    let last_seq = u64::from_le_bytes(take(bytes)?);
    let earliest = i64::from_le_bytes(take(bytes)?);
    let latest = i64::from_le_bytes(take(bytes)?);
    Some(Entry { offset, span: Span { first_seq, last_seq, earliest, latest } })
}

/// How a reader finds the footer, and knows that it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trailer {
    pub(super) footer_offset: u64,
    pub(super) footer_crc: u32,
}

impl Trailer {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut trailer = Vec::with_capacity(TRAILER_BYTES);
        trailer.extend_from_slice(&self.footer_offset.to_le_bytes());
        trailer.extend_from_slice(&self.footer_crc.to_le_bytes());
        trailer.extend_from_slice(&TRAILER_MAGIC);
        put_checksum(&mut trailer);
        trailer
    }

    /// `None` for bytes that are no trailer.
    pub(super) fn decode(trailer: &[u8; TRAILER_BYTES]) -> Option<Trailer> {
        let mut rest = without_checksum(trailer)?;
        let footer_offset = u64::from_le_bytes(take(&mut rest)?);
        let footer_crc = u32::from_le_bytes(take(&mut rest)?);
        (rest == TRAILER_MAGIC).then_some(Trailer { footer_offset, footer_crc })
    }
}

pub(super) fn damaged(path: &Path, what: &str) -> Error {
    Error::DamagedFile { path: path.to_path_buf(), what: what.to_owned() }
}

fn put_checksum(bytes: &mut Vec<u8>) {
    let crc = crc32c::crc32c(bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
}

/// What stands before the checksum at the end, if it is right.
fn without_checksum(bytes: &[u8]) -> Option<&[u8]> {
    let (rest, crc) = bytes.split_last_chunk()?;
    (crc32c::crc32c(rest) == u32::from_le_bytes(*crc)).then_some(rest)
}
