//! What people were granted, what was taken back of it, and what of that may be granted again.

use std::collections::{BTreeMap, BTreeSet};

use crate::growing::Map;
use crate::ids::PersonId;

use super::event::{Reward, RewardKind, Withdrawn};

#[derive(Debug, Default)]
pub(super) struct Rewards {
    pub(super) granted: Map<PersonId, Vec<Reward>>,
    /// Rules whose rewards were taken back.
    pub(super) lost: BTreeMap<PersonId, BTreeSet<String>>,
    /// Codes of such rewards that are out of the world, and can be earned again; fewer than none
    /// where some came back after they had been.
    pub(super) reclaimed: BTreeMap<PersonId, i64>,
    /// Of how many withdrawals the registry of codes has not told yet what it could take.
    pub(super) awaited: BTreeMap<PersonId, u32>,
    /// People to whom codes are due when the gate opens, or when nothing is awaited any more.
    pub(super) held: BTreeSet<PersonId>,
}

impl Rewards {
    pub(super) fn of(&self, person: PersonId) -> &[Reward] {
        self.granted.get(person).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_awaited(&self, person: PersonId) -> bool {
        self.awaited.contains_key(&person)
    }

    pub(super) fn grant(&mut self, person: PersonId, rewards: &[Reward]) {
        self.earn_again(person, rewards);
        self.granted.get_or_default(person).extend_from_slice(rewards);
    }

    /// What was taken back is there again.
    fn earn_again(&mut self, person: PersonId, rewards: &[Reward]) {
        let Some(lost) = self.lost.get_mut(&person) else { return };
        let mut codes = 0;
        for reward in rewards.iter().filter(|reward| lost.contains(&reward.rule)) {
            codes += if reward.kind == RewardKind::InviteCodes { reward.amount } else { 0 };
        }
        lost.retain(|rule| !rewards.iter().any(|reward| reward.rule == *rule));
        if lost.is_empty() {
            self.lost.remove(&person);
        }
        if let Some(reclaimed) = self.reclaimed.get_mut(&person) {
            *reclaimed -= i64::from(codes);
        }
    }

    pub(super) fn withdraw(
        &mut self,
        Withdrawn { person, rewards, .. }: &Withdrawn,
        awaited: bool,
    ) {
        if awaited {
            *self.awaited.entry(*person).or_default() += 1;
        }
        let rules = rewards.iter().map(|reward| reward.rule.clone());
        self.lost.entry(*person).or_default().extend(rules);
        let Some(granted) = self.granted.get_mut(*person) else { return };
        granted.retain(|reward| !rewards.contains(reward));
        if granted.is_empty() {
            self.granted.remove(*person);
        }
    }

    /// Codes are out of the world, or back in it where they are fewer than none. Not fewer is what
    /// the registry tells of a withdrawal.
    pub(super) fn reclaim(&mut self, person: PersonId, codes: i64) {
        *self.reclaimed.entry(person).or_default() += codes;
        if let Some(awaited) = self.awaited.get_mut(&person).filter(|_| codes >= 0) {
            *awaited -= 1;
            if *awaited == 0 {
                self.awaited.remove(&person);
            }
        }
    }

    pub(super) fn hold(&mut self, person: PersonId, waits: bool) {
        if waits {
            self.held.insert(person);
        } else {
            self.held.remove(&person);
        }
    }
}
