//! The gate against a model in plain collections: every look there ever was, and every member in a
//! list. What the gate shows follows from the looks alone, by the published sentences.

use proptest::prelude::*;

use crate::ids::{PersonId, Timestamp};
use crate::image::{ImageReader, ImageWriter};

use super::apply::apply;
use super::command::Drilling;
use super::drill::DrillRates;
use super::gate::{Colour, Level};
use super::ratio::Ratio;
use super::{Event, Observation, Policy, Seen, State, decide, image, trust};
use crate::referrals::ReferralState;

const MEMBERS_MIN: u64 = 5;
const HOUR: i64 = 3_600_000_000;

#[derive(Clone, Debug)]
enum Step {
    Pass(u32),
    Come(u8),
    See(u8, Seen),
    /// An operator rejects somebody, or takes that back.
    Judge(u8, bool),
    /// Somebody leaves, or comes back.
    Move(u8),
    Drill([Option<f64>; 3], u32),
    Load(Option<f64>),
}

fn step() -> impl Strategy<Value = Step> {
    let share = || prop::sample::select(vec![0.0, 0.03, 0.16, 0.21, 0.4, 0.9, 1.0]);
    let rate = || prop::option::of(share());
    let load = prop::sample::select(vec![None, Some(0.1), Some(0.85), Some(0.95)]);
    let seen = prop::sample::select(Seen::ALL.to_vec());
    let drill = ([rate(), rate(), rate()], 0..60_u32);
    prop_oneof![
        6 => (1..40_u32).prop_map(Step::Pass),
        1 => (40..3_000_u32).prop_map(Step::Pass),
        2 => (1..9_u8).prop_map(Step::Come),
        4 => (any::<u8>(), seen).prop_map(|(who, seen)| Step::See(who, seen)),
        3 => (any::<u8>(), any::<bool>()).prop_map(|(who, accept)| Step::Judge(who, accept)),
        2 => any::<u8>().prop_map(Step::Move),
        2 => drill.prop_map(|(rates, minutes)| Step::Drill(rates, minutes)),
        1 => load.prop_map(Step::Load),
    ]
}

#[derive(Clone, Copy)]
struct Person {
    is_in: bool,
    active: i64,
    gone: bool,
    flagged: bool,
    rejected: bool,
}

/// Everything, as it was said.
#[derive(Default)]
struct Model {
    people: Vec<Person>,
    /// How often somebody has left.
    left: usize,
    /// How often somebody has come in.
    came: usize,
    drill: Option<([Option<f64>; 3], i64)>,
    load: Option<f64>,
    /// When the gate was looked at, and the levels of the metrics then.
    looks: Vec<(i64, [Level; 5])>,
}

fn level(bad: f64, warning: f64, critical: f64) -> Level {
    if bad > critical {
        Level::Critical
    } else if bad > warning {
        Level::Warning
    } else {
        Level::Calm
    }
}

impl Model {
    fn person(&mut self, who: u8) -> Option<(PersonId, &mut Person)> {
        let index = usize::from(who) % self.people.len().max(1);
        let person = self.people.get_mut(index)?;
        Some((PersonId(index as u128), person))
    }

    fn rates(&self, now: i64) -> [f64; 3] {
        let count = |holds: &dyn Fn(&Person) -> bool| {
            self.people.iter().filter(|person| person.is_in && holds(person)).count()
        };
        let within = |person: &Person, days: i64| now / HOUR - person.active < days * 24;
        let all = self.members().max(1) as f64;
        let lost = count(&|person| person.gone || !within(person, 14)) + self.left;
        let charged = count(&|person| person.flagged || person.rejected) as f64;
        let engaged = count(&|person| !person.gone && within(person, 7)) as f64 / all;
        let engaged = if self.members() == 0 { 1.0 } else { engaged };
        let measured = [lost as f64 / all, charged / self.came.max(1) as f64, engaged];
        let drilled = self.drill.filter(|(_, until)| now < *until).map_or([None; 3], |it| it.0);
        [0, 1, 2].map(|rate| drilled[rate].unwrap_or(measured[rate]))
    }

    /// Those who are in, and those who left, which nobody forgets here.
    fn members(&self) -> usize {
        self.people.iter().filter(|person| person.is_in).count() + self.left
    }

    fn levels(&self, now: i64) -> [Level; 5] {
        let [churn, fraud, engagement] = self.rates(now);
        let trust = 1.0 - (0.35 * churn + 0.15 * fraud + 0.5 * (1.0 - engagement));
        let trust = (trust.clamp(0.0, 1.0) * 100.0).round() / 100.0;
        let drilled = self.drill.filter(|(_, until)| now < *until).map_or([None; 3], |it| it.0);
        let enough = self.members() as u64 >= MEMBERS_MIN;
        let counts = |level, drilled: bool| if enough || drilled { level } else { Level::Calm };
        [
            counts(level(churn, 0.15, 0.20), drilled[0].is_some()),
            counts(level(-trust, -0.80, -0.70), drilled.iter().all(Option::is_some)),
            counts(level(fraud, 0.02, 0.05), drilled[1].is_some()),
            counts(level(-engagement, -0.50, -0.30), drilled[2].is_some()),
            self.load.map_or(Level::Calm, |load| level(load, 0.80, 0.90)),
        ]
    }

    /// Critical is red. It stays so until the metrics have been calm at every look for a quarter of
    /// an hour; an hour at half rate follows. Other than that a warning is yellow.
    fn colour(&self) -> Colour {
        let worst =
            |(_, levels): &(i64, [Level; 5])| levels.iter().max().copied().unwrap_or_default();
        let Some(newest) = self.looks.last() else { return Colour::Green };
        let warned = if worst(newest) == Level::Warning { Colour::Yellow } else { Colour::Green };
        let critical = self.looks.iter().rposition(|look| worst(look) == Level::Critical);
        let Some(critical) = critical else { return warned };
        let after = &self.looks[critical + 1..];
        let opens = after.iter().enumerate().position(|(at, look)| {
            let uneasy = after[..=at].iter().rposition(|look| worst(look) != Level::Calm);
            let calm_from = uneasy.map_or(0, |uneasy| uneasy + 1);
            calm_from <= at && look.0 >= after[calm_from].0 + 15 * 60_000_000
        });
        match opens {
            None => Colour::Red,
            Some(opens) if newest.0 < after[opens].0 + 60 * 60_000_000 => Colour::Yellow,
            Some(_) => warned,
        }
    }

    /// Since which look a metric has been at its level without a break.
    fn since(&self, metric: usize) -> Option<i64> {
        let level = self.looks.last()?.1[metric];
        let run = self.looks.iter().rev().take_while(|(_, levels)| levels[metric] == level);
        run.last().map(|(at, _)| *at)
    }
}

/// The state as it is in memory, with everything that has happened to it.
struct Live {
    state: State,
    events: Vec<(Event, Timestamp)>,
}

impl Live {
    fn happen(&mut self, event: Event, at: Timestamp) {
        apply(&mut self.state, &event, at);
        self.events.push((event, at));
    }

    fn take(&mut self, model: &mut Model, step: &Step, policy: &Policy, now: Timestamp) {
        let hour = now.hour();
        match *step {
            Step::Pass(_) => {}
            Step::Come(count) => {
                let first = model.people.len() as u128;
                let came = (0..u128::from(count)).map(|more| (PersonId(first + more), now));
                self.count(came.collect(), Vec::new(), Vec::new(), now);
                let person = Person {
                    is_in: true,
                    active: hour,
                    gone: false,
                    flagged: false,
                    rejected: false,
                };
                model.people.extend(std::iter::repeat_n(person, usize::from(count)));
                model.came += usize::from(count);
            }
            Step::Judge(who, accept) => self.judge(model, who, accept, now),
            Step::Move(who) => self.step_in_or_out(model, who, now),
            Step::See(who, kind) => {
                let Some((id, person)) = model.person(who) else { return };
                if !person.is_in {
                    return;
                }
                let seen = vec![Observation { person: id, kind, at: now }];
                self.happen(Event::Observed { seen }, now);
                match kind {
                    Seen::Active => (person.active, person.gone) = (hour, false),
                    Seen::Churned => person.gone = true,
                    Seen::Fraud => person.flagged = true,
                    Seen::Cleared => person.flagged = false,
                }
            }
            Step::Drill(rates, minutes) => {
                let [churn, fraud, engagement] = rates.map(|rate| rate.and_then(Ratio::new));
                let rates_given = DrillRates { churn, fraud, engagement };
                let drilling = Drilling { rates: rates_given, minutes };
                if let Some(event) = decide::drill(&self.state, &drilling, now) {
                    self.happen(event, now);
                }
                let until = now.micros() + i64::from(minutes) * 60_000_000;
                model.drill = (minutes > 0).then_some((rates, until));
            }
            Step::Load(load) => {
                let seen = load.and_then(Ratio::new);
                if let Some(event) = decide::see_load(&self.state, policy, seen) {
                    self.happen(event, now);
                }
                model.load = load;
            }
        }
    }

    fn judge(&mut self, model: &mut Model, who: u8, accept: bool, now: Timestamp) {
        let Some((id, person)) = model.person(who) else { return };
        // The graph says where somebody stands whose rejection is taken back.
        let stands = person.rejected.then_some(ReferralState::Redeemed);
        if decide::on_reviewed(&self.state, &[], (id, accept), stands) {
            self.count(Vec::new(), Vec::new(), vec![(id, now, accept)], now);
        }
        person.rejected = !accept;
    }

    fn step_in_or_out(&mut self, model: &mut Model, who: u8, now: Timestamp) {
        let Some((id, person)) = model.person(who) else { return };
        person.is_in = !person.is_in;
        if person.is_in {
            (person.active, person.gone) = (now.hour(), false);
            model.came += 1;
            self.count(vec![(id, now)], Vec::new(), Vec::new(), now);
        } else {
            model.left += 1;
            self.count(Vec::new(), vec![(id, now)], Vec::new(), now);
        }
    }

    fn count(
        &mut self,
        came: Vec<(PersonId, Timestamp)>,
        left: Vec<(PersonId, Timestamp)>,
        judged: Vec<(PersonId, Timestamp, bool)>,
        now: Timestamp,
    ) {
        self.happen(Event::Counted { joins: 0, shares: 0, came, left, judged }, now);
    }

    /// Looks at the gate as the actor does.
    fn look(&mut self, policy: &Policy, now: Timestamp) {
        if let Some(event) = decide::evaluate(&self.state, policy, now) {
            self.happen(event, now);
        }
        if let Some(event) = decide::sample(&self.state, policy, now) {
            self.happen(event, now);
        }
    }
}

/// The state that comes out of an image of this one.
fn through_an_image(state: &State) -> State {
    let mut bytes = Vec::new();
    image::save(state, &mut ImageWriter(&mut bytes)).expect("memory takes everything");
    image::restore(3, &mut ImageReader(&mut bytes.as_slice())).expect("what was just written")
}

proptest! {
    #[test]
    fn the_gate_shows_what_follows_from_every_look_at_it(
        steps in prop::collection::vec(step(), 1..90),
    ) {
        let policy = Policy { members_min: MEMBERS_MIN, ..Policy::default() };
        let mut live = Live { state: State::default(), events: Vec::new() };
        let mut model = Model::default();
        let start = Timestamp::from_micros(490_000 * HOUR);
        let mut now = start;
        for step in &steps {
            // Nothing leaves the window of 30 days: its own test sees to that.
            let room = now.plus_minutes(3_000) < start.plus_days(29);
            let minutes = if let Step::Pass(minutes) = step && room { *minutes } else { 0 };
            now = Timestamp::from_micros(now.plus_minutes(minutes).micros() + 1);
            live.take(&mut model, step, &policy, now);
            live.look(&policy, now);
            model.looks.push((now.micros(), model.levels(now.micros())));
            let told = trust::report(&live.state, &policy, now);
            prop_assert_eq!(told.colour, model.colour(), "{:?}", model.looks.last());
            let alerts: Vec<(String, i64)> =
                told.alerts.iter().map(|it| (it.id.clone(), it.since.micros())).collect();
            let (_, levels) = model.looks[model.looks.len() - 1];
            let expected = super::METRICS.into_iter().enumerate().filter_map(|(metric, name)| {
                let level = levels[metric];
                let since = model.since(metric).filter(|_| level != Level::Calm)?;
                Some((format!("{name}-{}", level.as_str()), since))
            });
            prop_assert_eq!(alerts, expected.collect::<Vec<_>>());
            let drilled = model.drill.is_some_and(|(_, until)| now.micros() < until);
            prop_assert_eq!(told.drill.is_some(), drilled);
        }
        let mut replayed = State::default();
        live.events.iter().for_each(|(event, at)| apply(&mut replayed, event, *at));
        prop_assert_eq!(replayed.digest(), live.state.digest());
        prop_assert_eq!(through_an_image(&live.state).digest(), live.state.digest());
    }
}
