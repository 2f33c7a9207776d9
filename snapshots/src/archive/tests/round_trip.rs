//! What goes in comes out, from the start, from the middle and by time.

use proptest::prelude::*;
use tempfile::TempDir;

use super::support::*;
use crate::archive::{Archive, ArchiveWriter, Link, erase};
use crate::{Error, RECORD_BYTES_MAX};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn links_come_back_as_they_went_in(
        groups in any_groups(),
        from in 0..200_u64,
        t in -60..60_i64,
    ) {
        let dir = TempDir::new().expect("a directory");
        let links = linked(&groups);
        let archive = Archive::open(&write(dir.path(), &links)).expect("an archive");
        let end = links.last().map_or(FIRST, |last| last.first_seq + u64::from(last.count));
        prop_assert_eq!(archive.epoch(), EPOCH);
        prop_assert_eq!((archive.first_seq(), archive.next_seq()), (FIRST, end));
        prop_assert_eq!(archive.chain_before(), BEFORE);
        prop_assert_eq!(archive.chain(), links.last().map_or(BEFORE, |last| last.chain));
        let times = || links.iter().map(|link| link.time);
        prop_assert_eq!(archive.times(), times().min().zip(times().max()));
        prop_assert!(archive.verify().is_ok());
        let from = FIRST - 10 + from;
        let expected: Vec<_> = links
            .iter()
            .filter(|link| link.first_seq + u64::from(link.count) > from)
            .cloned()
            .collect();
        prop_assert!(links_from(&archive, from).expect("a sound archive") == expected);
        let newest = links.iter().rfind(|link| link.time <= t);
        let newest = newest.map(|link| link.first_seq + u64::from(link.count) - 1);
        prop_assert_eq!(archive.seq_at(t).expect("a sound archive"), newest);
    }
}

#[test]
fn an_archive_of_many_blocks_is_read_from_the_middle() {
    let dir = TempDir::new().expect("a directory");
    let links = numbered(120, 10, 1000);
    let archive = Archive::open(&write(dir.path(), &links)).expect("an archive");
    assert!(archive.footer.index.len() > 4, "{} blocks", archive.footer.index.len());
    for from in [0, FIRST, FIRST + 1, FIRST + 619, FIRST + 1199, FIRST + 1200, u64::MAX] {
        let found = links_from(&archive, from).expect("a sound archive");
        let skip =
            usize::try_from(from.saturating_sub(FIRST) / 10).expect("a small number").min(120);
        assert!(found == links[skip..], "from {from}");
    }
    let edge = archive.footer.index[2].span.first_seq;
    for (from, to) in [(0, u64::MAX), (edge - 3, edge + 3), (edge, edge + 1), (edge - 1, edge)] {
        let (low, high) = (from.max(FIRST), to.min(FIRST + 1200));
        let wanted: Vec<_> = (low..high).map(|seq| (seq, noise_of(seq, 1000), 2)).collect();
        assert!(scanned(&archive, from, to) == wanted, "from {from} to {to}");
    }
    for (from, to) in [(0, 0), (edge, edge), (edge, 3), (0, FIRST), (FIRST + 1200, u64::MAX)] {
        assert!(scanned(&archive, from, to).is_empty(), "from {from} to {to}");
    }
}

#[test]
fn a_walk_ends_with_the_error_of_its_visitor() {
    let dir = TempDir::new().expect("a directory");
    let archive = Archive::open(&write(dir.path(), &numbered(9, 1, 10))).expect("an archive");
    let mut seen = 0;
    let walked = archive.links(FIRST, &mut |_| {
        seen += 1;
        if seen == 4 { Err(Error::Store("enough".to_owned())) } else { Ok(()) }
    });
    assert!(matches!(walked, Err(Error::Store(what)) if what == "enough"));
    assert_eq!(seen, 4);
}

#[test]
fn the_seq_at_a_time_is_the_last_of_the_newest_link_that_is_not_later() {
    let dir = TempDir::new().expect("a directory");
    let links = numbered(120, 10, 1000);
    let archive = Archive::open(&write(dir.path(), &links)).expect("an archive");
    let seq_at = |time| archive.seq_at(time).expect("a sound archive");
    assert_eq!(seq_at(-1), None);
    assert_eq!(seq_at(0), Some(FIRST + 9));
    assert_eq!(seq_at(9), Some(FIRST + 9));
    assert_eq!(seq_at(10), Some(FIRST + 19));
    assert_eq!(seq_at(655), Some(FIRST + 659));
    assert_eq!(seq_at(1190), Some(FIRST + 1199));
    assert_eq!(seq_at(i64::MAX), Some(FIRST + 1199));
    assert_eq!(archive.times(), Some((0, 1190)));
}

#[test]
fn an_archive_without_a_record_stands_for_an_empty_epoch() {
    let dir = TempDir::new().expect("a directory");
    let archive = Archive::open(&write(dir.path(), &[])).expect("an archive");
    assert_eq!((archive.first_seq(), archive.next_seq()), (FIRST, FIRST));
    assert_eq!((archive.chain_before(), archive.chain()), (BEFORE, BEFORE));
    assert_eq!((archive.times(), archive.seq_at(i64::MAX).expect("a sound archive")), (None, None));
    assert_eq!(links_from(&archive, 0).expect("a sound archive"), []);
    assert_eq!(scanned(&archive, 0, u64::MAX), []);
    archive.verify().expect("a sound archive");
}

#[test]
fn the_largest_record_is_archived_among_small_ones() {
    let dir = TempDir::new().expect("a directory");
    let small = |byte| (vec![byte; 20], vec![section(5, b"small")]);
    let large = (noise_of(5, RECORD_BYTES_MAX - 8), vec![]);
    let links = linked(&[(1, vec![small(1)]), (2, vec![large]), (3, vec![small(3)])]);
    assert_eq!(links[1].payload.len(), RECORD_BYTES_MAX);
    let path = write(dir.path(), &links);
    let archive = Archive::open(&path).expect("an archive");
    assert_eq!(archive.footer.index.len(), 3);
    assert!(links_from(&archive, 0).expect("a sound archive") == links);
    assert_eq!(erase(&path, &|owner, _| owner == 5).expect("a sound archive"), 2);
    assert_eq!(all_of(&path).expect("a sound archive").2[1], links[1]);
}

#[test]
fn a_link_that_does_not_follow_is_refused_and_the_next_one_still_taken() {
    let dir = TempDir::new().expect("a directory");
    let links = numbered(2, 2, 10);
    let path = path_in(dir.path());
    let mut writer = ArchiveWriter::create(&path, EPOCH, FIRST, BEFORE).expect("a writer");
    writer.push(&links[0].link()).expect("the link follows");
    let sound = links[1].link();
    let push =
        |writer: &mut ArchiveWriter, link: Link<'_>| writer.push(&link).expect_err("a wrong link");
    let again = push(&mut writer, links[0].link());
    assert!(matches!(again, Error::Unexpected { found: 1003, expected: FIRST }), "{again}");
    let gap = push(&mut writer, Link { first_seq: 1004, ..sound });
    assert!(matches!(gap, Error::Unexpected { found: 1003, expected: 1004 }), "{gap}");
    for (link, last, word) in [
        (Link { chain: BEFORE, ..sound }, 1004, "chain"),
        (Link { count: 1, ..sound }, 1003, "records"),
        (Link { count: 3, ..sound }, 1005, "records"),
        (Link { count: 0, payload: &[], ..sound }, 1003, "records"),
    ] {
        let error = push(&mut writer, link);
        let Error::Damaged { missing_from: 1003, missing_to, what } = &error else {
            panic!("{error}");
        };
        assert_eq!(*missing_to, last, "{error}");
        assert!(what.contains(word), "{error}");
    }
    let long = vec![0; RECORD_BYTES_MAX + 1];
    let error = push(&mut writer, Link { payload: &long, ..sound });
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    writer.push(&sound).expect("the link follows");
    writer.finish().expect("the archive verifies");
    assert!(all_of(&path).expect("a sound archive").2 == links);
}
