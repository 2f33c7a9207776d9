//! The window and the gate on disk. Version 1: members, hourly counts, gate, counters. Version 2:
//! the gate and its counters with the load of the system, and behind them drill, load and history.
//! Version 3: members without what is held against them, and behind them that, of members and
//! others; before, a rejection was a flag like those of the product.

use std::io;

use crate::ids::PersonId;
use crate::image::{ImageReader, ImageWriter};
use crate::record::Unreadable;

use super::gate::GateStateV1;
use super::history::Point;
use super::state::{Charges, Member, State};
use super::window::Hours;

/// Person, and the hours in which it was last active, flagged, gone.
type MemberV1 = (u128, i64, Option<i64>, Option<i64>);
/// Person, and the hours in which it was last active, gone.
type MemberV3 = (u128, i64, Option<i64>);
/// Person, and since which hours it counts as flagged, and as rejected.
type ChargesV3 = (u128, Option<i64>, Option<i64>);

pub(super) fn save(state: &State, out: &mut ImageWriter<'_>) -> io::Result<()> {
    let mut members: Vec<MemberV3> = state.members.iter().map(member).collect();
    members.sort_unstable();
    out.list(members.into_iter())?;
    let mut charged: Vec<ChargesV3> = state.charged.iter().map(charges).collect();
    charged.sort_unstable();
    out.list(charged.into_iter())?;
    counts(state, out)
}

/// What tells a state from another one, without a walk over all members.
pub(super) fn fingerprint(state: &State, turn: u64, out: &mut ImageWriter<'_>) -> io::Result<()> {
    out.sampled_map(turn, state.members.iter().map(|found| (found.0.number(), found)), member)?;
    out.sampled_map(turn, state.charged.iter().map(|found| (found.0.number(), found)), charges)?;
    counts(state, out)
}

fn member((id, member): (&PersonId, &Member)) -> MemberV3 {
    (id.get(), member.active, member.gone)
}

fn charges((id, charges): (&PersonId, &Charges)) -> ChargesV3 {
    (id.get(), charges.flagged, charges.rejected)
}

fn counts(state: &State, out: &mut ImageWriter<'_>) -> io::Result<()> {
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
    let mut state = window(1, input)?;
    let (gate, transitions, [a, b, c, d]): (GateStateV1, [u64; 3], [[u64; 2]; 4]) = input.take()?;
    state.gate = gate.into();
    (state.transitions, state.raised) = (transitions, [a, b, c, d, [0, 0]]);
    Ok(state)
}

/// Reads version 2 or 3.
pub(super) fn restore(version: u16, input: &mut ImageReader<'_>) -> Result<State, Unreadable> {
    let mut state = window(version, input)?;
    (state.gate, state.transitions, state.raised) = input.take()?;
    (state.drill, state.load) = input.take()?;
    input.list(|point: Point| {
        state.history.push(point);
        Ok(())
    })?;
    Ok(state)
}

/// What all versions begin with.
fn window(version: u16, input: &mut ImageReader<'_>) -> Result<State, Unreadable> {
    let mut state = State::default();
    if version < 3 {
        input.list(|(person, active, flagged, gone): MemberV1| {
            state.put_back(PersonId(person), Member { active, gone });
            if flagged.is_some() {
                let charges = Charges { flagged, rejected: None };
                state.charged.insert(PersonId(person), charges);
            }
            Ok(())
        })?;
    } else {
        input.list(|(person, active, gone): MemberV3| {
            state.put_back(PersonId(person), Member { active, gone });
            Ok(())
        })?;
        input.list(|(person, flagged, rejected): ChargesV3| {
            state.charged.insert(PersonId(person), Charges { flagged, rejected });
            Ok(())
        })?;
    }
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

#[cfg(test)]
mod tests {
    use super::super::apply::apply;
    use super::super::{Event, Observation, Policy, Seen};
    use super::*;
    use crate::ids::Timestamp;

    const EVE: PersonId = PersonId(1);

    /// As version 2 wrote a state of one member who is charged, whoever has said so.
    fn version_2(state: &State, flagged: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let out = &mut ImageWriter(&mut bytes);
        let active = state.members.get(EVE).expect("Eve is in").active;
        let member: MemberV1 = (EVE.get(), active, Some(flagged), None);
        out.list([member].into_iter()).expect("memory takes everything");
        for hours in [&state.active, &state.gone, &state.flagged, &state.attempts] {
            let (newest, counts) = hours.parts();
            out.put(&newest).expect("memory takes everything");
            out.list(counts.iter()).expect("memory takes everything");
        }
        out.put(&(state.gate, state.transitions, state.raised)).expect("memory");
        out.put(&(state.drill, state.load)).expect("memory takes everything");
        out.list([0_u8; 0].into_iter()).expect("memory takes everything");
        bytes
    }

    #[test]
    fn a_rejection_in_version_2_is_a_flag_that_either_side_takes_back() {
        let now = Timestamp::from_micros(7).plus_days(20_000);
        let counted =
            |came, judged| Event::Counted { joins: 0, shares: 0, came, left: Vec::new(), judged };
        let sighting =
            |kind| Event::Observed { seen: vec![Observation { person: EVE, kind, at: now }] };
        let mut state = State::default();
        apply(&mut state, &counted(vec![(EVE, now)], Vec::new()), now);
        apply(&mut state, &sighting(Seen::Fraud), now);
        let old = version_2(&state, now.hour());
        for takes_back in [counted(Vec::new(), vec![(EVE, now, true)]), sighting(Seen::Cleared)] {
            let mut read = restore(2, &mut ImageReader(&mut old.as_slice())).expect("version 2");
            assert_eq!(read.digest(), state.digest());
            apply(&mut read, &takes_back, now);
            assert_eq!(read.rates(&Policy::default(), now).flagged, 0, "{takes_back:?}");
            assert!(read.charged.is_empty());
        }
    }
}
