//! What follows from a person's address and the node's secret, and therefore is stored nowhere.
//!
//! All three derivations hang on one secret of 32 bytes, kept beside the journal. Losing it orphans
//! every person; leaking it lets its finder test guesses at addresses against ids.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::ids::{Email, PersonId, Uuid};

const TOKEN_PREFIX: &str = "person_";
const TAG_BYTES: usize = 16;
const REFERRAL_DIGITS: usize = 8;
const HALF_BITS: u32 = 20;
const HALF_MASK: u64 = (1 << HALF_BITS) - 1;
const ROUNDS: usize = 6;
/// Crockford's base 32: no I, L, O or U, so that a code survives being read aloud.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Derives ids, person tokens and referral codes. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    person: Hmac<Sha256>,
    token: Hmac<Sha256>,
    rounds: [u64; ROUNDS],
    node: u128,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(…)")
    }
}

impl Identity {
    /// Keys for one node, separated by purpose.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        let keyed = |purpose: &[u8]| {
            let mut mac =
                Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes any key length");
            mac.update(purpose);
            let key = mac.finalize().into_bytes();
            Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes any key length")
        };
        let mut rounds = [0; ROUNDS];
        for (round, key) in rounds.iter_mut().enumerate() {
            let mut mac = keyed(b"vobee referral code");
            mac.update(&[u8::try_from(round).unwrap_or(0)]);
            *key = u64::from_le_bytes(head(&mac.finalize().into_bytes()));
        }
        let node: [u8; 16] = head(&keyed(b"vobee node id").finalize().into_bytes());
        let node = uuid::Builder::from_custom_bytes(node).into_uuid().as_u128();
        let (person, token) = (keyed(b"vobee person id"), keyed(b"vobee person token"));
        Self { person, token, rounds, node }
    }

    /// Names the node, and all that come from a backup of it; is no secret.
    #[must_use]
    pub fn node(&self) -> Uuid {
        Uuid(self.node)
    }

    /// The person behind an address: HMAC-SHA-256 of its folded form, cut to a version 8 UUID (RFC
    /// 9562).
    #[must_use]
    pub fn person(&self, email: &Email) -> PersonId {
        let mut mac = self.person.clone();
        mac.update(email.folded().as_bytes());
        let bytes: [u8; 16] = head(&mac.finalize().into_bytes());
        PersonId(uuid::Builder::from_custom_bytes(bytes).into_uuid().as_u128())
    }

    /// The person with the plain address of this one's mailbox, where this is another spelling of
    /// it.
    #[must_use]
    pub fn mailbox(&self, email: &Email) -> Option<PersonId> {
        let plain = self.person(&email.canonical());
        (plain != self.person(email)).then_some(plain)
    }

    /// The token that lets its holder read and leave as this person.
    #[must_use]
    pub fn token(&self, person: PersonId) -> String {
        let mut text = String::with_capacity(TOKEN_PREFIX.len() + 4 * TAG_BYTES);
        text.push_str(TOKEN_PREFIX);
        let tag = self.token_tag(person).finalize().into_bytes();
        for byte in person.0.to_be_bytes().iter().chain(&tag[..TAG_BYTES]) {
            text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
            text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        }
        text
    }

    /// The person that a token speaks for, when this node has issued it. Compared in constant time.
    #[must_use]
    pub fn person_of_token(&self, token: &str) -> Option<PersonId> {
        let hex = token.strip_prefix(TOKEN_PREFIX)?;
        if hex.len() != 4 * TAG_BYTES || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let (id, tag) = hex.split_at(2 * TAG_BYTES);
        let person = PersonId(u128::from_str_radix(id, 16).ok()?);
        let tag = u128::from_str_radix(tag, 16).ok()?.to_be_bytes();
        self.token_tag(person).verify_truncated_left(&tag).ok()?;
        Some(person)
    }

    fn token_tag(&self, person: PersonId) -> Hmac<Sha256> {
        let mut mac = self.token.clone();
        mac.update(&person.0.to_be_bytes());
        mac
    }

    /// The referral code of the `index`-th entry: a keyed permutation of 40 bits (a Feistel
    /// network, Luby and Rackoff 1988, with a mixing function that hides the order of joining and
    /// is no cipher), in base 32.
    #[must_use]
    pub fn referral_code(&self, index: u32) -> String {
        let (mut left, mut right) = (u64::from(index) >> HALF_BITS, u64::from(index) & HALF_MASK);
        for key in self.rounds {
            (left, right) = (right, left ^ mix(right, key));
        }
        let value = left << HALF_BITS | right;
        (0..REFERRAL_DIGITS)
            .rev()
            .map(|digit| char::from(ALPHABET[(value >> (5 * digit) & 31) as usize]))
            .collect()
    }

    /// The entry that a referral code names, if it names any; case does not matter.
    #[must_use]
    pub fn index_of_referral_code(&self, code: &str) -> Option<u32> {
        let code = code.trim();
        if code.len() != REFERRAL_DIGITS {
            return None;
        }
        let mut value = 0_u64;
        for byte in code.bytes() {
            let digit = ALPHABET.iter().position(|&c| c == byte.to_ascii_uppercase())?;
            value = value << 5 | digit as u64;
        }
        let (mut left, mut right) = (value >> HALF_BITS, value & HALF_MASK);
        for key in self.rounds.iter().rev() {
            (left, right) = (right ^ mix(left, *key), left);
        }
        u32::try_from(left << HALF_BITS | right).ok()
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014), keyed, cut to half a block.
fn mix(half: u64, key: u64) -> u64 {
    let mut z = half.wrapping_add(key);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) & HALF_MASK
}

fn head<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[..N]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn email(text: &str) -> Email {
        Email::parse(text).expect("a good address")
    }

    #[test]
    fn one_person_has_one_id_however_the_address_is_written() {
        let identity = Identity::new(&[1; 32]);
        let person = identity.person(&email("Ada@Example.com"));
        assert_eq!(person, identity.person(&email(" ada@example.COM")));
        assert_ne!(person, identity.person(&email("ada@example.org")));
        assert_ne!(person, Identity::new(&[2; 32]).person(&email("ada@example.com")));
        assert_eq!(person.to_string().as_bytes()[14], b'8', "a version 8 UUID");
    }

    #[test]
    fn only_an_address_that_is_not_plain_has_a_mailbox_of_another_name() {
        let identity = Identity::new(&[1; 32]);
        let plain = identity.person(&email("ada@gmail.com"));
        assert_eq!(identity.mailbox(&email("A.da+news@googlemail.com")), Some(plain));
        assert_eq!(identity.mailbox(&email("Ada@gmail.com")), None);
    }

    #[test]
    fn a_token_speaks_for_its_person_and_no_other_node_can_make_it() {
        let identity = Identity::new(&[1; 32]);
        let person = identity.person(&email("ada@example.com"));
        let token = identity.token(person);
        assert_eq!(identity.person_of_token(&token), Some(person));
        assert_eq!(Identity::new(&[2; 32]).person_of_token(&token), None);
        let last = if token.ends_with('0') { "1" } else { "0" };
        assert_eq!(identity.person_of_token(&format!("{}{last}", &token[..token.len() - 1])), None);
        assert_eq!(identity.person_of_token("person_"), None);
    }

    proptest! {
        #[test]
        fn a_referral_code_names_its_entry_and_only_its_own(index: u32, other: u32) {
            let identity = Identity::new(&[3; 32]);
            let code = identity.referral_code(index);
            prop_assert_eq!(identity.index_of_referral_code(&code.to_lowercase()), Some(index));
            prop_assert_eq!(code == identity.referral_code(other), index == other);
        }

        #[test]
        fn any_text_is_a_code_of_ours_or_none(text in ".{0,12}") {
            let identity = Identity::new(&[3; 32]);
            if let Some(index) = identity.index_of_referral_code(&text) {
                prop_assert_eq!(identity.referral_code(index), text.trim().to_uppercase());
            }
        }
    }
}
