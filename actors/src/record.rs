//! The envelope of an event in the journal: everything that must be readable without knowing the
//! payload.
//!
//! ```text
//! stream u8 | tag u8 | version u8 | flags u8 | at i64 | seen u64 | payload length u32 | payload
//!   and, when flag 1 is set: request id u128 | body hash u128 | outcome (the rest)
//! ```
//! All numbers little-endian. `seen` is the newest event of another stream that this one had come
//! to when the record was written; with flag 2 it is also what has caused this record. Tag 0 of any
//! stream carries no event: it only moves the stream's last cause forward, or carries the outcome
//! of a refused request.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::event::Stream;
use crate::ids::{Seq, Timestamp};
use crate::request::RequestTag;

/// Tag of a record without an event.
pub(crate) const NO_EVENT: u8 = 0;

const HEAD_BYTES: usize = 24;
const FLAG_REQUEST: u8 = 1;
const FLAG_CAUSED: u8 = 2;
const DECODED_BYTES_MAX: usize = 16 << 20;

/// A record that this version cannot read. Replay stops at it rather than guess.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the journal holds a record that this version cannot read ({what}); \
     start the version that wrote it"
)]
pub(crate) struct Unreadable {
    pub(crate) what: String,
}

impl Unreadable {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

/// What every record says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) stream: Stream,
    pub(crate) tag: u8,
    pub(crate) version: u8,
    pub(crate) at: Timestamp,
    /// The newest event of another stream that the domain had reacted to, or passed by.
    pub(crate) seen: Seq,
    /// Whether that event has caused this record.
    pub(crate) caused: bool,
}

/// A record taken apart, its payload still encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) head: Head,
    pub(crate) payload: &'a [u8],
    pub(crate) request: Option<(RequestTag, &'a [u8])>,
}

/// An event's form on disk, one implementation a domain.
pub(crate) trait Persisted: Sized {
    /// Tag and version under which this event is written.
    fn kind(&self) -> (u8, u8);
    /// Appends the payload.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads what `encode` of that tag and version wrote.
    fn decode(tag: u8, version: u8, payload: &[u8]) -> Result<Self, Unreadable>;
}

/// Bincode with fixed-width little-endian integers: the one encoding of payloads.
pub(crate) fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    bincode::serde::encode_into_std_write(value, out, bincode::config::legacy())
        .expect("plain data encodes into memory");
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    let config = bincode::config::legacy().with_limit::<DECODED_BYTES_MAX>();
    bincode::serde::decode_from_slice(bytes, config)
        .map(|(value, _)| value)
        .map_err(|error| Unreadable::new(error.to_string()))
}

/// Reads a field that stands last and that encodings from before it was there end without.
pub(crate) fn if_there<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de> + Default,
{
    Ok(T::deserialize(input).unwrap_or_default())
}

/// SHA-256 of a value's encoding: equal states have equal digests.
pub(crate) fn digest<T: Serialize>(value: &T) -> [u8; 32] {
    let mut bytes = Vec::new();
    encode(value, &mut bytes);
    Sha256::digest(&bytes).into()
}

/// Writes a record's body into `out`, replacing what it held.
pub(crate) fn write(
    out: &mut Vec<u8>,
    head: Head,
    payload: impl FnOnce(&mut Vec<u8>),
    request: Option<(RequestTag, &[u8])>,
) {
    out.clear();
    let flags = if request.is_some() { FLAG_REQUEST } else { 0 }
        | if head.caused { FLAG_CAUSED } else { 0 };
    out.extend_from_slice(&[head.stream as u8, head.tag, head.version, flags]);
    out.extend_from_slice(&head.at.micros().to_le_bytes());
    out.extend_from_slice(&head.seen.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    payload(out);
    let length = u32::try_from(out.len() - HEAD_BYTES).expect("an event is far below 4 GiB");
    out[HEAD_BYTES - 4..HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
    if let Some((tag, outcome)) = request {
        out.extend_from_slice(&tag.id.to_le_bytes());
        out.extend_from_slice(&tag.body.to_le_bytes());
        out.extend_from_slice(outcome);
    }
}

/// Takes a record's body apart.
pub(crate) fn read(body: &[u8]) -> Result<Record<'_>, Unreadable> {
    let short = || Unreadable::new("shorter than its own head");
    let (&[stream, tag, version, flags], rest) = body.split_first_chunk().ok_or_else(short)?;
    let (at, rest) = rest.split_first_chunk().ok_or_else(short)?;
    let (seen, rest) = rest.split_first_chunk().ok_or_else(short)?;
    let (length, rest) = rest.split_first_chunk().ok_or_else(short)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (payload, rest) = rest.split_at_checked(length).ok_or_else(short)?;
    let stream = Stream::from_number(stream)
        .ok_or_else(|| Unreadable::new(format!("unknown stream {stream}")))?;
    let request = if flags & FLAG_REQUEST == 0 {
        None
    } else {
        let (id, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let (hash, outcome) = rest.split_first_chunk().ok_or_else(short)?;
        let tag = RequestTag { id: u128::from_le_bytes(*id), body: u128::from_le_bytes(*hash) };
        Some((tag, outcome))
    };
    let at = Timestamp::from_micros(i64::from_le_bytes(*at));
    let seen = u64::from_le_bytes(*seen);
    let caused = flags & FLAG_CAUSED != 0;
    Ok(Record { head: Head { stream, tag, version, at, seen, caused }, payload, request })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_reads_back_as_it_was_written(
            tag: u8, version: u8, at: i64, seen: u64, caused: bool, payload: Vec<u8>,
            request: Option<(u128, u128, Vec<u8>)>,
        ) {
            let head = Head {
                stream: Stream::Invites, tag, version, at: Timestamp::from_micros(at), seen, caused,
            };
            let request = request.map(|(id, body, out)| (RequestTag { id, body }, out));
            let mut body = vec![1, 2, 3];
            let asked = request.as_ref().map(|(tag, outcome)| (*tag, outcome.as_slice()));
            write(&mut body, head, |out| out.extend_from_slice(&payload), asked);
            let record = read(&body).expect("readable");
            prop_assert_eq!(record.head, head);
            prop_assert_eq!(record.payload, payload.as_slice());
            prop_assert_eq!(record.request, asked);
        }

        #[test]
        fn any_bytes_are_read_or_refused_without_a_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
