//! Edges, the people at their ends, and what those were granted.

use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

use crate::ids::{PersonId, Timestamp, Uuid};
use crate::record;

use super::command::Stats;
use super::event::{Reward, RewardKind};
use super::score::Weights;

/// One step of what referrals earn.
#[derive(Clone, Debug, PartialEq)]
pub struct Tier {
    /// Redeemed referrals that it takes.
    pub redeemed: u32,
    /// What it gives.
    pub rewards: Vec<(RewardKind, u32)>,
    /// What it is called.
    pub reason: String,
}

/// What referrals of high quality earn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QualityBonus {
    /// A score above this earns it,
    pub score: f64,
    /// with at least so many referrals.
    pub referred_min: u32,
    /// Codes that it gives.
    pub codes: u32,
}

/// What staying earns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loyalty {
    /// Days as an active member.
    pub days: u32,
    /// Codes that they give.
    pub codes: u32,
}

/// The numbers of scores and rewards.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How much each part of the quality score counts.
    pub weights: Weights,
    /// Days after which a referral counts half in the recency part.
    pub half_life_days: f64,
    /// What redeemed referrals earn.
    pub tiers: Vec<Tier>,
    /// What good ones earn.
    pub quality_bonus: QualityBonus,
    /// What staying earns.
    pub loyalty: Loyalty,
    /// Below this score, with `quality_bonus.referred_min` referrals or more, rewards are paused.
    pub pause_below: f64,
    /// Referrals that the graph takes.
    pub edges_max: u32,
}

impl Default for Policy {
    fn default() -> Self {
        use RewardKind::{InviteCodes, Lifetime, PremiumMonths};
        let tier = |redeemed, rewards: &[(RewardKind, u32)]| Tier {
            redeemed,
            rewards: rewards.to_vec(),
            reason: format!("First {redeemed} referrals"),
        };
        Self {
            weights: Weights::default(),
            half_life_days: 30.0,
            tiers: vec![
                tier(3, &[(InviteCodes, 3)]),
                tier(10, &[(InviteCodes, 5)]),
                tier(25, &[(PremiumMonths, 1)]),
                tier(50, &[(InviteCodes, 10), (PremiumMonths, 3)]),
                tier(100, &[(Lifetime, 1)]),
            ],
            quality_bonus: QualityBonus { score: 0.85, referred_min: 5, codes: 2 },
            loyalty: Loyalty { days: 14, codes: 1 },
            pause_below: 0.2,
            edges_max: 100_000_000,
        }
    }
}

/// Where the recipient of a referral stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum ReferralState {
    /// Was told of it.
    Shared,
    /// Is on the list.
    Waiting,
    /// Came in.
    Redeemed,
    /// Is there.
    Active,
    /// Is gone.
    Churned,
    /// Was false.
    Fraud,
}

impl ReferralState {
    /// All of them, in the order of their numbers on disk.
    pub const ALL: [Self; 6] =
        [Self::Shared, Self::Waiting, Self::Redeemed, Self::Active, Self::Churned, Self::Fraud];

    /// The name in answers and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Waiting => "waiting",
            Self::Redeemed => "redeemed",
            Self::Active => "active",
            Self::Churned => "churned",
            Self::Fraud => "fraud",
        }
    }

    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Whether somebody in this state has come in.
    pub(super) const fn is_in(self) -> bool {
        !matches!(self, Self::Shared | Self::Waiting)
    }
}

/// A referral.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Edge {
    pub(super) id: Uuid,
    pub(super) inviter: PersonId,
    pub(super) state: ReferralState,
    pub(super) at: Timestamp,
}

/// A member, as far as rewards are concerned.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Member {
    pub(super) since: Timestamp,
    pub(super) state: ReferralState,
    pub(super) seen: Timestamp,
}

/// The graph. Invariants: `by_recipient` names each edge once; `by_inviter` each edge once, oldest
/// first.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(super) edges: Vec<Edge>,
    pub(super) by_recipient: HashMap<PersonId, u32>,
    pub(super) by_inviter: HashMap<PersonId, Vec<u32>>,
    pub(super) members: HashMap<PersonId, Member>,
    pub(super) granted: HashMap<PersonId, Vec<Reward>>,
    pub(super) by_state: [u64; 6],
    pub(super) shares: u64,
    pub(super) conversions: u64,
}

impl State {
    pub(super) fn len(&self) -> usize {
        self.edges.len()
    }

    /// The referral that brought a person.
    pub(super) fn to(&self, recipient: PersonId) -> Option<&Edge> {
        self.by_recipient.get(&recipient).map(|&index| &self.edges[index as usize])
    }

    /// The referrals of an inviter, oldest first.
    pub(super) fn from(&self, inviter: PersonId) -> impl Iterator<Item = &Edge> {
        let edges = self.by_inviter.get(&inviter).map_or(&[][..], Vec::as_slice);
        edges.iter().map(|&index| &self.edges[index as usize])
    }

    pub(super) fn member(&self, person: PersonId) -> Option<&Member> {
        self.members.get(&person)
    }

    pub(super) fn granted(&self, person: PersonId) -> &[Reward] {
        self.granted.get(&person).map_or(&[], Vec::as_slice)
    }

    /// Whether `ancestor` is `person` or has brought it, directly or through others.
    pub(super) fn descends(&self, person: PersonId, ancestor: PersonId) -> bool {
        let inviter = |person: &PersonId| self.to(*person).map(|edge| edge.inviter);
        std::iter::successors(Some(person), inviter).any(|above| above == ancestor)
    }

    pub(super) fn stats(&self) -> Stats {
        let Self { by_state, shares, conversions, .. } = *self;
        Stats { by_state, shares, conversions }
    }

    /// A digest of everything that later answers depend on.
    pub(super) fn digest(&self) -> [u8; 32] {
        record::digest(&(
            &self.edges,
            self.by_recipient.iter().collect::<BTreeMap<_, _>>(),
            self.by_inviter.iter().collect::<BTreeMap<_, _>>(),
            self.members.iter().collect::<BTreeMap<_, _>>(),
            self.granted.iter().collect::<BTreeMap<_, _>>(),
            (self.by_state, self.shares, self.conversions),
        ))
    }

    pub(super) fn add(&mut self, recipient: PersonId, edge: Edge, shared: bool) {
        self.link(recipient, edge);
        self.shares += u64::from(shared);
        if edge.state.is_in() {
            self.conversions += 1;
            self.note_member(recipient, edge.state, edge.at);
        }
    }

    /// The next edge, counted by its state.
    pub(super) fn link(&mut self, recipient: PersonId, edge: Edge) {
        let index = self.edges.len() as u32;
        self.edges.push(edge);
        self.by_recipient.insert(recipient, index);
        self.by_inviter.entry(edge.inviter).or_default().push(index);
        self.by_state[usize::from(edge.state.number())] += 1;
    }

    pub(super) fn progress(&mut self, person: PersonId, to: ReferralState, at: Timestamp) {
        if to.is_in() {
            self.note_member(person, to, at);
        }
        let Some(&index) = self.by_recipient.get(&person) else { return };
        let edge = &mut self.edges[index as usize];
        self.conversions += u64::from(to.is_in() && !edge.state.is_in());
        self.by_state[usize::from(edge.state.number())] -= 1;
        self.by_state[usize::from(to.number())] += 1;
        edge.state = to;
    }

    fn note_member(&mut self, person: PersonId, state: ReferralState, at: Timestamp) {
        let member = self.members.entry(person).or_insert(Member { since: at, state, seen: at });
        if state == ReferralState::Redeemed {
            member.since = at;
        }
        member.state = state;
        member.seen = at;
    }

    pub(super) fn reward(&mut self, person: PersonId, rewards: &[Reward]) {
        self.granted.entry(person).or_default().extend_from_slice(rewards);
    }
}
