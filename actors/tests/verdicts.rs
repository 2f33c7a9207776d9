//! Who counts as false, in every domain alike, and what that costs.

use actors::referrals::{ReferralState, Verdict};
use actors::{Error, InviteCode, Join, Rejection, Seen, Sighting, quality, referrals};

use crate::support::{Launch, email, wants};

/// What happens to somebody.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    ComesIn,
    Says(Seen),
    Judge { accept: bool },
    Leaves,
}

use Step::{ComesIn, Judge, Leaves, Says};

const WORDS: [Step; 4] =
    [Says(Seen::Fraud), Says(Seen::Cleared), Judge { accept: false }, Judge { accept: true }];

/// Somebody as two plain flags: what the product says, and what an operator says.
#[derive(Clone, Copy, Debug, Default)]
struct Model {
    is_in: bool,
    is_away: bool,
    flagged: bool,
    judged: Option<bool>,
}

impl Model {
    fn is_false(self) -> bool {
        self.flagged || self.judged == Some(false)
    }
}

/// A launch, and what the rate of fraud has to be made of.
struct Rates {
    launch: Launch,
    codes: Vec<InviteCode>,
    attempts: u32,
    falsely_in: u32,
}

impl Rates {
    async fn start(codes: u32) -> Self {
        let launch = Launch::start().await;
        let codes = launch.codes(codes).await;
        Self { launch, codes, attempts: 0, falsely_in: 0 }
    }

    async fn take(&mut self, name: &str, step: Step, model: &mut Model) {
        let (engine, person) = (&self.launch.engine, self.launch.person(name));
        let unknown_member =
            Rejection::Quality(quality::Rejection::UnknownMembers { indexes: vec![0] });
        let nothing = Rejection::Referrals(referrals::Rejection::NothingToReview);
        match step {
            ComesIn => {
                let code = self.codes.pop().unwrap();
                engine.redeem(code, email(name), None, None).await.unwrap();
                self.attempts += 1;
                (model.is_in, model.is_away) = (true, false);
            }
            Says(kind) => {
                let seen = engine.observe(vec![Sighting { person, kind, at: None }], None).await;
                match seen {
                    Ok(_) if kind == Seen::Fraud => model.flagged = true,
                    Ok(_) if kind == Seen::Cleared => model.flagged = false,
                    Ok(_) => {}
                    Err(error) => assert_eq!(error, Error::Rejected(unknown_member)),
                }
            }
            Judge { accept } => match engine.review(person, accept, None).await {
                Ok(_) => model.judged = Some(accept),
                Err(error) => assert_eq!(error, Error::Rejected(nothing)),
            },
            Leaves => {
                engine.leave(person).await.unwrap();
                (model.is_in, model.is_away) = (false, true);
            }
        }
    }

    /// Both domains say of somebody what the model says.
    async fn compare(&self, name: &str, model: Model, story: &[Step]) {
        let person = self.launch.person(name);
        let state = self.launch.engine.referral_chain(person).await.unwrap().0.state;
        let is_false = state == Some(ReferralState::Fraud);
        assert_eq!(is_false, model.is_false(), "in the graph {state:?} after {story:?}");
        match self.launch.engine.risk(person).await {
            Ok(risk) => {
                let rejected = model.judged == Some(false);
                assert_eq!(risk.verdict == Verdict::Rejected, rejected, "after {story:?}");
            }
            Err(error) => assert!(model.is_away, "{error:?} after {story:?}"),
        }
        let falsely_in = self.falsely_in + u32::from(model.is_in && model.is_false());
        let rate = f64::from(falsely_in) / f64::from(self.attempts.max(1));
        let trust = self.launch.engine.trust().await.unwrap();
        let counted = trust.fraud * f64::from(self.attempts);
        assert_eq!(trust.fraud, rate, "{counted} count and not {falsely_in} after {story:?}");
    }

    async fn story(&mut self, name: &str, story: &[Step]) {
        self.launch.engine.share(email("ada"), email(name), None, None).await.unwrap();
        self.attempts += 1;
        let mut model = Model::default();
        for (done, step) in (1..).zip(story) {
            self.take(name, *step, &mut model).await;
            self.compare(name, model, &story[..done]).await;
        }
        self.falsely_in += u32::from(model.is_in && model.is_false());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_stands_whatever_the_product_says_and_in_whatever_order() {
    let mut rates = Rates::start(128).await;
    for number in 0..128 {
        let words = [number % 4, number / 4 % 4, number / 16 % 4].map(|word| WORDS[word]);
        let comes_in = if number < 64 { 0 } else { 1 };
        let mut story = words.to_vec();
        story.insert(comes_in, ComesIn);
        rates.story(&format!("person{number}"), &story).await;
    }
    let (attempts, falsely_in) = (rates.attempts, rates.falsely_in);
    let before = rates.launch.settled().await;
    rates.launch.engine.snapshot().await.unwrap();
    let launch = rates.launch.restart().await;
    assert_eq!(launch.settled().await, before);
    let fraud = launch.engine.trust().await.unwrap().fraud;
    assert_eq!(fraud, f64::from(falsely_in) / f64::from(attempts));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_rejected_and_comes_in_later_counts_as_false_from_then_on() {
    let mut rates = Rates::start(0).await;
    let (reject, accept) = (Judge { accept: false }, Judge { accept: true });
    rates.launch.join("bob").await.unwrap();
    rates.attempts += 1;
    rates.launch.engine.share(email("ada"), email("bob"), None, None).await.unwrap();
    rates.attempts += 1;
    let mut model = Model::default();
    rates.take("bob", reject, &mut model).await;
    // Nearly as long as the window is: what counts is when bob came in.
    rates.launch.pass_days(29);
    rates.codes = rates.launch.codes(1).await;
    rates.take("bob", ComesIn, &mut model).await;
    rates.launch.pass_days(20);
    rates.attempts = 1;
    rates.compare("bob", model, &[reject, ComesIn]).await;
    rates.take("bob", accept, &mut model).await;
    rates.compare("bob", model, &[reject, ComesIn, accept]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_and_coming_back_clears_nobody() {
    let mut rates = Rates::start(9).await;
    let (fraud, reject) = (Says(Seen::Fraud), Judge { accept: false });
    rates.story("flagged", &[ComesIn, fraud, Leaves, ComesIn, Says(Seen::Cleared)]).await;
    rates.story("judged", &[ComesIn, reject, Leaves, ComesIn, Judge { accept: true }]).await;
    rates.story("away", &[ComesIn, reject, Leaves, Judge { accept: true }, ComesIn]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn life_goes_on_under_a_verdict_and_is_what_counts_when_it_is_taken_back() {
    let launch = Launch::start().await;
    let code = launch.codes(1).await[0];
    let engine = &launch.engine;
    let bob = launch.person("bob");
    let stands = async || engine.referral_chain(bob).await.unwrap().0.state;
    engine.share(email("ada"), email("bob"), None, None).await.unwrap();
    for (joins, then) in [(true, ReferralState::Waiting), (false, ReferralState::Shared)] {
        engine.review(bob, false, None).await.unwrap();
        if joins {
            launch.join("bob").await.unwrap();
        } else {
            engine.leave(bob).await.unwrap();
        }
        assert_eq!(stands().await, Some(ReferralState::Fraud));
        engine.review(bob, true, None).await.unwrap();
        assert_eq!(stands().await, Some(then));
    }
    engine.redeem(code, email("bob"), None, None).await.unwrap();
    for (seen, then) in
        [(Seen::Churned, ReferralState::Churned), (Seen::Active, ReferralState::Active)]
    {
        engine.review(bob, false, None).await.unwrap();
        engine.observe(vec![Sighting { person: bob, kind: seen, at: None }], None).await.unwrap();
        assert_eq!(stands().await, Some(ReferralState::Fraud));
        engine.review(bob, true, None).await.unwrap();
        assert_eq!(stands().await, Some(then));
    }
}

/// Friends of ada who come in.
async fn brought(launch: &Launch, friends: &[&str]) {
    for (friend, code) in friends.iter().zip(launch.codes(friends.len() as u32).await) {
        launch.engine.share(email("ada"), email(friend), None, None).await.unwrap();
        launch.engine.redeem(code, email(friend), None, None).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_code_that_is_restored_by_hand_is_not_granted_again() {
    let launch = Launch::start().await;
    brought(&launch, &["bob", "cyd", "dan"]).await;
    let codes = launch.engine.earn(email("ada"), None).await.unwrap().codes;
    assert_eq!(codes.len(), 3);
    launch.engine.review(launch.person("dan"), false, None).await.unwrap();
    launch.settled().await;
    assert_eq!(launch.engine.earn(email("ada"), None).await.unwrap().codes, []);
    launch.engine.restore(codes[1], None).await.unwrap();
    let again = launch.engine.restore(codes[1], None).await;
    assert!(again.is_ok(), "again, nothing happens");
    // An image has to tell a code that was withdrawn from one that was revoked by hand.
    launch.engine.snapshot().await.unwrap();
    let launch = launch.restart().await;
    launch.engine.restore(codes[2], None).await.unwrap();
    launch.settled().await;
    brought(&launch, &["eve"]).await;
    let earned = launch.engine.earn(email("ada"), None).await.unwrap();
    let granted: u32 = earned.granted.iter().map(|reward| reward.amount).sum();
    assert_eq!((granted, earned.codes.len()), (1, 2), "and the third has gone to eve");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_given_all_codes_away_waits_for_none_of_them() {
    let launch = Launch::start().await;
    brought(&launch, &["bob", "cyd", "dan"]).await;
    assert_eq!(launch.engine.earn(email("ada"), None).await.unwrap().codes.len(), 3);
    for friend in ["eve", "fay", "gus"] {
        launch.engine.share(email("ada"), email(friend), None, None).await.unwrap();
    }
    launch.engine.review(launch.person("dan"), false, None).await.unwrap();
    let launch = launch.restart().await;
    brought(&launch, &["hal"]).await;
    launch.settled().await;
    let earned = launch.engine.earn(email("ada"), None).await.unwrap();
    assert_eq!((earned.granted.len(), earned.held), (0, false), "they have been had");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_revoked_and_restored_by_hand_changes_no_reward() {
    let launch = Launch::start().await;
    brought(&launch, &["bob", "cyd", "dan"]).await;
    let codes = launch.engine.earn(email("ada"), None).await.unwrap().codes;
    launch.engine.revoke(codes[0], None).await.unwrap();
    launch.engine.restore(codes[0], None).await.unwrap();
    launch.engine.review(launch.person("dan"), false, None).await.unwrap();
    launch.settled().await;
    brought(&launch, &["eve"]).await;
    let earned = launch.engine.earn(email("ada"), None).await.unwrap();
    assert_eq!((earned.granted.len(), earned.codes.len()), (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_account_earns_nothing_from_those_whom_it_brings() {
    let launch = Launch::start().await;
    let mut policies = actors::Policies::default();
    policies.referrals.points_per_redeemed = 7;
    let launch = launch.restart_with(policies).await;
    let engine = &launch.engine;
    let joined = launch.join("ada").await.unwrap();
    let score = async || engine.standing(launch.person("ada")).await.unwrap().score;
    brought(&launch, &["bob", "cyd", "dan"]).await;
    assert_eq!(engine.earn(email("ada"), None).await.unwrap().codes.len(), 3);
    launch.settled().await;
    assert_eq!(score().await, joined.standing.score + 21);

    engine.review(launch.person("ada"), false, None).await.unwrap();
    launch.settled().await;
    assert_eq!(score().await, joined.standing.score);
    // By a share, and by the referral code.
    brought(&launch, &["eve", "fay"]).await;
    let referral_code = Some(engine.referral_code(&joined.standing));
    engine.join(Join { referral_code, ..wants("gus") }, None).await.unwrap();
    engine.redeem(launch.codes(1).await[0], email("gus"), None, None).await.unwrap();
    let seen = ["bob", "cyd", "dan", "eve", "fay", "gus"].map(|name| Sighting {
        person: launch.person(name),
        kind: Seen::Active,
        at: None,
    });
    engine.observe(seen.to_vec(), None).await.unwrap();
    launch.settled().await;
    let earned = engine.earn(email("ada"), None).await.unwrap();
    assert_eq!((earned.granted, earned.codes, earned.paused), (vec![], vec![], true));
    assert_eq!(score().await, joined.standing.score);
    let (analytics, _) = engine.referral_analytics(launch.person("ada")).await.unwrap();
    assert_eq!(analytics.rewards, []);
    let top = engine.top_referrers(9).await.unwrap();
    assert_eq!(top.iter().filter(|(best, _)| best.person == launch.person("ada")).count(), 0);
    for name in ["bob", "gus"] {
        let (chain, _) = engine.referral_chain(launch.person(name)).await.unwrap();
        assert_eq!((chain.state, chain.depth), (Some(ReferralState::Active), 1), "{name} stays");
    }

    engine.review(launch.person("ada"), true, None).await.unwrap();
    launch.settled().await;
    assert_eq!(score().await, joined.standing.score + 42, "all six are people like others");
    let earned = engine.earn(email("ada"), None).await.unwrap();
    let rules: Vec<_> = earned.granted.iter().map(|reward| &*reward.rule).collect();
    assert_eq!(rules, ["redeemed:3", "quality"]);
}
