//! The rules of sightings and of the gate.

use crate::cell::Decided;
use crate::ids::Timestamp;

use super::command::{Observe, Observed};
use super::gate::{self, Colour, METRICS};
use super::state::State;
use super::{Event, Observation, Policy, Rejection};

/// Takes sightings of members, all or none. What is said to come from the future counts as now.
pub(super) fn observe(
    state: &State,
    observe: &Observe,
    now: Timestamp,
) -> Result<Decided<Event, Observed>, Rejection> {
    let unknown =
        |(index, (person, ..)): (u32, &(_, _, _))| (!state.knows(*person)).then_some(index);
    let indexes: Vec<u32> = (0..).zip(&observe.seen).filter_map(unknown).collect();
    if !indexes.is_empty() {
        return Err(Rejection::UnknownMembers { indexes });
    }
    let seen = observe.seen.iter().map(|&(person, kind, at)| Observation {
        person,
        kind,
        at: at.unwrap_or(now).min(now),
    });
    Ok(Decided::Now(Event::Observed { seen: seen.collect() }))
}

/// The gate's next move, when one is due at `now`.
pub(super) fn evaluate(state: &State, policy: &Policy, now: Timestamp) -> Option<Event> {
    let levels = gate::levels(policy, &state.rates(policy, now));
    let gate = gate::step(state.gate, policy, levels, now);
    (gate != state.gate).then(|| {
        let past: Vec<String> = METRICS
            .iter()
            .zip(gate.levels)
            .filter(|(_, levels)| levels.level != gate::Level::Calm)
            .map(|(metric, levels)| format!("{metric} {}", levels.level.as_str()))
            .collect();
        let reason = match (past.is_empty(), gate.colour) {
            (false, _) => past.join(", "),
            (true, Colour::Green) => "all metrics are calm".to_owned(),
            (true, Colour::Yellow) => "calm again, at half rate for a while".to_owned(),
            (true, Colour::Red) => "calm, waiting for it to last".to_owned(),
        };
        Event::GateMoved { gate, reason }
    })
}

#[cfg(test)]
mod tests {
    use super::super::apply::apply;
    use super::super::{Seen, trust};
    use super::*;
    use crate::ids::PersonId;

    fn day(day: u32) -> Timestamp {
        Timestamp::from_micros(1).plus_days(20_000 + day)
    }

    fn members(count: u128) -> State {
        let came = (1..=count).map(|number| (PersonId(number), day(0))).collect();
        let mut state = State::default();
        let event = Event::Counted { joins: 0, shares: 0, came, left: Vec::new() };
        apply(&mut state, &event, day(0));
        state
    }

    fn see(state: &mut State, people: std::ops::RangeInclusive<u128>, kind: Seen, now: Timestamp) {
        let seen = people.map(|number| (PersonId(number), kind, None)).collect();
        match observe(state, &Observe { seen }, now) {
            Ok(Decided::Now(event)) => apply(state, &event, now),
            other => panic!("not taken: {other:?}"),
        }
    }

    fn rates(state: &State, now: Timestamp) -> (f64, f64, f64) {
        let trust = trust::report(state, &Policy::default(), now);
        (trust.churn, trust.fraud, trust.engagement)
    }

    fn evaluated(state: &mut State, now: Timestamp) -> Colour {
        if let Some(event) = evaluate(state, &Policy::default(), now) {
            apply(state, &event, now);
        }
        state.gate.colour
    }

    #[test]
    fn one_stranger_among_the_sightings_and_none_is_taken() {
        let state = members(2);
        let sight = |number| (PersonId(number), Seen::Active, None);
        let seen = vec![sight(1), sight(9), sight(2), sight(8)];
        let outcome = observe(&state, &Observe { seen }, day(1));
        assert_eq!(outcome, Err(Rejection::UnknownMembers { indexes: vec![1, 3] }));
    }

    #[test]
    fn churn_is_those_inactive_for_two_weeks_and_those_gone() {
        let mut state = members(100);
        see(&mut state, 1..=80, Seen::Active, day(10));
        see(&mut state, 99..=100, Seen::Churned, day(10));
        assert_eq!(rates(&state, day(13)).0, 0.02);
        assert_eq!(rates(&state, day(14)).0, 0.20);
        assert_eq!(rates(&state, day(24)).0, 1.0);
        see(&mut state, 100..=100, Seen::Active, day(11));
        assert_eq!(rates(&state, day(13)).0, 0.01);
    }

    #[test]
    fn engagement_is_those_active_within_a_week() {
        let mut state = members(100);
        assert_eq!(rates(&state, day(6)).2, 1.0);
        assert_eq!(rates(&state, day(7)).2, 0.0);
        see(&mut state, 1..=75, Seen::Active, day(7));
        assert_eq!(rates(&state, day(8)).2, 0.75);
    }

    #[test]
    fn fraud_is_flagged_members_over_all_attempts_and_can_be_cleared() {
        let mut state = members(50);
        let counted = Event::Counted { joins: 30, shares: 20, came: Vec::new(), left: Vec::new() };
        apply(&mut state, &counted, day(0));
        see(&mut state, 1..=3, Seen::Fraud, day(1));
        see(&mut state, 1..=1, Seen::Fraud, day(2));
        assert_eq!(rates(&state, day(2)).1, 0.03);
        see(&mut state, 2..=3, Seen::Cleared, day(2));
        assert_eq!(rates(&state, day(2)).1, 0.01);
        assert_eq!(rates(&state, day(31)).1, 0.0);
    }

    #[test]
    fn a_late_sighting_counts_when_it_was_seen() {
        let mut state = members(1);
        let seen = vec![(PersonId(1), Seen::Active, Some(day(3)))];
        if let Ok(Decided::Now(event)) = observe(&state, &Observe { seen }, day(12)) {
            apply(&mut state, &event, day(12));
        }
        assert_eq!(rates(&state, day(9)).2, 1.0);
        assert_eq!(rates(&state, day(12)), (0.0, 0.0, 0.0));
    }

    #[test]
    fn the_gate_follows_what_members_do() {
        let mut state = members(100);
        assert_eq!(evaluated(&mut state, day(0)), Colour::Green);
        see(&mut state, 1..=16, Seen::Churned, day(0));
        assert_eq!(evaluated(&mut state, day(0)), Colour::Yellow);
        see(&mut state, 17..=21, Seen::Churned, day(0));
        assert_eq!(evaluated(&mut state, day(0)), Colour::Red);
        let trust = trust::report(&state, &Policy::default(), day(0));
        let alert = &trust.alerts[0];
        assert_eq!(
            (alert.id.as_str(), alert.value, alert.threshold),
            ("churn_rate-critical", 0.21, 0.2)
        );
        assert!(trust.paused);
        assert_eq!(evaluate(&state, &Policy::default(), day(0)), None, "no news");
    }

    #[test]
    fn a_member_who_leaves_the_list_counts_as_gone_and_is_forgotten() {
        let mut state = members(10);
        let left = vec![(PersonId(1), day(1))];
        apply(&mut state, &Event::Counted { joins: 0, shares: 0, came: Vec::new(), left }, day(1));
        assert_eq!(rates(&state, day(1)).0, 0.1);
        assert!(!state.knows(PersonId(1)));
    }
}
