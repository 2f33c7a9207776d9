//! Text out of a payload and out of a file, while the chain holds.

use std::path::Path;

use super::block::Packer;
use super::format::{STRANGE_RECORDS, Totals, damaged};
use super::link::Link;
use super::output::Output;
use super::reader::Archive;
use crate::{Error, RecordView, SectionView};

/// As in `record.rs`: tag, owner, and then salt, text length and text padded to 12 bytes, or the
/// commitment.
const ERASED: u8 = 1;
const SECTION_HEAD_BYTES: usize = 1 + 16;
const KEPT_HEAD_BYTES: usize = SECTION_HEAD_BYTES + 16 + 4;
const TEXT_BYTES_MIN: usize = 12;
const ERASED_BYTES: usize = SECTION_HEAD_BYTES + 32;
const _: () = assert!(ERASED_BYTES <= KEPT_HEAD_BYTES + TEXT_BYTES_MIN);

/// Puts the payload into `out`, in place of what was there, with each text for which
/// `gone(owner, seq)` is true replaced by its commitment, and says how many there were. The chain
/// over it stays the same, and it is never longer than before.
///
/// `None` if the payload does not hold exactly `count` well formed records, the first of them
/// `first_seq`; then `out` is of no use.
pub fn erase_payload(
    first_seq: u64,
    count: u32,
    payload: &[u8],
    gone: &dyn Fn(u128, u64) -> bool,
    out: &mut Vec<u8>,
) -> Option<u64> {
    out.clear();
    let mut erased = 0;
    let mut rest = payload;
    for at in 0..u64::from(count) {
        let seq = first_seq.checked_add(at)?;
        let whole = rest;
        let record = RecordView::take(seq, &mut rest)?;
        let (head, mut sections) = whole.split_at_checked(4 + record.body.len() + 4)?;
        out.extend_from_slice(head);
        for section in record.sections() {
            let (bytes, after) = sections.split_at_checked(section_bytes(&section))?;
            sections = after;
            match section {
                SectionView::Kept { owner, .. } if gone(owner, seq) => {
                    out.push(ERASED);
                    out.extend_from_slice(&owner.to_le_bytes());
                    out.extend_from_slice(&section.commitment());
                    erased += 1;
                }
                SectionView::Kept { .. } | SectionView::Erased { .. } => {
                    out.extend_from_slice(bytes);
                }
            }
        }
    }
    rest.is_empty().then_some(erased)
}

fn section_bytes(section: &SectionView<'_>) -> usize {
    match section {
        SectionView::Kept { text, .. } => KEPT_HEAD_BYTES + text.len().max(TEXT_BYTES_MIN),
        SectionView::Erased { .. } => ERASED_BYTES,
    }
}

/// Replaces in an archive each text for which `gone(owner, seq)` is true by its commitment, and
/// says how many there were. `gone` may be asked twice about the same text. One caller a path at
/// a time; readers that have the archive open keep the old one.
///
/// The new file is whole, durable and verified when it takes the place of the old one; a power
/// cut leaves one or the other. If there is nothing to erase, nothing is written.
///
/// # Errors
/// [`Error::DamagedFile`]; [`Error::Newer`]; [`Error::Io`]. The old file is as it was, unless the
/// last step failed, the sync of the directory: then the new one is there already.
pub fn erase(path: &Path, gone: &dyn Fn(u128, u64) -> bool) -> Result<u64, Error> {
    let archive = Archive::open(path)?;
    let mut eraser = Eraser { path, gone, payload: Vec::new(), plain: Vec::new() };
    if eraser.has_work(&archive)? { eraser.rewrite(&archive) } else { Ok(0) }
}

struct Eraser<'a> {
    path: &'a Path,
    gone: &'a dyn Fn(u128, u64) -> bool,
    payload: Vec<u8>,
    /// The links of a block after erasing.
    plain: Vec<u8>,
}

impl Eraser<'_> {
    /// Whether there is a text to erase; reads no further than to the first one.
    fn has_work(&mut self, archive: &Archive) -> Result<bool, Error> {
        let mut blocks = archive.blocks()?;
        for at in 0..archive.footer.index.len() {
            if self.erase(&blocks.links(at)?)? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn rewrite(&mut self, archive: &Archive) -> Result<u64, Error> {
        let mut packer = Packer::new().map_err(Error::io("compress", self.path))?;
        let mut output = Output::create(self.path, archive.header)?;
        let mut totals = Totals { plain_bytes: 0, ..archive.footer.totals };
        let mut blocks = archive.blocks()?;
        let mut erased = 0;
        for (at, entry) in archive.footer.index.iter().enumerate() {
            let found = self.erase(&blocks.links(at)?)?;
            if found > 0 {
                let packed = packer.pack(&self.plain).map_err(Error::io("compress", self.path))?;
                output.put(packed, entry.span)?;
            } else {
                output.put(blocks.packed(), entry.span)?;
            }
            totals.plain_bytes += self.plain.len() as u64;
            erased += found;
        }
        output.finish(totals)?;
        Ok(erased)
    }

    /// Puts the links into `plain` without the texts that are gone.
    fn erase(&mut self, links: &[Link<'_>]) -> Result<u64, Error> {
        self.plain.clear();
        let mut erased = 0;
        for link in links {
            let Link { first_seq, count, payload, .. } = *link;
            erased += erase_payload(first_seq, count, payload, self.gone, &mut self.payload)
                .ok_or_else(|| damaged(self.path, STRANGE_RECORDS))?;
            Link { payload: &self.payload, ..*link }.put(&mut self.plain);
        }
        Ok(erased)
    }
}
