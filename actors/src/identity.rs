//! What follows from a person's address and the node's secret, and therefore is stored nowhere.
//!
//! All three derivations hang on one secret of 32 bytes, kept beside the journal. Losing it orphans
//! every person; leaking it lets its finder test guesses at addresses against ids.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::fraud::{Marks, Origin};
use crate::ids::{self, Email, PersonId, Uuid};

const TOKEN_PREFIX: &str = "person_";
const TAG_BYTES: usize = 16;
const HEX: &[u8; 16] = b"0123456789abcdef";
const REFERRAL_DIGITS: usize = 8;
const HALF_BITS: u32 = 20;
const HALF_MASK: u64 = (1 << HALF_BITS) - 1;
const ROUNDS: usize = 6;
/// Bits of an IPv4 address that tell the machines of one network apart.
const V4_HOST_BITS: u32 = 8;
/// Bits of an IPv6 address that name what one customer has, and what a provider gives to a site.
const V6_SITE_BITS: u32 = 64;
const V6_NET_BITS: u32 = 48;
/// Crockford's base 32: no I, L, O or U, so that a code survives being read aloud.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Derives ids, person tokens and referral codes. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    person: Hmac<Sha256>,
    token: Hmac<Sha256>,
    origin: Hmac<Sha256>,
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
        Self {
            person: keyed(b"vobee person id"),
            token: keyed(b"vobee person token"),
            origin: keyed(b"vobee origin"),
            rounds,
            node,
        }
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
        self.person_of(&email.folded())
    }

    fn person_of(&self, folded: &str) -> PersonId {
        let mut mac = self.person.clone();
        mac.update(folded.as_bytes());
        let bytes: [u8; 16] = head(&mac.finalize().into_bytes());
        PersonId(uuid::Builder::from_custom_bytes(bytes).into_uuid().as_u128())
    }

    /// The person with the plain address of this one's mailbox, where this is another spelling of
    /// it.
    #[must_use]
    pub fn mailbox(&self, email: &Email) -> Option<PersonId> {
        ids::plain(&email.folded()).map(|plain| self.person_of(&plain))
    }

    /// What an address, and a request from `client`, show of whoever sent it.
    #[must_use]
    pub fn marks(&self, email: &Email, disposable: bool, client: Option<IpAddr>) -> Marks {
        let folded = email.folded();
        let plain = ids::plain(&folded);
        Marks {
            mailbox: plain.as_deref().map(|plain| self.person_of(plain)),
            shape: self.shape(plain.as_deref().unwrap_or(&folded)),
            disposable,
            origin: client.and_then(|client| self.origin(client)),
        }
    }

    /// The same for plain addresses that differ in digits only; 0 for those without a letter.
    fn shape(&self, plain: &str) -> u32 {
        let (local, domain) = plain.rsplit_once('@').unwrap_or_default();
        let letters = local.bytes().filter(|byte| !byte.is_ascii_digit());
        if letters.clone().next().is_none() {
            // Numbers are all alike.
            return 0;
        }
        let bytes = letters.chain([b'@']).chain(domain.bytes());
        let hash = bytes.fold(self.rounds[0], |hash, byte| spread(hash ^ u64::from(byte)));
        (hash >> u32::BITS) as u32
    }

    /// Where a request came from, unless that is a machine or a network of one's own.
    fn origin(&self, client: IpAddr) -> Option<Origin> {
        let (site, network) = match client.to_canonical() {
            IpAddr::V4(address) if is_ones_own(address) => return None,
            IpAddr::V4(address) => {
                let bits = address.to_ipv6_mapped().to_bits();
                (bits, bits >> V4_HOST_BITS)
            }
            IpAddr::V6(address)
                if address.is_loopback()
                    || address.is_unique_local()
                    || address.is_unicast_link_local() =>
            {
                return None;
            }
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                (bits >> (Ipv6Addr::BITS - V6_SITE_BITS), bits >> (Ipv6Addr::BITS - V6_NET_BITS))
            }
        };
        let named = |kind: u8, bits: u128| {
            let mut mac = self.origin.clone();
            mac.update(&[kind]);
            mac.update(&bits.to_be_bytes());
            u64::from_le_bytes(head(&mac.finalize().into_bytes()))
        };
        let kind = u8::from(client.to_canonical().is_ipv6());
        Some(Origin { site: named(kind, site), network: named(kind | 2, network) })
    }

    /// The token that lets its holder read and leave as this person.
    #[must_use]
    pub fn token(&self, person: PersonId) -> String {
        let mut text = Vec::with_capacity(TOKEN_PREFIX.len() + 4 * TAG_BYTES);
        text.extend_from_slice(TOKEN_PREFIX.as_bytes());
        let tag = self.token_tag(person).finalize().into_bytes();
        for byte in person.0.to_be_bytes().iter().chain(&tag[..TAG_BYTES]) {
            text.extend([byte >> 4, byte & 15].map(|half| HEX[usize::from(half)]));
        }
        String::from_utf8(text).expect("a prefix and digits are ASCII")
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
    spread(half.wrapping_add(key)) & HALF_MASK
}

fn spread(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Of this machine, of a network of one's own, or shared by a provider's customers (RFC 6598).
fn is_ones_own(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    address.is_loopback() || address.is_private() || address.is_link_local() || shared
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
    fn addresses_that_differ_in_digits_share_a_shape_and_no_others() {
        let identity = Identity::new(&[1; 32]);
        let shape = |text: &str| identity.marks(&email(text), false, None).shape;
        assert_eq!(shape("ada1@example.com"), shape("Ada27+x@example.com"));
        assert_eq!(shape("ada1@example.com"), shape("1ada@example.com"));
        assert_ne!(shape("ada1@example.com"), shape("adb1@example.com"));
        assert_ne!(shape("ada1@example.com"), shape("ada1@example.org"));
        assert_eq!(shape("12345@example.com"), 0, "numbers are all alike");
        let other = Identity::new(&[2; 32]).marks(&email("ada1@example.com"), false, None);
        assert_ne!(other.shape, shape("ada1@example.com"), "a keyed hash");
    }

    #[test]
    fn an_origin_names_address_and_network_and_nothing_at_home() {
        let identity = Identity::new(&[1; 32]);
        let origin = |text: &str| {
            let client = text.parse().expect("an address");
            identity.marks(&email("a@example.com"), false, Some(client)).origin
        };
        let [one, same] = ["203.0.113.7", "::ffff:203.0.113.7"].map(origin);
        let one = one.expect("an origin");
        assert_eq!(Some(one), same);
        let near = origin("203.0.113.8").expect("an origin");
        assert_eq!((near.network, near.site == one.site), (one.network, false));
        assert_ne!(origin("203.0.114.7").expect("an origin").network, one.network);
        let [six, tenant] = ["2001:db8:1:2::1", "2001:db8:1:2::ffff"].map(origin);
        assert_eq!(six, tenant);
        let next = origin("2001:db8:1:3::1").expect("an origin");
        assert_eq!(Some(next.network), six.map(|six| six.network));
        for home in
            ["127.0.0.1", "10.1.2.3", "100.64.0.1", "169.254.1.1", "::1", "fd00::1", "fe80::1"]
        {
            assert_eq!(origin(home), None, "{home}");
        }
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
