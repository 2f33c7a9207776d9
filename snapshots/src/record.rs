//! One record on disk, and the batch that gathers records for a commit.
//!
//! ```text
//! record   body length u32 | body | section count u32 | sections
//! section  0 | owner u128 | salt [16] | text length u32 | text, zero padded to 12 bytes
//!          1 | owner u128 | commitment [32]
//! ```
//! Numbers are little-endian. The padding makes a kept section at least as long as an erased one,
//! so erasing never makes a frame outgrow its bound.

use sha2::{Digest, Sha256};

/// The largest record in disk form. Recovery holds at most one such record beside its frame.
pub const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

const KEPT: u8 = 0;
const ERASED: u8 = 1;
const TEXT_BYTES_MIN: usize = 12;

/// Personal text of one owner inside a record. The hash chain covers a salted commitment of it,
/// SHA-256(salt || owner || text), not the text, so the text can be erased and the chain holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Whose text it is.
    pub owner: u128,
    /// Random bytes that keep a short text from being guessed from its commitment.
    pub salt: [u8; 16],
    /// The text.
    pub text: Box<[u8]>,
}

/// Records in their disk form, gathered for one commit. `clear` keeps the allocation.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Where each record ends in `bytes`.
    ends: Vec<usize>,
}

impl Batch {
    /// Adds a record at the end.
    pub fn push(&mut self, body: &[u8], sections: &[Section]) {
        self.put_length(body.len());
        self.bytes.extend_from_slice(body);
        self.put_length(sections.len());
        for section in sections {
            self.bytes.push(KEPT);
            self.bytes.extend_from_slice(&section.owner.to_le_bytes());
            self.bytes.extend_from_slice(&section.salt);
            self.put_length(section.text.len());
            self.bytes.extend_from_slice(&section.text);
            let padding = TEXT_BYTES_MIN.saturating_sub(section.text.len());
            self.bytes.extend_from_slice(&[0; TEXT_BYTES_MIN][..padding]);
        }
        self.ends.push(self.bytes.len());
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all records in disk form, frame headers not counted.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the records and keeps the memory for the next ones.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn ends(&self) -> &[usize] {
        &self.ends
    }

    fn put_length(&mut self, length: usize) {
        let length = u32::try_from(length).expect("a record is far shorter than 4 GiB");
        self.bytes.extend_from_slice(&length.to_le_bytes());
    }
}

/// One record as it lies in the journal.
#[derive(Debug, Clone, Copy)]
pub struct RecordView<'a> {
    /// Its sequence number.
    pub seq: u64,
    /// What the chain covers as it is.
    pub body: &'a [u8],
    section_count: u32,
    /// Checked to be well formed when the record was parsed.
    section_bytes: &'a [u8],
}

impl<'a> RecordView<'a> {
    /// The personal sections, in the order in which they were pushed.
    pub fn sections(&self) -> impl Iterator<Item = SectionView<'a>> {
        let mut rest = self.section_bytes;
        (0..self.section_count).map_while(move |_| SectionView::take(&mut rest))
    }

    /// Takes the record at the front of `bytes`, or `None` if there is no well formed one.
    pub(crate) fn take(seq: u64, bytes: &mut &'a [u8]) -> Option<RecordView<'a>> {
        let mut rest = *bytes;
        let body_length = take_length(&mut rest)?;
        let body = rest.split_off(..body_length)?;
        let section_count = u32::from_le_bytes(*take_array(&mut rest)?);
        let sections = rest;
        for _ in 0..section_count {
            SectionView::take(&mut rest)?;
        }
        let section_bytes = &sections[..sections.len() - rest.len()];
        *bytes = rest;
        Some(RecordView { seq, body, section_count, section_bytes })
    }
}

/// One personal section as it lies in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionView<'a> {
    /// The text is there.
    Kept {
        /// Whose text it is.
        owner: u128,
        /// What its commitment is salted with.
        salt: [u8; 16],
        /// The text.
        text: &'a [u8],
    },
    /// The text and its salt were erased; what the chain covers is left.
    Erased {
        /// Whose text it was.
        owner: u128,
        /// SHA-256(salt || owner || text), owner little-endian.
        commitment: [u8; 32],
    },
}

impl<'a> SectionView<'a> {
    /// Whose section it is.
    #[must_use]
    pub fn owner(&self) -> u128 {
        match *self {
            SectionView::Kept { owner, .. } | SectionView::Erased { owner, .. } => owner,
        }
    }

    /// SHA-256(salt || owner || text), computed or, where the text was erased, as stored.
    #[must_use]
    pub fn commitment(&self) -> [u8; 32] {
        match *self {
            SectionView::Kept { owner, salt, text } => Sha256::new()
                .chain_update(salt)
                .chain_update(owner.to_le_bytes())
                .chain_update(text)
                .finalize()
                .into(),
            SectionView::Erased { commitment, .. } => commitment,
        }
    }

    fn take(bytes: &mut &'a [u8]) -> Option<SectionView<'a>> {
        let tag = *bytes.split_off_first()?;
        let owner = u128::from_le_bytes(*take_array(bytes)?);
        match tag {
            KEPT => {
                let salt = *take_array(bytes)?;
                let length = take_length(bytes)?;
                let padded = bytes.split_off(..length.max(TEXT_BYTES_MIN))?;
                Some(SectionView::Kept { owner, salt, text: &padded[..length] })
            }
            ERASED => Some(SectionView::Erased { owner, commitment: *take_array(bytes)? }),
            _ => None,
        }
    }
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*take_array(bytes)?)).ok()
}

fn take_array<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (array, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(array)
}
