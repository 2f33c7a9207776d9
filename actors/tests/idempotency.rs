//! Requests that carry a key happen once.

use std::task::{Context, Poll};

use actors::{Error, Generate, Rejection, RequestTag, request};

use crate::support::{Launch, email, wants};

fn tag(key: &str, body: &str) -> Option<RequestTag> {
    Some(RequestTag::new("caller", key, "POST /x", body.as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_gets_the_first_answer_also_after_a_restart() {
    let launch = Launch::start().await;
    let wanted = || Generate { count: 3, batch_id: Some("B".to_owned()), ..Generate::default() };
    let first = launch.engine.generate(wanted(), tag("k", "a")).await.unwrap();
    assert_eq!(launch.engine.generate(wanted(), tag("k", "a")).await.as_ref(), Ok(&first));
    let joined = launch.engine.join(wants("ada"), tag("j", "a")).await.unwrap();
    let launch = launch.restart().await;
    assert_eq!(launch.engine.generate(wanted(), tag("k", "a")).await.as_ref(), Ok(&first));
    let again = launch.engine.join(wants("ada"), tag("j", "a")).await.unwrap();
    assert_eq!(again, joined, "not even marked as known");
    assert_eq!(launch.engine.stats().await.invites.unwrap().issued, [3, 0, 0]);
    let other = launch.engine.generate(wanted(), tag("k", "b")).await;
    let reused = Error::Rejected(Rejection::Request(request::Rejection::OtherBody));
    assert_eq!(other, Err(reused));
    launch.pass_days(1);
    let fresh = launch.engine.generate(wanted(), tag("k", "a")).await.unwrap();
    assert_ne!(fresh.codes, first.codes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_repeated_too_even_when_it_would_not_be_refused_any_more() {
    let launch = Launch::start().await;
    let code = launch.codes(1).await[0];
    launch.engine.redeem(code, email("ada"), None, None).await.unwrap();
    let refused = launch.engine.join(wants("ada"), tag("k", "a")).await;
    assert!(refused.is_err());
    launch.engine.leave(launch.person("ada")).await.unwrap();
    assert_eq!(launch.engine.join(wants("ada"), tag("k", "a")).await, refused);
    assert!(launch.engine.join(wants("ada"), tag("l", "a")).await.is_ok());
}

async fn poll_once(asked: impl Future) {
    let mut asked = std::pin::pin!(asked);
    let poll = |cx: &mut Context<'_>| Poll::Ready(asked.as_mut().poll(cx).is_ready());
    assert!(!std::future::poll_fn(poll).await, "nothing is answered at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_free_again_when_nobody_waits_for_its_first_answer() {
    let launch = Launch::start().await;
    for round in 0..50 {
        let (key, other) = (format!("k{round}"), format!("o{round}"));
        let asked = launch.engine.generate(Generate::default(), tag(&key, "a"));
        // Asks, and has gone before the answer is there.
        poll_once(asked).await;
        launch.engine.generate(Generate::default(), tag(&other, "a")).await.unwrap();
        let again = launch.engine.generate(Generate::default(), tag(&key, "a")).await;
        assert!(again.is_ok(), "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_once_with_one_key_happen_once() {
    let launch = Launch::start().await;
    let wanted = || Generate { count: 1, ..Generate::default() };
    let calls = (0..32).map(|_| {
        let (engine, wanted) = (launch.engine.clone(), wanted());
        tokio::spawn(async move { engine.generate(wanted, tag("k", "a")).await })
    });
    let mut answers = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(generated) => answers.push(generated),
            Err(error) => {
                let in_flight = Error::Rejected(Rejection::Request(request::Rejection::InFlight));
                assert_eq!(error, in_flight);
            }
        }
    }
    assert!(!answers.is_empty());
    assert!(answers.iter().all(|answer| answer == &answers[0]));
    assert_eq!(launch.engine.stats().await.invites.unwrap().issued, [1, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_with_a_request_that_changes_nothing_is_not_kept() {
    let launch = Launch::start().await;
    launch.join("ada").await.unwrap();
    let known = launch.engine.profile(launch.person("ada")).await.unwrap();
    let mut again = wants("ada");
    "something else".clone_into(&mut again.use_case);
    assert!(launch.engine.join(again, tag("k", "a")).await.unwrap().already);
    let mut refused = wants("stranger");
    refused.referral_code = Some("NOBODYS1".to_owned());
    assert!(launch.engine.join(refused, tag("l", "a")).await.is_err());
    assert_eq!(launch.engine.profile(launch.person("ada")).await.unwrap(), known);
    assert_eq!(launch.engine.profile(launch.person("stranger")).await.unwrap(), None);
    let launch = launch.restart().await;
    assert_eq!(launch.engine.profile(launch.person("ada")).await.unwrap(), known);
}
