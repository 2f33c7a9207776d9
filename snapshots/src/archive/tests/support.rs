//! Links to write, and what an archive gives back, in a form to compare.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;

use crate::archive::{Archive, ArchiveWriter, Link};
use crate::{Batch, Error, RecordView, Section, chain};

pub(super) const EPOCH: u64 = 7;
pub(super) const FIRST: u64 = 1001;
pub(super) const BEFORE: [u8; 32] = [3; 32];

/// A link that owns its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) first_seq: u64,
    pub(super) count: u32,
    pub(super) chain: [u8; 32],
    pub(super) time: i64,
    pub(super) payload: Vec<u8>,
}

impl Owned {
    pub(super) fn of(link: &Link<'_>) -> Owned {
        let Link { first_seq, count, chain, time, payload } = *link;
        Owned { first_seq, count, chain, time, payload: payload.to_vec() }
    }

    pub(super) fn link(&self) -> Link<'_> {
        let Owned { first_seq, count, chain, time, ref payload } = *self;
        Link { first_seq, count, chain, time, payload }
    }
}

pub(super) type Record = (Vec<u8>, Vec<Section>);

/// The links that these records make from `FIRST` on, each with its time.
pub(super) fn linked(groups: &[(i64, Vec<Record>)]) -> Vec<Owned> {
    let (mut first_seq, mut chain) = (FIRST, BEFORE);
    let mut links = Vec::new();
    for (time, records) in groups {
        let mut batch = Batch::default();
        for (body, sections) in records {
            batch.push(body, sections);
        }
        let count = u32::try_from(records.len()).expect("few records");
        let payload = batch.bytes().to_vec();
        chain = chain::next(&chain, first_seq, count, &payload).expect("well formed records");
        links.push(Owned { first_seq, count, chain, time: *time, payload });
        first_seq += u64::from(count);
    }
    links
}

/// `count` links of `each` records, a link every ten time units. Record `seq` has a text of the
/// owner `seq` and one of the owner 1, and noise of `noise` bytes.
pub(super) fn numbered(count: u64, each: u64, noise: usize) -> Vec<Owned> {
    let record = |seq: u64| {
        let body = noise_of(seq, noise);
        let sections = vec![
            section(u128::from(seq), format!("text of {seq}").as_bytes()),
            section(1, format!("shared text at {seq}").as_bytes()),
        ];
        (body, sections)
    };
    let group = |at: u64| {
        let first = FIRST + at * each;
        (
            i64::try_from(10 * at).expect("a small number"),
            (first..first + each).map(record).collect(),
        )
    };
    linked(&(0..count).map(group).collect::<Vec<_>>())
}

pub(super) fn noise_of(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

pub(super) fn section(owner: u128, text: &[u8]) -> Section {
    Section { owner, salt: [9; 16], text: text.into() }
}

pub(super) fn write(dir: &Path, links: &[Owned]) -> PathBuf {
    let path = path_in(dir);
    let mut writer = ArchiveWriter::create(&path, EPOCH, FIRST, BEFORE).expect("a writer");
    for link in links {
        writer.push(&link.link()).expect("the link follows");
    }
    let archived = writer.finish().expect("the archive verifies");
    assert_eq!(archived.path, path);
    assert_eq!(archived.links, links.len() as u64);
    assert_eq!(archived.file_bytes, fs::metadata(&path).expect("a file").len());
    path
}

pub(super) fn path_in(dir: &Path) -> PathBuf {
    dir.join(format!("{EPOCH:016}.events.zst"))
}

pub(super) fn links_from(archive: &Archive, from: u64) -> Result<Vec<Owned>, Error> {
    let mut links = Vec::new();
    archive.links(from, &mut |link| {
        links.push(Owned::of(link));
        Ok(())
    })?;
    Ok(links)
}

/// Number, body and sections of every record in the range.
pub(super) fn scanned(archive: &Archive, from: u64, to: u64) -> Vec<(u64, Vec<u8>, usize)> {
    let mut records = Vec::new();
    let mut visit = |record: RecordView<'_>| {
        records.push((record.seq, record.body.to_vec(), record.sections().count()));
    };
    archive.scan(from, to, &mut visit).expect("the archive is sound");
    records
}

/// Everything that an archive gives, or the first refusal.
pub(super) fn all_of(path: &Path) -> Result<(u64, [u8; 32], Vec<Owned>), Error> {
    let archive = Archive::open(path)?;
    let links = links_from(&archive, 0)?;
    archive.verify()?;
    Ok((archive.epoch(), archive.chain_before(), links))
}

pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::DamagedFile { .. } | Error::Newer { .. })
}

pub(super) fn files_in(dir: &Path) -> usize {
    fs::read_dir(dir).expect("a directory").count()
}

pub(super) fn any_record() -> impl Strategy<Value = Record> {
    let text = prop_oneof![4 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 0..3000)];
    let sections = (0..6_u128, text).prop_map(|(owner, text)| section(owner, &text));
    let body = prop_oneof![8 => 0..400_usize, 1 => 0..90_000_usize];
    let body = (body, any::<u64>()).prop_map(|(length, seed)| noise_of(seed, length));
    (body, vec(sections, 0..4))
}

pub(super) fn any_groups() -> impl Strategy<Value = Vec<(i64, Vec<Record>)>> {
    vec((-50..50_i64, vec(any_record(), 1..12)), 0..30)
}
