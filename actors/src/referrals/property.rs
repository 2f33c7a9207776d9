//! Random lives, claims and verdicts, held against a walk over all that is there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::apply::apply;
use super::command::Earn;
use super::review::{self, Arrival, Review};
use super::suspects::Verdict;
use super::{Event, Policy, RewardKind, State, Withdrawn, decide, image};
use crate::cell::Decided;
use crate::fraud::{Marks, Signal, Signals};
use crate::ids::{PersonId, Timestamp, Uuid};
use crate::image::{ImageReader, ImageWriter};
use crate::quality::{Colour, Observation, Seen};

pub(super) const POINTS: i32 = 7;

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Joins through somebody, and looks false or not.
    Join {
        person: u128,
        through: u128,
        risky: bool,
    },
    /// Comes in, with a code of somebody's or with another one.
    Redeem {
        person: u128,
        holder: Option<u128>,
    },
    See {
        person: u128,
        kind: Seen,
    },
    Review {
        person: u128,
        accept: bool,
    },
    Earn {
        person: u128,
    },
    /// A code goes to somebody else.
    Give {
        person: u128,
    },
    /// A code that was taken back with its reward is made good again.
    Restore {
        person: u128,
    },
    /// The gate turns red, or green.
    Gate {
        open: bool,
    },
    /// The registry of codes gets round to what was taken back.
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let person = 1_u128..16;
    prop_oneof![
        4 => (person.clone(), 1_u128..4, any::<bool>())
            .prop_map(|(person, through, risky)| Step::Join { person, through, risky }),
        6 => (person.clone(), prop::option::of(1_u128..4))
            .prop_map(|(person, holder)| Step::Redeem { person, holder }),
        2 => (person.clone(), 0_usize..4)
            .prop_map(|(person, kind)| Step::See { person, kind: Seen::ALL[kind] }),
        4 => (person, any::<bool>()).prop_map(|(person, accept)| Step::Review { person, accept }),
        3 => (1_u128..6).prop_map(|person| Step::Earn { person }),
        1 => (1_u128..6).prop_map(|person| Step::Give { person }),
        2 => (1_u128..6).prop_map(|person| Step::Restore { person }),
        1 => any::<bool>().prop_map(|open| Step::Gate { open }),
        2 => Just(Step::Settle),
    ]
}

/// The codes of somebody's rewards, as the registry has them.
#[derive(Clone, Copy, Debug, Default)]
struct Purse {
    free: u32,
    given: u32,
    withdrawn: u32,
    /// Codes that came back after they had been granted again.
    late: u32,
}

/// The graph, and what only a walk over its events knows.
#[derive(Default)]
pub(super) struct Told {
    pub(super) state: State,
    now: i64,
    /// Everybody's points, as they were told last.
    pub(super) points: BTreeMap<PersonId, i32>,
    purses: BTreeMap<PersonId, Purse>,
    /// The codes of each reward, as they were granted first.
    earned: BTreeMap<PersonId, BTreeMap<String, u32>>,
    /// What the registry of codes has not heard of yet.
    unheard: VecDeque<Vec<Withdrawn>>,
    /// Whether it hears of everything at once.
    pub(super) is_prompt: bool,
    gate_open: bool,
}

impl Told {
    pub(super) fn with_a_prompt_registry() -> Self {
        Self { gate_open: true, is_prompt: true, ..Self::default() }
    }

    pub(super) fn happen(&mut self, event: &Event) {
        let at = Timestamp::from_micros(self.now);
        for credit in event.credits() {
            self.points.insert(credit.inviter, credit.total);
        }
        if let Event::Rewarded { person, rewards, .. } = event {
            let had: BTreeSet<_> = self.state.granted(*person).iter().map(|r| &r.rule).collect();
            assert!(rewards.iter().all(|reward| !had.contains(&reward.rule)), "granted twice");
            assert!(!self.state.suspects.is_rejected(*person), "a false account earns nothing");
        }
        apply(&mut self.state, event, at);
        self.now += 1;
        self.follow(event);
    }

    /// What the registry of codes makes of it, and what follows here.
    fn follow(&mut self, event: &Event) {
        if let Event::Rewarded { person, rewards, codes, .. } = event {
            self.purses.entry(*person).or_default().free += codes;
            let earned = self.earned.entry(*person).or_default();
            for reward in rewards.iter().filter(|reward| reward.kind == RewardKind::InviteCodes) {
                earned.entry(reward.rule.clone()).or_insert(reward.amount);
            }
        }
        if let Event::Reviewed { withdrawn, .. } = event
            && !withdrawn.is_empty()
        {
            self.unheard.push_back(withdrawn.clone());
        }
        if self.is_prompt {
            self.settle();
        }
    }

    pub(super) fn settle(&mut self) {
        let mut people = Vec::new();
        for Withdrawn { person, codes, .. } in self.unheard.pop_front().unwrap_or_default() {
            let purse = self.purses.entry(person).or_default();
            let taken = purse.free.min(codes);
            (purse.free, purse.withdrawn) = (purse.free - taken, purse.withdrawn + taken);
            people.push((person, taken));
        }
        if !people.is_empty() {
            self.happen(&decide::on_withdrawn(&people));
        }
    }

    fn pool(&self, person: PersonId) -> i64 {
        self.state.rewards.reclaimed.get(&person).copied().unwrap_or(0)
    }

    pub(super) fn take(&mut self, policy: &Policy, step: &Step) {
        let now = Timestamp::from_micros(self.now);
        let arrival = |person: u128, risky: bool| {
            let signals = Signals::NONE.with(Signal::CanonicalDuplicate, risky);
            Arrival { person: PersonId(person), marks: Marks::default(), signals }
        };
        let id = Uuid(self.now as u128);
        let event = match *step {
            Step::Join { person, through, risky } => {
                let through = Some(PersonId(through));
                decide::on_joined(&self.state, policy, &arrival(person, risky), through, id)
            }
            Step::Redeem { person, holder } => {
                let (arrival, holder) = (arrival(person, false), holder.map(PersonId));
                Some(decide::on_redeemed(&self.state, policy, &arrival, holder, id, now))
            }
            Step::See { person, kind } => {
                let seen = [Observation { person: PersonId(person), kind, at: now }];
                decide::on_observed(&self.state, policy, &seen, now)
            }
            Step::Review { person, accept } => {
                let verdict = Review { person: PersonId(person), accept, holding: Vec::new() };
                match review::review(&self.state, policy, &verdict, now) {
                    Ok(Decided::Now(event)) => Some(event),
                    Ok(Decided::Already(_)) | Err(_) => None,
                }
            }
            Step::Earn { person } => {
                let gate = if self.gate_open { Colour::Green } else { Colour::Red };
                let earn = Earn { person: PersonId(person), gate };
                match decide::earn(&self.state, policy, &earn, now) {
                    Ok(Decided::Now(event)) => Some(event),
                    Ok(Decided::Already(_)) | Err(_) => None,
                }
            }
            Step::Give { person } => {
                let purse = self.purses.entry(PersonId(person)).or_default();
                let given = purse.free.min(1);
                (purse.free, purse.given) = (purse.free - given, purse.given + given);
                None
            }
            Step::Restore { person } => {
                let (person, pool) = (PersonId(person), self.pool(PersonId(person)));
                let purse = self.purses.entry(person).or_default();
                (purse.withdrawn > 0).then(|| {
                    (purse.withdrawn, purse.free) = (purse.withdrawn - 1, purse.free + 1);
                    purse.late += u32::from(pool <= 0);
                    decide::on_restored(person)
                })
            }
            Step::Gate { open } => {
                self.gate_open = open;
                let to = if open { Colour::Yellow } else { Colour::Red };
                decide::on_gate_moved(&self.state, to)
            }
            Step::Settle => {
                self.settle();
                None
            }
        };
        event.iter().for_each(|event| self.happen(event));
        self.resume(policy);
    }

    pub(super) fn resume(&mut self, policy: &Policy) {
        let now = |told: &Self| Timestamp::from_micros(told.now);
        while let Some(event) = decide::resume(&self.state, policy, now(self)) {
            self.happen(&event);
        }
    }

    pub(super) fn assert_sound(&self) {
        let state = &self.state;
        let mut counting: BTreeMap<PersonId, u32> = BTreeMap::new();
        let mut withheld = BTreeSet::new();
        for edge in state.brought() {
            *counting.entry(edge.inviter).or_default() +=
                u32::from(edge.state.counts() && !edge.withheld);
            withheld.extend(edge.withheld.then_some(edge.recipient));
        }
        for (inviter, counts) in &counting {
            assert_eq!(state.counts(*inviter).redeemed(), *counts, "{inviter:?}");
            let points = self.points.get(inviter).copied().unwrap_or(0);
            let due = if state.suspects.is_rejected(*inviter) { 0 } else { *counts };
            assert_eq!(points, POINTS * due as i32, "{inviter:?}");
        }
        let waiting: BTreeSet<_> = state.suspects.waiting(None).map(|(_, person)| person).collect();
        assert_eq!(waiting, withheld);
        for (person, suspect) in state.suspects.list() {
            assert!(suspect.withheld.is_none() || suspect.verdict == Verdict::Open);
            if suspect.verdict == Verdict::Rejected {
                assert_eq!(state.granted(person), [], "{person:?}");
                assert!(!state.counts_for_inviter(person), "{person:?}");
            }
        }
        for (person, purse) in &self.purses {
            let had = i64::from(purse.free + purse.given);
            let earned = self.earned.get(person).map_or(0, |rules| rules.values().sum::<u32>());
            assert_eq!(had + self.pool(*person), i64::from(earned), "{person:?}: {purse:?}");
            assert!(had <= i64::from(earned + purse.late), "granted twice: {person:?}: {purse:?}");
            let is_theirs = |withdrawn: &Withdrawn| withdrawn.person == *person;
            if !self.unheard.iter().flatten().any(is_theirs) {
                let codes = |rule: &String| self.earned.get(person)?.get(rule).copied();
                let lost = state.rewards.lost.get(person).into_iter().flatten();
                let lost: u32 = lost.filter_map(codes).sum();
                assert!(self.pool(*person) <= i64::from(lost), "lost for good: {person:?}");
            }
        }
        if state.gate_open != Some(false) {
            let waits = |person: &PersonId| state.rewards.is_awaited(*person);
            assert!(state.rewards.held.iter().all(waits), "whoever waits gets it in the end");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn credit_rewards_and_points_are_those_of_the_referrals_that_count(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut policy = Policy { points_per_redeemed: POINTS, ..Policy::default() };
        policy.tiers[0].redeemed = 2;
        policy.tiers[0].rewards.push((RewardKind::PremiumMonths, 1));
        let mut told = Told { gate_open: true, ..Told::default() };
        for step in &steps {
            told.take(&policy, step);
            told.assert_sound();
        }
        let mut bytes = Vec::new();
        image::save(&told.state, &mut ImageWriter(&mut bytes)).expect("memory takes everything");
        let mut rest = bytes.as_slice();
        let restored = image::restore(5, &mut ImageReader(&mut rest)).expect("its own image");
        prop_assert_eq!(restored.digest(), told.state.digest());
    }
}
