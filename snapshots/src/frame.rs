//! The unit of writing: one value of the store.
//!
//! ```text
//!  0 magic "vobf"      8 parts u16            24 payload length u32   64 payload
//!  4 format u16       10 zero u16             28 CRC-32C u32
//!  6 part u16         12 record count u32     32 chain link [32]
//!                     16 first seq u64
//! ```
//! Numbers are little-endian, except in the key: first seq and part, big-endian, so that the
//! store's order is the journal's. The checksum covers the whole frame but itself. Magic and
//! format keep their place in every later format. A record that does not fit travels alone, cut
//! over several parts that carry the same seq and the same link.

use crate::Error;

/// The largest frame, header included. Larger ones would make fewer writes of a batch, and pages
/// that the store rewrites at a greater cost; see the segment size in `store.rs` for the upper
/// bound.
pub const FRAME_BYTES_MAX: usize = 12 * 1024;

/// The newest format that this program reads, and the one that it writes.
pub(crate) const FORMAT: u16 = 1;
pub(crate) const HEADER_BYTES: usize = 64;
pub(crate) const PAYLOAD_BYTES_MAX: usize = FRAME_BYTES_MAX - HEADER_BYTES;
pub(crate) const KEY_BYTES: usize = 10;

const MAGIC: [u8; 4] = *b"vobf";
const CRC_AT: usize = 28;

/// What a frame says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) part: u16,
    pub(crate) parts: u16,
    pub(crate) count: u32,
    pub(crate) first_seq: u64,
    pub(crate) chain: [u8; 32],
}

/// Why a value of the store is not the frame that belongs there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("a frame has a strange key")]
    Key,
    #[error("a frame is cut short or has a strange header")]
    Header,
    #[error("a frame fails its checksum")]
    Checksum,
    #[error("a frame does not hold the records that it counts")]
    Records,
    #[error("a frame does not follow on the one before")]
    Order,
    #[error("a frame breaks the hash chain")]
    Chain,
    #[error("parts of a large record are absent")]
    Parts,
    #[error("a frame is of format {0}, which this program does not know")]
    Newer(u16),
}

pub(crate) fn key(first_seq: u64, part: u16) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..8].copy_from_slice(&first_seq.to_be_bytes());
    key[8..].copy_from_slice(&part.to_be_bytes());
    key
}

/// First seq and part, or `None` for a key that no frame has.
pub(crate) fn parse_key(key: &[u8]) -> Option<(u64, u16)> {
    let (seq, part) = key.split_first_chunk()?;
    Some((u64::from_be_bytes(*seq), u16::from_be_bytes(part.try_into().ok()?)))
}

/// Puts the frame into `out` in place of what was there.
pub(crate) fn encode(header: &Header, payload: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(payload.len()).expect("a payload is shorter than a frame");
    out.clear();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&header.part.to_le_bytes());
    out.extend_from_slice(&header.parts.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&header.count.to_le_bytes());
    out.extend_from_slice(&header.first_seq.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&header.chain);
    out.extend_from_slice(payload);
    let crc = checksum(out);
    out[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Header and payload of the frame under `key`.
pub(crate) fn decode<'a>(key: &[u8], frame: &'a [u8]) -> Result<(Header, &'a [u8]), Flaw> {
    let key = parse_key(key).ok_or(Flaw::Key)?;
    if frame.get(..4) != Some(&MAGIC[..]) || frame.len() < HEADER_BYTES {
        return Err(Flaw::Header);
    }
    // Before the checksum: a later format may place that elsewhere, and must never be taken for
    // a torn tail and cut off.
    let format = u16::from_le_bytes(field(frame, 4));
    if format > FORMAT {
        return Err(Flaw::Newer(format));
    }
    if u32::from_le_bytes(field(frame, CRC_AT)) != checksum(frame) {
        return Err(Flaw::Checksum);
    }
    let header = Header {
        part: u16::from_le_bytes(field(frame, 6)),
        parts: u16::from_le_bytes(field(frame, 8)),
        count: u32::from_le_bytes(field(frame, 12)),
        first_seq: u64::from_le_bytes(field(frame, 16)),
        chain: field(frame, 32),
    };
    let payload = &frame[HEADER_BYTES..];
    let length = u32::from_le_bytes(field(frame, 24));
    let lone = header.parts == 1 || header.count == 1;
    if format != FORMAT || usize::try_from(length) != Ok(payload.len()) || !lone {
        return Err(Flaw::Header);
    }
    if header.part >= header.parts || header.count == 0 {
        return Err(Flaw::Header);
    }
    if key != (header.first_seq, header.part) {
        return Err(Flaw::Key);
    }
    Ok((header, payload))
}

fn checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..CRC_AT]), &frame[CRC_AT + 4..])
}

fn field<const N: usize>(frame: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&frame[at..at + N]);
    field
}

/// The records of one link: one frame, or all the parts of a large record put together.
pub(crate) struct Whole<'a> {
    pub(crate) header: Header,
    pub(crate) payload: &'a [u8],
}

/// Puts the parts of large records together again. Frames go in in key order.
#[derive(Default)]
pub(crate) struct Assembler {
    /// The header of the part that came last, while more of them are to come.
    open: Option<Header>,
    payload: Vec<u8>,
}

impl Assembler {
    /// Takes a frame; gives the records if it completes them.
    pub(crate) fn push<'a>(
        &'a mut self,
        key: &[u8],
        frame: &'a [u8],
    ) -> Result<Option<Whole<'a>>, Flaw> {
        let (header, payload) = decode(key, frame)?;
        match self.open.take() {
            None if header.part != 0 => return Err(Flaw::Parts),
            None if header.parts == 1 => return Ok(Some(Whole { header, payload })),
            None => self.payload.clear(),
            Some(last) => {
                if header != (Header { part: last.part.wrapping_add(1), ..last }) {
                    return Err(Flaw::Parts);
                }
            }
        }
        if self.payload.len() + payload.len() > crate::RECORD_BYTES_MAX {
            return Err(Flaw::Header);
        }
        self.payload.extend_from_slice(payload);
        if header.part + 1 == header.parts {
            return Ok(Some(Whole { header, payload: &self.payload }));
        }
        self.open = Some(header);
        Ok(None)
    }

    /// Whether parts are still to come.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

impl Flaw {
    /// A later format is refused wherever it lies; every other flaw is for the caller to weigh.
    pub(crate) fn refuse_newer(self) -> Result<Flaw, Error> {
        match self {
            Flaw::Newer(found) => Err(Error::Newer { found, known: FORMAT }),
            Flaw::Key
            | Flaw::Header
            | Flaw::Checksum
            | Flaw::Records
            | Flaw::Order
            | Flaw::Chain
            | Flaw::Parts => Ok(self),
        }
    }
}
