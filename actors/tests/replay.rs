//! Replay equals live, whatever happens in between.

use actors::quality::{DrillRates, Drilling, Ratio};
use actors::waitlist::Order;
use actors::{Generate, InviteCode, Seen, Sighting, Uuid, Wave, crash};
use proptest::prelude::*;

use crate::support::{Launch, email, later, minutes, wants};

#[derive(Clone, Debug)]
enum Step {
    Join(u8, Option<u8>),
    Boost(u8, i32),
    Leave(u8),
    Generate(u32, Option<u8>),
    Redeem(u8, u8),
    Reserve(u8, u8),
    Confirm(u8),
    Release(u8),
    Amend(u8, u8),
    Wave(u32, bool),
    Share(u8, u8),
    Earn(u8),
    Observe(Vec<(u8, Seen)>),
    Evaluate,
    Drill(u8, u32),
    Load(Option<u8>),
    Snapshot,
    Pass(i64),
    Panic(&'static str, u32),
}

const POINTS: [&str; 10] = [
    "cell.before_apply",
    "cell.before_append",
    "cell.after_append",
    "cell.before_reaction",
    "cell.before_reaction",
    "snapshotter.before_fold",
    "snapshotter.before_adopt",
    "snapshotter.before_erase",
    "snapshotter.before_archive",
    "snapshotter.before_retire",
];

/// As many as an actor survives within a minute.
const PANICS_MAX: usize = 5;

fn step() -> impl Strategy<Value = Step> {
    let who = 0..24_u8;
    let seen = prop::sample::select(Seen::ALL.to_vec());
    prop_oneof![
        8 => (who.clone(), prop::option::of(who.clone())).prop_map(|(a, b)| Step::Join(a, b)),
        2 => (who.clone(), -30..30_i32).prop_map(|(a, points)| Step::Boost(a, points)),
        1 => who.clone().prop_map(Step::Leave),
        4 => (1..6_u32, prop::option::of(who.clone())).prop_map(|(n, a)| Step::Generate(n, a)),
        8 => (any::<u8>(), who.clone()).prop_map(|(code, a)| Step::Redeem(code, a)),
        4 => (any::<u8>(), who.clone()).prop_map(|(code, a)| Step::Reserve(code, a)),
        2 => any::<u8>().prop_map(Step::Confirm),
        1 => any::<u8>().prop_map(Step::Release),
        2 => (any::<u8>(), 0..3_u8).prop_map(|(code, how)| Step::Amend(code, how)),
        2 => (1..4_u32, any::<bool>()).prop_map(|(count, draw)| Step::Wave(count, draw)),
        4 => (who.clone(), who.clone()).prop_map(|(a, b)| Step::Share(a, b)),
        3 => who.clone().prop_map(Step::Earn),
        3 => prop::collection::vec((who, seen), 1..4).prop_map(Step::Observe),
        1 => Just(Step::Evaluate),
        1 => (0..=100_u8, 0..200_u32).prop_map(|(churn, minutes)| Step::Drill(churn, minutes)),
        1 => prop::option::of(0..=100_u8).prop_map(Step::Load),
        2 => Just(Step::Snapshot),
        2 => (-30..6_000_i64).prop_map(Step::Pass),
        1 => (prop::sample::select(POINTS.to_vec()), 1..4_u32)
            .prop_map(|(point, nth)| Step::Panic(point, nth)),
    ]
}

/// What the engine has handed out so far.
#[derive(Default)]
struct Given {
    codes: Vec<InviteCode>,
    holds: Vec<Uuid>,
}

impl Given {
    fn code(&self, number: u8) -> Option<InviteCode> {
        self.codes.get(usize::from(number) % self.codes.len().max(1)).copied()
    }

    fn hold(&self, number: u8) -> Option<Uuid> {
        self.holds.get(usize::from(number) % self.holds.len().max(1)).copied()
    }
}

fn percent(number: u8) -> Option<Ratio> {
    Ratio::new(f64::from(number) / 100.0)
}

/// Takes one step. What it is answered does not matter here: refusals and lost answers are part of
/// the game.
async fn take(launch: &Launch, step: Step, given: &mut Given) {
    let name = |number: u8| format!("person{number}");
    let engine = &launch.engine;
    match step {
        Step::Join(who, referrer) => {
            let mut join = wants(&name(who));
            if let Some(referrer) = referrer
                && let Ok(standing) = engine.standing(launch.person(&name(referrer))).await
            {
                join.referral_code = Some(engine.referral_code(&standing));
            }
            let _ = engine.join(join, None).await;
        }
        Step::Boost(who, points) => {
            let person = launch.person(&name(who));
            let _ = engine.boost(person, points, "test".to_owned(), None).await;
        }
        Step::Leave(who) => {
            let _ = engine.leave(launch.person(&name(who))).await;
        }
        Step::Generate(..)
        | Step::Redeem(..)
        | Step::Reserve(..)
        | Step::Confirm(_)
        | Step::Release(_)
        | Step::Amend(..)
        | Step::Wave(..) => take_code(launch, step, given).await,
        Step::Share(from, to) => {
            let _ = engine.share(email(&name(from)), email(&name(to)), None, None).await;
        }
        Step::Earn(who) => {
            if let Ok(earned) = engine.earn(email(&name(who)), None).await {
                given.codes.extend(earned.codes);
            }
        }
        Step::Observe(seen) => {
            let sighting =
                |(who, kind)| Sighting { person: launch.person(&name(who)), kind, at: None };
            let _ = engine.observe(seen.into_iter().map(sighting).collect(), None).await;
        }
        Step::Evaluate => {
            let _ = engine.evaluate(None).await;
        }
        Step::Drill(churn, minutes) => {
            let rates = DrillRates { churn: percent(churn), ..DrillRates::default() };
            let _ = engine.drill(Drilling { rates, minutes }, None).await;
        }
        Step::Load(load) => {
            let _ = engine.see_load(load.and_then(percent)).await;
        }
        Step::Snapshot => {
            let _ = engine.snapshot().await;
        }
        Step::Pass(passed) => launch.clock.set(later(launch.clock.now(), minutes(passed))),
        Step::Panic(point, nth) => crash::arm(point, nth),
    }
}

/// The steps that have to do with codes.
async fn take_code(launch: &Launch, step: Step, given: &mut Given) {
    let name = |number: u8| format!("person{number}");
    let engine = &launch.engine;
    match step {
        Step::Generate(count, to) => {
            let issued_to = to.map(|to| email(&name(to)));
            let generate = Generate { count, issued_to, ..Generate::default() };
            if let Ok(generated) = engine.generate(generate, None).await {
                given.codes.extend(generated.codes);
            }
        }
        Step::Redeem(code, who) => {
            if let Some(code) = given.code(code) {
                let _ = engine.redeem(code, email(&name(who)), None, None).await;
            }
        }
        Step::Reserve(code, who) => {
            if let Some(code) = given.code(code)
                && let Ok(held) = engine.reserve(code, email(&name(who)), 600, None, None).await
            {
                given.holds.push(held.reservation);
            }
        }
        Step::Confirm(hold) => {
            if let Some(hold) = given.hold(hold) {
                let _ = engine.confirm(hold, None).await;
            }
        }
        Step::Release(hold) => {
            if let Some(hold) = given.hold(hold) {
                let _ = engine.release(hold, None).await;
            }
        }
        Step::Amend(code, how) => {
            let Some(code) = given.code(code) else { return };
            let _ = match how {
                0 => engine.revoke(code, None).await,
                1 => engine.restore(code, None).await,
                _ => engine.extend(code, 3, None).await,
            };
        }
        Step::Wave(count, draw) => {
            let order = if draw { Order::Lottery } else { Order::Priority };
            if let Ok(sent) = engine.wave(Wave { count, order, ..Wave::default() }, None).await {
                given.codes.extend(sent.codes.into_iter().map(|(code, _)| code));
            }
        }
        Step::Join(..)
        | Step::Boost(..)
        | Step::Leave(_)
        | Step::Share(..)
        | Step::Earn(_)
        | Step::Observe(_)
        | Step::Evaluate
        | Step::Drill(..)
        | Step::Load(_)
        | Step::Snapshot
        | Step::Pass(_)
        | Step::Panic(..) => unreachable!("has nothing to do with codes"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default()
    })]
    #[test]
    fn replayed_state_equals_live_state_whatever_panics(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (live, replayed) = runtime.block_on(async {
            let launch = Launch::start().await;
            let mut given = Given::default();
            let mut panics = 0;
            for step in steps {
                panics += usize::from(matches!(step, Step::Panic(..)));
                if panics <= PANICS_MAX || !matches!(step, Step::Panic(..)) {
                    take(&launch, step, &mut given).await;
                }
            }
            POINTS.iter().for_each(|point| crash::arm(point, 0));
            let live = launch.settled().await;
            let launch = launch.restart().await;
            (live, launch.settled().await)
        });
        prop_assert_eq!(live, replayed);
    }
}
