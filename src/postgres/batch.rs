//! The changes of some records, one by key: what has happened to a row meanwhile is one change.

use std::collections::HashMap;

use actors::export::{Change, Issue, Joined, Redeemed, Referred, Waved};
use actors::people::Profile;
use actors::quality::{Colour, Point};
use actors::referrals::{ReferralState, Reward};
use actors::{InviteCode, PersonId, Timestamp, Uuid};

/// What has happened to the text of a person.
#[derive(Default)]
pub(super) struct Person {
    /// Whether what was known is to go first.
    pub(super) forget: bool,
    /// What is known now, and whether it replaces what was.
    pub(super) profile: Option<(Profile, bool)>,
}

/// What has happened to a row of the waitlist.
#[derive(Default)]
pub(super) struct Entry {
    /// Whether the row is to go first.
    pub(super) forget: bool,
    pub(super) joined: Option<Joined>,
    pub(super) points: i64,
    pub(super) invited_at: Option<Timestamp>,
    /// The place, for those who wait.
    pub(super) place: Option<u64>,
}

/// What has happened to a code.
#[derive(Default)]
pub(super) struct Code {
    pub(super) issue: Option<Issue>,
    pub(super) bound: Option<PersonId>,
    pub(super) revoked: Option<bool>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) uses: u32,
}

/// What has happened to a member.
#[derive(Default)]
pub(super) struct Member {
    pub(super) gone: bool,
    pub(super) came: Option<(InviteCode, Timestamp)>,
}

/// Changes by table and key.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) people: HashMap<PersonId, Person>,
    pub(super) entries: HashMap<PersonId, Entry>,
    pub(super) codes: HashMap<InviteCode, Code>,
    pub(super) members: HashMap<PersonId, Member>,
    pub(super) referrals: HashMap<Uuid, Referred>,
    /// Referrals of this batch by their recipient.
    referred: HashMap<PersonId, Uuid>,
    /// Recipients of older referrals.
    pub(super) progress: HashMap<PersonId, ReferralState>,
    /// None for those that were taken back.
    pub(super) rewards: HashMap<(PersonId, String, &'static str), Option<Reward>>,
    pub(super) waves: HashMap<String, Waved>,
    pub(super) points: HashMap<i64, Point>,
    pub(super) gates: HashMap<i64, (Colour, String)>,
}

impl Batch {
    /// Of changes in the order in which they happened.
    pub(super) fn of(changes: Vec<Change>) -> Self {
        let mut batch = Self::default();
        changes.into_iter().for_each(|change| batch.add(change));
        batch
    }

    /// How many rows change.
    pub(super) fn len(&self) -> u64 {
        let counts = [
            self.people.len(),
            self.entries.len(),
            self.codes.len(),
            self.members.len(),
            self.referrals.len(),
            self.progress.len(),
            self.rewards.len(),
            self.waves.len(),
            self.points.len(),
            self.gates.len(),
        ];
        counts.into_iter().sum::<usize>() as u64
    }

    /// Whose place is to be looked up: those who may wait.
    pub(super) fn unplaced(&self) -> Vec<PersonId> {
        let wait = |entry: &Entry| !entry.forget || entry.joined.is_some();
        let entries = self.entries.iter();
        let entries = entries.filter(|(_, entry)| entry.invited_at.is_none() && wait(entry));
        entries.map(|(&person, _)| person).collect()
    }

    /// Takes over places that were looked up.
    pub(super) fn place(&mut self, people: &[PersonId], places: &[Option<u64>]) {
        for (person, place) in people.iter().zip(places) {
            if let Some(entry) = self.entries.get_mut(person) {
                entry.place = *place;
            }
        }
    }

    fn add(&mut self, change: Change) {
        match change {
            Change::Named { person, profile, whole } => self.name(person, profile, whole),
            Change::Forgotten { person } => {
                self.people.insert(person, Person { forget: true, profile: None });
                self.entries.insert(person, Entry { forget: true, ..Entry::default() });
            }
            Change::Joined(joined) => {
                let entry = self.entries.entry(joined.person).or_default();
                let (forget, place) = (entry.forget, joined.place);
                *entry = Entry { forget, joined: Some(joined), place, ..Entry::default() };
            }
            Change::Boosted { person, points } => {
                self.entries.entry(person).or_default().points += i64::from(points);
            }
            Change::Invited { person, at } => {
                self.entries.entry(person).or_default().invited_at.get_or_insert(at);
            }
            Change::Issued(issue) => {
                let code = issue.code;
                self.codes.entry(code).or_default().issue = Some(issue);
            }
            Change::Bound { code, person } => {
                self.codes.entry(code).or_default().bound = Some(person);
            }
            Change::Revoked { code, revoked } => {
                self.codes.entry(code).or_default().revoked = Some(revoked);
            }
            Change::Extended { code, expires_at } => {
                self.codes.entry(code).or_default().expires_at = Some(expires_at);
            }
            Change::Redeemed(Redeemed { person, code, at, counts }) => {
                if counts {
                    self.codes.entry(code).or_default().uses += 1;
                }
                self.members.entry(person).or_default().came = Some((code, at));
            }
            Change::Departed { person } => {
                self.members.insert(person, Member { gone: true, came: None });
            }
            Change::Referred(_) | Change::Progressed { .. } => self.refer(change),
            Change::Rewarded { person, reward } => {
                let key = (person, reward.rule.clone(), reward.kind.as_str());
                self.rewards.insert(key, Some(reward));
            }
            Change::Withdrawn { person, reward } => {
                self.rewards.insert((person, reward.rule, reward.kind.as_str()), None);
            }
            Change::Waved(waved) => {
                self.waves.insert(waved.batch.clone(), waved);
            }
            Change::Sampled(point) => {
                self.points.insert(point.at().micros(), point);
            }
            Change::GateMoved { colour, at, reason } => {
                self.gates.insert(at.micros(), (colour, reason));
            }
        }
    }

    fn name(&mut self, person: PersonId, profile: Profile, whole: bool) {
        let known = self.people.entry(person).or_default();
        if whole || known.profile.is_none() {
            known.profile = Some((profile, whole));
        }
    }

    fn refer(&mut self, change: Change) {
        if let Change::Referred(referred) = change {
            self.progress.remove(&referred.recipient);
            self.referred.insert(referred.recipient, referred.id);
            self.referrals.insert(referred.id, referred);
        } else if let Change::Progressed { person, state } = change {
            let ours = self.referred.get(&person).and_then(|id| self.referrals.get_mut(id));
            match ours {
                Some(referred) => referred.state = state,
                None => {
                    self.progress.insert(person, state);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: PersonId = PersonId::from_owner(1);
    const BOB: PersonId = PersonId::from_owner(2);

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn joined(person: PersonId, score: i32, micros: i64) -> Change {
        Change::Joined(Joined { person, score, at: at(micros), place: None })
    }

    fn named(person: PersonId, use_case: &str, whole: bool) -> Change {
        let profile = Profile { use_case: use_case.to_owned(), ..Profile::default() };
        Change::Named { person, profile, whole }
    }

    #[test]
    fn whoever_leaves_and_comes_back_has_a_row_of_the_new_life_only() {
        let batch = Batch::of(vec![
            named(ADA, "first", true),
            joined(ADA, 5, 1),
            Change::Boosted { person: ADA, points: 7 },
            Change::Invited { person: ADA, at: at(2) },
            Change::Forgotten { person: ADA },
            named(ADA, "second", true),
            joined(ADA, 9, 3),
            Change::Boosted { person: ADA, points: 1 },
        ]);
        let (person, entry) = (&batch.people[&ADA], &batch.entries[&ADA]);
        assert!(person.forget && entry.forget);
        let profile = person.profile.as_ref().map(|(profile, _)| profile.use_case.as_str());
        assert_eq!(profile, Some("second"));
        assert_eq!(entry.joined.map(|joined| joined.score), Some(9));
        assert_eq!((entry.points, entry.invited_at), (1, None));
        assert_eq!(batch.unplaced(), [ADA]);
    }

    #[test]
    fn the_first_time_that_somebody_is_invited_counts_and_an_address_replaces_no_profile() {
        let batch = Batch::of(vec![
            named(ADA, "whole", true),
            named(ADA, "", false),
            Change::Invited { person: ADA, at: at(2) },
            Change::Invited { person: ADA, at: at(3) },
        ]);
        assert_eq!(batch.entries[&ADA].invited_at, Some(at(2)));
        let whole = batch.people[&ADA].profile.as_ref().map(|(_, whole)| *whole);
        assert_eq!(whole, Some(true));
        assert!(batch.unplaced().is_empty(), "who is invited has no place");
    }

    #[test]
    fn a_recipient_goes_on_in_the_referral_of_the_batch_or_in_an_older_one() {
        let referred =
            |state| Referred { id: Uuid(7), inviter: ADA, recipient: BOB, state, at: at(1) };
        let progressed = |state| Change::Progressed { person: BOB, state };
        let older = Batch::of(vec![progressed(ReferralState::Waiting)]);
        assert_eq!(older.progress[&BOB], ReferralState::Waiting);
        let batch = Batch::of(vec![
            progressed(ReferralState::Waiting),
            Change::Referred(referred(ReferralState::Shared)),
            progressed(ReferralState::Redeemed),
        ]);
        assert_eq!(batch.referrals[&Uuid(7)], referred(ReferralState::Redeemed));
        assert!(batch.progress.is_empty(), "there was no referral before");
    }
}
