//! The waitlist on disk. Version 1: entries, boosts, times of invitation, who has left, counters.
//! Version 2 adds the waves; version 3 where the newest came from, spellings of mailboxes, and
//! points from referrals.

use std::convert::identity;
use std::io;

use crate::fraud::Origin;
use crate::ids::{PersonId, Timestamp};
use crate::image::{ImageReader, ImageWriter};
use crate::quality::Colour;
use crate::record::Unreadable;

use super::daily::{DAYS, Daily};
use super::scoring::Persona;
use super::state::{EntryState, State, Waved};
use super::wave::Order;

/// Person (two halves), joined at, score, persona, state.
type EntryV1 = (u64, u64, i64, i32, u8, u8);
/// The newest day, and the counts.
type DailyV1 = (i64, [u32; DAYS]);

/// Label, requested, invited, order, gate, at.
type WaveV2 = (String, u32, u32, u8, u8, i64);

/// When, from which site and network.
type ArrivalV3 = (i64, u64, u64);

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
    counters(state, out)?;
    waves(state, out)?;
    out.list(
        state
            .arrivals
            .iter()
            .map(|(at, from)| -> ArrivalV3 { (at.micros(), from.site, from.network) }),
    )?;
    let spelled = state.spelled.iter().map(|(mailbox, first)| (mailbox.get(), first.get()));
    let mut spelled: Vec<(u128, u128)> = spelled.collect();
    spelled.sort_unstable();
    out.list(spelled.into_iter())?;
    let mut credits: Vec<(u32, i32)> =
        state.credits.iter().map(|(&index, &points)| (index, points)).collect();
    credits.sort_unstable();
    out.list(credits.into_iter())
}

fn waves(state: &State, out: &mut ImageWriter<'_>) -> io::Result<()> {
    out.list(state.waves.iter().map(|(batch, wave)| -> WaveV2 {
        let (order, gate) = (wave.order.number(), wave.gate.number());
        (batch.to_string(), wave.requested, wave.invited, order, gate, wave.at.micros())
    }))?;
    out.put(&state.rolled)
}

/// What tells a state from another one, without a walk over all entries.
pub(super) fn fingerprint(state: &State, turn: u64, out: &mut ImageWriter<'_>) -> io::Result<()> {
    let entries = &state.entries;
    out.put(&(entries.len() as u64, entries.sum(), entries.sample(), state.queue.len()))?;
    out.put(&(state.by_persona, state.invited, state.members, state.removed))?;
    out.sampled_map(turn, state.boosts.iter().map(|pair| (u64::from(*pair.0), pair)), identity)?;
    out.sampled_map(turn, state.credits.iter().map(|pair| (u64::from(*pair.0), pair)), identity)?;
    out.sampled_map(
        turn,
        state.invited_at.iter().map(|pair| (u64::from(*pair.0), pair)),
        identity,
    )?;
    out.sampled_map(turn, state.left.iter().map(|pair| (pair.0.number(), pair)), identity)?;
    out.sampled_map(turn, state.spelled.iter().map(|pair| (pair.0.number(), pair)), identity)?;
    let nth_arrival = |index| {
        let arrival = state.arrivals.iter().nth(index);
        arrival.map(|(at, from)| -> ArrivalV3 { (at.micros(), from.site, from.network) })
    };
    out.sampled_list(turn, state.arrivals.iter().len(), nth_arrival)?;
    waves(state, out)?;
    counters(state, out)
}

fn counters(state: &State, out: &mut ImageWriter<'_>) -> io::Result<()> {
    let daily = |daily: &Daily| -> DailyV1 { (daily.newest, daily.counts) };
    out.put(&(daily(&state.joined), daily(&state.processed), state.joins))
}

/// Reads any version.
pub(super) fn restore(version: u16, input: &mut ImageReader<'_>) -> Result<State, Unreadable> {
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
    if version > 1 {
        input.list(|(batch, requested, invited, order, gate, at): WaveV2| {
            let order = Order::from_number(order).ok_or_else(|| Unreadable::new("an order"))?;
            let gate = Colour::from_number(gate).ok_or_else(|| Unreadable::new("a colour"))?;
            let at = Timestamp::from_micros(at);
            state.waves.insert(batch.into(), Waved { requested, invited, order, gate, at });
            Ok(())
        })?;
        state.rolled = input.take()?;
    }
    if version > 2 {
        input.list(|(at, site, network): ArrivalV3| {
            state.arrivals.note(Origin { site, network }, Timestamp::from_micros(at));
            Ok(())
        })?;
        input.list(|(mailbox, first): (u128, u128)| {
            state.spelled.insert(PersonId(mailbox), PersonId(first));
            Ok(())
        })?;
        input.list(|(index, points)| {
            state.credits.insert(index, points);
            Ok(())
        })?;
    }
    Ok(state)
}
