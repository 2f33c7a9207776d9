//! Names of things: validated once, at the edge, and cheap to carry afterwards.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Position of an event in the journal; the first is 1, and 0 stands for "before the first".
pub type Seq = u64;

/// Longest address that is taken, in octets (RFC 5321, 4.5.3.1.3).
pub const EMAIL_OCTETS_MAX: usize = 254;

/// Random bytes that go into one invite code.
pub const CODE_ENTROPY_BYTES: usize = 16;

/// Bounds of [`crate::invites::Policy::digits`].
pub const CODE_DIGITS: std::ops::RangeInclusive<u8> = 12..=32;

const MICROS_PER_DAY: i64 = 86_400_000_000;
const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `micros` microseconds after the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole days since the epoch, in UTC.
    #[must_use]
    pub const fn day(self) -> i64 {
        self.0.div_euclid(MICROS_PER_DAY)
    }

    /// Whole hours since the epoch.
    #[must_use]
    pub const fn hour(self) -> i64 {
        self.0.div_euclid(MICROS_PER_HOUR)
    }

    /// This instant and `days` days; stops at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus_days(self, days: u32) -> Self {
        Self(self.0.saturating_add(days as i64 * MICROS_PER_DAY))
    }

    /// This instant and `seconds` seconds; stops at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds as i64 * 1_000_000))
    }

    /// This instant and `minutes` minutes; stops at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus_minutes(self, minutes: u32) -> Self {
        Self(self.0.saturating_add(minutes as i64 * 60_000_000))
    }

    /// Days from `earlier` to this instant, 0 when `earlier` is later.
    #[must_use]
    pub fn days_since(self, earlier: Self) -> f64 {
        let micros = self.0.saturating_sub(earlier.0).max(0);
        micros as f64 / MICROS_PER_DAY as f64
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::<Utc>::from_timestamp_micros(self.0).unwrap_or_default();
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl FromStr for Timestamp {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        DateTime::parse_from_rfc3339(text).map(|time| Self(time.timestamp_micros()))
    }
}

/// A UUID that names a thing and is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uuid(pub u128);

impl Uuid {
    /// Reads the usual form of a UUID.
    ///
    /// # Errors
    /// What it should look like.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let uuid = uuid::Uuid::try_parse(text).map_err(|_| "must be a UUID")?;
        Ok(Self(uuid.as_u128()))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_u128(self.0).hyphenated().fmt(f)
    }
}

/// A person: the keyed hash of the address, the same in every domain. See
/// [`Identity`](crate::identity::Identity).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PersonId(pub(crate) u128);

impl PersonId {
    /// The id as a number, for maps and cursors.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }

    /// The low half of the id, of which only the top two bits are fixed: a number to choose by.
    pub(crate) const fn number(self) -> u64 {
        self.0 as u64
    }

    /// The id in two halves, the high one first: 8 bytes aligned instead of 16, for small records
    /// of which there are millions.
    pub(crate) const fn halves(self) -> [u64; 2] {
        [(self.0 >> 64) as u64, self.0 as u64]
    }

    pub(crate) const fn from_halves([high, low]: [u64; 2]) -> Self {
        Self((high as u128) << 64 | low as u128)
    }

    /// The person that owns a section of the journal.
    #[must_use]
    pub const fn from_owner(owner: u128) -> Self {
        Self(owner)
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid(self.0).fmt(f)
    }
}

impl fmt::Debug for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PersonId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        uuid::Uuid::parse_str(text).map(|id| Self(id.as_u128()))
    }
}

/// An e-mail address in the form that mail is sent to: trimmed, domain in lower-case ASCII (IDNA),
/// local part as it was typed. Two addresses are the same person when they agree without regard to
/// case.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(Box<str>);

/// Why a text is not an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Nothing but white space.
    #[error("must not be empty; send an address like user@example.com")]
    Empty,
    /// More than [`EMAIL_OCTETS_MAX`] octets.
    #[error("must be at most 254 octets long")]
    TooLong,
    /// Not the syntax of RFC 5321.
    #[error("is not an e-mail address; send one like user@example.com")]
    Syntax,
}

impl Email {
    /// Takes an address as a person types it.
    ///
    /// # Errors
    /// [`EmailError`], whose text tells the person what to change.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(EmailError::Empty);
        }
        if text.len() > EMAIL_OCTETS_MAX {
            return Err(EmailError::TooLong);
        }
        let at = text.rfind('@').ok_or(EmailError::Syntax)?;
        let (local, domain) = text.split_at(at + 1);
        let mut address = String::with_capacity(text.len());
        address.push_str(local);
        if domain.is_ascii() {
            address.push_str(domain);
            address[at..].make_ascii_lowercase();
        } else {
            address.push_str(&idna::domain_to_ascii(domain).map_err(|_| EmailError::Syntax)?);
        }
        if address.len() > EMAIL_OCTETS_MAX {
            return Err(EmailError::TooLong);
        }
        let rules = email_address::Options::default()
            .with_required_tld()
            .without_domain_literal()
            .without_display_text();
        if address.chars().any(char::is_control)
            || email_address::EmailAddress::parse_with_options(&address, rules).is_err()
        {
            return Err(EmailError::Syntax);
        }
        Ok(Self(address.into()))
    }

    /// The address as it is sent to.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which addresses are compared.
    pub(crate) fn folded(&self) -> Cow<'_, str> {
        if !self.0.is_ascii() {
            Cow::Owned(self.0.to_lowercase())
        } else if self.0.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(self.0.to_ascii_lowercase())
        } else {
            Cow::Borrowed(&self.0)
        }
    }
}

/// The address that different spellings of one mailbox have in common, where the folded one is
/// another spelling: without a plus tag, at Gmail also without dots. A signal of one person behind
/// two addresses, never a reason to refuse an address.
pub(crate) fn plain(folded: &str) -> Option<String> {
    let (local, domain) = folded.rsplit_once('@')?;
    let name = local.split_once('+').map_or(local, |(name, _)| name);
    let plain = match domain {
        "gmail.com" | "googlemail.com" => name.replace('.', "") + "@gmail.com",
        _ if name.len() == local.len() => return None,
        _ => format!("{name}@{domain}"),
    };
    (plain != folded).then_some(plain)
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

/// An invite code without its prefix: up to 32 hex digits, and how many of them there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InviteCode {
    value: u128,
    digits: u8,
}

impl InviteCode {
    /// The first `digits` hex digits of SHA-256 over `entropy`.
    #[must_use]
    pub fn from_entropy(entropy: &[u8; CODE_ENTROPY_BYTES], digits: u8) -> Self {
        let hash: [u8; 32] = Sha256::digest(entropy).into();
        let mut head = [0_u8; 16];
        head.copy_from_slice(&hash[..16]);
        let digits = digits.clamp(*CODE_DIGITS.start(), *CODE_DIGITS.end());
        Self { value: u128::from_be_bytes(head) >> (128 - 4 * u32::from(digits)), digits }
    }

    /// Takes a code as a person types it: white space around it and case do not matter.
    ///
    /// # Errors
    /// When it is not `prefix` and 12 to 32 hex digits.
    pub fn parse(text: &str, prefix: &str) -> Result<Self, CodeError> {
        let text = text.trim();
        let wrong = || CodeError { prefix: prefix.to_owned() };
        let head = text.get(..prefix.len()).ok_or_else(wrong)?;
        if !head.eq_ignore_ascii_case(prefix) {
            return Err(wrong());
        }
        let hex = &text[prefix.len()..];
        let digits = u8::try_from(hex.len()).map_err(|_| wrong())?;
        if !CODE_DIGITS.contains(&digits) || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let value = u128::from_str_radix(hex, 16).map_err(|_| wrong())?;
        Ok(Self { value, digits })
    }

    /// All its bits in 64, for hashing.
    pub(crate) const fn folded(self) -> u64 {
        (self.value >> 64) as u64 ^ self.value as u64
    }

    /// The code as it is printed.
    #[must_use]
    pub fn print(self, prefix: &str) -> String {
        format!("{prefix}{:0width$X}", self.value, width = usize::from(self.digits))
    }
}

/// A text that is not an invite code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an invite code; codes look like {prefix} and 12 to 32 hex digits")]
pub struct CodeError {
    prefix: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_the_case_of_its_local_part_and_loses_that_of_its_domain() {
        let email = Email::parse("  Ada.Lovelace@EXAMPLE.com ").expect("a good address");
        assert_eq!(email.as_str(), "Ada.Lovelace@example.com");
        assert_eq!(email.folded(), "ada.lovelace@example.com");
    }

    #[test]
    fn an_international_domain_is_taken_in_its_ascii_form() {
        let email = Email::parse("user@Bücher.example").expect("a good address");
        assert_eq!(email.as_str(), "user@xn--bcher-kva.example");
    }

    #[test]
    fn spellings_of_one_mailbox_have_one_plain_address() {
        let plain = |text: &str| plain(&Email::parse(text).expect("a good address").folded());
        assert_eq!(plain("A.d.a+news@GoogleMail.com").as_deref(), Some("ada@gmail.com"));
        assert_eq!(plain("Ada+news@example.com").as_deref(), Some("ada@example.com"));
        for other in ["ada@gmail.com", "Ada@example.com", "a.da@example.com"] {
            assert_eq!(plain(other), None, "{other} is plain as it is");
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused_with_the_reason() {
        assert_eq!(Email::parse("  "), Err(EmailError::Empty));
        assert_eq!(
            Email::parse(&format!("{}@x.example", "a".repeat(290))),
            Err(EmailError::TooLong)
        );
        for text in
            ["a", "a@", "@b.example", "a b@c.example", "a@b", "a@[127.0.0.1]", "a\u{7}@b.example"]
        {
            assert_eq!(Email::parse(text), Err(EmailError::Syntax), "{text}");
        }
        assert!(Email::parse("first+tag@sub.example.com").is_ok());
    }

    #[test]
    fn a_code_is_the_prefix_and_twelve_upper_case_digits_of_the_hash() {
        let code = InviteCode::from_entropy(&[7; 16], 12);
        let hash: [u8; 32] = Sha256::digest([7; 16]).into();
        let hex: String = hash.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(code.print("VOBEE-"), format!("VOBEE-{}", &hex[..12]));
        assert_eq!(
            InviteCode::parse(&format!(" vobee-{} ", hex[..12].to_lowercase()), "VOBEE-"),
            Ok(code)
        );
    }

    #[test]
    fn a_text_of_another_shape_is_no_code() {
        for text in [
            "",
            "VOBEE-",
            "VOBEE-12345678901",
            "VOBEE-12345678901G",
            "OTHER-123456789012",
            "VOBÉE-1",
        ] {
            assert!(InviteCode::parse(text, "VOBEE-").is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_prints_as_rfc_3339_in_utc_and_reads_back() {
        let time: Timestamp = "2026-11-23T12:00:00.5+01:00".parse().expect("a good time");
        assert_eq!(time.to_string(), "2026-11-23T11:00:00.500Z");
        assert_eq!(time.to_string().parse(), Ok(time));
    }
}
