//! Policy simulation, live and over a directory, against lists that had the policy from the start.

use std::collections::BTreeMap;

use actors::policies::{Asked, Comparison, Simulation, simulate};
use actors::{Engine, Error, Failure, Generate, Join, PersonId, Policies, waitlist};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::support::{Launch, email};

const PERSONAS: [&str; 6] =
    ["solo_founder", "small_team", "agency", "content_creator", "other", "astronaut"];
const USE_CASES: [&str; 4] =
    ["nothing of the kind", "automation", "a b c d e f g h", "time and a b c d e f g h"];

#[derive(Clone, Copy, Debug)]
enum Step {
    Join(usize, usize),
    Boost(usize, i32),
    Leave(usize),
    Invite(usize),
}

/// What happens on a list, the same for the same seed.
fn story(seed: u8, steps: usize) -> Vec<Step> {
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut any = move |below: usize| (rng.next_u32() as usize) % below;
    let step = |_| match any(10) {
        0 => Step::Boost(any(steps), any(31) as i32 - 15),
        1 => Step::Leave(any(steps)),
        2 => Step::Invite(any(steps)),
        _ => Step::Join(any(PERSONAS.len()), any(USE_CASES.len())),
    };
    (0..steps).map(step).collect()
}

fn tried() -> waitlist::Policy {
    waitlist::Policy {
        persona_points: [40, 3, 3, 12, 1],
        words_over: 7,
        keywords: vec!["auto".to_owned()],
        keyword_points: 9,
        ..waitlist::Policy::default()
    }
}

fn policies(waitlist: waitlist::Policy) -> Policies {
    Policies { waitlist, ..Policies::default() }
}

/// Plays steps; a person is named after the number of the step that it joined with. Steps about
/// somebody who is not waiting are refused, in every list alike.
async fn play(launch: &Launch, steps: &[Step], first: usize) {
    let engine = &launch.engine;
    let name = |number: usize| format!("person{number}");
    for (number, step) in (first..).zip(steps) {
        match *step {
            Step::Join(persona, use_case) => {
                let join = Join {
                    email: email(&name(number)),
                    use_case: USE_CASES[use_case].to_owned(),
                    persona: PERSONAS[persona].to_owned(),
                    referral_code: None,
                    metadata: Vec::new(),
                    client: None,
                };
                engine.join(join, None).await.unwrap();
            }
            Step::Boost(who, points) => {
                let person = launch.person(&name(who));
                let _ = engine.boost(person, points, "a test".to_owned(), None).await;
            }
            Step::Leave(who) => {
                let _ = engine.leave(launch.person(&name(who))).await;
            }
            Step::Invite(who) => {
                let issued_to = Some(email(&name(who)));
                let generate = Generate { count: 1, force: true, issued_to, ..Generate::default() };
                engine.generate(generate, None).await.unwrap();
            }
        }
    }
    launch.settled().await;
}

fn asked(policy: waitlist::Policy) -> Asked {
    Asked { policy, top: 20, limit: 10_000 }
}

async fn places(engine: &Engine) -> BTreeMap<PersonId, u64> {
    let page = engine.page(None, 10_000).await.unwrap();
    page.items.iter().map(|(who, _)| (who.person, who.position.unwrap())).collect()
}

fn assert_moves_nobody(simulation: &Simulation, people: usize) {
    let Comparison { moved, mean_places, largest_moves, top, .. } = &simulation.comparison;
    assert_eq!(simulation.comparison.people, people as u64);
    assert_eq!((*moved, top.changed, largest_moves.len()), (0, 0, 0));
    assert!(top.enters.is_empty() && top.leaves.is_empty());
    assert_eq!(simulation.comparison.invited_earlier_count, 0);
    assert_eq!((*mean_places, simulation.comparison.rank_correlation), (0.0, Some(1.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_places_are_those_of_a_list_that_had_the_policy_from_the_beginning() {
    for seed in 0..4 {
        let steps = story(seed, 150);
        let (here, there) = (Launch::start().await, Launch::start().await);
        let there = there.restart_with(policies(tried())).await;
        play(&here, &steps, 0).await;
        play(&there, &steps, 0).await;
        let simulation = here.engine.simulate(asked(tried())).await.unwrap();
        let (old, new) = (places(&here.engine).await, places(&there.engine).await);
        assert_eq!(old.len(), new.len(), "seed {seed}");
        let moved: BTreeMap<PersonId, (u64, u64)> = (simulation.comparison.largest_moves.iter())
            .map(|m| (m.person, (u64::from(m.from), u64::from(m.to))))
            .collect();
        for (person, from) in old {
            let expected = (from, new[&person]);
            let told = moved.get(&person).copied().unwrap_or((from, from));
            assert_eq!(told, expected, "seed {seed}");
        }
        assert!(simulation.comparison.moved > 20, "seed {seed}: {simulation:?}");
        assert!(simulation.comparison.processed > 0, "seed {seed}");
        assert_eq!((simulation.recorded_otherwise, simulation.texts_unknown), (0, 0));
        assert!(simulation.comparison.largest_moves.iter().all(|moved| moved.email.is_some()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_active_policy_moves_nobody_also_where_scores_are_of_an_older_one() {
    for seed in 10..14 {
        let steps = story(seed, 150);
        let launch = Launch::start().await.restart_with(policies(tried())).await;
        play(&launch, &steps[..75], 0).await;
        let launch = launch.restart().await;
        play(&launch, &steps[75..], 75).await;
        let people = places(&launch.engine).await.len();
        let active = launch.engine.scoring().clone();
        let simulation = launch.engine.simulate(asked(active.clone())).await.unwrap();
        assert_moves_nobody(&simulation, people);
        let older = simulation.recorded_otherwise;
        assert!((1..people as u64).contains(&older), "seed {seed}: {older} of {people}");
        // Any other policy counts for everybody, and so undoes what is left of the older one.
        let other = waitlist::Policy { words_over: 3_999, ..active };
        let simulation = launch.engine.simulate(asked(other)).await.unwrap();
        assert!(simulation.comparison.moved > 0);
        assert_eq!(simulation.recorded_otherwise, older);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_over_a_directory_finds_what_the_node_found() {
    let steps = story(20, 200);
    let launch = Launch::start().await.restart_with(policies(tried())).await;
    play(&launch, &steps[..80], 0).await;
    launch.engine.snapshot().await.unwrap();
    let launch = launch.restart().await;
    play(&launch, &steps[80..], 80).await;
    let configured = launch.engine.scoring().clone();
    let mut live = Vec::new();
    for policy in [tried(), configured.clone()] {
        live.push(launch.engine.simulate(asked(policy)).await.unwrap());
    }
    let simulate = |policy: waitlist::Policy| {
        simulate(launch.path(), &configured, &asked(policy), &mut |_| true)
    };
    let refused = simulate(tried()).expect_err("the node owns the directory");
    let source = std::error::Error::source(&refused).expect("the journal's error");
    let in_use = source.downcast_ref().map(|e| matches!(e, snapshots::Error::InUse { .. }));
    assert_eq!(in_use, Some(true), "{refused}");
    launch.engine.close().await;
    let copy = tempfile::tempdir().unwrap();
    crate::support::copy(launch.path(), copy.path());
    let simulate = |policy: waitlist::Policy| {
        actors::policies::simulate(copy.path(), &configured, &asked(policy), &mut |_| true)
    };
    for (policy, live) in [tried(), configured.clone()].into_iter().zip(live) {
        let offline = simulate(policy).unwrap();
        assert_eq!(offline.comparison, live.comparison);
        assert_eq!(offline.recorded_otherwise, live.recorded_otherwise);
        // A reaction that nobody waited for may have been committed at the close.
        assert!(offline.events_replayed >= live.events_replayed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_simulation_runs_at_a_time_and_one_that_is_given_up_makes_room() {
    let launch = Launch::start().await;
    play(&launch, &story(30, 40), 0).await;
    let engine = &launch.engine;
    let busy = Err(Error::Failed(Failure::Busy));
    let (first, second) =
        tokio::join!(engine.simulate(asked(tried())), engine.simulate(asked(tried())));
    assert!(first.is_ok());
    assert_eq!(second, busy);
    let given_up = tokio::time::timeout(std::time::Duration::ZERO, engine.simulate(asked(tried())));
    let _ = given_up.await;
    while engine.simulate(asked(tried())).await == busy {
        tokio::task::yield_now().await;
    }
}
