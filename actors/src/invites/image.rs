//! The code registry on disk. Version 1: issues, codes, members, counters.

use std::io;

use crate::ids::{InviteCode, PersonId, Timestamp};
use crate::image::{ImageReader, ImageWriter};
use crate::record::Unreadable;

use super::state::{Code, Issue, Member, State};

/// Created at, expires at, uses at most, holder.
type IssueV1 = (i64, i64, u32, Option<u128>);
/// Code, bound to, number of its issue, uses.
type CodeV1 = (InviteCode, Option<u128>, u32, u32);
/// Person, number of the code, since.
type MemberV1 = (u128, u32, i64);

pub(super) fn save(state: &State, out: &mut ImageWriter<'_>) -> io::Result<()> {
    out.list(state.issues.iter().map(|issue| -> IssueV1 {
        let holder = issue.holder.map(PersonId::get);
        (issue.created_at.micros(), issue.expires_at.micros(), issue.max_uses, holder)
    }))?;
    out.list(state.codes.iter().map(|code| -> CodeV1 {
        (code.code, code.bound.map(PersonId::get), code.issue, code.uses)
    }))?;
    let members = state.members.iter();
    let members = members.map(|(id, member)| (id.get(), member.code, member.at.micros()));
    let mut members: Vec<MemberV1> = members.collect();
    members.sort_unstable();
    out.list(members.into_iter())?;
    out.put(&(state.issued, state.redemptions))
}

pub(super) fn restore(input: &mut ImageReader<'_>) -> Result<State, Unreadable> {
    let mut state = State::default();
    input.list(|(created_at, expires_at, max_uses, holder): IssueV1| {
        state.issues.push(Issue {
            created_at: Timestamp::from_micros(created_at),
            expires_at: Timestamp::from_micros(expires_at),
            max_uses,
            holder: holder.map(PersonId),
        });
        Ok(())
    })?;
    input.list(|(code, bound, issue, uses): CodeV1| {
        if issue as usize >= state.issues.len() {
            return Err(Unreadable::new("a code of no issue"));
        }
        state.put_back(Code { code, bound: bound.map(PersonId), issue, uses });
        Ok(())
    })?;
    input.list(|(person, code, at): MemberV1| {
        let at = Timestamp::from_micros(at);
        state.members.insert(PersonId(person), Member { code, at });
        Ok(())
    })?;
    (state.issued, state.redemptions) = input.take()?;
    Ok(state)
}
