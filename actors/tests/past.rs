//! What history tells of a place.

use actors::past::{self, Moment};
use actors::{CodeStatus, Error, Rejection, Wave, waitlist};
use proptest::prelude::*;

use crate::support::{Launch, wants};

#[derive(Clone, Copy, Debug)]
enum Step {
    Join(u8),
    Boost(u8, i32),
    Leave(u8),
    Wave(u32),
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..12_u8;
    prop_oneof![
        8 => who.clone().prop_map(Step::Join),
        4 => (who.clone(), -30..30_i32).prop_map(|(who, points)| Step::Boost(who, points)),
        2 => who.prop_map(Step::Leave),
        1 => (1..3_u32).prop_map(Step::Wave),
        1 => Just(Step::Snapshot),
    ]
}

async fn take(launch: &Launch, step: Step) {
    let name = |number: u8| format!("person{number}");
    let engine = &launch.engine;
    match step {
        Step::Join(who) => {
            let _ = engine.join(wants(&name(who)), None).await;
        }
        Step::Boost(who, points) => {
            let person = launch.person(&name(who));
            let _ = engine.boost(person, points, "test".to_owned(), None).await;
        }
        Step::Leave(who) => {
            let _ = engine.leave(launch.person(&name(who))).await;
        }
        Step::Wave(count) => {
            let _ = engine.wave(Wave { count, ..Wave::default() }, None).await;
        }
        Step::Snapshot => {
            let _ = engine.snapshot().await;
        }
    }
}

/// Everybody's place, and the newest event that it rests on.
async fn places(launch: &Launch) -> (u64, Vec<Option<u64>>) {
    let mut places = Vec::new();
    for who in 0..12 {
        let standing = launch.engine.standing(launch.person(&format!("person{who}"))).await;
        places.push(standing.ok().and_then(|standing| standing.position));
    }
    (launch.engine.stats().await.durable_seq, places)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24, failure_persistence: None, ..ProptestConfig::default()
    })]
    #[test]
    fn changes_add_up_between_any_two_moments_and_the_past_is_as_it_was(
        steps in prop::collection::vec(step(), 1..40),
        cut in 0..40_usize,
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let launch = Launch::start().await;
            let cut = cut.min(steps.len());
            for &step in &steps[..cut] {
                take(&launch, step).await;
            }
            let (seq, then) = places(&launch).await;
            for &step in &steps[cut..] {
                take(&launch, step).await;
            }
            let (_, now) = places(&launch).await;
            for who in 0..12_u8 {
                let person = launch.person(&format!("person{who}"));
                let was = launch.engine.standing_as_of(person, Moment::Seq(seq)).await;
                let was = was.ok().and_then(|standing| standing.position);
                assert_eq!(was, then[usize::from(who)], "person{who} at {seq}");
                let since = Some(Moment::Seq(seq));
                let Ok(explanation) = launch.engine.explain(person, since).await else { continue };
                let Some(explained) = explanation.explained else {
                    assert_eq!(now[usize::from(who)], None);
                    continue;
                };
                assert_eq!(Some(explained.to), now[usize::from(who)]);
                let sum: i64 = explained.changes.iter().map(|change| change.places).sum();
                assert_eq!(explained.from as i64 + sum, explained.to as i64);
                if explained.since <= seq {
                    assert_eq!(Some(explained.from), then[usize::from(who)]);
                }
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_expired_before_a_snapshot_is_expired_at_its_event() {
    let launch = Launch::start().await;
    let code = launch.codes(1).await[0];
    launch.pass_days(8);
    launch.engine.snapshot().await.unwrap();
    let seq = launch.engine.stats().await.durable_seq;
    let view = launch.engine.code_status_as_of(code, Moment::Seq(seq)).await.unwrap();
    assert_eq!(view.status, CodeStatus::Expired);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_not_there_yet_has_no_standing_then() {
    let launch = Launch::start().await;
    launch.join("ada").await.unwrap();
    let early = launch.engine.standing_as_of(launch.person("ada"), Moment::Seq(0)).await;
    let unknown = Error::Rejected(Rejection::Waitlist(waitlist::Rejection::UnknownPerson));
    assert_eq!(early, Err(past::Error::Asked(unknown)));
    let stats = launch.engine.waitlist_stats_as_of(Moment::Time(launch.clock.now())).await;
    assert!(stats.is_ok());
}
