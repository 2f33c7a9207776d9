//! The graph on disk. Version 1: edges, members, rewards, counters. Version 2: behind that, the
//! mailboxes that are written in more than one way.

use std::io;

use crate::ids::{PersonId, Timestamp, Uuid};
use crate::image::{ImageReader, ImageWriter};
use crate::record::Unreadable;

use super::event::{Reward, RewardKind};
use super::state::{Brought, Member, ReferralState, State};

/// Id, inviter, recipient, state, since.
type EdgeV1 = (u128, u128, u128, u8, i64);
/// Person, since, state, last seen.
type MemberV1 = (u128, i64, u8, i64);
/// Rule, kind, amount, reason, when.
type RewardV1 = (String, u8, u32, String, i64);

pub(super) fn save(state: &State, out: &mut ImageWriter<'_>) -> io::Result<()> {
    out.list(state.brought().map(|edge| -> EdgeV1 {
        let (inviter, recipient) = (edge.inviter.get(), edge.recipient.get());
        (edge.id.0, inviter, recipient, edge.state.number(), edge.at.micros())
    }))?;
    let members = state.members.iter().map(|(id, member)| -> MemberV1 {
        let Member { since, state, seen } = member;
        (id.get(), since.micros(), state.number(), seen.micros())
    });
    let mut members: Vec<MemberV1> = members.collect();
    members.sort_unstable();
    out.list(members.into_iter())?;
    let mut granted: Vec<_> = state.granted.iter().collect();
    granted.sort_unstable_by_key(|(person, _)| **person);
    out.list(granted.into_iter().map(|(person, rewards)| {
        let rewards: Vec<RewardV1> = rewards.iter().map(reward).collect();
        (person.get(), rewards)
    }))?;
    out.put(&(state.shares, state.conversions))?;
    let mailboxes = state.spellings.list().into_iter();
    out.list(mailboxes.map(|(person, mailbox)| (person.get(), mailbox.get())))
}

/// Reads version 1 or 2.
pub(super) fn restore(version: u16, input: &mut ImageReader<'_>) -> Result<State, Unreadable> {
    let mut state = State::default();
    input.list(|(id, inviter, recipient, number, at): EdgeV1| {
        state.link(Brought {
            id: Uuid(id),
            inviter: PersonId(inviter),
            recipient: PersonId(recipient),
            state: referral_state(number)?,
            at: Timestamp::from_micros(at),
        });
        Ok(())
    })?;
    input.list(|(person, since, number, seen): MemberV1| {
        let (since, seen) = (Timestamp::from_micros(since), Timestamp::from_micros(seen));
        let member = Member { since, state: referral_state(number)?, seen };
        state.put_member(PersonId(person), member);
        Ok(())
    })?;
    input.list(|(person, rewards): (u128, Vec<RewardV1>)| {
        let rewards = rewards.into_iter().map(reward_back).collect::<Result<_, _>>()?;
        state.granted.insert(PersonId(person), rewards);
        Ok(())
    })?;
    (state.shares, state.conversions) = input.take()?;
    if version > 1 {
        input.list(|(person, mailbox): (u128, u128)| {
            state.spellings.note(PersonId(person), PersonId(mailbox));
            Ok(())
        })?;
    }
    Ok(state)
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
    fn version_1_is_version_2_without_mailboxes_and_still_opens() {
        let mut state = State::default();
        let event = Event::Referred {
            id: Uuid(1),
            inviter: PersonId(2),
            recipient: PersonId(3),
            state: ReferralState::Redeemed,
            bind: Bind::Oldest,
            mailboxes: [None; 2],
        };
        apply(&mut state, &event, Timestamp::from_micros(4));
        let mut bytes = Vec::new();
        save(&state, &mut ImageWriter(&mut bytes)).expect("memory takes everything");
        let whole = restore(2, &mut ImageReader(&mut bytes.as_slice())).expect("version 2");
        assert_eq!(whole.digest(), state.digest());
        bytes.truncate(bytes.len() - size_of::<u64>());
        let old = restore(1, &mut ImageReader(&mut bytes.as_slice())).expect("version 1");
        assert_eq!(old.digest(), state.digest());
        assert!(restore(2, &mut ImageReader(&mut bytes.as_slice())).is_err(), "cut short");
    }
}
