//! One link of the hash chain with the records that it covers, and the links of a block.

use crate::RECORD_BYTES_MAX;

/// Bytes of a link before its payload.
pub(super) const LINK_HEADER_BYTES: usize = 56;

/// The records that one link of the hash chain covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<'a> {
    /// The number of its first record.
    pub first_seq: u64,
    /// Records in it, at least one.
    pub count: u32,
    /// The hash chain after them.
    pub chain: [u8; 32],
    /// When the newest of them was made, in microseconds since a moment that the caller chose.
    pub time: i64,
    /// The records in disk form, at most [`RECORD_BYTES_MAX`].
    pub payload: &'a [u8],
}

impl<'a> Link<'a> {
    /// The number after its last record, or `None` if there is no such number or no record.
    pub(super) fn next_seq(&self) -> Option<u64> {
        self.first_seq.checked_add(u64::from(self.count)).filter(|_| self.count > 0)
    }

    pub(super) fn put(&self, plain: &mut Vec<u8>) {
        let length = u32::try_from(self.payload.len()).expect("a payload is far below 4 GiB");
        plain.extend_from_slice(&self.first_seq.to_le_bytes());
        plain.extend_from_slice(&self.count.to_le_bytes());
        plain.extend_from_slice(&length.to_le_bytes());
        plain.extend_from_slice(&self.time.to_le_bytes());
        plain.extend_from_slice(&self.chain);
        plain.extend_from_slice(self.payload);
    }

    fn take(bytes: &mut &'a [u8]) -> Option<Link<'a>> {
        let first_seq = u64::from_le_bytes(take(bytes)?);
        let count = u32::from_le_bytes(take(bytes)?);
        let length = usize::try_from(u32::from_le_bytes(take(bytes)?)).ok()?;
        let time = i64::from_le_bytes(take(bytes)?);
        let chain = take(bytes)?;
        if length > RECORD_BYTES_MAX {
            return None;
        }
        let payload = bytes.split_off(..length)?;
        Some(Link { first_seq, count, chain, time, payload })
    }
}

/// What the links of one block cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    /// The least time of a link. Not always that of the first: a clock can be set back.
    pub(super) earliest: i64,
    /// The greatest time of a link.
    pub(super) latest: i64,
}

impl Span {
    /// What one link covers; `None` as in [`Link::next_seq`].
    pub(super) fn of(link: &Link<'_>) -> Option<Span> {
        let last_seq = link.next_seq()? - 1;
        let Link { first_seq, time, .. } = *link;
        Some(Span { first_seq, last_seq, earliest: time, latest: time })
    }

    /// What both cover together; `None` unless `next` follows on this one.
    pub(super) fn join(self, next: Span) -> Option<Span> {
        let follows = self.last_seq.checked_add(1) == Some(next.first_seq);
        follows.then_some(Span {
            first_seq: self.first_seq,
            last_seq: next.last_seq,
            earliest: self.earliest.min(next.earliest),
            latest: self.latest.max(next.latest),
        })
    }
}

/// The links of a block, or `None` unless they are well formed and cover exactly `span`.
pub(super) fn parse<'a>(mut plain: &'a [u8], span: &Span) -> Option<Vec<Link<'a>>> {
    let mut links = Vec::new();
    let mut covered: Option<Span> = None;
    while !plain.is_empty() {
        let link = Link::take(&mut plain)?;
        let next = Span::of(&link)?;
        covered = Some(match covered {
            Some(before) => before.join(next)?,
            None => next,
        });
        links.push(link);
    }
    (covered.as_ref() == Some(span)).then_some(links)
}

/// Takes `N` bytes from the front.
pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (array, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*array)
}
