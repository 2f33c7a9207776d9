//! Members, what was counted, and the gate.

use serde::Serialize;
use std::collections::BTreeMap;

use crate::growing::Map;
use crate::ids::{PersonId, Timestamp};
use crate::record;

use super::drill::Drill;
use super::event::{Observation, Seen};
use super::gate::{GateState, Level};
use super::history::History;
use super::ratio::Ratio;
use super::trust::{Rates, Readings};
use super::window::{HOURS, Hours};

const HOURS_PER_DAY: usize = 24;

/// How much each rate takes from trust.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Of members lost.
    pub churn: f64,
    /// Of members who cheat.
    pub fraud: f64,
    /// Of members who are not engaged.
    pub engagement: f64,
}

/// Two thresholds of one metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lines {
    /// Past it, waves are halved.
    pub warning: f64,
    /// Past it, inviting stops.
    pub critical: f64,
}

/// The thresholds of all metrics: upper ones for churn, fraud and load, lower ones for trust and
/// engagement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Alerts when above.
    pub churn: Lines,
    /// Alerts when below.
    pub trust: Lines,
    /// Alerts when above.
    pub fraud: Lines,
    /// Alerts when below.
    pub engagement: Lines,
    /// Alerts when the load of the system is above.
    pub load: Lines,
}

/// The numbers of rates, trust and gate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Of the trust score.
    pub weights: Weights,
    /// With fewer members nothing is concluded.
    pub members_min: u64,
    /// Days without activity after which a member counts as lost, 1 to 30.
    pub inactive_days: u32,
    /// Days with activity within which a member counts as engaged, 1 to 30.
    pub engaged_days: u32,
    /// When to warn and when to stop.
    pub thresholds: Thresholds,
    /// Minutes without any alert before a red gate opens.
    pub resume_minutes: u32,
    /// Minutes of half rate after a red gate has opened.
    pub half_rate_minutes: u32,
}

impl Default for Policy {
    fn default() -> Self {
        let lines = |warning, critical| Lines { warning, critical };
        Self {
            weights: Weights { churn: 0.35, fraud: 0.15, engagement: 0.5 },
            members_min: 20,
            inactive_days: 14,
            engaged_days: 7,
            thresholds: Thresholds {
                churn: lines(0.15, 0.20),
                trust: lines(0.80, 0.70),
                fraud: lines(0.02, 0.05),
                engagement: lines(0.50, 0.30),
                load: lines(0.80, 0.90),
            },
            resume_minutes: 15,
            half_rate_minutes: 60,
        }
    }
}

/// What is known of a member; hours since the epoch.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Member {
    pub(super) active: i64,
    pub(super) gone: Option<i64>,
}

/// What is held against somebody, a member or not, and since which hour it counts. Either stands by
/// itself: a flag until the product clears it, a rejection until an operator accepts the person.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Charges {
    /// By the product.
    pub(super) flagged: Option<i64>,
    /// By an operator.
    pub(super) rejected: Option<i64>,
}

impl Charges {
    /// The hour in which a member is counted: that of the newest charge.
    fn hour(self) -> Option<i64> {
        self.flagged.max(self.rejected)
    }
}

/// The window. Invariants: `active` counts each present member in the hour it was last active;
/// `present` counts the members that are not gone; `gone` counts members in the hour that their
/// entry names, `flagged` those who are charged in the hour of their newest charge.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(super) members: Map<PersonId, Member>,
    /// Those against whom something is held.
    pub(super) charged: Map<PersonId, Charges>,
    pub(super) present: u64,
    pub(super) active: Hours,
    pub(super) gone: Hours,
    pub(super) flagged: Hours,
    /// Joins, redemptions and shares: what a fraud could have been.
    pub(super) attempts: Hours,
    pub(super) gate: GateState,
    pub(super) transitions: [u64; 3],
    pub(super) raised: [[u64; 2]; 5],
    /// The newest drill, which may be over.
    pub(super) drill: Option<Drill>,
    /// The load of the system when it last came to another level.
    pub(super) load: Option<Ratio>,
    pub(super) history: History,
}

impl State {
    pub(super) fn knows(&self, person: PersonId) -> bool {
        self.members.contains_key(person)
    }

    /// Whether somebody is a member, and whether one of those who count as false.
    #[cfg(feature = "simulation")]
    pub(crate) fn counts(&self, person: PersonId) -> (bool, bool) {
        let is_in = self.knows(person);
        (is_in, is_in && self.charged.contains_key(person))
    }

    /// Whether an operator's rejection stands.
    pub(super) fn is_rejected(&self, person: PersonId) -> bool {
        self.charged.get(person).is_some_and(|charges| charges.rejected.is_some())
    }

    pub(super) const fn transitions(&self) -> [u64; 3] {
        self.transitions
    }

    pub(super) const fn raised(&self) -> [[u64; 2]; 5] {
        self.raised
    }

    /// The rates of the window that ends at `now`.
    pub(super) fn rates(&self, policy: &Policy, now: Timestamp) -> Rates {
        let days = |days: u32| days as usize * HOURS_PER_DAY;
        let gone = self.gone.within(HOURS, now);
        let recent = self.active.within(days(policy.inactive_days), now);
        Rates {
            members: self.present + gone,
            lost: self.present - recent + gone,
            engaged: self.active.within(days(policy.engaged_days), now),
            flagged: self.flagged.within(HOURS, now),
            attempts: self.attempts.within(HOURS, now),
        }
    }

    /// The drill that is on at `now`.
    pub(super) fn drill(&self, now: Timestamp) -> Option<Drill> {
        self.drill.filter(|drill| now < drill.until)
    }

    /// What the metrics are at `now`, with the rates of the drill that is on.
    pub(super) fn readings(&self, policy: &Policy, now: Timestamp) -> Readings {
        Readings::new(policy, &self.rates(policy, now), self.drill(now), self.load)
    }

    /// A digest of everything that later answers depend on.
    pub(super) fn digest(&self) -> [u8; 32] {
        let hours = [&self.active, &self.gone, &self.flagged, &self.attempts].map(Hours::parts);
        record::digest(&(
            self.members.iter().collect::<BTreeMap<_, _>>(),
            self.charged.iter().collect::<BTreeMap<_, _>>(),
            (self.present, hours, self.gate, self.transitions, self.raised),
            (self.drill, self.load, self.history.points()),
        ))
    }

    /// A member of an image. What is counted by the hour comes with the image.
    pub(super) fn put_back(&mut self, person: PersonId, member: Member) {
        self.present += u64::from(member.gone.is_none());
        self.members.insert(person, member);
    }

    pub(super) fn count_attempts(&mut self, n: u32, at: Timestamp) {
        self.attempts.add(at.hour(), n);
    }

    pub(super) fn come(&mut self, person: PersonId, at: Timestamp) {
        let hour = at.hour();
        self.attempts.add(hour, 1);
        if !self.knows(person)
            && let Some(charges) = self.charged.get_mut(person)
        {
            // What is held against whoever comes in counts from then on.
            let from_now = |charge: Option<i64>| charge.map(|_| hour);
            charges.flagged = from_now(charges.flagged);
            charges.rejected = from_now(charges.rejected);
            self.flagged.add(hour, 1);
        }
        self.see_active(person, hour);
    }

    pub(super) fn leave(&mut self, person: PersonId, at: Timestamp) {
        self.see_gone(person, at.hour());
        if self.members.remove(person).is_some()
            && let Some(hour) = self.charged.get(person).and_then(|charges| charges.hour())
        {
            self.flagged.take(hour);
        }
    }

    pub(super) fn see(&mut self, seen: &Observation) {
        let hour = seen.at.hour();
        match seen.kind {
            Seen::Active => self.see_active(seen.person, hour),
            Seen::Churned => self.see_gone(seen.person, hour),
            Seen::Fraud if self.knows(seen.person) => self.charge(seen.person, |charges| {
                charges.flagged.get_or_insert(hour);
            }),
            Seen::Cleared => self.charge(seen.person, |charges| charges.flagged = None),
            Seen::Fraud => {}
        }
    }

    /// Notes an operator's verdict.
    pub(super) fn judge(&mut self, person: PersonId, at: Timestamp, accepted: bool) {
        self.charge(person, |charges| match (accepted, charges.rejected) {
            (false, None) => charges.rejected = Some(at.hour()),
            (false, Some(_)) => {}
            (true, Some(_)) => charges.rejected = None,
            // What is taken back stands in an image from before rejections were told from flags.
            (true, None) => charges.flagged = None,
        });
    }

    /// Changes what is held against somebody, and counts a member where that belongs.
    fn charge(&mut self, person: PersonId, change: impl FnOnce(&mut Charges)) {
        let charges = self.charged.get_or_default(person);
        let before = charges.hour();
        change(charges);
        let after = charges.hour();
        if after.is_none() {
            self.charged.remove(person);
        }
        if self.knows(person) && before != after {
            before.iter().for_each(|hour| self.flagged.take(*hour));
            after.iter().for_each(|hour| self.flagged.add(*hour, 1));
        }
    }

    fn see_active(&mut self, person: PersonId, hour: i64) {
        let Some(member) = self.members.get_mut(person) else {
            self.members.insert(person, Member { active: hour, gone: None });
            self.present += 1;
            self.active.add(hour, 1);
            return;
        };
        if let Some(gone) = member.gone {
            if hour < gone {
                return;
            }
            member.gone = None;
            member.active = hour;
            self.gone.take(gone);
            self.present += 1;
            self.active.add(hour, 1);
        } else if hour > member.active {
            self.active.take(member.active);
            self.active.add(hour, 1);
            member.active = hour;
        }
    }

    fn see_gone(&mut self, person: PersonId, hour: i64) {
        let Some(member) = self.members.get_mut(person) else { return };
        if member.gone.is_none() {
            member.gone = Some(hour);
            self.active.take(member.active);
            self.present -= 1;
            self.gone.add(hour, 1);
        }
    }

    pub(super) fn move_gate(&mut self, gate: GateState) {
        if gate.colour != self.gate.colour {
            self.transitions[gate.colour as usize] += 1;
        }
        for (metric, (now, before)) in gate.levels.iter().zip(self.gate.levels).enumerate() {
            match now.level {
                level if level == before.level => {}
                Level::Calm => {}
                Level::Warning => self.raised[metric][0] += 1,
                Level::Critical => self.raised[metric][1] += 1,
            }
        }
        self.gate = gate;
    }
}
