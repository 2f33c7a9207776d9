//! What a key is made of.

use std::fmt;
use std::io;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const MARK: &str = "vobee_";
const ID_DIGITS: usize = 8;
const SECRET_BYTES: usize = 20;

/// What a key is called by; no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(u32);

/// The text is not the id of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not the id of a key: 8 lower-case hex digits, as `vobee keys list` shows them")]
pub struct KeyIdError;

/// The text is not the name of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a scope: public, app, admin or metrics")]
pub struct ScopeError;

/// What a key's holder may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// What needs no key at all.
    Public,
    /// What the operator's own backend does.
    App,
    /// Everything.
    Admin,
    /// Reading metrics.
    Metrics,
}

/// A key in clear, on its way to whoever it is for. It has no `Debug` form on purpose.
pub(super) struct Token {
    pub(super) id: KeyId,
    secret: [u8; SECRET_BYTES],
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Public, Self::App, Self::Admin, Self::Metrics];

    /// The name in requests, files and commands.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::App => "app",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }

    /// Whether a key of this scope may do what asks for `needed`.
    #[must_use]
    pub const fn allows(self, needed: Self) -> bool {
        match needed {
            Self::Public => true,
            Self::App => matches!(self, Self::App | Self::Admin),
            Self::Admin => matches!(self, Self::Admin),
            Self::Metrics => matches!(self, Self::Metrics | Self::Admin),
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(ScopeError)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        match bytes::<{ ID_DIGITS / 2 }>(text) {
            Some(id) => Ok(Self(u32::from_be_bytes(id))),
            None => Err(KeyIdError),
        }
    }
}

impl TryFrom<String> for KeyId {
    type Error = KeyIdError;

    fn try_from(text: String) -> Result<Self, KeyIdError> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl Token {
    /// A fresh one, from the operating system's random bytes.
    pub(super) fn random() -> io::Result<Self> {
        let mut id = [0; ID_DIGITS / 2];
        let mut secret = [0; SECRET_BYTES];
        fill(&mut id)?;
        fill(&mut secret)?;
        Ok(Self { id: KeyId(u32::from_be_bytes(id)), secret })
    }

    /// The token that a request carries; none when it has not the form of one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(MARK)?.split_once('_')?;
        Some(Self { id: id.parse().ok()?, secret: bytes(secret)? })
    }

    /// The form that its holder sends.
    pub(super) fn reveal(&self) -> String {
        format!("{MARK}{}_{}", self.id, hex(&self.secret))
    }

    /// What is kept of the secret.
    pub(super) fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }
}

/// Fills `buffer` with random bytes of the operating system.
pub(super) fn fill(buffer: &mut [u8]) -> io::Result<()> {
    getrandom::fill(buffer).map_err(|error| {
        io::Error::other(format!("the operating system gives no random bytes: {error}"))
    })
}

/// Lower-case hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `N` bytes from exactly as many lower-case hex digits as they take.
pub(super) fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_mark_eight_digits_and_forty_and_reads_back() {
        let token = Token::random().expect("random bytes");
        let text = token.reveal();
        assert_eq!(text.len(), "vobee_".len() + 8 + 1 + 40);
        let read = Token::parse(&text).expect("a token");
        assert_eq!((read.id, read.digest()), (token.id, token.digest()));
    }

    #[test]
    fn what_is_not_quite_a_token_is_none() {
        let good = format!("vobee_0123abcd_{}", "0f".repeat(20));
        assert!(Token::parse(&good).is_some());
        for wrong in [
            "",
            "vobee_",
            "vobee__",
            "vobee_0123abcd_",
            &good[..good.len() - 1],
            &format!("{good}0"),
            &good.to_uppercase(),
            &good.replace("0123", "+123"),
            &good.replace("0f0f", "0fé"),
        ] {
            assert!(Token::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn admin_implies_all_app_implies_public_and_nobody_else_implies_anything() {
        let allowed = |scope: Scope| Scope::ALL.map(|needed| scope.allows(needed));
        assert_eq!(allowed(Scope::Public), [true, false, false, false]);
        assert_eq!(allowed(Scope::App), [true, true, false, false]);
        assert_eq!(allowed(Scope::Admin), [true, true, true, true]);
        assert_eq!(allowed(Scope::Metrics), [true, false, false, true]);
    }
}
