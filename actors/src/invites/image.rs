//! The code registry on disk. Version 1: issues, codes, members, counters. Version 2 adds the batch
//! of an issue, codes that were revoked or extended, holds and waves; version 3 what the address of
//! a hold showed; version 4 whether a code was taken back by hand or with a reward.

use std::io;

use crate::fraud::Marks;
use crate::ids::{InviteCode, PersonId, Timestamp, Uuid};
use crate::image::{ImageReader, ImageWriter};
use crate::record::Unreadable;

use super::event::Channel;
use super::holds::{Hold, Outcome};
use super::state::{Code, Issue, Member, State, Taken};

/// Created at, expires at, uses at most, holder.
type IssueV1 = (i64, i64, u32, Option<u128>);
/// Batch, channel, and the rest.
type IssueV2 = (String, u8, IssueV1);
/// Code, bound to, number of its issue, uses.
type CodeV1 = (InviteCode, Option<u128>, u32, u32);
/// As before, whether revoked, and an expiry of its own.
type CodeV2 = (CodeV1, bool, Option<i64>);
/// The same, with how it was taken back.
type CodeV4 = (CodeV1, u8, Option<i64>);
/// Person, number of the code, since.
type MemberV1 = (u128, u32, i64);
/// Id, number of the code, person, until, outcome.
type HoldV2 = (u128, u32, u128, i64, u8);
/// As before, and the marks.
type HoldV3 = (HoldV2, Marks);
/// Batch, first code, and the one behind the last.
type WaveV2 = (String, u32, u32);

pub(super) fn save(state: &State, out: &mut ImageWriter<'_>) -> io::Result<()> {
    out.list(state.issues.iter().map(issue))?;
    out.list((0..state.codes.len()).map(|index| code(state, index)))?;
    let mut members: Vec<MemberV1> = state.members.iter().map(member).collect();
    members.sort_unstable();
    out.list(members.into_iter())?;
    out.list(state.holds.iter().map(hold))?;
    waves(state, out)
}

/// What tells a state from another one, without a walk over all codes.
pub(super) fn fingerprint(state: &State, turn: u64, out: &mut ImageWriter<'_>) -> io::Result<()> {
    out.sampled_list(turn, state.issues.len(), |index| issue(&state.issues[index]))?;
    out.sampled_list(turn, state.codes.len(), |index| code(state, index))?;
    // Of all codes, so that one that is not looked at shows here.
    out.put(&(state.used, state.revoked, state.extended.len() as u64))?;
    out.sampled_map(turn, state.members.iter().map(|found| (found.0.number(), found)), member)?;
    out.sampled_map(turn, state.holds.unordered().map(|found| (found.0.0 as u64, found)), hold)?;
    waves(state, out)
}

fn issue(issue: &Issue) -> IssueV2 {
    let holder = issue.holder.map(PersonId::get);
    let times = (issue.created_at.micros(), issue.expires_at.micros());
    let rest = (times.0, times.1, issue.max_uses, holder);
    (issue.batch.to_string(), issue.channel as u8, rest)
}

fn code(state: &State, index: usize) -> CodeV4 {
    let code = state.codes[index];
    let extended = state.extended.get(index as u32).map(|at| at.micros());
    let first = (code.code, code.bound.map(PersonId::get), code.issue, code.uses);
    (first, code.taken.number(), extended)
}

fn member((id, member): (&PersonId, &Member)) -> MemberV1 {
    (id.get(), member.code, member.at.micros())
}

fn hold((id, hold): (Uuid, Hold)) -> HoldV3 {
    let (person, until) = (hold.person.get(), hold.until.micros());
    ((id.0, hold.code, person, until, hold.outcome.number()), hold.marks)
}

fn waves(state: &State, out: &mut ImageWriter<'_>) -> io::Result<()> {
    out.list(
        state
            .waves
            .iter()
            .map(|(batch, &(first, end))| -> WaveV2 { (batch.to_string(), first, end) }),
    )?;
    out.put(&(state.issued, state.redemptions))
}

/// Reads version 2, 3 or 4.
pub(super) fn restore(version: u16, input: &mut ImageReader<'_>) -> Result<State, Unreadable> {
    let mut state = State::default();
    input.list(|(batch, channel, issue): IssueV2| {
        let channel = match channel {
            0 => Channel::Batch,
            1 => Channel::Reward,
            2 => Channel::Wave,
            _ => return Err(Unreadable::new(format!("channel {channel} of codes"))),
        };
        state.issues.push(restored(batch, channel, issue));
        Ok(())
    })?;
    if version < 4 {
        input.list(|(code, revoked, extended): CodeV2| {
            let taken = if revoked { Taken::Back } else { Taken::Not };
            put_back(&mut state, code, taken, extended)
        })?;
    } else {
        input.list(|(code, taken, extended): CodeV4| {
            let taken = Taken::from_number(taken)
                .ok_or_else(|| Unreadable::new(format!("a code taken back as {taken}")))?;
            put_back(&mut state, code, taken, extended)
        })?;
    }
    members(&mut state, input)?;
    let mut hold = |(id, code, person, until, outcome): HoldV2, marks| {
        let outcome = Outcome::from_number(outcome)
            .ok_or_else(|| Unreadable::new(format!("outcome {outcome} of a hold")))?;
        if code as usize >= state.codes.len() {
            return Err(Unreadable::new("a hold on no code"));
        }
        let (person, until) = (PersonId(person), Timestamp::from_micros(until));
        state.put_back_hold(Uuid(id), Hold { code, person, until, outcome, marks });
        Ok(())
    };
    if version < 3 {
        input.list(|old: HoldV2| hold(old, Marks::default()))?;
    } else {
        input.list(|(old, marks): HoldV3| hold(old, marks))?;
    }
    input.list(|(batch, first, end): WaveV2| {
        state.waves.insert(batch.into(), (first, end));
        Ok(())
    })?;
    (state.issued, state.redemptions) = input.take()?;
    Ok(state)
}

pub(super) fn restore_v1(input: &mut ImageReader<'_>) -> Result<State, Unreadable> {
    let mut state = State::default();
    input.list(|issue: IssueV1| {
        let channel = if issue.3.is_some() { Channel::Reward } else { Channel::Batch };
        state.issues.push(restored(String::new(), channel, issue));
        Ok(())
    })?;
    input.list(|code: CodeV1| put_back(&mut state, code, Taken::Not, None))?;
    members(&mut state, input)?;
    let ([batch, reward], redemptions): ([u64; 2], u64) = input.take()?;
    (state.issued, state.redemptions) = ([batch, reward, 0], redemptions);
    Ok(state)
}

fn restored(batch: String, channel: Channel, issue: IssueV1) -> Issue {
    let (created_at, expires_at, max_uses, holder) = issue;
    Issue {
        batch: batch.into(),
        channel,
        created_at: Timestamp::from_micros(created_at),
        expires_at: Timestamp::from_micros(expires_at),
        max_uses,
        holder: holder.map(PersonId),
    }
}

fn put_back(
    state: &mut State,
    (code, bound, issue, uses): CodeV1,
    taken: Taken,
    extended: Option<i64>,
) -> Result<(), Unreadable> {
    if issue as usize >= state.issues.len() {
        return Err(Unreadable::new("a code of no issue"));
    }
    let code = Code { code, bound: bound.map(PersonId), issue, uses, taken };
    state.put_back(code, extended.map(Timestamp::from_micros));
    Ok(())
}

fn members(state: &mut State, input: &mut ImageReader<'_>) -> Result<(), Unreadable> {
    input.list(|(person, code, at): MemberV1| {
        let at = Timestamp::from_micros(at);
        state.members.insert(PersonId(person), Member { code, at });
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::super::apply::apply;
    use super::*;

    #[test]
    fn a_code_that_is_revoked_in_version_3_was_taken_back_by_hand() {
        let code = |seed| InviteCode::from_entropy(&[seed; 16], 12);
        let now = Timestamp::from_micros(1);
        let issued = Event::Issued {
            batch: "B".to_owned(),
            codes: vec![code(1), code(2)],
            bound: None,
            holder: Some(PersonId(3)),
            expires_at: now.plus_days(7),
            max_uses: 1,
            channel: Channel::Reward,
            forced: false,
        };
        let mut state = State::default();
        for event in [issued, Event::Revoked { code: code(2) }] {
            apply(&mut state, &event, now);
        }
        // A truth value is written as the number that says the same of a code.
        let mut bytes = Vec::new();
        save(&state, &mut ImageWriter(&mut bytes)).expect("memory takes everything");
        let read = restore(3, &mut ImageReader(&mut bytes.as_slice())).expect("version 3");
        assert_eq!(read.digest(), state.digest());
    }
}
