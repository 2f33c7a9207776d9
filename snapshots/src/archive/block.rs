//! Blocks: links compressed together, each block by itself.

use std::io;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::compress_bound;

use super::link::{self, LINK_HEADER_BYTES};
use crate::RECORD_BYTES_MAX;

/// A block is closed before it grows beyond this. Larger ones compress hardly better, and whoever
/// wants one record decompresses a whole block.
pub(super) const PLAIN_BYTES: usize = 256 * 1024;

/// The largest block before compression: one link with the largest payload.
pub(super) const PLAIN_BYTES_MAX: usize = LINK_HEADER_BYTES + RECORD_BYTES_MAX;

/// The largest block on disk: zstd adds at most one byte in 256 to a block of this size.
pub(super) const PACKED_BYTES_MAX: u64 =
    (BLOCK_HEADER_BYTES + PLAIN_BYTES_MAX + PLAIN_BYTES_MAX / 256) as u64;

pub(super) const BLOCK_HEADER_BYTES: usize = 12;

const _: () = assert!(PLAIN_BYTES <= PLAIN_BYTES_MAX);

const CRC_AT: usize = 8;
const LEVEL: i32 = 3;

/// Compresses blocks, and keeps what that needs from one to the next.
pub(super) struct Packer {
    zstd: Compressor<'static>,
    packed: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> io::Result<Packer> {
        Ok(Packer { zstd: Compressor::new(LEVEL)?, packed: Vec::new() })
    }

    /// The block as it lies on disk. `plain` has at most [`PLAIN_BYTES_MAX`] bytes.
    pub(super) fn pack(&mut self, plain: &[u8]) -> io::Result<&[u8]> {
        self.packed.resize(BLOCK_HEADER_BYTES + compress_bound(plain.len()), 0);
        let (header, frame) = self.packed.split_at_mut(BLOCK_HEADER_BYTES);
        let length = self.zstd.compress_to_buffer(plain, frame)?;
        header[..4].copy_from_slice(&length_field(length));
        header[4..CRC_AT].copy_from_slice(&length_field(plain.len()));
        self.packed.truncate(BLOCK_HEADER_BYTES + length);
        let crc = checksum(&self.packed);
        self.packed[CRC_AT..BLOCK_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        Ok(&self.packed)
    }
}

/// Puts the plain bytes of a block into `plain` in place of what was there, or says what is wrong
/// with the block.
pub(super) fn unpack(
    zstd: &mut Decompressor<'_>,
    packed: &[u8],
    plain: &mut Vec<u8>,
) -> Result<(), &'static str> {
    let (frame, plain_length) = split(packed).ok_or("a block has a strange header")?;
    if checksum_field(packed) != Some(checksum(packed)) {
        return Err("a block fails its checksum");
    }
    plain.resize(plain_length, 0);
    // Into a slice, not a vector: whatever the frame says, it gets no more room than this.
    match zstd.decompress_to_buffer(frame, &mut plain[..]) {
        Ok(length) if length == plain_length => Ok(()),
        Ok(_) => Err("a block is shorter than it says"),
        Err(_) => Err("a block does not decompress"),
    }
}

/// The zstd frame and the length that it decompresses to, which is within bounds.
fn split(packed: &[u8]) -> Option<(&[u8], usize)> {
    let mut rest = packed;
    let packed_length = usize::try_from(u32::from_le_bytes(link::take(&mut rest)?)).ok()?;
    let plain_length = usize::try_from(u32::from_le_bytes(link::take(&mut rest)?)).ok()?;
    link::take::<4>(&mut rest)?;
    let sound = packed_length == rest.len() && (1..=PLAIN_BYTES_MAX).contains(&plain_length);
    sound.then_some((rest, plain_length))
}

fn length_field(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a block is far below 4 GiB").to_le_bytes()
}

fn checksum_field(packed: &[u8]) -> Option<u32> {
    let field = packed.get(CRC_AT..)?.first_chunk()?;
    Some(u32::from_le_bytes(*field))
}

/// Over the whole block but the checksum. `packed` has at least a header.
fn checksum(packed: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&packed[..CRC_AT]), &packed[BLOCK_HEADER_BYTES..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(packed: &[u8]) -> Result<Vec<u8>, &'static str> {
        let mut zstd = Decompressor::new().expect("a decompressor");
        let mut plain = Vec::new();
        unpack(&mut zstd, packed, &mut plain).map(|()| plain)
    }

    /// A block that claims `plain_length` under a valid checksum.
    fn claiming(frame: &[u8], plain_length: usize) -> Vec<u8> {
        let mut packed = length_field(frame.len()).to_vec();
        packed.extend_from_slice(&length_field(plain_length));
        packed.extend_from_slice(&[0; 4]);
        packed.extend_from_slice(frame);
        let crc = checksum(&packed);
        packed[CRC_AT..BLOCK_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        packed
    }

    #[test]
    fn the_bound_on_disk_holds_for_a_block_that_does_not_compress() {
        let bound = BLOCK_HEADER_BYTES + compress_bound(PLAIN_BYTES_MAX);
        assert_eq!(PACKED_BYTES_MAX, bound as u64);
    }

    #[test]
    fn a_frame_gets_exactly_the_room_that_its_block_claims() {
        let plain = [7; 100_000];
        let mut packer = Packer::new().expect("a compressor");
        let packed = packer.pack(&plain).expect("a block");
        assert_eq!(unpacked(packed).as_deref(), Ok(&plain[..]));
        let frame = &packed[BLOCK_HEADER_BYTES..];
        assert_eq!(claiming(frame, plain.len()), packed);
        for claimed in [1, plain.len() - 1, plain.len() + 1, PLAIN_BYTES_MAX] {
            assert!(unpacked(&claiming(frame, claimed)).is_err(), "claimed {claimed}");
        }
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_anything_is_allocated() {
        for claimed in [0, PLAIN_BYTES_MAX + 1, u32::MAX as usize] {
            let refusal = unpacked(&claiming(b"no frame", claimed));
            assert_eq!(refusal, Err("a block has a strange header"));
        }
    }
}
