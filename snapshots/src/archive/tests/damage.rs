//! What is not as it was written is refused.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::support::*;
use crate::Error;
use crate::archive::{Archive, Link, block, format, output};

#[test]
fn one_flipped_bit_anywhere_is_refused_without_a_verification() {
    let dir = TempDir::new().expect("a directory");
    let path = write(dir.path(), &numbered(3, 1, 20));
    let sound = fs::read(&path).expect("a file");
    for bit in 0..sound.len() * 8 {
        let mut damaged = sound.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &damaged).expect("there is room");
        let read = Archive::open(&path).and_then(|archive| links_from(&archive, 0));
        let error = read.expect_err("a flipped bit");
        assert!(is_refusal(&error), "bit {bit}: {error}");
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let dir = TempDir::new().expect("a directory");
    let path = write(dir.path(), &numbered(3, 1, 20));
    let sound = fs::read(&path).expect("a file");
    for length in 0..sound.len() {
        fs::write(&path, &sound[..length]).expect("there is room");
        let error = Archive::open(&path).expect_err("a cut file");
        assert!(is_refusal(&error), "cut to {length}: {error}");
    }
    fs::write(&path, [&sound[..], &[0]].concat()).expect("there is room");
    assert!(Archive::open(&path).is_err(), "a byte too many");
}

#[test]
fn a_zeroed_page_anywhere_is_refused() {
    let dir = TempDir::new().expect("a directory");
    let path = write(dir.path(), &numbered(60, 10, 1000));
    let sound = fs::read(&path).expect("a file");
    for page in 0..sound.len().div_ceil(4096) {
        let mut damaged = sound.clone();
        let end = damaged.len().min(4096 * (page + 1));
        damaged[4096 * page..end].fill(0);
        fs::write(&path, &damaged).expect("there is room");
        let error = all_of(&path).expect_err("a zeroed page");
        assert!(is_refusal(&error), "page {page}: {error}");
    }
}

/// Changes the footer and makes its checksums right again.
fn forge_footer(path: &Path, edit: impl FnOnce(&mut [u8])) {
    let mut bytes = fs::read(path).expect("a file");
    let trailer_at = bytes.len() - format::TRAILER_BYTES;
    let trailer = bytes[trailer_at..].first_chunk().expect("a trailer");
    let trailer = format::Trailer::decode(trailer).expect("a trailer");
    let footer = usize::try_from(trailer.footer_offset).expect("a small number");
    edit(&mut bytes[footer..trailer_at]);
    let footer_crc = crc32c::crc32c(&bytes[footer..trailer_at]);
    bytes[trailer_at..].copy_from_slice(&format::Trailer { footer_crc, ..trailer }.encode());
    fs::write(path, &bytes).expect("there is room");
}

#[test]
fn verifying_compares_the_file_with_its_hash() {
    let dir = TempDir::new().expect("a directory");
    let links = numbered(3, 1, 20);
    let path = write(dir.path(), &links);
    forge_footer(&path, |footer| *footer.last_mut().expect("a hash") ^= 1);
    let archive = Archive::open(&path).expect("only the hash is wrong");
    assert!(links_from(&archive, 0).expect("only the hash is wrong") == links);
    let error = archive.verify().expect_err("the hash is wrong");
    assert!(error.to_string().contains("SHA-256"), "{error}");
}

#[test]
fn a_footer_that_lies_under_valid_checksums_is_refused() {
    let dir = TempDir::new().expect("a directory");
    let path = write(dir.path(), &numbered(60, 10, 1000));
    let sound = fs::read(&path).expect("a file");
    let footer = Archive::open(&path).expect("an archive").footer.encode(FIRST);
    let totals = footer.len() - 64;
    let computed = [totals, totals + 24, totals + 32, totals + 40, totals + 48, totals + 56];
    // One field after the other: in it a few numbers that arithmetic stumbles over.
    for at in (0..footer.len()).step_by(8) {
        for lie in [0, 1, 61, FIRST - 1, FIRST + 1, 1 << 40, i64::MAX as u64, 1 << 63, u64::MAX] {
            fs::write(&path, &sound).expect("there is room");
            if footer[at..at + 8] == lie.to_le_bytes() {
                continue;
            }
            forge_footer(&path, |footer| {
                footer[at..at + 8].copy_from_slice(&lie.to_le_bytes());
            });
            let read = Archive::open(&path).and_then(|archive| links_from(&archive, 0));
            // Of these nothing but a walk over everything knows.
            let read = if computed.contains(&at) { all_of(&path).map(|all| all.2) } else { read };
            let error = read.expect_err("a field that lies");
            assert!(is_refusal(&error), "{lie} at {at}: {error}");
        }
    }
}

#[test]
fn verifying_finds_a_change_that_every_checksum_agrees_with() {
    let dir = TempDir::new().expect("a directory");
    let links = numbered(3, 1, 20);
    let path = write(dir.path(), &links);
    let archive = Archive::open(&path).expect("an archive");
    let mut payload = links[1].payload.clone();
    payload[4] ^= 1;
    let mut plain = Vec::new();
    for link in [links[0].link(), Link { payload: &payload, ..links[1].link() }, links[2].link()] {
        link.put(&mut plain);
    }
    let mut packer = block::Packer::new().expect("a compressor");
    let forged = dir.path().join("forged");
    let mut output = output::Output::create(&forged, archive.header).expect("a file");
    output
        .put(packer.pack(&plain).expect("a block"), archive.footer.index[0].span)
        .expect("there is room");
    let error = output.finish(archive.footer.totals).expect_err("a forged record");
    assert!(error.to_string().contains("breaks the hash chain"), "{error}");
    assert!(!forged.exists());
    assert_eq!(files_in(dir.path()), 1);
}

#[test]
fn a_later_format_is_told_apart_from_damage() {
    let dir = TempDir::new().expect("a directory");
    let path = write(dir.path(), &numbered(1, 1, 1));
    let mut bytes = fs::read(&path).expect("a file");
    bytes[4..6].copy_from_slice(&2_u16.to_le_bytes());
    fs::write(&path, &bytes).expect("there is room");
    assert!(matches!(Archive::open(&path), Err(Error::Newer { found: 2, known: 1 })));
}

#[test]
fn records_that_no_block_has_are_not_promised() {
    let dir = TempDir::new().expect("a directory");
    let path = write(dir.path(), &numbered(3, 1, 20));
    forge_footer(&path, |footer| {
        let totals = footer.len() - 32 - 64;
        footer[totals + 8..totals + 16].copy_from_slice(&4_u64.to_le_bytes());
        footer[totals + 16..totals + 24].copy_from_slice(&(FIRST + 4).to_le_bytes());
    });
    let error = Archive::open(&path).expect_err("a record too many");
    assert!(is_refusal(&error), "{error}");
}
