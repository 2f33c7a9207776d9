//! What the graph tells of itself. Nothing here changes it, and every answer has a bound.

use crate::ids::{PersonId, Timestamp};

use super::command::Milestone;
use super::decide;
use super::event::Reward;
use super::score;
use super::state::{Edge, Person, Policy, ReferralState, State};

/// Most people above somebody that are told one by one, nearest first.
const ABOVE_MAX: usize = 1_000;

/// Most levels below somebody that are told one by one.
const LEVELS_MAX: usize = 1_000;

/// Most referrals in a history.
const HISTORY_MAX: usize = 100;

/// Most inviters with equally many redeemed referrals whose quality is looked at, and about the
/// most referrals that those may have.
const EQUALS_MAX: usize = 1_000;
const EQUALS_REFERRALS_MAX: u32 = 50_000;

/// Somebody on the way up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ancestor {
    /// Who.
    pub person: PersonId,
    /// Where the person stands; None for a root who has not come in.
    pub state: Option<ReferralState>,
}

/// Who stands above somebody, and how many below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Whether the graph has met the person.
    pub known: bool,
    /// Where the person stands, as far as the graph knows.
    pub state: Option<ReferralState>,
    /// The way up, nearest first; at most 1,000.
    pub above: Vec<Ancestor>,
    /// How many there are all in all.
    pub depth: u32,
    /// The last of them; the person, where nobody stands above.
    pub root: PersonId,
    /// People below.
    pub size: u64,
    /// Levels below.
    pub levels: u32,
    /// People on each of the first 1,000 levels below.
    pub by_level: Vec<u32>,
}

/// One referral of somebody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// Whom.
    pub recipient: PersonId,
    /// Where the recipient stands.
    pub state: ReferralState,
    /// When it began.
    pub shared_at: Timestamp,
    /// When the recipient came in, the last time.
    pub redeemed_at: Option<Timestamp>,
}

/// What became of somebody's referrals.
#[derive(Clone, Debug, PartialEq)]
pub struct Analytics {
    /// Whether the graph has met the person.
    pub known: bool,
    /// The newest, newest first; at most 100.
    pub history: Vec<Past>,
    /// All, in each state, in the order of [`ReferralState::ALL`].
    pub by_state: [u32; 6],
    /// What the person was granted.
    pub rewards: Vec<Reward>,
    /// What comes next, while there is a tier left.
    pub next: Option<Milestone>,
    /// Whether rewards are paused because the referrals are of poor quality.
    pub paused: bool,
}

/// One of the best inviters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leader {
    /// Who.
    pub person: PersonId,
    /// Referrals all in all.
    pub referred: u32,
    /// Those that came in and were not false.
    pub redeemed: u32,
    /// The quality score, in 0..1, to two decimals.
    pub quality: f64,
}

/// The graph as a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Network {
    /// People at an end of a referral.
    pub people: u64,
    /// Those of them whom nobody brought.
    pub roots: u64,
    /// Referrals.
    pub edges: u64,
    /// Referrals on the longest way down from a root.
    pub depth: u32,
    /// Referrals in each state, in the order of [`ReferralState::ALL`].
    pub by_state: [u64; 6],
    /// Referrals that came in and were not false.
    pub redeemed: u64,
    /// These as a share of all referrals, in 0..1; 0 without referrals.
    pub conversion: f64,
    /// People who have come in, through whomever, and were not false.
    pub members: u64,
    /// Redeemed referrals for each member; 0 without members. The usual K = i * c (Skok, "Lessons
    /// Learned: Viral Marketing", 2009): with i referrals for each member, of which the share c
    /// converts, K is redeemed / members. Above 1 each member brings more than one, so growth feeds
    /// itself.
    pub viral_coefficient: f64,
}

pub(super) fn chain(state: &State, person: PersonId) -> Chain {
    let stands = |person| stands(state, person);
    let mut chain = Chain {
        known: is_known(state, person),
        state: stands(person),
        above: Vec::new(),
        depth: 0,
        root: person,
        size: 0,
        levels: 0,
        by_level: Vec::new(),
    };
    let Some(number) = state.number(person) else { return chain };
    let id = |number| state.person(number).id;
    let above = state.forest.up(number).skip(1).take(ABOVE_MAX).map(id);
    chain.above = above.map(|person| Ancestor { person, state: stands(person) }).collect();
    chain.depth = state.forest.depth(number);
    chain.root = id(state.forest.root(number));
    let below = state.forest.below(number, LEVELS_MAX);
    (chain.size, chain.levels, chain.by_level) = (below.people, below.depth, below.by_level);
    chain
}

fn is_known(state: &State, person: PersonId) -> bool {
    state.number(person).is_some() || state.member(person).is_some()
}

fn stands(state: &State, person: PersonId) -> Option<ReferralState> {
    let brought = state.to(person).map(|edge| edge.state);
    brought.or_else(|| state.member(person).map(|member| member.state))
}

pub(super) fn analytics(
    state: &State,
    policy: &Policy,
    person: PersonId,
    now: Timestamp,
) -> Analytics {
    let past = |edge: &Edge| {
        let recipient = state.person(edge.recipient).id;
        let member = state.member(recipient).filter(|_| edge.state.is_in());
        Past {
            recipient,
            state: edge.state,
            shared_at: edge.at,
            redeemed_at: member.map(|member| member.since),
        }
    };
    let earned = decide::earned(state, policy, person, Vec::new(), now);
    Analytics {
        known: is_known(state, person),
        history: state.from(person).take(HISTORY_MAX).map(past).collect(),
        by_state: state.counts(person).0,
        rewards: state.granted(person).to_vec(),
        next: earned.next,
        paused: earned.paused,
    }
}

/// The best inviters, at most `limit`: by redeemed referrals, then by quality, then by who needed
/// fewer referrals, then by who was there first. Where more than [`EQUALS_MAX`] are equal in
/// redeemed referrals, quality decides among those of them who needed the fewest.
pub(super) fn top(state: &State, policy: &Policy, limit: usize, now: Timestamp) -> Vec<Leader> {
    let leader = |&Person { id, counts, .. }: &Person| {
        let quality = score::quality(state, policy, id, now).score;
        Leader { person: id, referred: counts.all(), redeemed: counts.redeemed(), quality }
    };
    let mut top: Vec<Leader> = Vec::new();
    let mut best = state.best().peekable();
    while top.len() < limit
        && let Some(redeemed) = best.peek().map(|person| person.counts.redeemed())
    {
        let (mut equals, mut referrals) = (Vec::new(), 0);
        while equals.len() < EQUALS_MAX
            && referrals < EQUALS_REFERRALS_MAX
            && let Some(person) = best.next_if(|person| person.counts.redeemed() == redeemed)
        {
            referrals = person.counts.all().saturating_add(referrals);
            equals.push(leader(person));
        }
        // Stable: who is equal in this, too, stays in the order of the index.
        equals.sort_by(|one, other| other.quality.total_cmp(&one.quality));
        top.extend(equals);
    }
    top.truncate(limit);
    top
}

pub(super) fn network(state: &State) -> Network {
    let forest = &state.forest;
    let counts = ReferralState::ALL.into_iter().zip(state.by_state);
    let redeemed = counts.filter(|(state, _)| state.counts()).map(|(_, count)| count).sum();
    let edges = u64::from(forest.edges());
    let members = state.members_true();
    let ratio = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    Network {
        people: u64::from(forest.people()),
        roots: u64::from(forest.trees()),
        edges,
        depth: forest.deepest(),
        by_state: state.by_state,
        redeemed,
        conversion: ratio(redeemed, edges),
        members,
        viral_coefficient: ratio(redeemed, members),
    }
}
