//! The rules of the waitlist. The order of the refusals is their precedence.

use std::collections::BTreeMap;

use crate::cell::Decided;
use crate::fraud::{Marks, Signal, Signals};
use crate::ids::{PersonId, Timestamp};
use crate::quality::Colour;
use crate::referrals::Credit;

use super::command::{Boost, Boosted, Invited, Join, Joined, Leave, Left, Referrer, Wave};
use super::state::{State, Waved};
use super::wave::pick;
use super::{EntryState, Event, Policy, Rejection};

/// A place for somebody who has none; the same answer again for somebody who has.
pub(super) fn join(
    state: &State,
    policy: &Policy,
    join: &Join,
    now: Timestamp,
) -> Result<Decided<Event, Joined>, Rejection> {
    if let Some(standing) = state.standing(join.person, now) {
        return match standing.state {
            EntryState::Waiting | EntryState::Invited => {
                Ok(Decided::Already(Joined { standing, already: true }))
            }
            EntryState::Member => Err(Rejection::AlreadyMember),
        };
    }
    if state.len() >= policy.entries_max as usize {
        return Err(Rejection::ListFull);
    }
    let referrer = match join.referrer {
        None => None,
        Some(Referrer::Unknown) => return Err(Rejection::UnknownReferralCode),
        Some(Referrer::Entry(index)) => {
            Some(state.person_of(index).ok_or(Rejection::UnknownReferralCode)?)
        }
    };
    Ok(Decided::Now(Event::Joined {
        person: join.person,
        persona: join.persona,
        score: policy.score(join.persona, &join.use_case).total(),
        referrer,
        marks: join.marks,
        signals: signals(state, policy, join.person, &join.marks, now),
    }))
}

/// What there is to notice about somebody who joins.
fn signals(
    state: &State,
    policy: &Policy,
    person: PersonId,
    marks: &Marks,
    now: Timestamp,
) -> Signals {
    let [site, network] = marks.origin.map_or([0; 2], |from| state.arrivals.count(from, now));
    Signals::NONE
        .with(Signal::CanonicalDuplicate, state.has_double(person, marks.mailbox))
        .with(Signal::DisposableDomain, marks.disposable)
        .with(Signal::SharedAddress, site >= policy.fraud.address_joins)
        .with(Signal::SharedNetwork, network >= policy.fraud.network_joins)
}

/// What referrals add to scores from now on, as far as their people are here. The last word on
/// somebody counts.
pub(super) fn on_credited(state: &State, credits: &[Credit]) -> Option<Event> {
    let totals = credits.iter().map(|credit| (credit.inviter, credit.total));
    let totals: BTreeMap<PersonId, i32> = totals.collect();
    let news = |(person, total): (PersonId, i32)| {
        let more = total.saturating_sub(state.credited(state.find(person)?));
        (more != 0).then_some((person, total, more))
    };
    let people: Vec<_> = totals.into_iter().filter_map(news).collect();
    (!people.is_empty()).then_some(Event::Credited { people })
}

/// Why somebody has no entry.
pub(super) fn absence(state: &State, person: PersonId) -> Rejection {
    state.left_at(person).map_or(Rejection::UnknownPerson, |at| Rejection::HasLeft { at })
}

/// Points up or down for somebody who waits.
pub(super) fn boost(state: &State, boost: &Boost) -> Result<Decided<Event, Boosted>, Rejection> {
    match state.state_of(boost.person) {
        None => Err(absence(state, boost.person)),
        Some(EntryState::Invited | EntryState::Member) => Err(Rejection::NotWaiting),
        Some(EntryState::Waiting) => {
            Ok(Decided::Now(Event::Boosted { person: boost.person, points: boost.points }))
        }
    }
}

/// Out, from wherever the person is. Of whom only others have told, that is forgotten.
pub(super) fn leave(state: &State, leave: &Leave) -> Result<Decided<Event, Left>, Rejection> {
    let Leave { person, known } = *leave;
    match state.state_of(person) {
        Some(was) => Ok(Decided::Now(Event::Left { person, was })),
        None if known => Ok(Decided::Now(Event::Forgotten { person })),
        None => Err(absence(state, person)),
    }
}

/// The next people, as many as the gate allows; the same wave again for the same label.
pub(super) fn wave(state: &State, wave: &Wave) -> Result<Decided<Event, Invited>, Rejection> {
    if let Some(known) = state.waves.get(wave.batch.as_str()) {
        return Ok(Decided::Already(answer(&wave.batch, known, true)));
    }
    let count = match wave.gate {
        Colour::Green => wave.count,
        Colour::Yellow => wave.count.div_ceil(2),
        Colour::Red => return Err(Rejection::InvitesPaused { reasons: wave.reasons.clone() }),
    };
    let people = pick(state, wave.order, count, wave.seed);
    if people.is_empty() {
        return Err(Rejection::NobodyWaits);
    }
    if people.len() as u64 > wave.room {
        return Err(Rejection::NoRoomForCodes);
    }
    Ok(Decided::Now(Event::Waved {
        batch: wave.batch.clone(),
        people,
        requested: wave.count,
        order: wave.order,
        gate: wave.gate,
        seed: wave.seed,
        expires_days: wave.expires_days,
        rolled: wave.rolled,
    }))
}

/// What a wave's label answers.
pub(super) fn answer(batch: &str, wave: &Waved, already: bool) -> Invited {
    let Waved { requested, invited, order, gate, at } = *wave;
    Invited { batch_id: batch.to_owned(), requested, invited, order, gate, at, already }
}

/// What a code that was bound to `person` means here.
pub(super) fn on_code_bound(state: &State, person: PersonId) -> Option<Event> {
    (state.state_of(person) == Some(EntryState::Waiting)).then_some(Event::Invited { person })
}

/// What a redemption by `person` means here.
pub(super) fn on_redeemed(state: &State, person: PersonId) -> Option<Event> {
    (state.state_of(person) != Some(EntryState::Member)).then_some(Event::Admitted { person })
}

/// What it means here that the registry has let go of `person`, who left. Only whoever left while
/// a redemption was under way is still in by then, because of that redemption.
pub(super) fn on_departed(state: &State, person: PersonId) -> Option<Event> {
    let was = state.state_of(person).filter(|was| *was == EntryState::Member)?;
    Some(Event::Left { person, was })
}

#[cfg(test)]
mod tests {
    use super::super::Persona;
    use super::super::apply::apply;
    use super::*;
    use crate::fraud::Origin;

    const ADA: PersonId = PersonId(1);
    const BOB: PersonId = PersonId(2);

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn given(events: &[Event]) -> State {
        let mut state = State::default();
        for (time, event) in (1..).zip(events) {
            apply(&mut state, event, at(time));
        }
        state
    }

    fn joined(person: PersonId, score: i32) -> Event {
        let (marks, signals) = (Marks::default(), Signals::NONE);
        Event::Joined { person, persona: Persona::Agency, score, referrer: None, marks, signals }
    }

    fn wants(person: PersonId) -> Join {
        Join {
            person,
            persona: Persona::Agency,
            use_case: "time".into(),
            referrer: None,
            marks: Marks::default(),
        }
    }

    fn decide(state: &State, command: &Join) -> Result<Decided<Event, Joined>, Rejection> {
        join(state, &Policy::default(), command, at(100))
    }

    #[test]
    fn a_newcomer_gets_a_place_with_the_score_of_the_policy() {
        assert_eq!(decide(&given(&[]), &wants(ADA)), Ok(Decided::Now(joined(ADA, 25))));
    }

    #[test]
    fn joining_again_changes_nothing_and_tells_the_place() {
        let state = given(&[joined(BOB, 30), joined(ADA, 20)]);
        let Ok(Decided::Already(answer)) = decide(&state, &wants(ADA)) else {
            panic!("joined twice");
        };
        assert!(answer.already);
        assert_eq!((answer.standing.position, answer.standing.score), (Some(2), 20));
    }

    #[test]
    fn a_member_cannot_join_and_somebody_who_left_can() {
        let state = given(&[joined(ADA, 1), Event::Admitted { person: ADA }]);
        assert_eq!(decide(&state, &wants(ADA)), Err(Rejection::AlreadyMember));
        let state = given(&[joined(ADA, 1), Event::Left { person: ADA, was: EntryState::Waiting }]);
        assert_eq!(decide(&state, &wants(ADA)), Ok(Decided::Now(joined(ADA, 25))));
    }

    #[test]
    fn a_referral_code_must_name_somebody_who_is_here() {
        let state = given(&[joined(BOB, 1)]);
        let through = |referrer| Join { referrer: Some(referrer), ..wants(ADA) };
        let Ok(Decided::Now(Event::Joined { referrer, .. })) =
            decide(&state, &through(Referrer::Entry(0)))
        else {
            panic!("not joined");
        };
        assert_eq!(referrer, Some(BOB));
        let unknown = Err(Rejection::UnknownReferralCode);
        assert_eq!(decide(&state, &through(Referrer::Entry(1))), unknown);
        assert_eq!(decide(&state, &through(Referrer::Unknown)), unknown);
        let state = given(&[joined(BOB, 1), Event::Left { person: BOB, was: EntryState::Waiting }]);
        assert_eq!(decide(&state, &through(Referrer::Entry(0))), unknown);
    }

    #[test]
    fn a_full_list_takes_nobody_and_still_answers_those_on_it() {
        let policy = Policy { entries_max: 1, ..Policy::default() };
        let state = given(&[joined(BOB, 1)]);
        assert_eq!(join(&state, &policy, &wants(ADA), at(9)), Err(Rejection::ListFull));
        assert!(join(&state, &policy, &wants(BOB), at(9)).is_ok());
    }

    /// What is noticed when `join` comes, and the state with that person in it.
    fn noticed(state: &mut State, join: &Join) -> Vec<Signal> {
        let Ok(Decided::Now(event)) = decide(state, join) else { panic!("not joined") };
        apply(state, &event, at(100));
        let Event::Joined { signals, .. } = event else { panic!("{event:?}") };
        signals.iter().collect()
    }

    #[test]
    fn another_spelling_of_a_mailbox_is_noticed_whoever_comes_first() {
        const PLAIN: PersonId = PersonId(10);
        let spelled = |person| {
            let marks = Marks { mailbox: Some(PLAIN), ..Marks::default() };
            Join { marks, ..wants(PersonId(person)) }
        };
        let mut state = given(&[]);
        assert_eq!(noticed(&mut state, &spelled(11)), []);
        assert_eq!(noticed(&mut state, &spelled(12)), [Signal::CanonicalDuplicate]);
        assert_eq!(noticed(&mut state, &wants(PLAIN)), [Signal::CanonicalDuplicate]);
        assert_eq!(noticed(&mut state, &wants(ADA)), []);
        let mut state = given(&[joined(PLAIN, 1)]);
        assert_eq!(noticed(&mut state, &spelled(11)), [Signal::CanonicalDuplicate]);
    }

    #[test]
    fn whoever_comes_back_is_no_double_of_their_own() {
        let marks = Marks { mailbox: Some(PersonId(10)), ..Marks::default() };
        let ada = Join { marks, ..wants(ADA) };
        let mut state = given(&[]);
        assert_eq!(noticed(&mut state, &ada), []);
        let left = Event::Left { person: ADA, was: EntryState::Waiting };
        apply(&mut state, &left, at(101));
        assert_eq!(noticed(&mut state, &ada), []);
    }

    #[test]
    fn the_fourth_from_one_address_and_the_twenty_first_from_one_network_are_noticed() {
        let from = |person: u128, site: u64| {
            let origin = Some(Origin { site, network: 1 });
            Join { marks: Marks { origin, ..Marks::default() }, ..wants(PersonId(person)) }
        };
        let mut state = given(&[]);
        for person in 1..=3 {
            assert_eq!(noticed(&mut state, &from(person, 7)), []);
        }
        assert_eq!(noticed(&mut state, &from(4, 7)), [Signal::SharedAddress]);
        for person in 5..=20 {
            assert_eq!(noticed(&mut state, &from(person, 1000 + person as u64)), []);
        }
        assert_eq!(noticed(&mut state, &from(21, 2000)), [Signal::SharedNetwork]);
    }

    #[test]
    fn points_of_referrals_are_a_sum_that_is_replaced_and_goes_with_the_entry() {
        let credit = |total| Credit { inviter: ADA, recipient: None, points: 0, total };
        let mut state = given(&[joined(ADA, 10)]);
        let score = |state: &State| state.standing(ADA, at(9)).map(|s| (s.score, s.credited));
        for (total, expected) in [(7, 17), (14, 24), (0, 10), (7, 17)] {
            let event = on_credited(&state, &[credit(total)]).expect("news");
            apply(&mut state, &event, at(5));
            assert_eq!(score(&state), Some((expected, total)));
            assert_eq!(on_credited(&state, &[credit(total)]), None, "no news");
        }
        apply(&mut state, &Event::Left { person: ADA, was: EntryState::Waiting }, at(6));
        assert_eq!(on_credited(&state, &[credit(0)]), None);
        apply(&mut state, &joined(ADA, 10), at(7));
        assert_eq!(on_credited(&state, &[credit(0)]), None, "a fresh entry owes nothing");
    }

    #[test]
    fn only_somebody_who_waits_can_be_boosted() {
        let points = Boost { person: ADA, points: 3 };
        assert_eq!(boost(&given(&[]), &points), Err(Rejection::UnknownPerson));
        let invited = given(&[joined(ADA, 1), Event::Invited { person: ADA }]);
        assert_eq!(boost(&invited, &points), Err(Rejection::NotWaiting));
        assert!(boost(&given(&[joined(ADA, 1)]), &points).is_ok());
    }

    #[test]
    fn a_boost_moves_a_person_ahead_and_back() {
        let mut state = given(&[joined(BOB, 10), joined(ADA, 10)]);
        let place = |state: &State| state.standing(ADA, at(9)).and_then(|s| s.position);
        assert_eq!(place(&state), Some(2));
        apply(&mut state, &Event::Boosted { person: ADA, points: 1 }, at(3));
        assert_eq!(place(&state), Some(1));
        apply(&mut state, &Event::Boosted { person: ADA, points: -2 }, at(4));
        assert_eq!(place(&state), Some(2));
        assert_eq!(state.standing(ADA, at(9)).map(|s| s.boost), Some(-1));
    }

    #[test]
    fn whoever_is_invited_or_let_in_has_no_place_and_counts_as_processed_once() {
        let mut state = given(&[joined(BOB, 10), joined(ADA, 5)]);
        apply(&mut state, &Event::Invited { person: BOB }, at(3));
        apply(&mut state, &Event::Admitted { person: BOB }, at(4));
        assert_eq!(on_code_bound(&state, BOB), None);
        assert_eq!(on_redeemed(&state, BOB), None);
        let stats = state.stats(at(5));
        assert_eq!((stats.waiting, stats.invited, stats.members), (1, 0, 1));
        assert_eq!(stats.processed_today, 1);
        assert_eq!(state.standing(ADA, at(5)).and_then(|s| s.position), Some(1));
        assert_eq!(state.standing(BOB, at(5)).and_then(|s| s.position), None);
    }

    #[test]
    fn a_redemption_by_a_stranger_makes_a_member() {
        let mut state = given(&[]);
        let event = on_redeemed(&state, ADA).expect("an event");
        apply(&mut state, &event, at(1));
        assert_eq!(decide(&state, &wants(ADA)), Err(Rejection::AlreadyMember));
        assert_eq!(state.stats(at(2)).members, 1);
    }

    #[test]
    fn whoever_left_while_a_redemption_was_under_way_does_not_stay_in() {
        let left = Event::Left { person: ADA, was: EntryState::Waiting };
        let mut state = given(&[joined(ADA, 1), left]);
        assert_eq!(on_departed(&state, ADA), None);
        let event = on_redeemed(&state, ADA).expect("the redemption was first");
        apply(&mut state, &event, at(3));
        let event = on_departed(&state, ADA).expect("a member who has left");
        apply(&mut state, &event, at(4));
        assert_eq!(state.stats(at(5)).members, 0);
        apply(&mut state, &joined(ADA, 1), at(6));
        assert_eq!(on_departed(&state, ADA), None, "a place is not a membership");
    }

    fn wants_wave(count: u32, gate: Colour) -> Wave {
        Wave {
            batch: "W".to_owned(),
            count,
            order: super::super::Order::Priority,
            gate,
            reasons: vec!["why".to_owned()],
            expires_days: 7,
            seed: 1,
            rolled: 0,
            room: 100,
        }
    }

    #[test]
    fn a_wave_takes_the_front_of_the_queue_once_for_its_label() {
        let mut state = given(&[joined(ADA, 1), joined(BOB, 9)]);
        let Ok(Decided::Now(event)) = wave(&state, &wants_wave(1, Colour::Green)) else {
            panic!("a wave")
        };
        assert!(matches!(&event, Event::Waved { people, .. } if *people == [BOB]));
        apply(&mut state, &event, at(5));
        assert_eq!(state.state_of(BOB), Some(EntryState::Invited));
        assert_eq!(state.state_of(ADA), Some(EntryState::Waiting));
        let Ok(Decided::Already(again)) = wave(&state, &wants_wave(2, Colour::Red)) else {
            panic!("the same wave")
        };
        assert_eq!((again.requested, again.invited, again.at), (1, 1, at(5)));
    }

    #[test]
    fn the_gate_halves_a_wave_rounded_up_or_stops_it() {
        let state = given(&[joined(ADA, 1), joined(BOB, 9), joined(PersonId(3), 5)]);
        let Ok(Decided::Now(Event::Waved { people, .. })) =
            wave(&state, &wants_wave(3, Colour::Yellow))
        else {
            panic!("a wave")
        };
        assert_eq!(people.len(), 2);
        let reasons = vec!["why".to_owned()];
        let paused = wave(&state, &wants_wave(3, Colour::Red));
        assert_eq!(paused, Err(Rejection::InvitesPaused { reasons }));
        let nobody = wave(&given(&[]), &wants_wave(3, Colour::Green));
        assert_eq!(nobody, Err(Rejection::NobodyWaits));
    }
}
