//! `[invites]`: what invite codes look like, how long they live, how many there may be.

use serde::{Deserialize, Serialize};

use super::rule::Rule;

/// The form, life and number of invite codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invites {
    /// What every code begins with.
    pub prefix: String,
    /// Hex digits after the prefix.
    pub digits: u8,
    /// Days until a code expires, where the request does not say.
    pub expires_days: u32,
    /// Codes in the registry; past it none are issued.
    pub codes_max: u32,
}

impl Default for Invites {
    fn default() -> Self {
        Self { prefix: "VOBEE-".into(), digits: 12, expires_days: 7, codes_max: 100_000_000 }
    }
}

pub(super) const RULES: &[Rule] = &[
    Rule::text("invites.prefix", "a text of at most 16 of A to Z, 0 to 9 and \"-\"", prefix),
    Rule::whole("invites.digits", 12, 32),
    Rule::whole("invites.expires_days", 1, 3_650),
    Rule::whole("invites.codes_max", 1, 1_000_000_000),
];

/// What survives being read aloud, typed in lower case, and put into a link.
fn prefix(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= 16 && text.bytes().all(allowed)
}
