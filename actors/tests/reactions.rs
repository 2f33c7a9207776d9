//! What happens in one domain because of another.

use actors::quality::{Colour, DrillRates, Drilling, Ratio, Source, Window};
use actors::referrals::ReferralState;
use actors::waitlist::{EntryState, Order, Schedule};
use actors::{Error, Generate, Rejection, Seen, Sighting, Wave, crash, invites, referrals};

use crate::support::{Launch, email, later, minutes, wants, when_back};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_an_answer_sees_its_consequences_in_every_domain() {
    let launch = Launch::start().await;
    let codes = launch.codes(50).await;
    for (number, code) in codes.into_iter().enumerate() {
        let name = format!("person{number}");
        launch.join(&name).await.unwrap();
        launch.engine.redeem(code, email(&name), None, None).await.unwrap();
        let standing = launch.engine.standing(launch.person(&name)).await.unwrap();
        assert_eq!(standing.state, EntryState::Member, "{name}");
        let trust = launch.engine.trust().await.unwrap();
        assert_eq!(trust.members, number as u64 + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reaction_that_a_crash_cut_short_is_finished_by_the_rebuilt_actor() {
    let launch = Launch::start().await;
    let code = launch.codes(1).await[0];
    launch.join("ada").await.unwrap();
    launch.settled().await;
    crash::arm("cell.before_reaction", 1);
    launch.engine.redeem(code, email("ada"), None, None).await.unwrap();
    launch.settled().await;
    let standing = launch.engine.standing(launch.person("ada")).await.unwrap();
    assert_eq!(standing.state, EntryState::Member);
    let stats = launch.engine.stats().await;
    assert_eq!(stats.quality.unwrap().trust.members, 1);
    assert_eq!(stats.waitlist.unwrap().members, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_that_a_crash_cut_in_two_is_whole_afterwards_and_the_same_when_asked_again() {
    let launch = Launch::start().await;
    for name in ["ada", "bob", "eve"] {
        launch.join(name).await.unwrap();
    }
    launch.settled().await;
    let batch_id = Some("W".to_owned());
    let wave = Wave { count: 2, batch_id, ..Wave::default() };
    crash::arm("cell.before_reaction", 1);
    let cut = launch.engine.wave(wave.clone(), None).await;
    launch.settled().await;
    let sent = when_back(|| launch.engine.wave(wave.clone(), None)).await.unwrap();
    assert!(cut.is_err() || cut.as_ref().is_ok_and(|cut| cut.codes == sent.codes));
    assert_eq!((sent.invited.invited, sent.invited.already), (2, true));
    let people: Vec<_> = sent.codes.iter().map(|(_, person)| *person).collect();
    assert_eq!(people, [launch.person("ada"), launch.person("bob")]);
    let launch = launch.restart().await;
    let again = launch.engine.wave(wave, None).await.unwrap();
    assert_eq!(again.codes, sent.codes);
    launch.engine.redeem(again.codes[0].0, email("ada"), None, None).await.unwrap();
    let stats = launch.engine.waitlist_stats().await.unwrap();
    assert_eq!((stats.waiting, stats.invited, stats.members), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_sends_one_wave_a_slot_and_makes_up_for_codes_that_ran_out() {
    let launch = Launch::start().await;
    for number in 0..6 {
        launch.join(&format!("person{number}")).await.unwrap();
    }
    let (order, window) = (Order::Priority, (0, 0));
    let schedule = Schedule { every_minutes: 60, count: 2, order, window, roll_on: true };
    let engine = &launch.engine;
    let first = engine.wave_of(&schedule).await.unwrap().unwrap();
    assert_eq!((first.invited.invited, first.invited.already), (2, false));
    let again = engine.wave_of(&schedule).await.unwrap().unwrap();
    assert_eq!((again.codes, again.invited.already), (first.codes.clone(), true));
    engine.redeem(first.codes[0].0, email("person0"), None, None).await.unwrap();
    launch.pass_days(8);
    let rolled = engine.wave_of(&schedule).await.unwrap().unwrap();
    assert_eq!(rolled.invited.requested, 3, "two, and one for the code that nobody used");
    launch.clock.set(later(launch.clock.now(), minutes(60)));
    let launch = launch.restart().await;
    let last = launch.engine.wave_of(&schedule).await.unwrap().unwrap();
    assert_eq!((last.invited.requested, last.invited.invited), (2, 1), "once for each");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_issued_to_somebody_who_waits_is_an_invitation() {
    let launch = Launch::start().await;
    launch.join("ada").await.unwrap();
    let issued_to = Some(email("ada"));
    let generate = Generate { count: 1, issued_to, ..Generate::default() };
    let code = launch.engine.generate(generate, None).await.unwrap().codes[0];
    let standing = launch.engine.standing(launch.person("ada")).await.unwrap();
    assert_eq!((standing.state, standing.position), (EntryState::Invited, None));
    assert_eq!(launch.engine.waitlist_stats().await.unwrap().processed_today, 1);
    let bound = Error::Rejected(Rejection::Invites(invites::Rejection::CodeBound));
    assert_eq!(launch.engine.redeem(code, email("bob"), None, None).await, Err(bound));
    assert!(launch.engine.redeem(code, email("ada"), None, None).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn friends_earn_codes_and_sharing_one_makes_it_the_friends() {
    let launch = Launch::start().await;
    let codes = launch.codes(3).await;
    for (number, code) in codes.into_iter().enumerate() {
        let friend = email(&format!("friend{number}"));
        let shared = launch.engine.share(email("ada"), friend.clone(), None, None).await.unwrap();
        assert_eq!(shared.invite_code, None, "nothing earned yet");
        launch.engine.redeem(code, friend, None, None).await.unwrap();
    }
    let earned = launch.engine.earn(email("ada"), None).await.unwrap();
    assert_eq!((earned.earned, earned.codes.len()), (true, 3));
    let again = launch.engine.earn(email("ada"), None).await.unwrap();
    assert_eq!((again.earned, &again.codes), (false, &earned.codes));
    let shared = launch.engine.share(email("ada"), email("eve"), None, None).await.unwrap();
    assert_eq!(shared.invite_code, Some(earned.codes[0]));
    let repeated = launch.engine.share(email("ada"), email("eve"), None, None).await.unwrap();
    assert_eq!((repeated.already, repeated.referral), (true, shared.referral));
    assert_eq!(repeated.invite_code, shared.invite_code);
    assert_eq!(launch.engine.earn(email("ada"), None).await.unwrap().codes, earned.codes[1..]);
    let eve = launch.engine.redeem(earned.codes[0], email("eve"), None, None).await;
    assert!(eve.is_ok(), "{eve:?}");
    let quality = launch.engine.referral_quality(launch.person("ada")).await.unwrap();
    assert_eq!((quality.referred, quality.rewards.len()), (4, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_given_away_by_many_calls_at_once_has_one_new_owner() {
    let launch = Launch::start().await;
    for (number, code) in launch.codes(3).await.into_iter().enumerate() {
        let friend = email(&format!("friend{number}"));
        launch.engine.share(email("ada"), friend.clone(), None, None).await.unwrap();
        launch.engine.redeem(code, friend, None, None).await.unwrap();
    }
    launch.engine.earn(email("ada"), None).await.unwrap();
    let calls = (0..16).map(|number| {
        let (engine, friend) = (launch.engine.clone(), email(&format!("new{number}")));
        tokio::spawn(async move { engine.share(email("ada"), friend, None, None).await.unwrap() })
    });
    let mut given = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        given.extend(call.await.unwrap().invite_code);
    }
    given.sort();
    given.dedup();
    assert_eq!(given.len(), 3, "every code went to one friend, and no code is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_who_go_close_the_gate_and_no_codes_are_issued() {
    let launch = Launch::start().await;
    let codes = launch.codes(30).await;
    let mut seen = Vec::new();
    for (number, code) in codes.into_iter().enumerate() {
        let name = format!("person{number}");
        launch.engine.redeem(code, email(&name), None, None).await.unwrap();
        seen.push(Sighting { person: launch.person(&name), kind: Seen::Churned, at: None });
    }
    seen.truncate(10);
    launch.engine.observe(seen, None).await.unwrap();
    let trust = launch.engine.trust().await.unwrap();
    assert!(trust.paused && (trust.churn - 1.0 / 3.0).abs() < 1e-9);
    let generate = |force| Generate { count: 5, force, ..Generate::default() };
    let Err(Error::Rejected(Rejection::Invites(rejection))) =
        launch.engine.generate(generate(false), None).await
    else {
        panic!("codes were issued");
    };
    let invites::Rejection::InvitesPaused { reasons } = rejection else { panic!("{rejection:?}") };
    assert!(reasons[0].starts_with("churn_rate is 0.33"), "{reasons:?}");
    assert_eq!(launch.engine.generate(generate(true), None).await.unwrap().codes.len(), 5);
    let launch = launch.restart().await;
    assert!(launch.engine.trust().await.unwrap().paused);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_is_forgotten_and_the_others_keep_their_order() {
    let launch = Launch::start().await;
    for name in ["ada", "bob", "eve"] {
        launch.join(name).await.unwrap();
    }
    let bob = launch.person("bob");
    assert!(launch.engine.profile(bob).await.unwrap().is_some());
    launch.engine.leave(bob).await.unwrap();
    assert_eq!(launch.engine.profile(bob).await.unwrap(), None);
    let launch = launch.restart().await;
    assert_eq!(launch.engine.profile(bob).await.unwrap(), None);
    let page = launch.engine.page(None, 10).await.unwrap();
    let emails: Vec<_> =
        page.items.into_iter().map(|(_, profile)| profile.unwrap().email).collect();
    assert_eq!(emails, ["ada@example.com", "eve@example.com"]);
    assert!(!launch.engine.join(wants("bob"), None).await.unwrap().already);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_referral_code_brings_its_owner_a_referral() {
    let launch = Launch::start().await;
    let ada = launch.join("ada").await.unwrap();
    let referral_code = Some(launch.engine.referral_code(&ada.standing));
    launch.engine.join(actors::Join { referral_code, ..wants("bob") }, None).await.unwrap();
    let quality = launch.engine.referral_quality(launch.person("ada")).await.unwrap();
    assert_eq!(quality.referred, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_that_a_red_gate_holds_back_are_there_when_it_has_opened() {
    let mut launch = Launch::start().await;
    for (number, code) in launch.codes(3).await.into_iter().enumerate() {
        let friend = email(&format!("friend{number}"));
        launch.engine.share(email("ada"), friend.clone(), None, None).await.unwrap();
        launch.engine.redeem(code, friend, None, None).await.unwrap();
    }
    launch.engine.see_load(Ratio::new(0.95)).await.unwrap();
    let held = launch.engine.earn(email("ada"), None).await.unwrap();
    assert_eq!((held.earned, held.held, held.codes.len()), (false, true, 0));
    let one = Generate { count: 1, ..Generate::default() };
    let refused = launch.engine.generate(one.clone(), None).await.unwrap_err();
    let Error::Rejected(Rejection::Invites(invites::Rejection::InvitesPaused { reasons })) =
        refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(reasons, ["system_load is 0.95, above its critical line of 0.90"]);
    launch.engine.see_load(Ratio::new(0.5)).await.unwrap();
    assert!(launch.engine.generate(one.clone(), None).await.is_err(), "calm has to last");
    launch = launch.restart().await;
    launch.clock.set(later(launch.clock.now(), minutes(16)));
    launch.engine.evaluate(None).await.unwrap();
    let earned = launch.engine.earn(email("ada"), None).await.unwrap();
    let codes = (earned.earned, earned.held, earned.codes.len());
    assert_eq!(codes, (false, false, 3), "they came by themselves");
    assert!(launch.engine.generate(one, None).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn history_and_drill_are_the_same_after_a_snapshot_and_a_restart() {
    let launch = Launch::start().await;
    let churn = Ratio::new(0.16);
    let rates = DrillRates { churn, ..DrillRates::default() };
    for minutes_more in [20, 7, 7, 7, 7] {
        let drilling = Drilling { rates, minutes: 20 };
        launch.engine.drill(drilling, None).await.unwrap();
        launch.clock.set(later(launch.clock.now(), minutes(minutes_more)));
    }
    launch.engine.evaluate(None).await.unwrap();
    launch.engine.snapshot().await.unwrap();
    let window = Window::new(None, None, launch.clock.now()).unwrap();
    let points = launch.engine.quality_history(window).await.unwrap();
    assert_eq!(points.len(), 6);
    let trust = launch.engine.trust().await.unwrap();
    assert_eq!((trust.source(), trust.colour), (Source::Drill, Colour::Yellow));
    let launch = launch.restart().await;
    assert_eq!(launch.engine.quality_history(window).await.unwrap(), points);
    assert_eq!(launch.engine.trust().await.unwrap(), trust);
    launch.clock.set(later(launch.clock.now(), minutes(20)));
    let trust = launch.engine.evaluate(None).await.unwrap();
    assert_eq!((trust.source(), trust.colour), (Source::Measured, Colour::Green));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_shares_that_close_a_cycle_together_one_is_refused() {
    let launch = Launch::start().await;
    for round in 0..20 {
        let address = |name: &str| email(&format!("{name}{round}"));
        let other = |name: &str| email(&format!("{name}{round}+news"));
        let pairs = match round % 2 {
            0 => [(address("ada"), address("bob")), (address("bob"), address("ada"))],
            _ => [(address("ada"), other("bob")), (address("bob"), other("ada"))],
        };
        let calls = pairs.map(|(from, to)| {
            let engine = launch.engine.clone();
            tokio::spawn(async move { engine.share(from, to, None, None).await })
        });
        let mut refused = Vec::new();
        for call in calls {
            refused.extend(call.await.unwrap().err());
        }
        let cycle = Error::Rejected(Rejection::Referrals(referrals::Rejection::ReferralCycle));
        assert_eq!(refused, [cycle], "round {round}");
    }
    let network = launch.engine.referral_network().await.unwrap();
    assert_eq!((network.edges, network.depth), (20, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_referral_follows_who_leaves_and_the_spellings_outlive_a_restart() {
    let launch = Launch::start().await;
    let engine = &launch.engine;
    engine.share(email("ada+news"), email("bob"), None, None).await.unwrap();
    engine.share(email("bob"), email("cyd"), None, None).await.unwrap();
    engine.share(email("bob"), email("dan"), None, None).await.unwrap();
    launch.join("cyd").await.unwrap();
    let state = async |launch: &Launch, name| {
        launch.engine.referral_chain(launch.person(name)).await.unwrap().0.state
    };
    assert_eq!(state(&launch, "cyd").await, Some(ReferralState::Waiting));
    engine.leave(launch.person("cyd")).await.unwrap();
    assert_eq!(state(&launch, "cyd").await, Some(ReferralState::Shared));
    let code = launch.codes(1).await[0];
    engine.redeem(code, email("bob"), None, None).await.unwrap();
    assert_eq!(state(&launch, "bob").await, Some(ReferralState::Redeemed));
    engine.leave(launch.person("bob")).await.unwrap();
    assert_eq!(state(&launch, "bob").await, Some(ReferralState::Churned));
    let before = launch.settled().await;
    launch.engine.snapshot().await.unwrap();

    let launch = launch.restart().await;
    assert_eq!(launch.settled().await, before);
    let closing = launch.engine.share(email("dan"), email("ada"), None, None).await;
    let cycle = Error::Rejected(Rejection::Referrals(referrals::Rejection::ReferralCycle));
    assert_eq!(closing, Err(cycle));
}
