//! Snapshots beside a running engine: what a start needs, and what is left of those who left.

use std::fs;
use std::path::{Path, PathBuf};

use actors::Policies;
use actors::snapshotter::Archive as Keeping;
use snapshots::archive::{self, Archive};
use snapshots::{SectionView, archive_dir};

use crate::support::{Launch, email};

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Whether the text stands anywhere on disk: in a file as it is, or in an archive once unpacked.
fn is_on_disk(launch: &Launch, text: &str) -> bool {
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let plain = files(launch.path()).iter().any(|path| holds(&fs::read(path).unwrap()));
    let archives = archive::list(&archive_dir(launch.path())).unwrap();
    plain
        || archives.iter().any(|(_, path)| {
            let archive = Archive::open(path).unwrap();
            archive.verify().unwrap();
            let mut found = false;
            let scanned = archive.scan(0, u64::MAX, &mut |record| {
                found |= record.sections().any(|section| match section {
                    SectionView::Kept { text, .. } => holds(text),
                    SectionView::Erased { .. } => false,
                });
            });
            scanned.unwrap();
            found
        })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_after_a_snapshot_replays_only_what_came_after() {
    let launch = Launch::start().await;
    for number in 0..50 {
        launch.join(&format!("early{number}")).await.unwrap();
    }
    let taken = launch.engine.snapshot().await.unwrap();
    assert_eq!(taken.epoch, 1);
    assert!(taken.seq >= 50);
    for number in 0..7 {
        launch.join(&format!("late{number}")).await.unwrap();
    }
    let live = launch.settled().await;
    let launch = launch.restart().await;
    assert_eq!(launch.recovery.snapshot_seq, taken.seq);
    assert!((7..50).contains(&launch.recovery.replayed), "{:?}", launch.recovery);
    assert_eq!(launch.settled().await, live);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_snapshot_is_made_from_the_one_before_and_equals_the_live_state() {
    let mut launch = Launch::start().await;
    for round in 0..4 {
        let codes = launch.codes(3).await;
        for number in 0..5 {
            launch.join(&format!("person{round}x{number}")).await.unwrap();
        }
        let name = format!("person{round}x0");
        launch.engine.redeem(codes[0], email(&name), None, None).await.unwrap();
        let friend = email(&format!("friend{round}"));
        launch.engine.share(email(&name), friend, None, None).await.unwrap();
        launch.engine.snapshot().await.expect("folded and live state are the same");
        let live = launch.settled().await;
        launch = launch.restart().await;
        assert_eq!(launch.settled().await, live, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_request_with_a_key_outlives_the_journal_that_it_was_in() {
    let launch = Launch::start().await;
    let tag = actors::RequestTag::new("caller", "key", "POST /x", b"{}");
    let join = || crate::support::wants("ada");
    let first = launch.engine.join(join(), Some(tag)).await.unwrap();
    launch.engine.compact().await.unwrap();
    let launch = launch.restart().await;
    assert_eq!(launch.recovery.replayed, 0);
    assert_eq!(launch.engine.join(join(), Some(tag)).await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_compaction_the_text_of_whoever_left_is_nowhere_and_ranks_are_as_they_were() {
    let launch = Launch::start().await;
    for name in ["anna", "quetzalcoatl", "zoe"] {
        launch.join(name).await.unwrap();
    }
    // The text is in an archive by now, in a snapshot and in the epoch behind it.
    launch.engine.snapshot().await.unwrap();
    launch.engine.snapshot().await.unwrap();
    assert!(is_on_disk(&launch, "quetzalcoatl wants in"));
    launch.engine.leave(launch.person("quetzalcoatl")).await.unwrap();
    let taken = launch.engine.compact().await.unwrap();
    assert!(taken.erased > 0);
    assert!(!is_on_disk(&launch, "quetzalcoatl wants in"));
    assert!(is_on_disk(&launch, "zoe wants in"), "the others keep theirs");
    let launch = launch.restart().await;
    let zoe = launch.engine.standing(launch.person("zoe")).await.unwrap();
    assert_eq!(zoe.position, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_compaction_the_address_of_whom_only_others_have_told_is_nowhere() {
    let launch = Launch::start().await;
    launch.engine.share(email("zoe"), email("popocatepetl"), None, None).await.unwrap();
    launch.engine.snapshot().await.unwrap();
    launch.engine.snapshot().await.unwrap();
    assert!(is_on_disk(&launch, "popocatepetl"));
    launch.engine.leave(launch.person("popocatepetl")).await.unwrap();
    let taken = launch.engine.compact().await.unwrap();
    assert!(taken.erased > 0);
    assert!(!is_on_disk(&launch, "popocatepetl"));
    assert!(is_on_disk(&launch, "zoe@example.com"), "the others keep theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_keeps_the_new_text_and_loses_the_old() {
    let launch = Launch::start().await;
    let mut join = crate::support::wants("ada");
    join.use_case = "the first reason".to_owned();
    launch.engine.join(join, None).await.unwrap();
    launch.engine.leave(launch.person("ada")).await.unwrap();
    launch.join("ada").await.unwrap();
    launch.engine.compact().await.unwrap();
    assert!(!is_on_disk(&launch, "the first reason"));
    assert!(is_on_disk(&launch, "ada wants in"));
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_is_proved_by_the_chain_around_its_commit() {
    let launch = Launch::start().await;
    launch.join("ada").await.unwrap();
    launch.join("bob").await.unwrap();
    let ada = launch.engine.leave(launch.person("ada")).await.unwrap();
    let bob = launch.engine.leave(launch.person("bob")).await.unwrap();
    assert!(ada.seq > 0 && bob.seq > ada.seq);
    assert_ne!(ada.chain_before, ada.chain);
    let taken = launch.engine.snapshot().await.unwrap();
    let archive = snapshots::archive_path(launch.path(), taken.epoch);
    let mut links = Vec::new();
    let walked = Archive::open(&archive).unwrap().links(1, &mut |link| {
        links.push((link.first_seq, link.chain));
        Ok(())
    });
    walked.unwrap();
    for left in [ada, bob] {
        let at = links.iter().position(|(_, chain)| *chain == left.chain).expect("the link");
        assert!(links[at].0 <= left.seq, "the record is in that commit or before its end");
        assert!(links[..at].iter().any(|(_, chain)| *chain == left.chain_before));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_rules_than_those_of_the_snapshot_do_not_change_the_state_in_it() {
    let launch = Launch::start().await;
    launch.join("ada").await.unwrap();
    launch.engine.snapshot().await.unwrap();
    let before = launch.settled().await;
    let mut policies = Policies::default();
    policies.waitlist.entries_max = 1;
    let launch = launch.restart_with(policies).await;
    assert_eq!(launch.settled().await, before);
    assert!(launch.join("bob").await.is_err(), "the new rule counts from now on");
}

/// How many epochs and archives there are.
fn kept(launch: &Launch) -> (usize, usize) {
    let epochs = fs::read_dir(launch.path().join("journal")).unwrap().count();
    (epochs, archive::list(&archive_dir(launch.path())).unwrap().len())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_month_under_an_archive_of_a_day_jams_nothing() {
    let launch = Launch::start().await.restart_keeping(Keeping::Days(1)).await;
    for number in 0..5 {
        launch.join(&format!("person{number}")).await.unwrap();
        launch.engine.snapshot().await.unwrap();
        launch.pass_days(30);
    }
    // The newest closed epoch stays with its archive, and the archive whose end it begins at.
    assert_eq!(kept(&launch), (2, 2));
    launch.engine.compact().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_cannot_be_read_holds_up_neither_snapshots_nor_what_comes_behind_them() {
    let launch = Launch::start().await;
    for name in ["anna", "quetzalcoatl", "zoe"] {
        launch.join(name).await.unwrap();
        launch.engine.snapshot().await.unwrap();
    }
    fs::write(snapshots::archive_path(launch.path(), 1), "no archive").unwrap();
    launch.engine.leave(launch.person("quetzalcoatl")).await.unwrap();
    let refused = launch.engine.compact().await.map(|_| ());
    assert!(refused.is_err(), "whoever asked is told that one archive may still have the text");
    fs::remove_file(snapshots::archive_path(launch.path(), 1)).unwrap();
    assert!(!is_on_disk(&launch, "quetzalcoatl wants in"));
    launch.engine.compact().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_after_a_failed_snapshot_leaves_no_text_of_whoever_left() {
    let launch = Launch::start().await;
    launch.join("anna").await.unwrap();
    let obstacle = launch.path().join("snapshots/0000000000000001.snap.tmp");
    fs::create_dir_all(&obstacle).unwrap();
    launch.engine.snapshot().await.unwrap_err();
    fs::remove_dir(obstacle).unwrap();
    launch.join("quetzalcoatl").await.unwrap();
    launch.engine.leave(launch.person("quetzalcoatl")).await.unwrap();
    launch.engine.compact().await.unwrap();
    assert!(!is_on_disk(&launch, "quetzalcoatl wants in"));
}
