//! What is erased is gone, and nothing else is.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::support::*;
use crate::SectionView;
use crate::archive::{Archive, erase, erase_payload};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn erasing_keeps_the_links_and_takes_exactly_the_texts_that_are_gone(
        groups in any_groups(),
        owners in any::<[bool; 6]>(),
        odd in any::<bool>(),
    ) {
        let dir = TempDir::new().expect("a directory");
        let links = linked(&groups);
        let path = write(dir.path(), &links);
        let gone = |owner: u128, seq: u64| {
            let owner = usize::try_from(owner).expect("six owners");
            owners[owner] && (seq % 2 == 1) == odd
        };
        let mut expected = 0;
        for (seq, (_, sections)) in (FIRST..).zip(groups.iter().flat_map(|group| &group.1)) {
            expected += sections.iter().filter(|section| gone(section.owner, seq)).count() as u64;
        }
        let before = Archive::open(&path).expect("an archive");
        prop_assert_eq!(erase(&path, &gone).expect("a sound archive"), expected);
        let after = Archive::open(&path).expect("an archive");
        prop_assert!(after.verify().is_ok());
        prop_assert_eq!(after.chain(), before.chain());
        let shrunk = links_from(&after, 0).expect("a sound archive");
        prop_assert_eq!(shrunk.len(), links.len());
        for (old, new) in links.iter().zip(&shrunk) {
            prop_assert!(new.payload.len() <= old.payload.len());
            let restored = Owned { payload: old.payload.clone(), ..new.clone() };
            prop_assert!(restored == *old);
        }
        let mut left = Vec::new();
        after.scan(0, u64::MAX, &mut |record| {
            left.extend(record.sections().map(|section| match section {
                SectionView::Kept { owner, text, .. } => {
                    (record.seq, owner, Some(text.to_vec()), section.commitment())
                }
                SectionView::Erased { owner, commitment } => (record.seq, owner, None, commitment),
            }));
        }).expect("a sound archive");
        let mut wanted = Vec::new();
        before.scan(0, u64::MAX, &mut |record| {
            wanted.extend(record.sections().map(|section| {
                let SectionView::Kept { owner, text, .. } = section else {
                    panic!("nothing was erased before");
                };
                let kept = (!gone(owner, record.seq)).then(|| text.to_vec());
                (record.seq, owner, kept, section.commitment())
            }));
        }).expect("a reader keeps the file that it opened");
        prop_assert!(left == wanted);
        prop_assert_eq!(erase(&path, &gone).expect("a sound archive"), 0);
    }
}

#[test]
fn an_erased_text_is_nowhere_in_the_file() {
    let dir = TempDir::new().expect("a directory");
    let path = write(dir.path(), &numbered(120, 10, 1000));
    let text = b"text of 1300";
    assert!(contains(&decompressed(&path), text));
    let before = fs::read(&path).expect("a file");
    assert_eq!(
        erase(&path, &|owner, seq| owner == 1300 && seq == 1300).expect("a sound archive"),
        1
    );
    let plain = decompressed(&path);
    assert!(!contains(&plain, text));
    assert!(contains(&plain, b"text of 1301"));
    assert!(contains(&plain, b"shared text at 1300"));
    let archive = Archive::open(&path).expect("an archive");
    archive.verify().expect("a sound archive");
    let after = fs::read(&path).expect("a file");
    let second = usize::try_from(archive.footer.index[1].offset).expect("a small number");
    assert!(before[..second] == after[..second], "a block without the text was copied");
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(files_in(dir.path()), 1);
}

/// Every byte of the file, with blocks in their plain form.
fn decompressed(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).expect("a file");
    let archive = Archive::open(path).expect("an archive");
    let mut all = bytes.clone();
    for entry in &archive.footer.index {
        let start = usize::try_from(entry.offset).expect("a small number");
        let length = u32::from_le_bytes(*bytes[start..].first_chunk().expect("a block"));
        let frame = &bytes[start + 12..start + 12 + length as usize];
        all.extend(zstd::bulk::decompress(frame, 1 << 20).expect("a frame by itself"));
    }
    all
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn an_archive_with_nothing_to_erase_is_not_written() {
    let dir = TempDir::new().expect("a directory");
    let path = write(dir.path(), &numbered(3, 2, 10));
    let opened = fs::File::open(&path).expect("a file");
    let asked = RefCell::new(Vec::new());
    let gone = |owner, seq| {
        asked.borrow_mut().push((owner, seq));
        false
    };
    assert_eq!(erase(&path, &gone).expect("a sound archive"), 0);
    let wanted = (FIRST..FIRST + 6).flat_map(|seq| [(u128::from(seq), seq), (1, seq)]);
    assert_eq!(*asked.borrow(), wanted.collect::<Vec<_>>());
    let inode = opened.metadata().expect("a file").ino();
    assert_eq!(fs::metadata(&path).expect("a file").ino(), inode);
}

#[test]
fn a_malformed_payload_is_not_erased() {
    let link = &numbered(1, 3, 5)[0];
    let mut out = b"rubbish".to_vec();
    let mut erase = |count, payload: &[u8]| {
        erase_payload(FIRST, count, payload, &|_, _| true, &mut out).map(|count| (count, out.len()))
    };
    assert_eq!(erase(3, &link.payload).map(|found| found.0), Some(6));
    assert_eq!(erase(2, &link.payload), None);
    assert_eq!(erase(4, &link.payload), None);
    assert_eq!(erase(0, &[]), Some((0, 0)));
    for length in 0..link.payload.len() {
        assert_eq!(erase(3, &link.payload[..length]), None, "cut to {length}");
    }
}
