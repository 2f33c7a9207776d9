//! The graph on disk. Version 1: edges, members, rewards, counters. Version 2: behind that, the
//! mailboxes that are written in more than one way. Version 3: edges with the shape of an address;
//! and behind all that, who is suspected, credits, who waits for the gate, what was taken back, and
//! where the newest came in from. Version 4: of that, fewer codes than none. Version 5: behind it,
//! of how many withdrawals the registry of codes has not told yet.

use std::convert::identity;
use std::io;

use crate::fraud::{Origin, Signals};
use crate::ids::{PersonId, Timestamp, Uuid};
use crate::image::{ImageReader, ImageWriter};
use crate::record::Unreadable;

use super::event::{Reward, RewardKind};
use super::state::{Brought, Member, ReferralState, State};
use super::suspects::{Suspect, Verdict};

/// Id, inviter, recipient, state, since.
type EdgeV1 = (u128, u128, u128, u8, i64);
/// As before, and the shape.
type EdgeV3 = (EdgeV1, u32);
/// When, from which site and network.
type ArrivalV3 = (i64, u64, u64);
/// Person, signals, verdict, since when withheld, states that the verdict hides.
type SuspectV3 = (u128, u16, u8, Option<i64>, [Option<u8>; 2]);
/// Person, since, state, last seen.
type MemberV1 = (u128, i64, u8, i64);
/// Rule, kind, amount, reason, when.
type RewardV1 = (String, u8, u32, String, i64);

pub(super) fn save(state: &State, out: &mut ImageWriter<'_>) -> io::Result<()> {
    out.list(state.brought().map(edge))?;
    let mut members: Vec<MemberV1> = state.members.iter().map(member).collect();
    members.sort_unstable();
    out.list(members.into_iter())?;
    let mut granted: Vec<_> = state.rewards.granted.iter().collect();
    granted.sort_unstable_by_key(|(person, _)| **person);
    out.list(granted.into_iter().map(rewards))?;
    out.put(&(state.shares, state.conversions))?;
    let mailboxes = state.spellings.list().into_iter();
    out.list(mailboxes.map(|(person, mailbox)| (person.get(), mailbox.get())))?;
    out.list(state.suspects.list().iter().map(suspect))?;
    for balance in [&state.credits, &state.points] {
        let mut balance: Vec<(u128, i32)> = balance.iter().map(balanced).collect();
        balance.sort_unstable();
        out.list(balance.into_iter())?;
    }
    let rewards = &state.rewards;
    out.list(rewards.held.iter().map(|person| person.get()))?;
    out.list(rewards.lost.iter().map(|(person, rules)| (person.get(), rules)))?;
    out.list(rewards.reclaimed.iter().map(|(person, codes)| (person.get(), *codes)))?;
    out.list(state.arrivals.iter().map(arrival))?;
    out.put(&state.gate_open)?;
    out.list(rewards.awaited.iter().map(|(person, count)| (person.get(), *count)))
}

/// What tells a state from another one, without a walk over the whole graph.
pub(super) fn fingerprint(state: &State, turn: u64, out: &mut ImageWriter<'_>) -> io::Result<()> {
    out.sampled_list(turn, state.len(), |index| edge(state.nth_brought(index)))?;
    out.sampled_map(turn, state.members.iter().map(|found| (found.0.number(), found)), member)?;
    let granted = state.rewards.granted.iter();
    out.sampled_map(turn, granted.map(|found| (found.0.number(), found)), rewards)?;
    out.put(&(state.shares, state.conversions))?;
    let mailboxes = state.spellings.iter();
    out.sampled_map(turn, mailboxes.map(|found| (found.0.number(), found)), identity)?;
    let suspects = state.suspects.iter();
    out.sampled_map(turn, suspects.map(|found| (found.0.number(), found)), suspect)?;
    for balance in [&state.credits, &state.points] {
        out.sampled_map(turn, balance.iter().map(|found| (found.0.number(), found)), balanced)?;
    }
    let due = &state.rewards;
    out.sampled_map(turn, due.held.iter().map(|person| (person.number(), person)), identity)?;
    out.sampled_map(turn, due.lost.iter().map(|pair| (pair.0.number(), pair)), identity)?;
    out.sampled_map(turn, due.reclaimed.iter().map(|pair| (pair.0.number(), pair)), identity)?;
    out.sampled_map(turn, due.awaited.iter().map(|pair| (pair.0.number(), pair)), identity)?;
    let nth_arrival = |index| state.arrivals.iter().nth(index).map(arrival);
    out.sampled_list(turn, state.arrivals.iter().len(), nth_arrival)?;
    out.put(&state.gate_open)
}

fn edge(edge: Brought) -> EdgeV3 {
    let (inviter, recipient) = (edge.inviter.get(), edge.recipient.get());
    let first = (edge.id.0, inviter, recipient, edge.state.number(), edge.at.micros());
    (first, edge.shape)
}

fn member((id, member): (&PersonId, &Member)) -> MemberV1 {
    let Member { since, state, seen } = member;
    (id.get(), since.micros(), state.number(), seen.micros())
}

fn rewards((person, rewards): (&PersonId, &Vec<Reward>)) -> (u128, Vec<RewardV1>) {
    (person.get(), rewards.iter().map(reward).collect())
}

fn suspect((person, suspect): (&PersonId, &Suspect)) -> SuspectV3 {
    let Suspect { signals, verdict, withheld, life } = suspect;
    let withheld = withheld.map(Timestamp::micros);
    let life = life.map(|state| state.map(ReferralState::number));
    (person.get(), signals.bits(), verdict.number(), withheld, life)
}

fn balanced((person, points): (&PersonId, &i32)) -> (u128, i32) {
    (person.get(), *points)
}

fn arrival((at, from): &(Timestamp, Origin)) -> ArrivalV3 {
    (at.micros(), from.site, from.network)
}

/// Reads any version.
pub(super) fn restore(version: u16, input: &mut ImageReader<'_>) -> Result<State, Unreadable> {
    let mut state = State::default();
    let mut link = |(id, inviter, recipient, number, at): EdgeV1, shape| {
        state.link(Brought {
            id: Uuid(id),
            inviter: PersonId(inviter),
            recipient: PersonId(recipient),
            state: referral_state(number)?,
            at: Timestamp::from_micros(at),
            shape,
            withheld: false,
        });
        Ok(())
    };
    if version < 3 {
        input.list(|edge: EdgeV1| link(edge, 0))?;
    } else {
        input.list(|(edge, shape): EdgeV3| link(edge, shape))?;
    }
    input.list(|(person, since, number, seen): MemberV1| {
        let (since, seen) = (Timestamp::from_micros(since), Timestamp::from_micros(seen));
        let member = Member { since, state: referral_state(number)?, seen };
        state.put_member(PersonId(person), member);
        Ok(())
    })?;
    input.list(|(person, rewards): (u128, Vec<RewardV1>)| {
        let rewards = rewards.into_iter().map(reward_back).collect::<Result<_, _>>()?;
        state.rewards.granted.insert(PersonId(person), rewards);
        Ok(())
    })?;
    (state.shares, state.conversions) = input.take()?;
    if version > 1 {
        input.list(|(person, mailbox): (u128, u128)| {
            state.spellings.note(PersonId(person), PersonId(mailbox));
            Ok(())
        })?;
    }
    if version > 2 {
        suspected(version, &mut state, input)?;
    }
    Ok(state)
}

fn suspected(
    version: u16,
    state: &mut State,
    input: &mut ImageReader<'_>,
) -> Result<(), Unreadable> {
    input.list(|(person, signals, verdict, withheld, [edge, member]): SuspectV3| {
        let verdict = Verdict::from_number(verdict)
            .ok_or_else(|| Unreadable::new(format!("verdict {verdict}")))?;
        let signals = Signals::from_bits(signals);
        let withheld = withheld.map(Timestamp::from_micros);
        let life = [edge.map(referral_state).transpose()?, member.map(referral_state).transpose()?];
        let suspect = Suspect { signals, verdict, withheld, life };
        state.put_suspect(PersonId(person), suspect);
        Ok(())
    })?;
    input.list(|(person, points)| {
        state.credits.insert(PersonId(person), points);
        Ok(())
    })?;
    input.list(|(person, points)| {
        state.points.insert(PersonId(person), points);
        Ok(())
    })?;
    input.list(|person| {
        state.rewards.held.insert(PersonId(person));
        Ok(())
    })?;
    input.list(|(person, rules)| {
        state.rewards.lost.insert(PersonId(person), rules);
        Ok(())
    })?;
    let mut reclaimed = |person, codes| {
        state.rewards.reclaimed.insert(PersonId(person), codes);
        Ok(())
    };
    if version < 4 {
        input.list(|(person, codes): (u128, u32)| reclaimed(person, codes.into()))?;
    } else {
        input.list(|(person, codes): (u128, i64)| reclaimed(person, codes))?;
    }
    input.list(|(at, site, network): ArrivalV3| {
        state.arrivals.note(Origin { site, network }, Timestamp::from_micros(at));
        Ok(())
    })?;
    state.gate_open = input.take()?;
    if version > 4 {
        input.list(|(person, count)| {
            state.rewards.awaited.insert(PersonId(person), count);
            Ok(())
        })?;
    }
    Ok(())
}

fn reward(reward: &Reward) -> RewardV1 {
    let Reward { rule, kind, amount, reason, at } = reward;
    (rule.clone(), *kind as u8, *amount, reason.clone(), at.micros())
}

fn reward_back((rule, kind, amount, reason, at): RewardV1) -> Result<Reward, Unreadable> {
    let known = RewardKind::ALL.get(usize::from(kind)).copied();
    let kind = known.ok_or_else(|| Unreadable::new(format!("reward kind {kind}")))?;
    Ok(Reward { rule, kind, amount, reason, at: Timestamp::from_micros(at) })
}

fn referral_state(number: u8) -> Result<ReferralState, Unreadable> {
    ReferralState::from_number(number)
        .ok_or_else(|| Unreadable::new(format!("referral state {number}")))
}

#[cfg(test)]
mod tests {
    use super::super::apply::apply;
    use super::super::{Bind, Event};
    use super::*;

    #[test]
    fn versions_1_and_2_still_open() {
        let mut state = State::default();
        let people = [PersonId(2), PersonId(3)];
        let event = Event::referral(Uuid(1), people, ReferralState::Redeemed, Bind::Oldest);
        apply(&mut state, &event, Timestamp::from_micros(4));
        let mut old = Vec::new();
        let out = &mut ImageWriter(&mut old);
        let edge: EdgeV1 = (1, 2, 3, ReferralState::Redeemed.number(), 4);
        out.list([edge].into_iter()).expect("memory takes everything");
        let member: MemberV1 = (3, 4, ReferralState::Redeemed.number(), 4);
        out.list([member].into_iter()).expect("memory takes everything");
        out.list([0_u8; 0].into_iter()).expect("memory takes everything");
        out.put(&(1_u64, 1_u64)).expect("memory takes everything");
        let read = |version, bytes: &[u8]| restore(version, &mut ImageReader(&mut &*bytes));
        assert_eq!(read(1, &old).expect("version 1").digest(), state.digest());
        assert!(read(2, &old).is_err(), "cut short");
        ImageWriter(&mut old).list([(6_u128, 5_u128)].into_iter()).expect("memory");
        state.spellings.note(PersonId(6), PersonId(5));
        assert_eq!(read(2, &old).expect("version 2").digest(), state.digest());
        assert!(read(3, &old).is_err(), "cut short");
    }

    #[test]
    fn in_version_4_no_registry_is_awaited() {
        let mut state = State::default();
        state.rewards.reclaim(PersonId(7), -2);
        let mut bytes = Vec::new();
        save(&state, &mut ImageWriter(&mut bytes)).expect("memory takes everything");
        let mut end = Vec::new();
        ImageWriter(&mut end).list([0_u8; 0].into_iter()).expect("memory takes everything");
        bytes.truncate(bytes.len() - end.len());
        let read = |version| restore(version, &mut ImageReader(&mut bytes.as_slice()));
        assert_eq!(read(4).expect("version 4").digest(), state.digest());
        assert!(read(5).is_err(), "cut short");
    }

    #[test]
    fn codes_that_version_3_reclaimed_are_as_many() {
        let mut state = State::default();
        let none = |out: &mut ImageWriter<'_>| out.list([0_u8; 0].into_iter());
        let mut old = Vec::new();
        save(&state, &mut ImageWriter(&mut old)).expect("memory takes everything");
        let mut end = Vec::new();
        none(&mut ImageWriter(&mut end)).expect("memory takes everything");
        old.truncate(old.len() - 3 * end.len());
        let mut gate = Vec::new();
        ImageWriter(&mut gate).put(&state.gate_open).expect("memory takes everything");
        old.truncate(old.len() - gate.len());
        let out = &mut ImageWriter(&mut old);
        out.list([(7_u128, 2_u32)].into_iter()).expect("memory takes everything");
        none(out).expect("memory takes everything");
        out.put(&state.gate_open).expect("memory takes everything");
        state.rewards.reclaim(PersonId(7), 2);
        let read = restore(3, &mut ImageReader(&mut old.as_slice())).expect("version 3");
        assert_eq!(read.digest(), state.digest());
    }
}
