//! Links into blocks.

use std::path::Path;

use super::block::{PLAIN_BYTES, Packer};
use super::format::{Header, Totals};
use super::link::{LINK_HEADER_BYTES, Link, Span};
use super::output::{Archived, Output};
use crate::frame::Flaw;
use crate::{Error, RECORD_BYTES_MAX, chain};

/// Writes one archive from its first link to its last. Dropped unfinished, it leaves nothing.
pub struct ArchiveWriter {
    output: Output,
    packer: Packer,
    /// The links of the block that is not full yet, and what they cover.
    plain: Vec<u8>,
    span: Option<Span>,
    totals: Totals,
}

impl ArchiveWriter {
    /// Begins the archive of `epoch` under the name `path` with `.tmp` behind it, for the owner
    /// only, and creates the directory if it is not there. `chain` is the link before the record
    /// `first_seq`. One writer a path at a time.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(
        path: &Path,
        epoch: u64,
        first_seq: u64,
        chain: [u8; 32],
    ) -> Result<ArchiveWriter, Error> {
        let packer = Packer::new().map_err(Error::io("compress", path))?;
        let output = Output::create(path, Header { epoch, first_seq, chain })?;
        let totals = Totals { links: 0, next_seq: first_seq, chain, plain_bytes: 0 };
        Ok(ArchiveWriter { output, packer, plain: Vec::new(), span: None, totals })
    }

    /// Adds the next link. Holds up to a block of 256 KiB, or one larger link, in memory.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if it does not begin at the next seq; [`Error::TooLarge`] if its
    /// payload is longer than [`RECORD_BYTES_MAX`]; [`Error::Damaged`] if it does not hold the
    /// records that it counts, or if its chain does not follow from the link before. After these
    /// the archive is as it was. After [`Error::Io`] the writer is of no more use.
    pub fn push(&mut self, link: &Link<'_>) -> Result<(), Error> {
        let span = self.check(link)?;
        if self.plain.len() + LINK_HEADER_BYTES + link.payload.len() > PLAIN_BYTES {
            self.put_block()?;
        }
        link.put(&mut self.plain);
        self.span = match self.span {
            Some(before) => before.join(span),
            None => Some(span),
        };
        self.totals.links += 1;
        self.totals.next_seq = span.last_seq + 1;
        self.totals.chain = link.chain;
        Ok(())
    }

    /// The number after its last record so far.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.totals.next_seq
    }

    /// Makes the archive durable, verifies it in full and gives it its name, in place of a file
    /// that has it already. When this has returned, the original may go. The verification reads
    /// through the page cache: it finds what was written wrongly, not what the medium loses later.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::DamagedFile`]; the original must stay.
    pub fn finish(mut self) -> Result<Archived, Error> {
        self.put_block()?;
        self.output.finish(self.totals)
    }

    fn check(&self, link: &Link<'_>) -> Result<Span, Error> {
        let next_seq = self.totals.next_seq;
        if link.first_seq != next_seq {
            return Err(Error::Unexpected { expected: link.first_seq, found: next_seq });
        }
        let bytes = link.payload.len();
        if bytes > RECORD_BYTES_MAX {
            return Err(Error::TooLarge { bytes, bytes_max: RECORD_BYTES_MAX });
        }
        let last_seq = next_seq.saturating_add(u64::from(link.count).saturating_sub(1));
        let damaged = |flaw: Flaw| Error::Damaged {
            missing_from: next_seq,
            missing_to: last_seq,
            what: flaw.to_string(),
        };
        let span = Span::of(link).ok_or_else(|| damaged(Flaw::Records))?;
        let chain = chain::next(&self.totals.chain, next_seq, link.count, link.payload)
            .ok_or_else(|| damaged(Flaw::Records))?;
        if chain == link.chain { Ok(span) } else { Err(damaged(Flaw::Chain)) }
    }

    fn put_block(&mut self) -> Result<(), Error> {
        let Some(span) = self.span.take() else {
            return Ok(());
        };
        let packed = self.packer.pack(&self.plain);
        let packed = packed.map_err(Error::io("compress", self.output.path()))?;
        self.output.put(packed, span)?;
        self.totals.plain_bytes += self.plain.len() as u64;
        self.plain.clear();
        Ok(())
    }
}
