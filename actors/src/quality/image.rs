//! The window and the gate on disk. Version 1: members, hourly counts, gate, counters. Version 2:
//! the gate and its counters with the load of the system, and behind them drill, load and history.

use std::io;

use crate::ids::PersonId;
use crate::image::{ImageReader, ImageWriter};
use crate::record::Unreadable;

use super::gate::GateStateV1;
use super::history::Point;
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
    out.put(&(state.gate, state.transitions, state.raised))?;
    out.put(&(state.drill, state.load))?;
    out.list(state.history.points().iter())
}

pub(super) fn restore_v1(input: &mut ImageReader<'_>) -> Result<State, Unreadable> {
    let mut state = window(input)?;
    let (gate, transitions, [a, b, c, d]): (GateStateV1, [u64; 3], [[u64; 2]; 4]) = input.take()?;
    state.gate = gate.into();
    (state.transitions, state.raised) = (transitions, [a, b, c, d, [0, 0]]);
    Ok(state)
}

pub(super) fn restore(input: &mut ImageReader<'_>) -> Result<State, Unreadable> {
    let mut state = window(input)?;
    (state.gate, state.transitions, state.raised) = input.take()?;
    (state.drill, state.load) = input.take()?;
    input.list(|point: Point| {
        state.history.push(point);
        Ok(())
    })?;
    Ok(state)
}

/// What both versions begin with.
fn window(input: &mut ImageReader<'_>) -> Result<State, Unreadable> {
    let mut state = State::default();
    input.list(|(person, active, flagged, gone): MemberV1| {
        state.put_back(PersonId(person), Member { active, flagged, gone });
        Ok(())
    })?;
    state.active = hours(input)?;
    state.gone = hours(input)?;
    state.flagged = hours(input)?;
    state.attempts = hours(input)?;
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
