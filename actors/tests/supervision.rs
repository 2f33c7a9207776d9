//! What a panic costs, and what it does not.

use actors::{Error, Failure, crash, waitlist};

use crate::support::{Launch, wants, when_back};

#[tokio::test(flavor = "multi_thread")]
async fn while_one_domain_restarts_the_others_answer() {
    let launch = Launch::start().await;
    let code = launch.codes(1).await[0];
    launch.join("ada").await.unwrap();
    crash::arm("cell.before_apply", 1);
    assert_eq!(launch.join("bob").await, Err(Error::Failed(Failure::Unavailable)));
    assert!(launch.engine.code_status(code).await.is_ok());
    assert!(launch.engine.trust().await.is_ok());
    let joined = when_back(|| launch.join("bob")).await.unwrap();
    assert_eq!((joined.already, joined.standing.position), (false, Some(2)));
    let ada = when_back(|| launch.engine.standing(launch.person("ada"))).await.unwrap();
    assert_eq!(ada.position, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_appended_before_the_panic_is_there_once() {
    for point in ["cell.before_append", "cell.after_append"] {
        let launch = Launch::start().await;
        launch.join("ada").await.unwrap();
        crash::arm(point, 1);
        let first = launch.join("bob").await;
        let second = when_back(|| launch.join("bob")).await.unwrap();
        if let Ok(first) = first {
            assert_eq!(first.standing, second.standing, "answered at {point}, then lost");
            assert!(second.already);
        }
        let digests = launch.settled().await;
        let launch = launch.restart().await;
        assert_eq!(launch.settled().await, digests, "{point}");
        assert_eq!(launch.engine.waitlist_stats().await.unwrap().waiting, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_disk_while_its_actor_dies_is_known_to_the_successor() {
    let launch = Launch::start().await;
    let disk = crash::hold("committer.before_append");
    let join = |number: u32| {
        let (engine, join) = (launch.engine.clone(), wants(&format!("person{number}")));
        tokio::spawn(async move { engine.join(join, None).await })
    };
    let commits = crash::reached("committer.before_append");
    let applied = crash::reached("cell.before_apply");
    let mut waiting = vec![join(0)];
    while crash::reached("committer.before_append") == commits {
        tokio::task::yield_now().await;
    }
    waiting.extend((1..20).map(join));
    while crash::reached("cell.before_apply") < applied + 20 {
        tokio::task::yield_now().await;
    }
    let starts = crash::reached("committer.follow");
    crash::arm("cell.before_apply", 1);
    let lost = join(20).await.unwrap();
    assert_eq!(lost, Err(Error::Failed(Failure::Unavailable)));
    while crash::reached("committer.follow") == starts {
        tokio::task::yield_now().await;
    }
    drop(disk);
    let mut answered = Vec::new();
    for (number, call) in waiting.into_iter().enumerate() {
        if call.await.unwrap().is_ok() {
            answered.push(launch.person(&format!("person{number}")));
        }
    }
    assert!(answered.len() > 1, "some were appended and not yet durable when the actor died");
    for person in answered {
        let standing = when_back(|| launch.engine.standing(person)).await;
        assert!(standing.is_ok(), "answered, and lost by a restart");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_panics_again_and_again_ends_the_engine() {
    let launch = Launch::start().await;
    for attempt in 0..6 {
        crash::arm("cell.before_apply", 1);
        let outcome = when_back_armed(&launch, attempt).await;
        assert_eq!(outcome, Err(Error::Failed(Failure::Unavailable)));
    }
    let reason = launch.engine.failed().await;
    assert!(reason.contains("the waitlist actor panicked again and again"), "{reason}");
    assert!(launch.engine.writable().is_err());
}

/// Joins once the actor is there to panic; until then its absence would look the same.
async fn when_back_armed(launch: &Launch, attempt: u32) -> Result<waitlist::Joined, Error> {
    when_back(|| launch.engine.waitlist_stats()).await.unwrap();
    launch.join(&format!("person{attempt}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_permit_a_request_is_turned_away_and_nothing_happens() {
    let launch = Launch::start().await.with_room_for(0).await;
    assert_eq!(launch.join("ada").await, Err(Error::Failed(Failure::Busy)));
    let launch = launch.restart().await;
    assert_eq!(launch.engine.waitlist_stats().await.unwrap().waiting, 0);
}
