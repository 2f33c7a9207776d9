//! The rules of codes. The order of the refusals is their precedence.

use std::collections::HashSet;

use crate::cell::Decided;
use crate::ids::{InviteCode, PersonId, Timestamp};
use crate::quality::Colour;
use crate::referrals::Bind;

use super::command::{Generate, Generated, Redeem, Redeemed};
use super::state::State;
use super::{Channel, CodeStatus, Event, Policy, Rejection};

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
    let (code, issue) = state.code(index);
    let member = state.member(redeem.person);
    if let Some(member) = member
        && member.code == index
        && now < member.at.plus_days(1)
    {
        let (at, issued_at) = (member.at, issue.created_at);
        return Ok(Decided::Already(Redeemed { at, issued_at, already: true }));
    }
    match state.status(index, now) {
        CodeStatus::Active => {}
        CodeStatus::Used => return Err(Rejection::CodeUsed),
        CodeStatus::Expired => return Err(Rejection::CodeExpired),
        CodeStatus::Revoked => return Err(Rejection::CodeRevoked),
    }
    if code.bound.is_some_and(|bound| bound != redeem.person) {
        return Err(Rejection::CodeBound);
    }
    if member.is_some() {
        return Err(Rejection::AlreadyMember);
    }
    Ok(Decided::Now(Event::Redeemed {
        code: redeem.code,
        person: redeem.person,
        holder: issue.holder,
    }))
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

/// What a departure from the list means here.
pub(super) fn on_left(state: &State, person: PersonId) -> Option<Event> {
    state.member(person).map(|_| Event::Departed { person })
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
        redeem(state, &Redeem { code: code(seed), person }, now).map(|_| ())
    }

    fn used(seed: u8, person: PersonId) -> Event {
        Event::Redeemed { code: code(seed), person, holder: None }
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
        let again = redeem(&state, &Redeem { code: code(1), person: ADA }, at(9));
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
        let event = on_left(&state, ADA).expect("a member leaves");
        apply(&mut state, &event, at(9));
        assert_eq!(try_redeem(&state, 2, ADA, at(9)), Ok(()));
        assert_eq!(on_left(&state, BOB), None);
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
        assert_eq!((stats.issued, stats.redemptions), ([3, 1], 1));
    }
}
