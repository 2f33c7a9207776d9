//! The rules of codes. The order of the refusals is their precedence.

use std::collections::HashSet;

use crate::cell::Decided;
use crate::ids::{InviteCode, PersonId, Timestamp, Uuid};
use crate::quality::Colour;
use crate::referrals::{Bind, Withdrawn};

use super::command::{Amend, Generate, Generated, Redeem, Redeemed, Reserve, Reserved};
use super::holds::{Hold, Outcome};
use super::state::{State, Taken};
use super::{Channel, CodeStatus, Event, Policy, Rejection};

/// Holds that are remembered at once, of every outcome.
const HOLDS_MAX: usize = 1_000_000;

/// A batch of fresh codes, as large as the gate allows.
pub(super) fn generate(
    state: &State,
    policy: &Policy,
    generate: &Generate,
    now: Timestamp,
) -> Result<Decided<Event, Generated>, Rejection> {
    let count = match generate.gate {
        _ if generate.force => generate.count,
        Colour::Green => generate.count,
        Colour::Yellow => generate.count.div_ceil(2),
        Colour::Red => {
            return Err(Rejection::InvitesPaused { reasons: generate.reasons.clone() });
        }
    };
    let codes = fresh(state, policy, &generate.candidates, count)?;
    Ok(Decided::Now(Event::Issued {
        batch: generate.batch.clone(),
        codes,
        bound: generate.bound,
        holder: None,
        expires_at: now.plus_days(generate.expires_days),
        max_uses: generate.max_uses,
        channel: Channel::Batch,
        forced: generate.force && generate.gate != Colour::Green,
    }))
}

/// A place for whoever has a good code.
pub(super) fn redeem(
    state: &State,
    redeem: &Redeem,
    now: Timestamp,
) -> Result<Decided<Event, Redeemed>, Rejection> {
    let index = state.find(redeem.code).ok_or(Rejection::UnknownCode)?;
    let (_, issue) = state.code(index);
    let member = state.member(redeem.person);
    if let Some(member) = member
        && member.code == index
        && now < member.at.plus_days(1)
    {
        let (at, issued_at) = (member.at, issue.created_at);
        return Ok(Decided::Already(Redeemed { at, issued_at, already: true }));
    }
    may_use(state, index, redeem.person, now)?;
    Ok(Decided::Now(Event::Redeemed {
        code: redeem.code,
        person: redeem.person,
        holder: issue.holder,
        marks: redeem.marks,
    }))
}

/// Whether `person` can come in with a code at `now`; a hold of the person's own is no obstacle.
fn may_use(state: &State, index: u32, person: PersonId, now: Timestamp) -> Result<(), Rejection> {
    let (code, _) = state.code(index);
    match state.status(index, now) {
        CodeStatus::Active => {}
        CodeStatus::Reserved if state.holds.of(index, person, now).is_some() => {}
        CodeStatus::Reserved => return Err(Rejection::CodeReserved),
        CodeStatus::Used => return Err(Rejection::CodeUsed),
        CodeStatus::Expired => return Err(Rejection::CodeExpired),
        CodeStatus::Revoked => return Err(Rejection::CodeRevoked),
    }
    if code.bound.is_some_and(|bound| bound != person) {
        return Err(Rejection::CodeBound);
    }
    if state.member(person).is_some() {
        return Err(Rejection::AlreadyMember);
    }
    Ok(())
}

/// A code kept for somebody who is signing up, for as long as was asked, or until it expires.
pub(super) fn reserve(
    state: &State,
    reserve: &Reserve,
    now: Timestamp,
) -> Result<Decided<Event, Reserved>, Rejection> {
    let index = state.find(reserve.code).ok_or(Rejection::UnknownCode)?;
    may_use(state, index, reserve.person, now)?;
    if let Some(id) = state.holds.of(index, reserve.person, now)
        && let Some(hold) = state.holds.get(id)
    {
        return Ok(Decided::Already(Reserved {
            reservation: id,
            until: hold.until,
            already: true,
        }));
    }
    if !state.holds.has_room(HOLDS_MAX, now) {
        return Err(Rejection::RegistryFull);
    }
    let until = now.plus_seconds(reserve.seconds).min(state.expires_at(index));
    let Reserve { reservation, code, person, marks, .. } = *reserve;
    Ok(Decided::Now(Event::Reserved { reservation, code, person, until, marks }))
}

/// A place for whoever holds a code.
pub(super) fn confirm(
    state: &State,
    reservation: Uuid,
    now: Timestamp,
) -> Result<Decided<Event, Redeemed>, Rejection> {
    let hold = state.holds.get(reservation).ok_or(Rejection::UnknownReservation)?;
    let (code, issue) = state.code(hold.code);
    if hold.outcome == Outcome::Confirmed {
        let issued_at = issue.created_at;
        let member = state.member(hold.person).filter(|member| member.code == hold.code);
        let at = member.map(|member| member.at).ok_or(Rejection::ReservationConfirmed)?;
        return Ok(Decided::Already(Redeemed { at, issued_at, already: true }));
    }
    still_open(hold, now)?;
    may_use(state, hold.code, hold.person, now)?;
    let (code, holder) = (code.code, issue.holder);
    let Hold { person, marks, .. } = *hold;
    Ok(Decided::Now(Event::Redeemed { code, person, holder, marks }))
}

/// A hold that is given back before its end; again, nothing happens.
pub(super) fn release(
    state: &State,
    reservation: Uuid,
    now: Timestamp,
) -> Result<Decided<Event, ()>, Rejection> {
    let hold = state.holds.get(reservation).ok_or(Rejection::UnknownReservation)?;
    match still_open(hold, now) {
        Ok(()) => Ok(Decided::Now(Event::Released { reservation })),
        Err(Rejection::ReservationReleased | Rejection::ReservationExpired) => {
            Ok(Decided::Already(()))
        }
        Err(other) => Err(other),
    }
}

fn still_open(hold: &Hold, now: Timestamp) -> Result<(), Rejection> {
    match hold.outcome {
        Outcome::Confirmed => Err(Rejection::ReservationConfirmed),
        Outcome::Released => Err(Rejection::ReservationReleased),
        Outcome::Over => Err(Rejection::ReservationExpired),
        Outcome::Open if hold.until <= now => Err(Rejection::ReservationExpired),
        Outcome::Open => Ok(()),
    }
}

/// What an operator does to a code. To take back what is taken back changes nothing. A code that
/// was withdrawn with a reward and has expired since is extended before it is restored: good for
/// nothing, it would be taken for had.
pub(super) fn amend(
    state: &State,
    code: InviteCode,
    amend: Amend,
    now: Timestamp,
) -> Result<Decided<Event, ()>, Rejection> {
    let index = state.find(code).ok_or(Rejection::UnknownCode)?;
    let (found, issue) = state.code(index);
    if state.status(index, now) == CodeStatus::Used {
        return Err(Rejection::CodeUsed);
    }
    Ok(match amend {
        Amend::Revoke if found.is_revoked() => Decided::Already(()),
        Amend::Restore if !found.is_revoked() => Decided::Already(()),
        Amend::Revoke => Decided::Now(Event::Revoked { code }),
        Amend::Restore => {
            let withdrawn_from = issue.holder.filter(|_| found.taken == Taken::WithReward);
            if withdrawn_from.is_some() && state.expires_at(index) <= now {
                return Err(Rejection::CodeExpired);
            }
            Decided::Now(Event::Restored { code, withdrawn_from })
        }
        Amend::Extend(days) => {
            let expires_at = state.expires_at(index).max(now).plus_days(days);
            Decided::Now(Event::Extended { code, expires_at })
        }
    })
}

/// Whether `inviter` may give `code` to `recipient`: it is the inviter's and free, or it was given
/// so before.
pub(super) fn may_give(
    state: &State,
    code: InviteCode,
    inviter: PersonId,
    recipient: PersonId,
    now: Timestamp,
) -> Result<(), Rejection> {
    let index = state.find(code).ok_or(Rejection::UnknownCode)?;
    let (found, issue) = state.code(index);
    let given = issue.holder == Some(inviter) && found.bound == Some(recipient);
    if given || state.free(inviter, now).any(|free| free == code) {
        return Ok(());
    }
    Err(Rejection::NotHolder)
}

/// What a referral means for the inviter's codes.
pub(super) fn on_referred(
    state: &State,
    inviter: PersonId,
    recipient: PersonId,
    bind: Bind,
    now: Timestamp,
) -> Option<Event> {
    let mut free = state.free(inviter, now);
    let code = match bind {
        Bind::Nothing => None,
        Bind::Oldest => free.next(),
        Bind::Code(code) => free.find(|free| *free == code),
    }?;
    Some(Event::Bound { code, person: recipient })
}

/// A code of the inviter's for a recipient whom no reaction to a referral has given one; the one
/// that it has.
pub(super) fn give(
    state: &State,
    inviter: PersonId,
    recipient: PersonId,
    bind: Bind,
    now: Timestamp,
) -> Decided<Event, Option<InviteCode>> {
    let given = state.given(inviter, recipient);
    let wants = given.is_none() && state.member(recipient).is_none();
    let bound = wants.then(|| on_referred(state, inviter, recipient, bind, now)).flatten();
    bound.map_or(Decided::Already(given), Decided::Now)
}

/// The codes that somebody has earned.
pub(super) fn on_rewarded(
    state: &State,
    policy: &Policy,
    holder: PersonId,
    count: u32,
    candidates: &[InviteCode],
    now: Timestamp,
) -> Option<Event> {
    let codes = fresh(state, policy, candidates, count).ok().filter(|codes| !codes.is_empty())?;
    Some(Event::Issued {
        batch: String::from("REWARD"),
        codes,
        bound: None,
        holder: Some(holder),
        expires_at: now.plus_days(policy.expires_days),
        max_uses: 1,
        channel: Channel::Reward,
        forced: false,
    })
}

/// What is taken back of the codes that people hold, the newest first, as far as nobody has them
/// yet. It is told also of those from whom nothing could be taken: they wait for it.
pub(super) fn on_withdrawn(state: &State, withdrawn: &[Withdrawn], now: Timestamp) -> Event {
    let (mut codes, mut people) = (Vec::new(), Vec::new());
    for Withdrawn { person, codes: most, .. } in withdrawn {
        let free: Vec<_> = state.free(*person, now).collect();
        let before = codes.len();
        codes.extend(free.into_iter().rev().take(*most as usize));
        people.push((*person, (codes.len() - before) as u32));
    }
    Event::Withdrawn { codes, people }
}

/// The codes of a wave, one for each of its people.
pub(super) fn on_waved(
    state: &State,
    policy: &Policy,
    batch: &str,
    people: &[PersonId],
    candidates: &[InviteCode],
    expires_at: Timestamp,
) -> Option<Event> {
    let codes = fresh(state, policy, candidates, people.len() as u32).ok()?;
    let codes = codes.into_iter().zip(people.iter().copied()).collect();
    Some(Event::Sent { batch: batch.to_owned(), codes, expires_at })
}

/// What a departure from the list means here: the person is in no more, and no code is kept for it
/// while it signs up. A code that only this person may redeem stays good.
pub(super) fn on_left(state: &State, person: PersonId) -> Vec<Event> {
    let held = state.holds.of_person(person).iter();
    let released = held.map(|&reservation| Event::Released { reservation });
    released.chain(state.member(person).map(|_| Event::Departed { person })).collect()
}

/// The first `count` candidates that were never issued.
fn fresh(
    state: &State,
    policy: &Policy,
    candidates: &[InviteCode],
    count: u32,
) -> Result<Vec<InviteCode>, Rejection> {
    if state.len() + count as usize > policy.codes_max as usize {
        return Err(Rejection::RegistryFull);
    }
    let mut chosen = HashSet::with_capacity(count as usize);
    let unused = |code: &InviteCode| state.find(*code).is_none() && chosen.insert(*code);
    let codes: Vec<_> = candidates.iter().copied().filter(unused).take(count as usize).collect();
    // Only a registry that has nearly used up the codes of that length runs out of candidates.
    if codes.len() < count as usize { Err(Rejection::RegistryFull) } else { Ok(codes) }
}

#[cfg(test)]
mod tests {
    use super::super::apply::apply;
    use super::*;
    use crate::fraud::Marks;

    const ADA: PersonId = PersonId(1);
    const BOB: PersonId = PersonId(2);
    const EVE: PersonId = PersonId(3);

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn code(seed: u8) -> InviteCode {
        InviteCode::from_entropy(&[seed; 16], 12)
    }

    fn issued(seeds: &[u8]) -> Event {
        Event::Issued {
            batch: "B".to_owned(),
            codes: seeds.iter().copied().map(code).collect(),
            bound: None,
            holder: None,
            expires_at: at(0).plus_days(7),
            max_uses: 1,
            channel: Channel::Batch,
            forced: false,
        }
    }

    fn earned(holder: PersonId, seeds: &[u8]) -> Event {
        let state = State::default();
        let candidates: Vec<_> = seeds.iter().copied().map(code).collect();
        let count = seeds.len() as u32;
        on_rewarded(&state, &Policy::default(), holder, count, &candidates, at(0)).expect("codes")
    }

    fn given(events: &[Event]) -> State {
        let mut state = State::default();
        events.iter().for_each(|event| apply(&mut state, event, at(1)));
        state
    }

    fn try_redeem(
        state: &State,
        seed: u8,
        person: PersonId,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        redeem(state, &Redeem { code: code(seed), person, marks: Marks::default() }, now)
            .map(|_| ())
    }

    fn used(seed: u8, person: PersonId) -> Event {
        Event::Redeemed { code: code(seed), person, holder: None, marks: Marks::default() }
    }

    fn wanted(count: u32, gate: Colour, force: bool) -> Generate {
        Generate {
            count,
            batch: "B".to_owned(),
            bound: None,
            expires_days: 7,
            max_uses: 1,
            force,
            gate,
            reasons: vec!["why".to_owned()],
            candidates: (0..20).map(code).collect(),
        }
    }

    fn codes_of(outcome: Result<Decided<Event, Generated>, Rejection>) -> Vec<InviteCode> {
        match outcome {
            Ok(Decided::Now(Event::Issued { codes, .. })) => codes,
            other => panic!("no codes: {other:?}"),
        }
    }

    #[test]
    fn a_batch_takes_no_code_that_was_issued_before_and_none_twice() {
        let state = given(&[issued(&[0, 2])]);
        let mut wanted = wanted(3, Colour::Green, false);
        wanted.candidates.insert(1, code(1));
        let codes = codes_of(generate(&state, &Policy::default(), &wanted, at(5)));
        assert_eq!(codes, [code(1), code(3), code(4)]);
    }

    #[test]
    fn the_gate_halves_or_stops_a_batch_unless_it_is_forced() {
        let decide = |colour, force| {
            generate(&given(&[]), &Policy::default(), &wanted(5, colour, force), at(5))
        };
        assert_eq!(codes_of(decide(Colour::Green, false)).len(), 5);
        assert_eq!(codes_of(decide(Colour::Yellow, false)).len(), 3);
        let reasons = vec!["why".to_owned()];
        assert_eq!(decide(Colour::Red, false), Err(Rejection::InvitesPaused { reasons }));
        assert_eq!(codes_of(decide(Colour::Red, true)).len(), 5);
    }

    #[test]
    fn a_full_registry_issues_nothing() {
        let policy = Policy { codes_max: 4, ..Policy::default() };
        let outcome = generate(&given(&[]), &policy, &wanted(5, Colour::Green, false), at(5));
        assert_eq!(outcome, Err(Rejection::RegistryFull));
    }

    #[test]
    fn a_code_is_redeemed_once_and_the_same_person_gets_the_same_answer_for_a_day() {
        let state = given(&[issued(&[1]), used(1, ADA)]);
        let again =
            redeem(&state, &Redeem { code: code(1), person: ADA, marks: Marks::default() }, at(9));
        let (at_1, issued_at) = (at(1), at(1));
        let same = Redeemed { at: at_1, issued_at, already: true };
        assert_eq!(again, Ok(Decided::Already(same)));
        assert_eq!(try_redeem(&state, 1, BOB, at(9)), Err(Rejection::CodeUsed));
        assert_eq!(try_redeem(&state, 1, ADA, at(1).plus_days(1)), Err(Rejection::CodeUsed));
    }

    #[test]
    fn a_code_for_many_is_good_for_exactly_that_many() {
        let mut event = issued(&[1]);
        if let Event::Issued { max_uses, .. } = &mut event {
            *max_uses = 2;
        }
        let mut state = given(&[event, used(1, ADA)]);
        assert_eq!(try_redeem(&state, 1, BOB, at(9)), Ok(()));
        apply(&mut state, &used(1, BOB), at(9));
        assert_eq!(try_redeem(&state, 1, EVE, at(9)), Err(Rejection::CodeUsed));
    }

    #[test]
    fn a_code_that_is_unknown_out_of_time_or_somebody_elses_is_refused() {
        let state = given(&[issued(&[1]), earned(EVE, &[2])]);
        assert_eq!(try_redeem(&state, 9, ADA, at(9)), Err(Rejection::UnknownCode));
        let end = at(0).plus_days(7);
        assert_eq!(try_redeem(&state, 1, ADA, at(end.micros() - 1)), Ok(()));
        assert_eq!(try_redeem(&state, 1, ADA, end), Err(Rejection::CodeExpired));
        let mut state = state;
        apply(&mut state, &Event::Bound { code: code(2), person: BOB }, at(3));
        assert_eq!(try_redeem(&state, 2, ADA, at(9)), Err(Rejection::CodeBound));
        assert_eq!(try_redeem(&state, 2, BOB, at(9)), Ok(()));
    }

    #[test]
    fn a_member_redeems_no_second_code_until_departed() {
        let mut state = given(&[issued(&[1, 2]), used(1, ADA)]);
        assert_eq!(try_redeem(&state, 2, ADA, at(9)), Err(Rejection::AlreadyMember));
        let events = on_left(&state, ADA);
        assert_eq!(events, [Event::Departed { person: ADA }]);
        events.iter().for_each(|event| apply(&mut state, event, at(9)));
        assert_eq!(try_redeem(&state, 2, ADA, at(9)), Ok(()));
        assert_eq!(on_left(&state, BOB), []);
    }

    #[test]
    fn for_somebody_who_leaves_no_code_is_held_any_more() {
        let mut state = given(&[issued(&[1, 2])]);
        for (number, seed) in [(7, 1), (8, 2)] {
            let (reservation, until) = (Uuid(number), at(60));
            let (code, marks) = (code(seed), Marks::default());
            let held = Event::Reserved { reservation, code, person: ADA, until, marks };
            apply(&mut state, &held, at(1));
        }
        let events = on_left(&state, ADA);
        assert_eq!(events, [7, 8].map(|number| Event::Released { reservation: Uuid(number) }));
        events.iter().for_each(|event| apply(&mut state, event, at(9)));
        assert_eq!(confirm(&state, Uuid(7), at(9)), Err(Rejection::ReservationReleased));
        assert_eq!(try_redeem(&state, 2, BOB, at(9)), Ok(()));
    }

    #[test]
    fn a_friend_without_a_code_is_given_one_and_no_second() {
        let mut state = given(&[earned(ADA, &[1, 2]), issued(&[3]), used(3, EVE)]);
        let give = |state: &State, person| give(state, ADA, person, Bind::Oldest, at(9));
        let Decided::Now(event) = give(&state, BOB) else { panic!("bob has none") };
        assert_eq!(event, Event::Bound { code: code(1), person: BOB });
        apply(&mut state, &event, at(9));
        assert_eq!(give(&state, BOB), Decided::Already(Some(code(1))));
        assert_eq!(give(&state, EVE), Decided::Already(None), "eve is in");
    }

    #[test]
    fn sharing_gives_away_the_oldest_free_code_or_the_named_one_and_none_twice() {
        let mut state = given(&[earned(ADA, &[1, 2, 3])]);
        let bind = |state: &State, bind| on_referred(state, ADA, BOB, bind, at(9));
        let first = bind(&state, Bind::Oldest).expect("a code");
        assert_eq!(first, Event::Bound { code: code(1), person: BOB });
        apply(&mut state, &first, at(9));
        assert_eq!(bind(&state, Bind::Code(code(1))), None);
        assert_eq!(
            bind(&state, Bind::Code(code(3))),
            Some(Event::Bound { code: code(3), person: BOB })
        );
        assert_eq!(bind(&state, Bind::Nothing), None);
        assert_eq!(state.given(ADA, BOB), Some(code(1)));
        assert_eq!(may_give(&state, code(1), ADA, BOB, at(9)), Ok(()));
        assert_eq!(may_give(&state, code(1), ADA, EVE, at(9)), Err(Rejection::NotHolder));
        assert_eq!(may_give(&state, code(2), EVE, BOB, at(9)), Err(Rejection::NotHolder));
        assert_eq!(may_give(&state, code(9), ADA, BOB, at(9)), Err(Rejection::UnknownCode));
        assert_eq!(on_referred(&state, ADA, BOB, Bind::Oldest, at(0).plus_days(7)), None);
    }

    #[test]
    fn every_code_counts_in_one_state() {
        let mut state = given(&[issued(&[1, 2, 3]), earned(ADA, &[4])]);
        apply(&mut state, &used(1, ADA), at(2));
        let stats = state.stats(at(3));
        assert_eq!((stats.active, stats.used, stats.expired), (3, 1, 0));
        let later = state.stats(at(0).plus_days(7));
        assert_eq!((later.active, later.used, later.expired), (0, 1, 3));
        assert_eq!((stats.issued, stats.redemptions), ([3, 1, 0], 1));
    }

    fn reserved(state: &State, id: u128, seed: u8, person: PersonId, now: Timestamp) -> Event {
        let command = Reserve {
            reservation: Uuid(id),
            code: code(seed),
            person,
            seconds: 60,
            marks: Marks::default(),
        };
        match reserve(state, &command, now) {
            Ok(Decided::Now(event)) => event,
            other => panic!("no hold: {other:?}"),
        }
    }

    fn held(seed: u8, person: PersonId) -> State {
        let mut state = given(&[issued(&[1, 2])]);
        let event = reserved(&state, 7, seed, person, at(1));
        apply(&mut state, &event, at(1));
        state
    }

    #[test]
    fn a_held_code_is_the_holders_alone_until_the_hold_ends() {
        let state = held(1, ADA);
        let end = at(1).plus_seconds(60);
        assert_eq!(state.status(0, at(2)), CodeStatus::Reserved);
        assert_eq!(try_redeem(&state, 1, BOB, at(2)), Err(Rejection::CodeReserved));
        assert_eq!(try_redeem(&state, 1, ADA, at(2)), Ok(()));
        assert_eq!(try_redeem(&state, 1, BOB, end), Ok(()));
        assert_eq!(state.status(0, end), CodeStatus::Active);
        let again = Reserve {
            reservation: Uuid(8),
            code: code(1),
            person: ADA,
            seconds: 99,
            marks: Marks::default(),
        };
        let same = Reserved { reservation: Uuid(7), until: end, already: true };
        assert_eq!(reserve(&state, &again, at(2)), Ok(Decided::Already(same)));
    }

    #[test]
    fn a_hold_is_confirmed_once_and_then_says_the_same_again() {
        let mut state = held(1, ADA);
        let Ok(Decided::Now(event)) = confirm(&state, Uuid(7), at(5)) else { panic!("confirms") };
        assert_eq!(event, used(1, ADA));
        apply(&mut state, &event, at(5));
        let same = Redeemed { at: at(5), issued_at: at(1), already: true };
        assert_eq!(confirm(&state, Uuid(7), at(9)), Ok(Decided::Already(same)));
        assert_eq!(release(&state, Uuid(7), at(9)), Err(Rejection::ReservationConfirmed));
        assert_eq!(state.status(0, at(9)), CodeStatus::Used);
    }

    #[test]
    fn a_released_hold_frees_the_code_for_the_next_caller() {
        let mut state = held(1, ADA);
        let Ok(Decided::Now(event)) = release(&state, Uuid(7), at(5)) else { panic!("releases") };
        apply(&mut state, &event, at(5));
        assert_eq!(release(&state, Uuid(7), at(6)), Ok(Decided::Already(())));
        assert_eq!(confirm(&state, Uuid(7), at(6)), Err(Rejection::ReservationReleased));
        assert_eq!(try_redeem(&state, 1, BOB, at(6)), Ok(()));
    }

    #[test]
    fn a_hold_that_is_over_or_unknown_is_not_confirmed() {
        let state = held(1, ADA);
        let end = at(1).plus_seconds(60);
        assert_eq!(confirm(&state, Uuid(7), end), Err(Rejection::ReservationExpired));
        assert_eq!(release(&state, Uuid(7), end), Ok(Decided::Already(())));
        assert_eq!(confirm(&state, Uuid(1), at(2)), Err(Rejection::UnknownReservation));
    }

    #[test]
    fn a_hold_ends_with_its_code_at_the_latest() {
        let state = given(&[issued(&[1])]);
        let end = at(0).plus_days(7);
        let event = reserved(&state, 7, 1, ADA, at(end.micros() - 5));
        assert!(matches!(event, Event::Reserved { until, .. } if until == end));
    }

    #[test]
    fn a_revoked_code_is_good_again_when_it_is_restored() {
        let mut state = held(1, ADA);
        for (change, ends_as) in
            [(Amend::Revoke, CodeStatus::Revoked), (Amend::Restore, CodeStatus::Reserved)]
        {
            let Ok(Decided::Now(event)) = amend(&state, code(1), change, at(5)) else {
                panic!("something changes")
            };
            apply(&mut state, &event, at(5));
            assert_eq!(state.status(0, at(6)), ends_as);
            assert_eq!(amend(&state, code(1), change, at(6)), Ok(Decided::Already(())));
            if change == Amend::Revoke {
                assert_eq!(confirm(&state, Uuid(7), at(6)), Err(Rejection::CodeRevoked));
                assert_eq!(try_redeem(&state, 1, ADA, at(6)), Err(Rejection::CodeRevoked));
            }
        }
    }

    #[test]
    fn a_code_that_was_withdrawn_comes_back_to_whose_reward_it_was() {
        let mut state = given(&[earned(ADA, &[1, 2])]);
        let restore = |state: &State, seed| amend(state, code(seed), Amend::Restore, at(5));
        let restored = |seed, withdrawn_from| Event::Restored { code: code(seed), withdrawn_from };
        apply(&mut state, &Event::Revoked { code: code(1) }, at(3));
        let withdrawn = Withdrawn { person: ADA, rewards: Vec::new(), codes: 9 };
        let event = on_withdrawn(&state, &[withdrawn], at(4));
        apply(&mut state, &event, at(4));
        assert_eq!(restore(&state, 1), Ok(Decided::Now(restored(1, None))), "by hand");
        assert_eq!(restore(&state, 2), Ok(Decided::Now(restored(2, Some(ADA)))));
        apply(&mut state, &restored(2, Some(ADA)), at(6));
        assert_eq!(restore(&state, 2), Ok(Decided::Already(())));
        assert_eq!(state.free(ADA, at(7)).collect::<Vec<_>>(), [code(2)]);
    }

    #[test]
    fn a_code_that_has_expired_meanwhile_is_extended_before_it_is_restored() {
        let mut state = given(&[earned(ADA, &[1])]);
        let withdrawn = Withdrawn { person: ADA, rewards: Vec::new(), codes: 9 };
        let event = on_withdrawn(&state, &[withdrawn], at(4));
        apply(&mut state, &event, at(4));
        let late = at(0).plus_days(9);
        let restore = |state: &State| amend(state, code(1), Amend::Restore, late);
        assert_eq!(restore(&state), Err(Rejection::CodeExpired));
        let expires_at = at(0).plus_days(12);
        apply(&mut state, &Event::Extended { code: code(1), expires_at }, late);
        let restored = Event::Restored { code: code(1), withdrawn_from: Some(ADA) };
        assert_eq!(restore(&state), Ok(Decided::Now(restored)));
    }

    #[test]
    fn a_code_that_is_extended_lasts_longer_and_an_expired_one_from_now() {
        let mut state = given(&[issued(&[1, 2])]);
        let expired = at(0).plus_days(9);
        for (seed, now, until) in
            [(1, at(5), at(0).plus_days(10)), (2, expired, at(0).plus_days(12))]
        {
            let Ok(Decided::Now(event)) = amend(&state, code(seed), Amend::Extend(3), now) else {
                panic!("it gets more time")
            };
            assert_eq!(event, Event::Extended { code: code(seed), expires_at: until });
            apply(&mut state, &event, now);
        }
        assert_eq!(try_redeem(&state, 1, ADA, expired), Ok(()));
        apply(&mut state, &used(1, ADA), expired);
        let spent = amend(&state, code(1), Amend::Revoke, expired);
        assert_eq!(spent, Err(Rejection::CodeUsed));
    }
}
