//! The rules of sightings, drills and the gate.

use std::collections::HashSet;

use crate::cell::Decided;
use crate::ids::{PersonId, Timestamp};
use crate::referrals::ReferralState;

use super::command::{Drilling, Observe, Observed};
use super::drill::{DRILL_MINUTES_MAX, Drill, Source};
use super::gate::{self, Colour, METRICS};
use super::history::{self, Point};
use super::ratio::Ratio;
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

/// Whether a verdict changes what is held against a person: a rejection does, and an acceptance
/// that takes one back. `judged` are the verdicts that count already, and `stands` is where the
/// person stands from then on, where the verdict changes that.
pub(super) fn on_reviewed(
    state: &State,
    judged: &[(PersonId, Timestamp, bool)],
    (person, accepted): (PersonId, bool),
    stands: Option<ReferralState>,
) -> bool {
    let newest = judged.iter().rev().find(|(other, ..)| *other == person);
    let rejected = newest.map_or(state.is_rejected(person), |(.., accepted)| !accepted);
    // Of a rejection from before images knew of it only the graph knows, which lets the person be
    // what the person was before; a flag of the product's may be all that there is, and stays.
    let from_before = stands.is_some_and(|stands| stands != ReferralState::Fraud);
    !accepted || rejected || from_before
}

/// How many of what has happened are counted in one event: all up to where somebody who has left
/// among them comes back.
pub(super) fn together(people: impl Iterator<Item = Option<(PersonId, bool)>>) -> usize {
    let mut left = HashSet::new();
    let mut count = 0;
    for moved in people {
        match moved {
            Some((person, true)) if left.contains(&person) => return count,
            Some((person, false)) => drop(left.insert(person)),
            Some((_, true)) | None => {}
        }
        count += 1;
    }
    count
}

/// A drill begins, in the place of one that is on, or is ended; None when there is none to end.
pub(super) fn drill(state: &State, drilling: &Drilling, now: Timestamp) -> Option<Event> {
    let Drilling { rates, minutes } = *drilling;
    if minutes == 0 {
        return state.drill(now).map(|_| Event::Drilled { drill: None });
    }
    let until = now.plus_minutes(minutes.min(DRILL_MINUTES_MAX));
    Some(Event::Drilled { drill: Some(Drill { rates, until }) })
}

/// The load of the system, when it has come to another level.
pub(super) fn see_load(state: &State, policy: &Policy, load: Option<Ratio>) -> Option<Event> {
    let moved = gate::load_level(policy, load) != gate::load_level(policy, state.load);
    moved.then_some(Event::LoadMoved { load })
}

/// The point of the five minutes of `now`, unless they have one.
pub(super) fn sample(state: &State, policy: &Policy, now: Timestamp) -> Option<Event> {
    let slot = history::slot(now);
    if state.history.newest() >= Some(slot) {
        return None;
    }
    let readings = state.readings(policy, now);
    Some(Event::Sampled {
        point: Point {
            slot,
            trust: readings.trust,
            churn: readings.churn,
            fraud: readings.fraud,
            engagement: readings.engagement,
            colour: state.gate.colour,
            source: Source::drill_if(readings.drill.is_some()),
        },
    })
}

/// The gate's next move, when one is due at `now`.
pub(super) fn evaluate(state: &State, policy: &Policy, now: Timestamp) -> Option<Event> {
    let readings = state.readings(policy, now);
    let levels = gate::levels(policy, &readings);
    let touched = readings.drill.map_or([false; 5], |drill| drill.rates.touched());
    let gate = gate::step(state.gate, policy, levels, now);
    (gate != state.gate).then(|| {
        let past: Vec<String> = METRICS
            .iter()
            .zip(gate.levels)
            .zip(touched)
            .filter(|((_, levels), _)| levels.level != gate::Level::Calm)
            .map(|((metric, levels), drilled)| {
                let drill = if drilled { " (drill)" } else { "" };
                format!("{metric} {}{drill}", levels.level.as_str())
            })
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
    use super::super::drill::DrillRates;
    use super::super::{Seen, trust};
    use super::*;

    fn day(day: u32) -> Timestamp {
        Timestamp::from_micros(1).plus_days(20_000 + day)
    }

    fn members(count: u128) -> State {
        let came = (1..=count).map(|number| (PersonId(number), day(0))).collect();
        let mut state = State::default();
        let event =
            Event::Counted { joins: 0, shares: 0, came, left: Vec::new(), judged: Vec::new() };
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
        let counted = Event::Counted {
            joins: 30,
            shares: 20,
            came: Vec::new(),
            left: Vec::new(),
            judged: Vec::new(),
        };
        apply(&mut state, &counted, day(0));
        see(&mut state, 1..=3, Seen::Fraud, day(1));
        see(&mut state, 1..=1, Seen::Fraud, day(2));
        assert_eq!(rates(&state, day(2)).1, 0.03);
        see(&mut state, 2..=3, Seen::Cleared, day(2));
        assert_eq!(rates(&state, day(2)).1, 0.01);
        assert_eq!(rates(&state, day(31)).1, 0.0);
    }

    fn judge(state: &mut State, number: u128, accepted: bool, now: Timestamp) {
        let judged = vec![(PersonId(number), now, accepted)];
        let (came, left) = (Vec::new(), Vec::new());
        apply(state, &Event::Counted { joins: 0, shares: 0, came, left, judged }, now);
    }

    #[test]
    fn a_rejection_stands_until_it_is_taken_back_and_a_flag_until_it_is_cleared() {
        let mut state = members(10);
        judge(&mut state, 1, false, day(1));
        see(&mut state, 1..=1, Seen::Fraud, day(2));
        assert_eq!(rates(&state, day(2)).1, 0.1, "once, whoever says it");
        see(&mut state, 1..=1, Seen::Cleared, day(3));
        assert_eq!(rates(&state, day(3)).1, 0.1);
        see(&mut state, 1..=1, Seen::Fraud, day(4));
        judge(&mut state, 1, true, day(5));
        assert_eq!(rates(&state, day(5)).1, 0.1, "the product still says so");
        see(&mut state, 1..=1, Seen::Cleared, day(6));
        assert_eq!(rates(&state, day(6)).1, 0.0);
    }

    #[test]
    fn a_verdict_that_changes_nothing_is_not_counted() {
        use ReferralState::{Active, Fraud};
        let (mut state, eve) = (members(1), PersonId(1));
        let counts = |state: &State, judged: &[_], accepted, stands| {
            on_reviewed(state, judged, (eve, accepted), stands)
        };
        assert!(!counts(&state, &[], true, None), "there is no rejection to take back");
        assert!(!counts(&state, &[], true, Some(Fraud)), "nor has the product taken back its flag");
        assert!(counts(&state, &[], true, Some(Active)), "the graph knows of one from before");
        assert!(counts(&state, &[(eve, day(1), false)], true, None), "it is in the same batch");
        judge(&mut state, 1, false, day(1));
        assert!(counts(&state, &[], true, Some(Fraud)));
        assert!(!counts(&state, &[(eve, day(1), true)], true, None));
    }

    #[test]
    fn whoever_leaves_and_comes_back_in_one_batch_is_in() {
        let (eve, bob) = (PersonId(1), PersonId(2));
        let moves = [None, Some((eve, false)), Some((bob, true)), Some((eve, true)), None];
        assert_eq!(together(moves.into_iter()), 3);
        assert_eq!(together(moves[3..].iter().copied()), 2);
        assert_eq!(together([Some((eve, true)), Some((eve, false))].into_iter()), 2);
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

    fn share(value: f64) -> Option<Ratio> {
        Ratio::new(value)
    }

    fn drill_churn(state: &mut State, churn: f64, minutes: u32, now: Timestamp) {
        let rates = DrillRates { churn: share(churn), ..DrillRates::default() };
        if let Some(event) = drill(state, &Drilling { rates, minutes }, now) {
            apply(state, &event, now);
        }
    }

    #[test]
    fn a_drill_stands_in_for_a_rate_until_its_time_and_no_longer() {
        let mut state = members(100);
        drill_churn(&mut state, 0.5, 10, day(1));
        let last_instant = Timestamp::from_micros(day(1).plus_minutes(10).micros() - 1);
        for now in [day(1), last_instant] {
            assert_eq!(rates(&state, now), (0.5, 0.0, 1.0));
        }
        assert_eq!(rates(&state, day(1).plus_minutes(10)), (0.0, 0.0, 1.0));
        let trust = trust::report(&state, &Policy::default(), day(1));
        assert_eq!((trust.score, trust.source()), (0.83, Source::Drill));
        assert_eq!(trust.drill.map(|drill| drill.until), Some(day(1).plus_minutes(10)));
    }

    #[test]
    fn a_drill_takes_the_place_of_the_one_before_and_is_ended_once() {
        let mut state = members(100);
        drill_churn(&mut state, 0.5, 10, day(1));
        let rates_of = |fraud| DrillRates { fraud: share(fraud), ..DrillRates::default() };
        let other = drill(&state, &Drilling { rates: rates_of(0.1), minutes: 5 }, day(1));
        apply(&mut state, &other.expect("a drill begins"), day(1));
        assert_eq!(rates(&state, day(1)), (0.0, 0.1, 1.0));
        let end = Drilling { rates: DrillRates::default(), minutes: 0 };
        let ended = drill(&state, &end, day(1));
        assert_eq!(ended, Some(Event::Drilled { drill: None }));
        apply(&mut state, &Event::Drilled { drill: None }, day(1));
        assert_eq!(rates(&state, day(1)), (0.0, 0.0, 1.0));
        assert_eq!(drill(&state, &end, day(1)), None, "there is none to end");
        drill_churn(&mut state, 0.5, 10, day(1));
        assert_eq!(drill(&state, &end, day(2)), None, "its time was over");
    }

    #[test]
    fn what_a_drill_closes_opens_as_slowly_as_what_members_close() {
        let mut state = members(100);
        drill_churn(&mut state, 0.21, 10, day(1));
        let after = |minutes| day(1).plus_minutes(minutes);
        let steps = [0, 9, 10, 24, 25, 84, 85];
        let seen: Vec<Colour> =
            steps.into_iter().map(|minutes| evaluated(&mut state, after(minutes))).collect();
        use Colour::{Green, Red, Yellow};
        assert_eq!(seen, [Red, Red, Red, Red, Yellow, Yellow, Green]);
        assert_eq!(state.transitions, [1, 1, 1]);
    }

    #[test]
    fn an_alert_goes_on_when_a_drill_takes_over_at_the_same_level() {
        let mut state = members(100);
        see(&mut state, 1..=16, Seen::Churned, day(0));
        evaluated(&mut state, day(0));
        drill_churn(&mut state, 0.18, 10, day(1));
        evaluated(&mut state, day(1));
        let alert =
            |state: &State, now| trust::report(state, &Policy::default(), now).alerts[0].clone();
        let drilled = alert(&state, day(1));
        assert_eq!((drilled.value, drilled.since), (0.18, day(0)));
        drill_churn(&mut state, 0.30, 10, day(1).plus_minutes(1));
        evaluated(&mut state, day(1).plus_minutes(1));
        let worse = alert(&state, day(1).plus_minutes(1));
        assert_eq!((worse.value, worse.since), (0.30, day(1).plus_minutes(1)));
        // The drill is over, and nobody has looked at the gate since.
        let over = alert(&state, day(1).plus_minutes(20));
        assert_eq!((over.value, over.severity, over.threshold), (0.16, gate::Level::Warning, 0.15));
    }

    #[test]
    fn every_move_says_why_and_whether_it_was_a_drill() {
        let mut state = members(100);
        see(&mut state, 1..=51, Seen::Fraud, day(0));
        drill_churn(&mut state, 0.9, 10, day(0));
        let Some(Event::GateMoved { reason, .. }) = evaluate(&state, &Policy::default(), day(0))
        else {
            panic!("the gate stays as it is");
        };
        let expected =
            "churn_rate critical (drill), trust_score critical (drill), fraud_rate critical";
        assert_eq!(reason, expected);
    }

    #[test]
    fn load_is_news_only_when_it_comes_to_another_level() {
        let mut state = State::default();
        let policy = Policy::default();
        let mut news = Vec::new();
        for load in [Some(0.5), Some(0.8), Some(0.81), Some(0.9), Some(0.91), Some(1.0), None] {
            let load = load.and_then(share);
            if let Some(event) = see_load(&state, &policy, load) {
                apply(&mut state, &event, day(0));
                news.push(load.map(Ratio::get));
                evaluated(&mut state, day(0));
            }
        }
        assert_eq!(news, [Some(0.81), Some(0.91), None]);
        assert_eq!(state.raised[4], [1, 1]);
    }

    #[test]
    fn a_loaded_machine_closes_the_gate_however_few_members_there_are() {
        let mut state = State::default();
        let event = see_load(&state, &Policy::default(), share(0.95)).expect("it is critical");
        apply(&mut state, &event, day(0));
        assert_eq!(evaluated(&mut state, day(0)), Colour::Red);
        let alert = &trust::report(&state, &Policy::default(), day(0)).alerts[0];
        assert_eq!((alert.metric(), alert.value, alert.threshold), ("system_load", 0.95, 0.9));
        assert_eq!(alert.message, "system_load is 0.95, above its critical line of 0.90");
    }

    #[test]
    fn five_minutes_get_one_point_however_often_the_gate_is_looked_at() {
        let mut state = members(100);
        let policy = Policy::default();
        let start = day(1);
        let mut points = 0;
        for minute in 0..=60 {
            let now = start.plus_minutes(minute);
            if let Some(event) = sample(&state, &policy, now) {
                apply(&mut state, &event, now);
                points += 1;
            }
            assert_eq!(sample(&state, &policy, now), None);
        }
        assert_eq!(points, 13);
        assert_eq!(state.history.points().len(), 13);
        drill_churn(&mut state, 0.25, 10, start.plus_minutes(61));
        evaluated(&mut state, start.plus_minutes(65));
        let Some(Event::Sampled { point }) = sample(&state, &policy, start.plus_minutes(65)) else {
            panic!("five minutes without a point");
        };
        assert_eq!((point.churn, point.colour, point.source), (0.25, Colour::Red, Source::Drill));
    }

    #[test]
    fn a_member_who_leaves_the_list_counts_as_gone_and_is_forgotten() {
        let mut state = members(10);
        let left = vec![(PersonId(1), day(1))];
        apply(
            &mut state,
            &Event::Counted { joins: 0, shares: 0, came: Vec::new(), left, judged: Vec::new() },
            day(1),
        );
        assert_eq!(rates(&state, day(1)).0, 0.1);
        assert!(!state.knows(PersonId(1)));
    }
}
