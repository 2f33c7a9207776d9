//! The form of personal text, in the journal and in memory: short, since there are millions.
//!
//! ```text
//! kind u8: 1 profile, 2 address, 3 note profile: email, use case, persona, then pairs of metadata
//! until the end; address: email; note: text every string: length as LEB128, then UTF-8
//! ```
//! Kinds are persisted and never reused.

use crate::ids::Email;

const PROFILE: u8 = 1;
const ADDRESS: u8 = 2;
const NOTE: u8 = 3;

/// What a person has typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Address, as mail is sent to it.
    pub email: String,
    /// What the product is wanted for; empty for somebody who never joined the list.
    pub use_case: String,
    /// Persona as it was written.
    pub persona: String,
    /// Pairs of the caller's own.
    pub metadata: Vec<(String, String)>,
}

impl Profile {
    /// Bytes of all of it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let pairs = self.metadata.iter().map(|(key, value)| key.len() + value.len());
        self.email.len() + self.use_case.len() + self.persona.len() + pairs.sum::<usize>()
    }
}

/// One personal section of a journal record.
pub(crate) enum Text<'a> {
    Profile {
        email: &'a Email,
        use_case: &'a str,
        persona: &'a str,
        metadata: &'a [(String, String)],
    },
    Address(&'a Email),
    /// Something written about a person; kept on disk only.
    Note(&'a str),
}

impl Text<'_> {
    pub(crate) fn encode(&self) -> Box<[u8]> {
        // As much as it comes to, so that nothing is copied once more to become a box.
        let mut out = Vec::with_capacity(self.encoded_bytes());
        match self {
            Self::Profile { email, use_case, persona, metadata } => {
                out.push(PROFILE);
                put(&mut out, email.as_str());
                put(&mut out, use_case);
                put(&mut out, persona);
                for (key, value) in *metadata {
                    put(&mut out, key);
                    put(&mut out, value);
                }
            }
            Self::Address(email) => {
                out.push(ADDRESS);
                put(&mut out, email.as_str());
            }
            Self::Note(note) => {
                out.push(NOTE);
                put(&mut out, note);
            }
        }
        out.into()
    }

    fn encoded_bytes(&self) -> usize {
        let strings = match self {
            Self::Profile { email, use_case, persona, metadata } => {
                let typed = [email.as_str(), use_case, persona].map(put_bytes);
                let pairs = metadata.iter().map(|(key, value)| put_bytes(key) + put_bytes(value));
                typed.into_iter().chain(pairs).sum()
            }
            Self::Address(email) => put_bytes(email.as_str()),
            Self::Note(note) => put_bytes(note),
        };
        1 + strings
    }
}

/// What a section says for the book.
pub(super) enum Entry {
    /// Replaces what was known.
    Whole,
    /// Counts only while nothing is known.
    AddressOnly,
    /// Nothing.
    None,
}

pub(super) fn entry(text: &[u8]) -> Entry {
    match text.first() {
        Some(&PROFILE) => Entry::Whole,
        Some(&ADDRESS) => Entry::AddressOnly,
        _ => Entry::None,
    }
}

/// Reads a profile or address; None for anything else.
pub(super) fn decode(text: &[u8]) -> Option<Profile> {
    let (&kind, mut rest) = text.split_first()?;
    let email = take(&mut rest)?;
    match kind {
        ADDRESS => Some(Profile { email, ..Profile::default() }),
        PROFILE => {
            let (use_case, persona) = (take(&mut rest)?, take(&mut rest)?);
            let mut metadata = Vec::new();
            while !rest.is_empty() {
                metadata.push((take(&mut rest)?, take(&mut rest)?));
            }
            Some(Profile { email, use_case, persona, metadata })
        }
        _ => None,
    }
}

/// What a section says for the book, and whether it replaces what was known.
pub(crate) fn told(text: &[u8]) -> Option<(Profile, bool)> {
    let whole = matches!(entry(text), Entry::Whole);
    decode(text).map(|profile| (profile, whole))
}

/// The use case in a profile, without the rest; None for anything else.
pub(super) fn use_case(text: &[u8]) -> Option<&str> {
    let (&kind, mut rest) = text.split_first()?;
    if kind != PROFILE {
        return None;
    }
    take_text(&mut rest)?;
    take_text(&mut rest)
}

fn put(out: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    while length > 0x7f {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(text.as_bytes());
}

/// How many bytes `put` writes.
fn put_bytes(text: &str) -> usize {
    let bits = usize::BITS - text.len().leading_zeros();
    bits.div_ceil(7).max(1) as usize + text.len()
}

fn take(rest: &mut &[u8]) -> Option<String> {
    take_text(rest).map(str::to_owned)
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let mut length = 0_usize;
    for shift in (0..28).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let (text, after) = rest.split_at_checked(length)?;
            *rest = after;
            return std::str::from_utf8(text).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_profile_reads_back_as_it_was_written(
            use_case: String, persona: String, metadata: Vec<(String, String)>,
        ) {
            let email = Email::parse("ada@example.com").expect("a good address");
            let text = Text::Profile {
                email: &email, use_case: &use_case, persona: &persona, metadata: &metadata,
            };
            let profile = Profile {
                email: "ada@example.com".to_owned(), use_case: use_case.clone(),
                persona: persona.clone(), metadata: metadata.clone(),
            };
            for text in [&text, &Text::Address(&email), &Text::Note(&use_case)] {
                prop_assert_eq!(text.encode().len(), text.encoded_bytes());
            }
            let text = text.encode();
            prop_assert_eq!(self::use_case(&text), Some(use_case.as_str()));
            prop_assert_eq!(decode(&text), Some(profile));
        }

        #[test]
        fn any_bytes_are_read_or_refused_without_a_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
            let _ = use_case(&bytes);
        }
    }
}
