//! A hash of 64 bits.
//!
//! Who wins a lottery with a given seed depends on it, in `waitlist/wave.rs`, and a lottery has to
//! come out the same for ever. Where a hash is in no event and no file, in `growing/` and in the
//! sum of `waitlist/entries.rs`, another one would do as well.

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014), with its increment.
pub(crate) fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
