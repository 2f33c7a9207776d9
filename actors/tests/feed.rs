//! What somebody is told who reads the journal at their own pace.

use actors::Join;
use actors::export::Place;

use crate::support::{Launch, wants};

/// More than is ever left after eleven halvings.
const LONG: usize = 4_000;

async fn people(count: usize) -> Launch {
    let launch = Launch::start().await;
    for number in 0..count {
        let join = Join { use_case: "x".repeat(LONG), ..wants(&format!("person{number}")) };
        launch.engine.join(join, None).await.unwrap();
    }
    launch
}

#[tokio::test]
async fn what_is_read_in_halved_portions_is_what_is_read_at_once() {
    let launch = people(5).await;
    let feed = launch.engine.feed();
    let all = feed.read(1, 0).unwrap();
    let mut changes = Vec::new();
    for seq in 1..=all.end.seq {
        let read = feed.read(seq, u32::MAX).unwrap();
        assert_eq!(read.end.seq, seq, "one event is the least");
        changes.extend(read.changes);
    }
    assert_eq!(changes, all.changes);
}

#[tokio::test]
async fn a_read_ends_when_it_has_brought_enough_text() {
    let launch = people(5).await;
    let feed = launch.engine.feed();
    let few = feed.read(1, 11).unwrap();
    assert_eq!(few.end.seq, 1, "four events would be few enough, and are too long");
    let bytes: usize = few.changes.iter().map(actors::export::Change::bytes).sum();
    assert!(bytes > LONG);
}

#[tokio::test]
async fn a_place_is_known_by_the_chain_there_whatever_its_number() {
    let launch = people(5).await;
    let feed = launch.engine.feed();
    let place = feed.read(1, 0).unwrap().end;
    let other = people(6).await.engine.feed().read(1, 0).unwrap().end;
    let knows = |place| feed.knows(place).unwrap();
    assert_eq!(knows(place), Some(true));
    assert_eq!(knows(Place { chain: other.chain, ..place }), Some(false));
    assert_eq!(knows(Place { seq: place.seq + 100, ..place }), Some(false), "it is ahead");
    assert_eq!(knows(Place { chain: None, ..place }), Some(true), "there is no proof");
    launch.engine.snapshot().await.unwrap();
    assert_eq!(knows(place), Some(true));
    let whole = feed.whole().unwrap().place();
    assert_eq!(knows(whole), Some(true));
}
