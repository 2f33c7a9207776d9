//! The encoding of a state on disk: a stream of values, each in the one encoding of the journal.
//!
//! What is in the stream, and in what order, is each owner's own (`image.rs` of a domain), under a
//! version that stands outside it. Lists come with their length; maps are written in the order of
//! their keys, so that equal states have equal images. What can be derived is not stored.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::record::Unreadable;

/// No single value is longer than this.
const VALUE_BYTES_MAX: usize = 32 << 20;

/// Writes values.
pub(crate) struct ImageWriter<'a>(pub(crate) &'a mut dyn Write);

impl ImageWriter<'_> {
    pub(crate) fn put<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        bincode::serde::encode_into_std_write(value, &mut self.0, bincode::config::legacy())
            .map(|_| ())
            .map_err(io::Error::other)
    }

    pub(crate) fn list<T: Serialize>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
    ) -> io::Result<()> {
        self.put(&(items.len() as u64))?;
        for item in items {
            self.put(&item)?;
        }
        Ok(())
    }

    /// What a fingerprint takes of a list: its length, and a sample of its items.
    pub(crate) fn sampled_list<T: Serialize>(
        &mut self,
        turn: u64,
        length: usize,
        item: impl Fn(usize) -> T,
    ) -> io::Result<()> {
        self.put(&(length as u64))?;
        Sample::of(length, turn).indexes(length).try_for_each(|index| self.put(&item(index)))
    }

    /// What a fingerprint takes of a map, whatever its order: how many items it has, and a short
    /// hash of a sample of them. Each comes with a number that is its own, like a part of its key.
    pub(crate) fn sampled_map<I, T: Serialize>(
        &mut self,
        turn: u64,
        items: impl ExactSizeIterator<Item = (u64, I)>,
        item: impl Fn(I) -> T,
    ) -> io::Result<()> {
        let (count, mut sum) = (items.len(), 0_u64);
        let sample = Sample::of(count, turn);
        for (_, found) in items.filter(|&(number, _)| sample.takes(number)) {
            let hash = fingerprint(|out| out.put(&item(found))).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            sum = sum.wrapping_add(hash ^ hash >> 32);
        }
        self.put(&(count as u64, sum))
    }

    /// A text and whose it is, in one go: there are millions.
    pub(crate) fn bytes(&mut self, owner: u128, text: &[u8]) -> io::Result<()> {
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        self.0.write_all(&owner.to_le_bytes())?;
        self.0.write_all(&length.to_le_bytes())?;
        self.0.write_all(text)
    }
}

/// Reads them back.
pub(crate) struct ImageReader<'a>(pub(crate) &'a mut dyn Read);

impl ImageReader<'_> {
    pub(crate) fn take<T: DeserializeOwned>(&mut self) -> Result<T, Unreadable> {
        let config = bincode::config::legacy().with_limit::<VALUE_BYTES_MAX>();
        bincode::serde::decode_from_std_read(&mut self.0, config)
            .map_err(|error| Unreadable::new(error.to_string()))
    }

    /// The next text into `text`, and whose it is.
    pub(crate) fn bytes(&mut self, text: &mut Vec<u8>) -> Result<u128, Unreadable> {
        let broken = |error: io::Error| Unreadable::new(error.to_string());
        let (mut owner, mut length) = ([0; 16], [0; 4]);
        self.0.read_exact(&mut owner).map_err(broken)?;
        self.0.read_exact(&mut length).map_err(broken)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > VALUE_BYTES_MAX {
            return Err(Unreadable::new("a text is too long"));
        }
        text.resize(length, 0);
        self.0.read_exact(text).map_err(broken)?;
        Ok(u128::from_le_bytes(owner))
    }

    /// Hands over the items of a list, one after the other.
    pub(crate) fn list<T: DeserializeOwned>(
        &mut self,
        mut each: impl FnMut(T) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        for _ in 0..self.take::<u64>()? {
            each(self.take()?)?;
        }
        Ok(())
    }
}

/// About so many items of a collection go into a fingerprint; of one that is no larger all. Few
/// in tests, so that what is large elsewhere is so there too.
const SAMPLED: usize = if cfg!(any(test, feature = "simulation")) { 4 } else { 4_096 };

/// Which items of a collection go into a fingerprint. A live actor answers nobody while it hashes
/// its state, so millions are walked over at most, and some of them hashed: the same ones of equal
/// states at the same turn, and others at most others.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    stride: u64,
    first: u64,
}

impl Sample {
    pub(crate) fn of(count: usize, turn: u64) -> Self {
        let stride = count.div_ceil(SAMPLED).max(1) as u64;
        Self { stride, first: turn % stride }
    }

    /// Whether it has the item with this number.
    pub(crate) fn takes(self, number: u64) -> bool {
        number % self.stride == self.first
    }

    /// Where its items are in a list.
    fn indexes(self, length: usize) -> impl Iterator<Item = usize> {
        (self.first as usize..length).step_by(self.stride as usize)
    }
}

/// A short hash of an image: its CRC-32C below its length.
pub(crate) fn fingerprint(save: impl FnOnce(&mut ImageWriter<'_>) -> io::Result<()>) -> u64 {
    let mut hash = Hash { crc: 0, length: 0 };
    let written = save(&mut ImageWriter(&mut hash));
    debug_assert!(written.is_ok(), "a hash takes everything");
    hash.length << 32 | u64::from(hash.crc)
}

struct Hash {
    crc: u32,
    length: u64,
}

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::identity;

    use proptest::prelude::*;

    use super::*;

    fn map(turn: u64, items: impl DoubleEndedIterator<Item = u64> + ExactSizeIterator) -> u64 {
        let items = items.map(|item| (item >> 8, item));
        fingerprint(|out| out.sampled_map(turn, items, identity))
    }

    fn list(turn: u64, items: &[u64]) -> u64 {
        fingerprint(|out| out.sampled_list(turn, items.len(), |index| items[index]))
    }

    proptest! {
        #[test]
        fn a_change_is_seen_at_every_turn_where_there_is_little_and_once_in_a_round_where_much(
            count in prop_oneof![1..=SAMPLED, SAMPLED + 1..4 * SAMPLED],
            changed: prop::sample::Index,
            turn: u32,
        ) {
            let before: Vec<u64> = (0..count as u64).map(|number| number << 8).collect();
            let mut after = before.clone();
            after[changed.index(count)] += 1;
            let round = count.div_ceil(SAMPLED) as u64;
            let turns = || u64::from(turn)..u64::from(turn) + round;
            let maps = turns().filter(|&turn| {
                map(turn, before.iter().copied()) != map(turn, after.iter().copied())
            });
            prop_assert_eq!(maps.count(), 1);
            let lists = turns().filter(|&turn| list(turn, &before) != list(turn, &after));
            prop_assert_eq!(lists.count(), 1);
        }

        #[test]
        fn a_map_has_one_fingerprint_in_any_order_and_another_with_one_item_more(
            count in 0..3 * SAMPLED,
            turn: u64,
        ) {
            let items: Vec<u64> = (0..count as u64).map(|number| number << 8).collect();
            let forwards = map(turn, items.iter().copied());
            prop_assert_eq!(forwards, map(turn, items.iter().rev().copied()));
            let more = items.iter().copied().chain([count as u64 + 9]).collect::<Vec<_>>();
            prop_assert_ne!(forwards, map(turn, more.into_iter()));
        }

        #[test]
        fn what_is_hashed_at_a_turn_is_bounded(count in 1..40 * SAMPLED, turn: u64) {
            let sample = Sample::of(count, turn);
            prop_assert!((1..=SAMPLED).contains(&sample.indexes(count).count()));
            prop_assert!(sample.indexes(count).all(|index| sample.takes(index as u64)));
        }
    }
}
