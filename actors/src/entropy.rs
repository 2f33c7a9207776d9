//! The only file of the engine that asks for random bytes.
//!
//! What somebody could gain by guessing (invite codes) comes straight from the operating system.
//! Salts of personal sections come from a thread's ChaCha generator, which the operating system
//! seeds.

use crate::ids::{CODE_ENTROPY_BYTES, InviteCode, Timestamp, Uuid};

/// A fresh salt for one personal section.
#[must_use]
pub fn salt() -> [u8; 16] {
    rand::random()
}

/// A version 7 UUID: its order is that of time.
#[must_use]
pub fn uuid(now: Timestamp) -> Uuid {
    let millis = u64::try_from(now.micros() / 1_000).unwrap_or(0);
    let random: [u8; 10] = rand::random();
    Uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().as_u128())
}

/// `count` candidates for new invite codes of `digits` hex digits each.
///
/// # Panics
/// When the operating system has no random bytes to give: without them no code is safe to issue.
#[must_use]
pub fn codes(count: usize, digits: u8) -> Vec<InviteCode> {
    let mut bytes = vec![0_u8; count * CODE_ENTROPY_BYTES];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    let (seeds, _) = bytes.as_chunks::<CODE_ENTROPY_BYTES>();
    seeds.iter().map(|seed| InviteCode::from_entropy(seed, digits)).collect()
}
