//! A data directory of the first format, as it was written once, opens for ever.
//!
//! `fixtures/v1` was made by `make_the_fixture` below and never again: it is what the first release
//! wrote. It holds an archive, two snapshots and a tail behind them.

use std::fs;
use std::path::{Path, PathBuf};

use actors::{Generate, Seen, Sighting};
use snapshots::archive::{self, Archive};

use crate::support::{Launch, copy, email};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes the fixture anew, which only a new format may do, under a new name"]
async fn make_the_fixture() {
    let launch = Launch::start().await;
    let engine = &launch.engine;
    for name in ["ada", "bob", "cyd", "dan", "eve"] {
        launch.join(name).await.unwrap();
    }
    let generate = Generate { count: 2, max_uses: Some(2), force: true, ..Generate::default() };
    let codes = engine.generate(generate, None).await.unwrap().codes;
    engine.snapshot().await.unwrap();
    engine.redeem(codes[0], email("bob"), None, None).await.unwrap();
    engine.share(email("bob"), email("fay"), None, None).await.unwrap();
    engine.boost(launch.person("eve"), 30, "spoke".to_owned(), None).await.unwrap();
    engine.leave(launch.person("cyd")).await.unwrap();
    engine.snapshot().await.unwrap();
    let seen = Sighting { person: launch.person("bob"), kind: Seen::Active, at: None };
    engine.observe(vec![seen], None).await.unwrap();
    launch.join("gus").await.unwrap();
    launch.settled().await;
    engine.close().await;
    let _ = fs::remove_dir_all(fixture());
    copy(launch.path(), &fixture());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_the_first_format_opens_with_everything_in_it() {
    let launch = Launch::start_from(&fixture()).await;
    assert_eq!(launch.recovery.set_aside, 0);
    assert!(launch.recovery.snapshot_seq > 0 && launch.recovery.replayed > 0);
    let place = async |name| launch.engine.standing(launch.person(name)).await.unwrap().position;
    let waiting = [place("eve").await, place("ada").await, place("dan").await, place("gus").await];
    assert_eq!(waiting, [Some(1), Some(2), Some(3), Some(4)]);
    assert_eq!(place("bob").await, None, "a member has no place");
    assert!(launch.engine.standing(launch.person("cyd")).await.is_err(), "who left is gone");
    let quality = launch.engine.referral_quality(launch.person("bob")).await.unwrap();
    assert_eq!(quality.referred, 1);
    let trust = launch.engine.evaluate(None).await.unwrap();
    assert_eq!((trust.members, trust.churn, trust.paused), (1, 0.0, false));
    let (chain, emails) = launch.engine.referral_chain(launch.person("fay")).await.unwrap();
    assert_eq!((chain.root, emails), (launch.person("bob"), vec![Some("bob@example.com".into())]));
    let archives = archive::list(&snapshots::archive_dir(launch.path())).unwrap();
    assert_eq!(archives.len(), 2);
    for (_, path) in archives {
        Archive::open(&path).unwrap().verify().unwrap();
    }
    launch.join("hal").await.unwrap();
    launch.engine.snapshot().await.expect("it goes on from there");
}
