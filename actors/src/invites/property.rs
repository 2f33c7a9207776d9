//! The registry against a model in plain collections that looks at everything each time.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::cell::Decided;
use crate::fraud::Marks;
use crate::ids::{InviteCode, PersonId, Timestamp, Uuid};
use crate::image::{ImageReader, ImageWriter};

use super::apply::apply;
use super::command::{Amend, Filter, Redeem, Reserve};
use super::{Channel, CodeStatus, Event, Rejection, State, decide, image};

#[derive(Clone, Debug)]
enum Step {
    Issue { max_uses: u32, days: u32 },
    Reserve { code: usize, person: u128, seconds: u32 },
    Confirm(usize),
    Release(usize),
    Redeem { code: usize, person: u128 },
    Amend { code: usize, amend: usize },
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (1_u32..4, 1_u32..3).prop_map(|(max_uses, days)| Step::Issue { max_uses, days }),
        4 => (0_usize..6, 1_u128..8, 30_u32..300)
            .prop_map(|(code, person, seconds)| Step::Reserve { code, person, seconds }),
        3 => (0_usize..20).prop_map(Step::Confirm),
        2 => (0_usize..20).prop_map(Step::Release),
        3 => (0_usize..6, 1_u128..8).prop_map(|(code, person)| Step::Redeem { code, person }),
        2 => (0_usize..6, 0_usize..3).prop_map(|(code, amend)| Step::Amend { code, amend }),
        2 => prop_oneof![1_i64..400, 40_000_i64..100_000].prop_map(Step::Wait),
    ]
}

#[derive(Clone, Debug)]
struct Known {
    max_uses: u32,
    expires_at: Timestamp,
    revoked: bool,
    used_by: Vec<u128>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Confirmed,
    Released,
}

#[derive(Clone, Debug)]
struct Kept {
    code: usize,
    person: u128,
    until: Timestamp,
    fate: Fate,
}

#[derive(Default)]
struct Model {
    codes: Vec<Known>,
    holds: Vec<Kept>,
    members: BTreeMap<u128, usize>,
}

impl Model {
    fn live(&self, code: usize, now: Timestamp) -> usize {
        let open = |kept: &&Kept| kept.code == code && kept.fate == Fate::Open && kept.until > now;
        self.holds.iter().filter(open).count()
    }

    fn status(&self, code: usize, now: Timestamp) -> CodeStatus {
        let known = &self.codes[code];
        match known.used_by.len() {
            used if used >= known.max_uses as usize => CodeStatus::Used,
            _ if known.revoked => CodeStatus::Revoked,
            _ if now >= known.expires_at => CodeStatus::Expired,
            used if used + self.live(code, now) >= known.max_uses as usize => CodeStatus::Reserved,
            _ => CodeStatus::Active,
        }
    }

    fn may_use(&self, code: usize, person: u128, now: Timestamp) -> bool {
        let own = self.holds.iter().any(|kept| {
            (kept.code, kept.person, kept.fate) == (code, person, Fate::Open) && kept.until > now
        });
        let status = self.status(code, now);
        let usable = status == CodeStatus::Active || status == CodeStatus::Reserved && own;
        usable && !self.members.contains_key(&person)
    }

    fn redeem(&mut self, code: usize, person: u128, now: Timestamp) {
        self.codes[code].used_by.push(person);
        self.members.insert(person, code);
        let own = self.holds.iter_mut().filter(|kept| {
            (kept.code, kept.person, kept.fate) == (code, person, Fate::Open) && kept.until > now
        });
        own.take(1).for_each(|kept| kept.fate = Fate::Confirmed);
    }
}

struct Run {
    state: State,
    model: Model,
    now: Timestamp,
}

fn code(index: usize) -> InviteCode {
    InviteCode::from_entropy(&[index as u8; 16], 12)
}

impl Run {
    /// Applies what was decided, when something was; whether it was.
    fn take<T>(&mut self, decided: Result<Decided<Event, T>, Rejection>) -> bool {
        let Ok(Decided::Now(event)) = decided else { return false };
        apply(&mut self.state, &event, self.now);
        true
    }

    fn step(&mut self, step: &Step) {
        self.now = self.now.plus_seconds(1);
        let now = self.now;
        match *step {
            Step::Wait(seconds) => self.now = now.plus_seconds(seconds as u32),
            Step::Issue { max_uses, days } => self.issue(max_uses, now.plus_days(days)),
            Step::Reserve { code: at, person, seconds } => self.reserve(at, person, seconds),
            Step::Confirm(at) => self.confirm(at),
            Step::Release(at) => {
                let Some(kept) = self.model.holds.get_mut(at) else { return };
                let id = Uuid(at as u128);
                let open = kept.fate == Fate::Open && kept.until > now;
                if open {
                    kept.fate = Fate::Released;
                }
                let decided = decide::release(&self.state, id, now);
                assert_eq!(self.take(decided), open);
            }
            Step::Redeem { code: at, person } => {
                let there = at < self.model.codes.len();
                let wanted = there && self.model.may_use(at, person, now);
                let redeem =
                    Redeem { code: code(at), person: PersonId(person), marks: Marks::default() };
                let decided = decide::redeem(&self.state, &redeem, now);
                assert_eq!(self.take(decided), wanted);
                if wanted {
                    self.model.redeem(at, person, now);
                }
            }
            Step::Amend { code: at, amend } => self.amend(at, amend),
        }
    }

    fn issue(&mut self, max_uses: u32, expires_at: Timestamp) {
        let index = self.model.codes.len();
        let event = Event::Issued {
            batch: format!("B{}", index % 2),
            codes: vec![code(index)],
            bound: None,
            holder: None,
            expires_at,
            max_uses,
            channel: Channel::Batch,
            forced: false,
        };
        apply(&mut self.state, &event, self.now);
        let used_by = Vec::new();
        self.model.codes.push(Known { max_uses, expires_at, revoked: false, used_by });
    }

    fn reserve(&mut self, at: usize, person: u128, seconds: u32) {
        let now = self.now;
        let own = self.model.holds.iter().any(|kept| {
            (kept.code, kept.person, kept.fate) == (at, person, Fate::Open) && kept.until > now
        });
        let there = at < self.model.codes.len();
        let wanted = there && self.model.may_use(at, person, now) && !own;
        let reservation = Uuid(self.model.holds.len() as u128);
        let (code, id) = (code(at), PersonId(person));
        let command = Reserve { reservation, code, person: id, seconds, marks: Marks::default() };
        let decided = decide::reserve(&self.state, &command, now);
        assert_eq!(self.take(decided), wanted);
        if wanted {
            let until = now.plus_seconds(seconds).min(self.model.codes[at].expires_at);
            self.model.holds.push(Kept { code: at, person, until, fate: Fate::Open });
        }
    }

    fn confirm(&mut self, at: usize) {
        let Some(kept) = self.model.holds.get(at).cloned() else { return };
        let open = kept.fate == Fate::Open && kept.until > self.now;
        let wanted = open && self.model.may_use(kept.code, kept.person, self.now);
        let decided = decide::confirm(&self.state, Uuid(at as u128), self.now);
        assert_eq!(self.take(decided), wanted);
        if wanted {
            self.model.redeem(kept.code, kept.person, self.now);
        }
    }

    fn amend(&mut self, at: usize, amend: usize) {
        let now = self.now;
        let amend = [Amend::Revoke, Amend::Restore, Amend::Extend(2)][amend];
        let changed = self.model.codes.get(at).is_some()
            && self.model.status(at, now) != CodeStatus::Used
            && match amend {
                Amend::Revoke => !self.model.codes[at].revoked,
                Amend::Restore => self.model.codes[at].revoked,
                Amend::Extend(_) => true,
            };
        let decided = decide::amend(&self.state, code(at), amend, now);
        assert_eq!(self.take(decided), changed);
        if changed {
            let known = &mut self.model.codes[at];
            match amend {
                Amend::Revoke => known.revoked = true,
                Amend::Restore => known.revoked = false,
                Amend::Extend(days) => {
                    known.expires_at = known.expires_at.max(now).plus_days(days);
                }
            }
        }
    }

    fn compare(&self) {
        let mut counts = [0_u64; 5];
        for at in 0..self.model.codes.len() {
            let status = self.model.status(at, self.now);
            assert_eq!(self.state.status(at as u32, self.now), status, "code {at}");
            counts[status as usize] += 1;
            let filter = Filter { status: Some(status), limit: 100, ..Filter::default() };
            let page = self.state.page(&filter, self.now);
            assert!(page.items.iter().any(|item| item.view.code == code(at)));
        }
        let stats = self.state.stats(self.now);
        let counted = [stats.active, stats.reserved, stats.used, stats.expired, stats.revoked];
        assert_eq!(counted, counts);
    }
}

fn restored(state: &State) -> State {
    let mut bytes = Vec::new();
    image::save(state, &mut ImageWriter(&mut bytes)).expect("a vector takes everything");
    image::restore(4, &mut ImageReader(&mut bytes.as_slice())).expect("its own image")
}

proptest! {
    #[test]
    fn holds_uses_and_states_are_those_of_a_model_that_looks_at_everything(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let (state, model) = (State::default(), Model::default());
        let mut run = Run { state, model, now: Timestamp::from_micros(1) };
        run.issue(1, Timestamp::from_micros(1).plus_days(1));
        run.issue(2, Timestamp::from_micros(1).plus_days(2));
        for step in &steps {
            run.step(step);
            run.compare();
        }
        let again = restored(&run.state);
        prop_assert_eq!(again.digest(), run.state.digest());
        run.state = again;
        run.compare();
    }
}
