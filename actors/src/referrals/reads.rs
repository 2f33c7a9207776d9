//! What the graph tells of itself. Nothing here changes it, and every answer has a bound.

use crate::ids::{PersonId, Timestamp};
use crate::quality::Colour;

use super::command::Earn;
use super::command::Milestone;
use super::decide;
use super::event::Reward;
use super::policy::Policy;
use super::score;
use super::state::{Edge, Person, ReferralState, State};

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
    /// Those that would count, and wait for a verdict on the recipient.
    pub withheld: u32,
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

pub(super) fn stands(state: &State, person: PersonId) -> Option<ReferralState> {
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
    // What is due is no matter here, so neither is the gate.
    let earn = Earn { person, gate: Colour::Green };
    let earned = decide::earned(state, policy, &earn, Vec::new(), now);
    Analytics {
        known: is_known(state, person),
        history: state.from(person).take(HISTORY_MAX).map(past).collect(),
        by_state: state.counts(person).0,
        withheld: state.counts(person).1,
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
    let keeps = |person: &&Person| !state.suspects.is_rejected(person.id);
    let mut best = state.best().filter(keeps).peekable();
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::super::apply::apply;
    use super::super::command::{RecipientIs, Share};
    use super::super::review::Arrival;
    use super::super::{Bind, Event, Rejection, image};
    use super::*;
    use crate::cell::Decided;
    use crate::fraud::{Marks, Signals};
    use crate::ids::Uuid;
    use crate::image::{ImageReader, ImageWriter};
    use crate::quality::{Observation, Seen};

    const PEOPLE: u128 = 14;

    /// The first few share a mailbox two by two; the even one has the plain address.
    fn mailbox(person: u128) -> u128 {
        if person < 8 { person / 2 * 2 } else { person }
    }

    fn told(person: u128) -> Option<PersonId> {
        (mailbox(person) != person).then(|| PersonId(mailbox(person)))
    }

    /// The graph in plain collections, where everything is looked for everywhere.
    #[derive(Debug, Default)]
    struct Model {
        edges: Vec<(u128, u128)>,
        members: BTreeMap<u128, ReferralState>,
    }

    impl Model {
        fn inviter(&self, person: u128) -> Option<u128> {
            self.edges.iter().find(|edge| edge.1 == person).map(|edge| edge.0)
        }

        fn state(&self, person: u128) -> ReferralState {
            self.members.get(&person).copied().unwrap_or(ReferralState::Shared)
        }

        /// Whether the mailbox of `above` is above that of `below`.
        fn reaches(&self, above: u128, below: u128) -> bool {
            let mut reached = BTreeSet::from([mailbox(above)]);
            for _ in 0..=self.edges.len() {
                for (inviter, recipient) in &self.edges {
                    if reached.contains(&mailbox(*inviter)) {
                        reached.insert(mailbox(*recipient));
                    }
                }
            }
            reached.contains(&mailbox(below))
        }

        fn refusal(&self, inviter: u128, recipient: u128) -> Option<Rejection> {
            if mailbox(inviter) == mailbox(recipient) {
                Some(Rejection::SelfReferral)
            } else if self.inviter(recipient).is_some() {
                Some(Rejection::AlreadyReferred)
            } else {
                self.reaches(recipient, inviter).then_some(Rejection::ReferralCycle)
            }
        }

        fn above(&self, person: u128) -> Vec<u128> {
            std::iter::successors(self.inviter(person), |above| self.inviter(*above)).collect()
        }

        fn by_level(&self, person: u128) -> Vec<u32> {
            let mut levels = Vec::new();
            for other in 0..PEOPLE {
                if let Some(level) = self.above(other).iter().position(|above| *above == person) {
                    levels.resize(levels.len().max(level + 1), 0);
                    levels[level] += 1;
                }
            }
            levels
        }

        fn from(&self, inviter: u128) -> Vec<ReferralState> {
            let mine = self.edges.iter().filter(|edge| edge.0 == inviter);
            mine.map(|edge| self.state(edge.1)).collect()
        }
    }

    fn in_and_true(states: &[ReferralState]) -> usize {
        let counts = [ReferralState::Redeemed, ReferralState::Active, ReferralState::Churned];
        states.iter().filter(|state| counts.contains(state)).count()
    }

    /// One step for both, who have to agree on what is refused.
    fn step(state: &mut State, model: &mut Model, (kind, one, other): (u8, u128, u128), now: i64) {
        let (mut policy, now) = (Policy::default(), Timestamp::from_micros(now));
        // What is withheld has a test of its own.
        policy.fraud.withhold_at = f64::INFINITY;
        let (from, to) = (PersonId(one), PersonId(other));
        let event = match kind {
            0..6 => {
                let share = Share {
                    id: Uuid(0),
                    inviter: from,
                    recipient: to,
                    mailbox: told(one),
                    marks: Marks { mailbox: told(other), ..Marks::default() },
                    recipient_is: RecipientIs::Unknown,
                    bind: Bind::Nothing,
                };
                let expected = model.refusal(one, other);
                match decide::share(state, &policy, &share) {
                    Ok(Decided::Already(_)) => {
                        assert_eq!(model.inviter(other), Some(one));
                        return;
                    }
                    Err(refusal) => {
                        assert_eq!(Some(refusal), expected, "{one} to {other}");
                        return;
                    }
                    Ok(Decided::Now(event)) => {
                        assert_eq!(expected, None, "{one} to {other}");
                        model.edges.push((one, other));
                        // Whoever came in before anybody shared with them counts from then on.
                        if let Some(is) = model.members.get(&other).copied() {
                            apply(state, &event, now);
                            Event::progressed(vec![(to, is)])
                        } else {
                            event
                        }
                    }
                }
            }
            6 | 7 if model.members.get(&one) != Some(&ReferralState::Fraud) => {
                model.members.insert(one, ReferralState::Redeemed);
                let marks = Marks::default();
                let arrival = Arrival { person: from, marks, signals: Signals::NONE };
                decide::on_redeemed(state, &policy, &arrival, None, Uuid(0), now)
            }
            _ => {
                let (seen, is) = match other % 4 {
                    0 => (Seen::Active, ReferralState::Active),
                    1 => (Seen::Churned, ReferralState::Churned),
                    2 => (Seen::Fraud, ReferralState::Fraud),
                    _ => (Seen::Cleared, ReferralState::Active),
                };
                let sight = Observation { person: from, kind: seen, at: now };
                let Some(event) = decide::on_observed(state, &policy, &[sight], now) else {
                    return;
                };
                model.members.insert(one, is);
                event
            }
        };
        apply(state, &event, now);
    }

    fn agree(state: &State, model: &Model) {
        let (policy, now) = (Policy::default(), Timestamp::from_micros(1).plus_days(9));
        let mut leaders = Vec::new();
        let mut deepest = 0;
        for person in 0..PEOPLE {
            let chain = chain(state, PersonId(person));
            let above: Vec<u128> = chain.above.iter().map(|above| above.person.get()).collect();
            assert_eq!(above, model.above(person), "above {person}");
            assert_eq!(chain.depth as usize, above.len());
            assert_eq!(chain.root.get(), above.last().copied().unwrap_or(person));
            let by_level = model.by_level(person);
            assert_eq!(chain.by_level, by_level, "below {person}");
            assert_eq!(chain.levels as usize, by_level.len());
            assert_eq!(chain.size, by_level.iter().map(|count| u64::from(*count)).sum::<u64>());
            deepest = deepest.max(chain.levels);
            let states = model.from(person);
            let mut found: Vec<_> = state.from(PersonId(person)).map(|edge| edge.state).collect();
            found.reverse();
            assert_eq!(found, states, "from {person}");
            if in_and_true(&states) > 0 {
                let quality = score::quality(state, &policy, PersonId(person), now).score;
                leaders.push((person, in_and_true(&states), quality, states.len()));
            }
        }
        leaders.sort_by(|one, other| {
            (other.1, other.2).partial_cmp(&(one.1, one.2)).expect("scores are numbers")
        });
        let top = top(state, &policy, 100, now);
        let facts = |leader: &Leader| (leader.redeemed as usize, leader.quality);
        let ranks: Vec<_> = leaders.iter().map(|leader| (leader.1, leader.2)).collect();
        assert_eq!(top.iter().map(facts).collect::<Vec<_>>(), ranks);
        for leader in &top {
            let (person, referred) = (leader.person.get(), leader.referred as usize);
            assert!(leaders.contains(&(
                person,
                leader.redeemed as usize,
                leader.quality,
                referred
            )));
        }

        let ends: BTreeSet<u128> = model.edges.iter().flat_map(|edge| [edge.0, edge.1]).collect();
        let states: Vec<_> = model.edges.iter().map(|edge| model.state(edge.1)).collect();
        let members: Vec<_> = model.members.values().copied().collect();
        let network = network(state);
        assert_eq!(network.people, ends.len() as u64);
        let roots = ends.iter().filter(|person| model.inviter(**person).is_none());
        assert_eq!(network.roots, roots.count() as u64);
        assert_eq!((network.edges, network.depth), (model.edges.len() as u64, deepest));
        for (is, count) in ReferralState::ALL.into_iter().zip(network.by_state) {
            assert_eq!(states.iter().filter(|state| **state == is).count() as u64, count);
        }
        assert_eq!(network.redeemed, in_and_true(&states) as u64);
        assert_eq!(network.members, in_and_true(&members) as u64);
    }

    proptest! {
        #[test]
        fn the_graph_tells_what_plain_collections_tell(
            steps in prop::collection::vec((0..10_u8, 0..PEOPLE, 0..PEOPLE), 0..60)
        ) {
            let (mut state, mut model) = (State::default(), Model::default());
            for (now, what) in (1..).zip(steps) {
                step(&mut state, &mut model, what, now);
            }
            agree(&state, &model);
            let mut bytes = Vec::new();
            image::save(&state, &mut ImageWriter(&mut bytes)).expect("memory takes everything");
            let mut rest = bytes.as_slice();
            let restored = image::restore(5, &mut ImageReader(&mut rest)).expect("a whole image");
            prop_assert!(rest.is_empty());
            prop_assert_eq!(restored.digest(), state.digest());
            agree(&restored, &model);
        }
    }

    fn referred(inviter: u128, recipient: u128, state: ReferralState) -> Event {
        Event::referral(Uuid(0), [inviter, recipient].map(PersonId), state, Bind::Oldest)
    }

    fn given(events: impl Iterator<Item = Event>) -> State {
        let mut state = State::default();
        for (event, at) in events.zip(1..) {
            apply(&mut state, &event, Timestamp::from_micros(at));
        }
        state
    }

    #[test]
    fn a_long_line_is_told_in_part_and_counted_as_a_whole() {
        let shared = |person| referred(person, person + 1, ReferralState::Shared);
        let state = given((0..100_000).map(shared));
        let top = chain(&state, PersonId(0));
        assert_eq!((top.size, top.levels), (100_000, 100_000));
        assert_eq!(top.by_level.len(), LEVELS_MAX);
        let end = chain(&state, PersonId(100_000));
        assert_eq!((end.depth, end.root), (100_000, PersonId(0)));
        assert_eq!(end.above.len(), ABOVE_MAX);
        assert_eq!(end.above[0].person, PersonId(99_999));
    }

    #[test]
    fn a_history_is_the_newest_hundred_and_says_when_somebody_came_in() {
        let mut state = given((1..=150).map(|friend| referred(0, friend, ReferralState::Shared)));
        let event = Event::progressed(vec![(PersonId(150), ReferralState::Redeemed)]);
        apply(&mut state, &event, Timestamp::from_micros(500));
        let now = Timestamp::from_micros(501);
        let analytics = analytics(&state, &Policy::default(), PersonId(0), now);
        assert_eq!(analytics.history.len(), HISTORY_MAX);
        assert_eq!(analytics.by_state, [149, 0, 1, 0, 0, 0]);
        let newest = Past {
            recipient: PersonId(150),
            state: ReferralState::Redeemed,
            shared_at: Timestamp::from_micros(150),
            redeemed_at: Some(Timestamp::from_micros(500)),
        };
        assert_eq!(analytics.history[0], newest);
        assert_eq!(analytics.history[1].redeemed_at, None);
        assert_eq!(analytics.next.map(|next| (next.redeemed, next.missing)), Some((3, 2)));
    }

    #[test]
    fn a_member_whom_nobody_brought_is_known_and_counts_among_the_members() {
        let came = |person| vec![(PersonId(person), ReferralState::Redeemed)];
        let brought = referred(1, 2, ReferralState::Redeemed);
        let state = given([Event::progressed(came(9)), brought].into_iter());
        let alone = chain(&state, PersonId(9));
        assert!(alone.known && alone.above.is_empty());
        assert_eq!(alone.state, Some(ReferralState::Redeemed));
        assert!(!chain(&state, PersonId(10)).known);
        let network = network(&state);
        assert_eq!((network.people, network.members), (2, 2));
        assert_eq!((network.conversion, network.viral_coefficient), (1.0, 0.5));
    }

    #[test]
    fn equal_inviters_are_ranked_by_quality_and_the_best_by_number() {
        let came = ReferralState::Redeemed;
        let state = given(
            [
                referred(1, 11, came),
                referred(1, 12, ReferralState::Shared),
                referred(2, 21, came),
                referred(3, 31, came),
                referred(3, 32, came),
                referred(4, 41, ReferralState::Shared),
            ]
            .into_iter(),
        );
        let now = Timestamp::from_micros(9);
        let people = |limit| {
            let top = top(&state, &Policy::default(), limit, now);
            top.iter().map(|leader| leader.person.get()).collect::<Vec<_>>()
        };
        assert_eq!(people(10), [3, 2, 1], "nobody without a redeemed referral");
        assert_eq!(people(2), [3, 2]);
    }
}
