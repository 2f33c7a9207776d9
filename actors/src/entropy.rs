//! The only file of the engine that asks for random bytes.
//!
//! What somebody could gain by guessing (invite codes) comes straight from the operating system.
//! Salts of personal sections come from a thread's ChaCha generator, which the operating system
//! seeds. In a simulation both come from the simulation's seed.

use crate::ids::{CODE_ENTROPY_BYTES, InviteCode, Timestamp, Uuid};

/// A fresh salt for one personal section.
#[must_use]
pub fn salt() -> [u8; 16] {
    random()
}

/// A version 7 UUID: its order is that of time.
#[must_use]
pub fn uuid(now: Timestamp) -> Uuid {
    let millis = u64::try_from(now.micros() / 1_000).unwrap_or(0);
    let random: [u8; 10] = random();
    Uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().as_u128())
}

/// What a lottery is drawn from: nobody can know it before.
///
/// # Panics
/// As [`codes`].
#[must_use]
pub fn seed_of_a_draw() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// `count` candidates for new invite codes of `digits` hex digits each.
///
/// # Panics
/// When the operating system has no random bytes to give: without them no code is safe to issue.
#[must_use]
pub fn codes(count: usize, digits: u8) -> Vec<InviteCode> {
    let mut bytes = vec![0_u8; count * CODE_ENTROPY_BYTES];
    fill(&mut bytes);
    let (seeds, _) = bytes.as_chunks::<CODE_ENTROPY_BYTES>();
    seeds.iter().map(|seed| InviteCode::from_entropy(seed, digits)).collect()
}

#[cfg(not(feature = "simulation"))]
fn random<const N: usize>() -> [u8; N] {
    rand::random::<[u8; N]>()
}

#[cfg(not(feature = "simulation"))]
fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}

#[cfg(feature = "simulation")]
pub(crate) use seeded::seed;
#[cfg(feature = "simulation")]
use seeded::{fill, random};

#[cfg(feature = "simulation")]
mod seeded {
    use std::cell::RefCell;

    use snapshots::simulation::Rng;

    thread_local! {
        static SEEDED: RefCell<Option<Rng>> = const { RefCell::new(None) };
    }

    /// From now on all random bytes of this thread follow from `seed`.
    pub(crate) fn seed(seed: u64) {
        SEEDED.set(Some(Rng::new(seed)));
    }

    pub(super) fn random<const N: usize>() -> [u8; N] {
        let mut bytes = [0; N];
        if draw(&mut bytes) { bytes } else { rand::random() }
    }

    pub(super) fn fill(bytes: &mut [u8]) {
        if !draw(bytes) {
            getrandom::fill(bytes).expect("the operating system gives random bytes");
        }
    }

    /// False outside a simulation.
    fn draw(bytes: &mut [u8]) -> bool {
        SEEDED.with_borrow_mut(|seeded| {
            let Some(rng) = seeded else { return false };
            bytes.fill_with(|| rng.draw() as u8);
            true
        })
    }
}
