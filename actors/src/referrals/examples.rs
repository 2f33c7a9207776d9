//! Lives, claims and verdicts one by one, where a random walk seldom comes.

use super::apply::apply;
use super::property::{POINTS, Step, Told};
use super::review::{self, Arrival, Review};
use super::{Event, Policy, RewardKind, State, decide};
use crate::cell::Decided;
use crate::fraud::{Marks, Origin, Signal, Signals};
use crate::ids::{PersonId, Timestamp, Uuid};
use crate::quality::Seen;

fn told(steps: &[Step]) -> (Told, Policy) {
    let policy = Policy { points_per_redeemed: POINTS, ..Policy::default() };
    let mut told = Told::with_a_prompt_registry();
    steps.iter().for_each(|step| told.take(&policy, step));
    (told, policy)
}

fn arrives(person: u128, risky: bool) -> [Step; 2] {
    [Step::Join { person, through: 1, risky }, Step::Redeem { person, holder: None }]
}

#[test]
fn the_credit_for_somebody_who_looks_false_waits_for_a_verdict() {
    let ada = PersonId(1);
    let (mut told, policy) = told(&arrives(9, true));
    let redeemed = |told: &Told| told.state.counts(ada).redeemed();
    assert_eq!((redeemed(&told), told.points.get(&ada)), (0, None));
    let risk = review::risk(&told.state, &policy, PersonId(9));
    assert_eq!((risk.risk, risk.inviter, risk.withheld.is_some()), (0.5, Some(ada), true));
    told.take(&policy, &Step::Review { person: 9, accept: true });
    assert_eq!((redeemed(&told), told.points[&ada]), (1, POINTS));
    let again = Review { person: PersonId(9), accept: true, holding: Vec::new() };
    let again = review::review(&told.state, &policy, &again, Timestamp::from_micros(99));
    assert!(matches!(again, Ok(Decided::Already(reviewed)) if reviewed.already));
}

#[test]
fn a_rejection_takes_back_what_the_false_account_has_caused_and_not_more() {
    let ada = PersonId(1);
    let mut steps: Vec<Step> = (10..14).flat_map(|person| arrives(person, false)).collect();
    steps.push(Step::Earn { person: 1 });
    let (mut told, policy) = told(&steps);
    assert_eq!(told.state.granted(ada).len(), 1, "three codes for the first three");
    told.take(&policy, &Step::Review { person: 10, accept: false });
    assert_eq!(told.state.granted(ada).len(), 1, "three are left");
    let verdict = Review { person: PersonId(11), accept: false, holding: Vec::new() };
    let Ok(Decided::Now(event)) =
        review::review(&told.state, &policy, &verdict, Timestamp::from_micros(99))
    else {
        panic!("no verdict")
    };
    let Event::Reviewed { withdrawn, credits, .. } = &event else { panic!("{event:?}") };
    assert_eq!((withdrawn.len(), withdrawn[0].person, withdrawn[0].codes), (1, ada, 3));
    assert_eq!((credits[0].inviter, credits[0].points), (ada, -POINTS));
    told.happen(&event);
    assert_eq!((told.state.granted(ada).len(), told.points[&ada]), (0, 2 * POINTS));
    let nobody = Review { person: PersonId(99), accept: false, holding: Vec::new() };
    assert!(review::review(&told.state, &policy, &nobody, Timestamp::from_micros(99)).is_err());
}

#[test]
fn the_third_of_an_inviter_with_nearly_the_same_address_is_noticed() {
    let policy = Policy::default();
    let mut state = State::default();
    for person in 10..13 {
        let marks = Marks { shape: 77, ..Marks::default() };
        let arrival = Arrival { person: PersonId(person), marks, signals: Signals::NONE };
        let through = Some(PersonId(1));
        let event = decide::on_joined(&state, &policy, &arrival, through, Uuid(person));
        let event = event.expect("a referral");
        apply(&mut state, &event, Timestamp::from_micros(person as i64));
        let risk = review::risk(&state, &policy, PersonId(person));
        assert_eq!(risk.reasons.len(), usize::from(person == 12), "{risk:?}");
    }
}

#[test]
fn codes_that_a_red_gate_has_held_come_when_it_opens() {
    let mut steps: Vec<Step> = (10..13).flat_map(|person| arrives(person, false)).collect();
    steps.extend([Step::Gate { open: false }, Step::Earn { person: 1 }]);
    let (mut told, policy) = told(&steps);
    assert_eq!(told.state.granted(PersonId(1)), []);
    told.take(&policy, &Step::Gate { open: true });
    assert_eq!(told.state.granted(PersonId(1)).len(), 1);
}

/// How many codes a claim has brought.
fn claim(told: &mut Told, policy: &Policy) -> u32 {
    let codes = |told: &Told| -> u32 {
        told.state.granted(PersonId(1)).iter().map(|reward| reward.amount).sum()
    };
    let before = codes(told);
    told.take(policy, &Step::Earn { person: 1 });
    codes(told) - before
}

#[test]
fn codes_that_were_used_before_they_were_taken_back_are_not_granted_again() {
    let steps: Vec<Step> = (10..13).flat_map(|person| arrives(person, false)).collect();
    for given in 0..=3 {
        let (mut told, policy) = told(&steps);
        assert_eq!(claim(&mut told, &policy), 3);
        (0..given).for_each(|_| told.take(&policy, &Step::Give { person: 1 }));
        told.take(&policy, &Step::Review { person: 12, accept: false });
        arrives(13, false).iter().for_each(|step| told.take(&policy, step));
        assert_eq!(claim(&mut told, &policy), 3 - given, "as many as could be taken back");
        assert_eq!(claim(&mut told, &policy), 0);
    }
}

#[test]
fn a_claim_before_the_registry_has_told_what_it_took_back_loses_nothing() {
    let steps: Vec<Step> = (10..13).flat_map(|person| arrives(person, false)).collect();
    let (mut told, mut policy) = told(&steps);
    policy.tiers[0].rewards.push((RewardKind::PremiumMonths, 2));
    told.take(&policy, &Step::Earn { person: 1 });
    told.is_prompt = false;
    told.take(&policy, &Step::Review { person: 12, accept: false });
    arrives(13, false).iter().for_each(|step| told.take(&policy, step));
    told.take(&policy, &Step::Earn { person: 1 });
    assert_eq!(told.state.granted(PersonId(1)), [], "not a part of it either");
    told.settle();
    told.resume(&policy);
    let amounts: Vec<_> = told.state.granted(PersonId(1)).iter().map(|r| r.amount).collect();
    assert_eq!(amounts, [3, 2], "codes and months come by themselves");
    assert_eq!(claim(&mut told, &policy), 0);
}

#[test]
fn codes_that_wait_for_the_gate_and_for_the_registry_come_when_both_have_told() {
    let mut steps: Vec<Step> = (10..15).flat_map(|person| arrives(person, false)).collect();
    steps.push(Step::Earn { person: 1 });
    steps.extend((10..15).map(|person| Step::See { person, kind: Seen::Active }));
    steps.extend([Step::Gate { open: false }, Step::Earn { person: 1 }]);
    let (mut told, policy) = told(&steps);
    let granted = |told: &Told| told.state.granted(PersonId(1)).len();
    assert_eq!(granted(&told), 1, "the bonus for quality waits for the gate");
    told.is_prompt = false;
    for accept in [false, true] {
        told.take(&policy, &Step::Review { person: 1, accept });
    }
    told.take(&policy, &Step::Earn { person: 1 });
    told.take(&policy, &Step::Gate { open: true });
    told.assert_sound();
    assert_eq!(granted(&told), 0);
    told.take(&policy, &Step::Settle);
    told.assert_sound();
    assert_eq!(granted(&told), 2);
}

#[test]
fn codes_that_are_restored_by_hand_are_so_much_of_the_reward() {
    let mut steps: Vec<Step> = (10..13).flat_map(|person| arrives(person, false)).collect();
    steps.extend([Step::Earn { person: 1 }, Step::Review { person: 12, accept: false }]);
    for restored in 0..=3 {
        let (mut told, policy) = told(&steps);
        (0..restored).for_each(|_| told.take(&policy, &Step::Restore { person: 1 }));
        arrives(13, false).iter().for_each(|step| told.take(&policy, step));
        assert_eq!(claim(&mut told, &policy), 3 - restored);
        told.assert_sound();
    }
}

#[test]
fn a_code_that_is_restored_after_it_was_granted_again_is_made_up_for_the_next_time() {
    let steps: Vec<Step> = (10..13).flat_map(|person| arrives(person, false)).collect();
    let (mut told, policy) = told(&steps);
    assert_eq!(claim(&mut told, &policy), 3);
    told.take(&policy, &Step::Review { person: 12, accept: false });
    arrives(13, false).iter().for_each(|step| told.take(&policy, step));
    assert_eq!(claim(&mut told, &policy), 3);
    told.take(&policy, &Step::Restore { person: 1 });
    told.take(&policy, &Step::Review { person: 13, accept: false });
    arrives(14, false).iter().for_each(|step| told.take(&policy, step));
    assert_eq!(claim(&mut told, &policy), 2, "with the one that came back, three");
    told.assert_sound();
}

#[test]
fn people_whose_credit_is_withheld_earn_no_bonus_for_quality() {
    let mut steps: Vec<Step> = (10..16).flat_map(|person| arrives(person, true)).collect();
    steps.extend((10..16).map(|person| Step::See { person, kind: Seen::Active }));
    let (mut told, policy) = told(&steps);
    assert_eq!(claim(&mut told, &policy), 0);
    for person in 10..15 {
        told.take(&policy, &Step::Review { person, accept: true });
    }
    assert_eq!(claim(&mut told, &policy), 5, "three for three, and two for their quality");
    for person in [13, 14] {
        told.take(&policy, &Step::Review { person, accept: false });
    }
    let rules: Vec<_> = told.state.granted(PersonId(1)).iter().map(|r| &*r.rule).collect();
    assert_eq!(rules, ["redeemed:3"], "enough for the tier, and too bad for the bonus");
}

#[test]
fn a_rejection_counts_those_whom_the_product_has_flagged_before() {
    let steps: Vec<Step> = (10..14).flat_map(|person| arrives(person, false)).collect();
    let (mut told, policy) = told(&steps);
    assert_eq!(claim(&mut told, &policy), 3);
    for person in [10, 11] {
        told.take(&policy, &Step::See { person, kind: Seen::Fraud });
    }
    told.take(&policy, &Step::Review { person: 10, accept: false });
    assert_eq!(told.state.granted(PersonId(1)), []);
}

#[test]
fn a_verdict_stands_against_what_the_product_says_later() {
    let (mut told, policy) = told(&arrives(10, false));
    told.take(&policy, &Step::Review { person: 10, accept: false });
    told.take(&policy, &Step::See { person: 10, kind: Seen::Cleared });
    assert_eq!(told.state.counts(PersonId(1)).redeemed(), 0);
    told.take(&policy, &Step::Review { person: 10, accept: true });
    assert_eq!(told.state.counts(PersonId(1)).redeemed(), 1);
}

#[test]
fn nobody_brings_the_other_spelling_of_their_own_mailbox_whichever_joined_first() {
    let policy = Policy::default();
    let (plain, spelled) = (PersonId(1), PersonId(2));
    let arrival = |person, mailbox| {
        let marks = Marks { mailbox, ..Marks::default() };
        Arrival { person, marks, signals: Signals::NONE }
    };
    for [(first, mailbox), (second, other)] in
        [[(spelled, Some(plain)), (plain, None)], [(plain, None), (spelled, Some(plain))]]
    {
        let mut state = State::default();
        let arrives = |state: &State, person, mailbox, through| {
            decide::on_joined(state, &policy, &arrival(person, mailbox), through, Uuid(1))
        };
        if let Some(event) = arrives(&state, first, mailbox, None) {
            apply(&mut state, &event, Timestamp::from_micros(1));
        }
        let event = arrives(&state, second, other, Some(first));
        assert!(!matches!(event, Some(Event::Referred { .. })), "{event:?}");
    }
}

#[test]
fn the_fourth_who_comes_in_from_one_address_in_a_day_is_noticed() {
    let policy = Policy::default();
    let mut state = State::default();
    for person in 10..14 {
        let origin = Some(Origin { site: 7, network: 8 });
        let marks = Marks { origin, ..Marks::default() };
        let arrival = Arrival { person: PersonId(person), marks, signals: Signals::NONE };
        let (holder, now) = (Some(PersonId(1)), Timestamp::from_micros(person as i64));
        let event = decide::on_redeemed(&state, &policy, &arrival, holder, Uuid(person), now);
        apply(&mut state, &event, now);
        let risk = review::risk(&state, &policy, PersonId(person));
        assert_eq!(risk.reasons.len(), usize::from(person == 13), "{risk:?}");
    }
}

#[test]
fn a_rejection_that_was_a_mistake_leaves_no_trace() {
    let (mut told, policy) = told(&arrives(10, false));
    told.take(&policy, &Step::See { person: 10, kind: Seen::Active });
    let before = told.state.member(PersonId(10)).copied();
    told.take(&policy, &Step::Review { person: 10, accept: false });
    told.take(&policy, &Step::Review { person: 10, accept: true });
    let after = told.state.member(PersonId(10)).copied();
    assert_eq!(after.map(|m| (m.since, m.state)), before.map(|m| (m.since, m.state)));
    assert_eq!(told.state.counts(PersonId(1)).redeemed(), 1);
    assert_eq!(told.points[&PersonId(1)], POINTS);
}

#[test]
fn somebody_who_was_only_told_of_it_makes_nobody_a_double() {
    let policy = Policy::default();
    let (inviter, plain, spelled) = (PersonId(1), PersonId(2), PersonId(3));
    let told = Event::Referred {
        id: Uuid(1),
        inviter,
        recipient: spelled,
        state: super::ReferralState::Shared,
        bind: super::Bind::Nothing,
        mailboxes: [None, Some(plain)],
        shape: 0,
        suspicion: None,
        credits: Vec::new(),
        from: None,
    };
    let mut state = State::default();
    apply(&mut state, &told, Timestamp::from_micros(1));
    let arrival = Arrival { person: plain, marks: Marks::default(), signals: Signals::NONE };
    assert_eq!(review::suspicion(&state, &policy, &arrival, None), None);
    let spelled = Event::progressed(vec![(spelled, super::ReferralState::Waiting)]);
    apply(&mut state, &spelled, Timestamp::from_micros(2));
    assert!(review::suspicion(&state, &policy, &arrival, None).is_some());
}

#[test]
fn who_came_in_after_a_rejection_that_was_a_mistake_is_in() {
    let [join, redeem] = arrives(10, false);
    let (mut told, policy) = told(&[join, Step::Review { person: 10, accept: false }, redeem]);
    assert_eq!(told.state.counts(PersonId(1)).redeemed(), 0);
    told.take(&policy, &Step::Review { person: 10, accept: true });
    assert_eq!(told.state.stats().conversions, 1);
    let redeemed = Some(super::ReferralState::Redeemed);
    assert_eq!(told.state.stands(PersonId(10)), [redeemed; 2]);
    assert_eq!(told.points[&PersonId(1)], POINTS);
}

#[test]
fn shares_that_are_withheld_or_rejected_are_followed_by_nobody() {
    let policy = Policy::default();
    let mut state = State::default();
    let mut now = 0;
    let mut happen = |state: &mut State, event: &Event| {
        now += 1;
        apply(state, event, Timestamp::from_micros(now));
    };
    let unheard = |state: &State| {
        let reasons = review::risk(state, &policy, PersonId(1)).reasons;
        reasons.iter().any(|(signal, _)| *signal == Signal::SharesWithoutRedemptions)
    };
    let lookalike = Signals::NONE.with(Signal::Lookalike, true);
    let told = |person: u128| Event::Referred {
        id: Uuid(person),
        inviter: PersonId(1),
        recipient: PersonId(person),
        state: super::ReferralState::Shared,
        bind: super::Bind::Oldest,
        mailboxes: [None; 2],
        shape: 0,
        suspicion: (person < 110)
            .then_some(super::Suspicion { signals: lookalike, withheld: true }),
        credits: Vec::new(),
        from: None,
    };
    for person in 100..120 {
        assert!(!unheard(&state));
        happen(&mut state, &told(person));
    }
    assert!(unheard(&state), "twenty, of which ten are withheld, and nobody came");
    for person in 110..115 {
        let verdict = Review { person: PersonId(person), accept: false, holding: Vec::new() };
        let verdict = review::review(&state, &policy, &verdict, Timestamp::from_micros(99));
        let Ok(Decided::Now(event)) = verdict else { panic!("no verdict") };
        happen(&mut state, &event);
    }
    assert!(unheard(&state), "that five were rejected makes it no better");
    let joined = Event::progressed(vec![(PersonId(119), super::ReferralState::Waiting)]);
    happen(&mut state, &joined);
    assert!(!unheard(&state), "somebody has followed");
}

#[test]
fn what_the_product_says_under_a_verdict_counts_when_it_is_taken_back() {
    use super::ReferralState::{Active, Fraud};
    let reject = Step::Review { person: 10, accept: false };
    let see = |kind| Step::See { person: 10, kind };
    for (before, under, then) in [
        (Seen::Active, Seen::Fraud, Fraud),
        (Seen::Fraud, Seen::Active, Fraud),
        (Seen::Fraud, Seen::Cleared, Active),
        (Seen::Active, Seen::Cleared, Active),
    ] {
        let (mut told, policy) = told(&arrives(10, false));
        for step in [see(before), reject.clone(), see(under)] {
            told.take(&policy, &step);
            told.assert_sound();
        }
        assert_eq!(told.state.stands(PersonId(10)), [Some(Fraud); 2]);
        told.take(&policy, &Step::Review { person: 10, accept: true });
        told.assert_sound();
        assert_eq!(told.state.stands(PersonId(10)), [Some(then); 2], "{before:?}, {under:?}");
    }
}
