//! The waitlist on disk. Version 1: entries, boosts, times of invitation, who has left, counters.

use std::io;

use crate::ids::{PersonId, Timestamp};
use crate::image::{ImageReader, ImageWriter};
use crate::record::Unreadable;

use super::daily::{DAYS, Daily};
use super::scoring::Persona;
use super::state::{EntryState, State};

/// Person (two halves), joined at, score, persona, state.
type EntryV1 = (u64, u64, i64, i32, u8, u8);
/// The newest day, and the counts.
type DailyV1 = (i64, [u32; DAYS]);

/// The state of an entry whose person has left.
const LEFT: u8 = u8::MAX;

pub(super) fn save(state: &State, out: &mut ImageWriter<'_>) -> io::Result<()> {
    out.list(state.entries.iter().map(|entry| -> EntryV1 {
        let [high, low] = entry.person;
        let at = entry.joined_at.micros();
        let number = entry.state.map_or(LEFT, EntryState::number);
        (high, low, at, entry.score, entry.persona.number(), number)
    }))?;
    let mut boosts: Vec<(u32, i32)> =
        state.boosts.iter().map(|(&at, &points)| (at, points)).collect();
    boosts.sort_unstable();
    out.list(boosts.into_iter())?;
    let invited = state.invited_at.iter().map(|(&index, at)| (index, at.micros()));
    let mut invited: Vec<(u32, i64)> = invited.collect();
    invited.sort_unstable();
    out.list(invited.into_iter())?;
    let left = state.left.iter().map(|(person, at)| (person.get(), at.micros()));
    let mut left: Vec<(u128, i64)> = left.collect();
    left.sort_unstable();
    out.list(left.into_iter())?;
    counters(state, out)
}

/// What tells a state from another one, without a walk over all entries.
pub(super) fn fingerprint(state: &State, out: &mut ImageWriter<'_>) -> io::Result<()> {
    let entries = &state.entries;
    out.put(&(entries.len() as u64, entries.sum(), entries.sample(), state.queue.len()))?;
    out.put(&(state.by_persona, state.invited, state.members, state.removed))?;
    out.unordered(state.boosts.iter())?;
    out.unordered(state.invited_at.iter())?;
    out.unordered(state.left.iter().map(|(person, at)| (person.get(), at)))?;
    counters(state, out)
}

fn counters(state: &State, out: &mut ImageWriter<'_>) -> io::Result<()> {
    let daily = |daily: &Daily| -> DailyV1 { (daily.newest, daily.counts) };
    out.put(&(daily(&state.joined), daily(&state.processed), state.joins))
}

pub(super) fn restore(input: &mut ImageReader<'_>) -> Result<State, Unreadable> {
    let mut state = State::default();
    input.list(|(high, low, at, score, persona, number): EntryV1| {
        let entry_state = match EntryState::from_number(number) {
            None if number != LEFT => return Err(Unreadable::new(format!("entry state {number}"))),
            known => known,
        };
        let (persona, at) = (Persona::from_number(persona), Timestamp::from_micros(at));
        state.put_back([high, low], persona, score, entry_state, at);
        Ok(())
    })?;
    state.line_up();
    input.list(|(index, points)| {
        state.boosts.insert(index, points);
        Ok(())
    })?;
    input.list(|(index, at)| {
        state.invited_at.insert(index, Timestamp::from_micros(at));
        Ok(())
    })?;
    input.list(|(person, at)| {
        state.left.insert(PersonId(person), Timestamp::from_micros(at));
        Ok(())
    })?;
    let (joined, processed, joins): (DailyV1, DailyV1, [u64; 2]) = input.take()?;
    let daily = |(newest, counts): DailyV1| Daily { newest, counts };
    (state.joined, state.processed, state.joins) = (daily(joined), daily(processed), joins);
    Ok(state)
}
