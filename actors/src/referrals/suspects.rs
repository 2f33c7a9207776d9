//! People about whom something was noticed, and what was made of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::fraud::Signals;
use crate::growing::Map;
use crate::ids::{PersonId, Timestamp};

use super::{ReferralState, Suspicion};

/// What somebody who looked into it has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// Nobody has looked yet.
    #[default]
    Open,
    /// It is a person like others.
    Accepted,
    /// It is not.
    Rejected,
}

impl Verdict {
    /// The name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }

    pub(super) const fn number(self) -> u8 {
        self as u8
    }

    pub(super) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Open),
            1 => Some(Self::Accepted),
            2 => Some(Self::Rejected),
            _ => None,
        }
    }
}

/// Somebody about whom something was noticed, or who was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Suspect {
    pub(super) signals: Signals,
    pub(super) verdict: Verdict,
    /// Since when the credit for this person waits for a verdict.
    pub(super) withheld: Option<Timestamp>,
    /// Where a person who is rejected would stand without that: as a recipient, and as a member.
    pub(super) life: [Option<ReferralState>; 2],
}

/// All of them. Invariant: `waiting` has those whose credit is withheld.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    by_person: Map<PersonId, Suspect>,
    waiting: BTreeSet<(Timestamp, PersonId)>,
}

impl Suspects {
    pub(super) fn get(&self, person: PersonId) -> Option<&Suspect> {
        self.by_person.get(person)
    }

    pub(super) fn is_withheld(&self, person: PersonId) -> bool {
        self.get(person).is_some_and(|suspect| suspect.withheld.is_some())
    }

    pub(super) fn is_rejected(&self, person: PersonId) -> bool {
        self.get(person).is_some_and(|suspect| suspect.verdict == Verdict::Rejected)
    }

    /// Those who wait for a verdict, longest first, behind `after`.
    pub(super) fn waiting(
        &self,
        after: Option<(Timestamp, PersonId)>,
    ) -> impl Iterator<Item = (Timestamp, PersonId)> {
        let behind = move |one: &(Timestamp, PersonId)| after.is_none_or(|after| *one > after);
        let from = after.unwrap_or((Timestamp::from_micros(i64::MIN), PersonId(0)));
        self.waiting.range(from..).copied().filter(behind)
    }

    pub(super) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn suspect(&mut self, person: PersonId, suspicion: Suspicion, at: Timestamp) {
        let before = self.get(person).copied();
        let since = before.and_then(|suspect| suspect.withheld);
        let suspect = Suspect {
            signals: suspicion.signals,
            verdict: before.map_or(Verdict::Open, |suspect| suspect.verdict),
            withheld: since.or_else(|| suspicion.withheld.then_some(at)),
            life: before.map_or([None; 2], |suspect| suspect.life),
        };
        self.put(person, suspect);
    }

    pub(super) fn judge(
        &mut self,
        person: PersonId,
        verdict: Verdict,
        life: [Option<ReferralState>; 2],
    ) {
        let signals = self.get(person).map_or(Signals::NONE, |suspect| suspect.signals);
        self.put(person, Suspect { signals, verdict, withheld: None, life });
    }

    /// Somebody who is rejected would stand somewhere else from now on, as far as that is said.
    pub(super) fn live_on(&mut self, person: PersonId, [edge, member]: [Option<ReferralState>; 2]) {
        if let Some(suspect) = self.by_person.get_mut(person) {
            suspect.life = [edge.or(suspect.life[0]), member.or(suspect.life[1])];
        }
    }

    pub(super) fn put(&mut self, person: PersonId, suspect: Suspect) {
        if let Some(since) = self.get(person).and_then(|suspect| suspect.withheld) {
            self.waiting.remove(&(since, person));
        }
        self.waiting.extend(suspect.withheld.map(|since| (since, person)));
        self.by_person.insert(person, suspect);
    }

    /// All of them, in no order that means anything.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&PersonId, &Suspect)> {
        self.by_person.iter()
    }

    /// All of them, in the order of people.
    pub(super) fn list(&self) -> BTreeMap<PersonId, Suspect> {
        self.by_person.iter().map(|(person, suspect)| (*person, *suspect)).collect()
    }
}
