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

    /// A short hash of items that have no order, and how many they are.
    pub(crate) fn unordered<T: Serialize>(
        &mut self,
        items: impl Iterator<Item = T>,
    ) -> io::Result<()> {
        let (mut count, mut sum) = (0_u64, 0_u64);
        for item in items {
            let hash = fingerprint(|out| out.put(&item)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (count, sum) = (count + 1, sum.wrapping_add(hash ^ hash >> 32));
        }
        self.put(&(count, sum))
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
