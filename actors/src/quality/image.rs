//! The window and the gate on disk. Version 1: members, hourly counts, gate, counters.

use std::io;

use crate::ids::PersonId;
use crate::image::{ImageReader, ImageWriter};
use crate::record::Unreadable;

use super::gate::GateState;
use super::state::{Member, State};
use super::window::Hours;

/// Person, and the hours in which it was last active, flagged, gone.
type MemberV1 = (u128, i64, Option<i64>, Option<i64>);

pub(super) fn save(state: &State, out: &mut ImageWriter<'_>) -> io::Result<()> {
    let members = state
        .members
        .iter()
        .map(|(id, member)| -> MemberV1 { (id.get(), member.active, member.flagged, member.gone) });
    let mut members: Vec<MemberV1> = members.collect();
    members.sort_unstable();
    out.list(members.into_iter())?;
    for hours in [&state.active, &state.gone, &state.flagged, &state.attempts] {
        let (newest, counts) = hours.parts();
        out.put(&newest)?;
        out.list(counts.iter())?;
    }
    out.put(&(state.gate, state.transitions, state.raised))
}

pub(super) fn restore(input: &mut ImageReader<'_>) -> Result<State, Unreadable> {
    let mut state = State::default();
    input.list(|(person, active, flagged, gone): MemberV1| {
        state.put_back(PersonId(person), Member { active, flagged, gone });
        Ok(())
    })?;
    state.active = hours(input)?;
    state.gone = hours(input)?;
    state.flagged = hours(input)?;
    state.attempts = hours(input)?;
    let (gate, transitions, raised): (GateState, [u64; 3], [[u64; 2]; 4]) = input.take()?;
    (state.gate, state.transitions, state.raised) = (gate, transitions, raised);
    Ok(state)
}

fn hours(input: &mut ImageReader<'_>) -> Result<Hours, Unreadable> {
    let newest = input.take()?;
    let mut counts = Vec::new();
    input.list(|count: u32| {
        counts.push(count);
        Ok(())
    })?;
    Hours::from_parts(newest, counts).ok_or_else(|| Unreadable::new("a window of another width"))
}
