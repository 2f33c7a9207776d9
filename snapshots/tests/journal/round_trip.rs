//! What goes in comes out, in this process and in the next.

use proptest::collection::vec;
use proptest::prelude::*;
use snapshots::{Batch, Error, FRAME_BYTES_MAX, Journal, RECORD_BYTES_MAX, Section, SectionView};
use tempfile::TempDir;

use crate::support::{self, Record};

fn any_section() -> impl Strategy<Value = Section> {
    let text = prop_oneof![4 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 0..9000)];
    (any::<u128>(), any::<[u8; 16]>(), text).prop_map(|(owner, salt, text)| Section {
        owner,
        salt,
        text: text.into_boxed_slice(),
    })
}

fn any_record() -> impl Strategy<Value = Record> {
    let near_a_frame = FRAME_BYTES_MAX - 100..FRAME_BYTES_MAX + 20;
    let length = prop_oneof![
        1 => Just(0),
        8 => 1..500_usize,
        2 => near_a_frame,
        1 => 2 * FRAME_BYTES_MAX - 200..100_000,
    ];
    let body = (length, any::<u8>()).prop_map(|(length, byte)| vec_of(length, byte));
    (body, vec(any_section(), 0..4)).prop_map(|(body, sections)| Record { body, sections })
}

fn vec_of(length: usize, byte: u8) -> Vec<u8> {
    std::iter::successors(Some(byte), |byte| Some(byte.wrapping_mul(31).wrapping_add(7)))
        .take(length)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn records_come_back_as_they_went_in(
        batches in vec(vec(any_record(), 0..40), 1..6),
        from in 0..120_u64,
        span in 0..120_u64,
    ) {
        let dir = TempDir::new().expect("a directory");
        let (mut journal, fresh) = support::open(dir.path());
        prop_assert!(fresh.fresh);
        prop_assert_eq!(fresh.next_seq, 1);
        let mut frames = 0;
        for records in &batches {
            let appended = support::append(&mut journal, records);
            prop_assert_eq!(appended.next_seq, journal.next_seq());
            frames += u64::from(appended.frames);
        }
        let expected: Vec<_> = (1..).zip(batches.concat()).collect();
        let next_seq = expected.len() as u64 + 1;
        prop_assert_eq!(journal.next_seq(), next_seq);
        prop_assert!(support::scan(&*journal.reader(), 1, u64::MAX) == expected);
        drop(journal);

        let (journal, recovered) = support::open(dir.path());
        prop_assert!(!recovered.fresh);
        prop_assert_eq!(recovered.next_seq, next_seq);
        prop_assert_eq!(recovered.records, next_seq - 1);
        prop_assert_eq!(recovered.frames, frames);
        prop_assert_eq!(recovered.cut, 0);
        let reader = journal.reader().box_clone();
        prop_assert!(support::scan(&*reader, 1, u64::MAX) == expected);
        let to = from + span;
        let part: Vec<_> = expected.into_iter().filter(|r| (from..to).contains(&r.0)).collect();
        prop_assert!(support::scan(&*reader, from, to) == part);
    }
}

#[test]
fn the_chain_depends_on_the_records_and_on_nothing_else() {
    let chain_of = |seed: u64| {
        let dir = TempDir::new().expect("a directory");
        let (mut journal, _) = support::open(dir.path());
        support::append_next(&mut journal, 40);
        support::append(&mut journal, &[support::record(seed)]);
        drop(journal);
        let (journal, first) = support::open(dir.path());
        drop(journal);
        assert_eq!(support::open(dir.path()).1.chain, first.chain);
        first.chain
    };
    assert_eq!(chain_of(41), chain_of(41));
    assert_ne!(chain_of(41), chain_of(42));
}

#[test]
fn a_reopened_journal_goes_on_where_it_stopped() {
    let dir = TempDir::new().expect("a directory");
    for round in 0..5 {
        let (mut journal, recovered) = support::open(dir.path());
        assert_eq!(recovered.next_seq, round * 30 + 1);
        support::append_next(&mut journal, 30);
        support::assert_holds_exactly(&journal, round * 30 + 31);
    }
}

#[test]
fn an_append_with_another_number_than_the_next_changes_nothing() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    support::append_next(&mut journal, 3);
    let refused = journal.append(3, &support::batch(&[support::record(3)]));
    assert!(matches!(refused, Err(Error::Unexpected { expected: 3, found: 4 })));
    support::append_next(&mut journal, 1);
    support::assert_holds_exactly(&journal, 5);
}

#[test]
fn a_record_over_the_maximum_is_refused_and_the_journal_goes_on() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    let mut batch = Batch::default();
    batch.push(&vec![0; RECORD_BYTES_MAX], &[]);
    assert!(matches!(journal.append(1, &batch), Err(Error::TooLarge { .. })));
    support::append_next(&mut journal, 1);
    support::assert_holds_exactly(&journal, 2);
}

#[test]
fn a_reader_on_another_thread_sees_a_whole_prefix_while_appends_go_on() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    let reader = journal.reader();
    let watching = std::thread::spawn(move || {
        let mut seen = 0;
        while seen < 2000 {
            let records = support::scan(&*reader, 1, u64::MAX);
            assert!(records.len() >= seen, "a later scan sees at least as much");
            seen = records.len();
            let numbers = records.iter().map(|(seq, _)| *seq);
            assert!(numbers.eq(1..=seen as u64));
        }
    });
    for _ in 0..40 {
        support::append_next(&mut journal, 50);
    }
    watching.join().expect("the reader saw no gap");
}

#[test]
fn a_scan_stays_within_its_bounds() {
    let dir = TempDir::new().expect("a directory");
    let (mut journal, _) = support::open(dir.path());
    let reader = journal.reader();
    assert!(support::scan(&*reader, 1, u64::MAX).is_empty());
    support::append_next(&mut journal, 40);
    for (from, to, first, last) in [(15, 18, 15, 17), (0, 2, 1, 1), (40, 99, 40, 40)] {
        let numbers = support::scan(&*reader, from, to).into_iter().map(|(seq, _)| seq);
        assert!(numbers.eq(first..=last), "{from} to {to}");
    }
    for (from, to) in [(41, u64::MAX), (7, 7), (9, 3)] {
        assert!(support::scan(&*reader, from, to).is_empty(), "{from} to {to}");
    }
}

#[test]
fn a_commitment_is_the_salted_hash_of_owner_and_text() {
    // printf of 16 zero bytes, 1 as 16 bytes little-endian and "abc", through sha256sum.
    let section = SectionView::Kept { owner: 1, salt: [0; 16], text: b"abc" };
    let hex: String = section.commitment().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "9bb0ecbcfc187b5cd4f9475ac1b9ce890427915f817988968836a0b73d187ed5");
}
