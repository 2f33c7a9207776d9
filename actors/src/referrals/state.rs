//! Edges, the people at their ends, and what those were granted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::fraud::Arrivals;
use crate::growing::{List, Map, Table};
use crate::ids::{PersonId, Timestamp, Uuid};
use crate::record;

use super::command::Stats;
use super::event::{Credit, Reward, Suspicion};
use super::forest::Forest;
use super::rewards::Rewards;
use super::spellings::Spellings;
use super::suspects::{Suspect, Suspects, Verdict};

/// Where the recipient of a referral stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

    /// Whether that counts for the inviter: in, and not false.
    pub(super) const fn counts(self) -> bool {
        self.is_in() && !matches!(self, Self::Fraud)
    }
}

/// A referral, between two people by their numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) id: Uuid,
    pub(super) inviter: u32,
    pub(super) recipient: u32,
    pub(super) state: ReferralState,
    /// Whether the inviter's credit waits for a verdict.
    pub(super) withheld: bool,
    /// Of the recipient's address; 0 where nobody has looked.
    pub(super) shape: u32,
    pub(super) at: Timestamp,
}

/// A referral, between two people by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Brought {
    pub(super) id: Uuid,
    pub(super) inviter: PersonId,
    pub(super) recipient: PersonId,
    pub(super) state: ReferralState,
    pub(super) at: Timestamp,
    pub(super) shape: u32,
    pub(super) withheld: bool,
}

/// A member, as far as rewards are concerned.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Member {
    pub(super) since: Timestamp,
    pub(super) state: ReferralState,
    pub(super) seen: Timestamp,
}

/// Somebody at an end of an edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    pub(super) id: PersonId,
    /// The edge that ends here, or [`NO_EDGE`].
    edge: u32,
    /// Referrals in each state.
    pub(super) counts: Counts,
}

/// How many referrals are in each state, in the order of [`ReferralState::ALL`], without those for
/// which credit is withheld; and how many those are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts(pub(super) [u32; 6], pub(super) u32);

impl Counts {
    pub(super) fn all(self) -> u32 {
        self.judged() + self.1
    }

    /// Those for which no credit is withheld.
    pub(super) fn judged(self) -> u32 {
        self.0.iter().sum()
    }

    pub(super) fn of(self, state: ReferralState) -> u32 {
        self.0[usize::from(state.number())]
    }

    /// Those whose recipient came in.
    pub(super) fn came(self) -> u32 {
        self.sum(ReferralState::is_in)
    }

    /// Those that count for the inviter.
    pub(super) fn redeemed(self) -> u32 {
        self.sum(ReferralState::counts)
    }

    /// Takes in or out a referral in that state.
    pub(super) fn change(&mut self, state: ReferralState, withheld: bool, by: impl Fn(u32) -> u32) {
        let count = if withheld { &mut self.1 } else { &mut self.0[usize::from(state.number())] };
        *count = by(*count);
    }

    fn sum(self, holds: fn(ReferralState) -> bool) -> u32 {
        let counts = ReferralState::ALL.into_iter().zip(self.0);
        counts.filter(|(state, _)| holds(*state)).map(|(_, count)| count).sum()
    }
}

/// Stands for the edge to somebody whom nobody brought.
const NO_EDGE: u32 = u32::MAX;

/// Redeemed referrals, then the fewer all in all, then who was there first.
type Rank = (u32, Reverse<u32>, Reverse<u32>);

/// The graph. Invariants: `numbers`, `people` and `forest` know the same people; `best` has the
/// rank of each of them with a redeemed referral.
#[derive(Debug, Default)]
pub(crate) struct State {
    edges: List<Edge>,
    numbers: Table<u32>,
    people: List<Person>,
    pub(super) forest: Forest,
    best: BTreeSet<Rank>,
    pub(super) spellings: Spellings,
    pub(super) members: Map<PersonId, Member>,
    /// Members who were false.
    members_false: u64,
    pub(super) rewards: Rewards,
    pub(super) by_state: [u64; 6],
    pub(super) shares: u64,
    pub(super) conversions: u64,
    pub(super) suspects: Suspects,
    /// Points that inviters have, by whom they have brought, and added up by inviter.
    pub(super) credits: Map<PersonId, i32>,
    pub(super) points: Map<PersonId, i32>,
    /// Where the newest came in from.
    pub(super) arrivals: Arrivals,
    /// Whether the gate let anybody in when it moved last, as far as that is known.
    pub(super) gate_open: Option<bool>,
}

impl State {
    pub(super) fn len(&self) -> usize {
        self.edges.len()
    }

    /// The number of somebody at an end of an edge.
    pub(super) fn number(&self, person: PersonId) -> Option<u32> {
        let same = |&number: &u32| self.person(number).id == person;
        self.numbers.find(person, same).copied()
    }

    pub(super) fn person(&self, number: u32) -> &Person {
        &self.people[number as usize]
    }

    /// The referral that brought a person.
    pub(super) fn to(&self, recipient: PersonId) -> Option<&Edge> {
        self.number(recipient).and_then(|number| self.edge_to(number))
    }

    pub(super) fn edge_to(&self, recipient: u32) -> Option<&Edge> {
        self.edges.get(self.person(recipient).edge as usize)
    }

    /// Who has brought a person.
    pub(super) fn inviter(&self, recipient: PersonId) -> Option<PersonId> {
        self.to(recipient).map(|edge| self.person(edge.inviter).id)
    }

    /// Whether a person's referral counts for the inviter.
    pub(super) fn counts_for_inviter(&self, recipient: PersonId) -> bool {
        self.to(recipient).is_some_and(|edge| edge.state.counts() && !edge.withheld)
    }

    /// The referrals of an inviter, newest first.
    pub(super) fn from(&self, inviter: PersonId) -> impl Iterator<Item = &Edge> {
        let below = self.number(inviter).map(|number| self.forest.down(number));
        below.into_iter().flatten().filter_map(|recipient| self.edge_to(recipient))
    }

    /// All referrals, oldest first.
    pub(super) fn brought(&self) -> impl ExactSizeIterator<Item = Brought> {
        (0..self.edges.len()).map(|index| self.nth_brought(index))
    }

    /// One of these.
    pub(super) fn nth_brought(&self, index: usize) -> Brought {
        let edge = &self.edges[index];
        Brought {
            id: edge.id,
            inviter: self.person(edge.inviter).id,
            recipient: self.person(edge.recipient).id,
            state: edge.state,
            at: edge.at,
            shape: edge.shape,
            withheld: edge.withheld,
        }
    }

    /// How an inviter's referrals stand.
    pub(super) fn counts(&self, inviter: PersonId) -> Counts {
        self.number(inviter).map_or_else(Counts::default, |number| self.person(number).counts)
    }

    pub(super) fn member(&self, person: PersonId) -> Option<&Member> {
        self.members.get(person)
    }

    /// Whether somebody has come in ever, and counts as false.
    #[cfg(feature = "simulation")]
    pub(crate) fn counts_as_false(&self, person: PersonId) -> bool {
        self.member(person).is_some_and(|member| member.state == ReferralState::Fraud)
    }

    /// Whether an operator's rejection stands.
    #[cfg(feature = "simulation")]
    pub(crate) fn is_rejected(&self, person: PersonId) -> bool {
        self.suspects.is_rejected(person)
    }

    /// Whether the registry has still to tell what it could take back from somebody.
    #[cfg(feature = "simulation")]
    pub(crate) fn is_awaited(&self, person: PersonId) -> bool {
        self.rewards.is_awaited(person)
    }

    /// How many have come in and were not false.
    pub(super) fn members_true(&self) -> u64 {
        self.members.len() as u64 - self.members_false
    }

    pub(super) fn granted(&self, person: PersonId) -> &[Reward] {
        self.rewards.of(person)
    }

    /// Inviters with a redeemed referral, best first.
    pub(super) fn best(&self) -> impl Iterator<Item = &Person> {
        self.best.iter().rev().map(|&(_, _, Reverse(number))| self.person(number))
    }

    /// Whether somebody would stand above themselves if `inviter` stood above `recipient`, who has
    /// no inviter. Those who share a mailbox are one.
    pub(super) fn would_close(
        &self,
        inviter: PersonId,
        recipient: PersonId,
        mailboxes: [Option<PersonId>; 2],
    ) -> bool {
        if inviter == recipient {
            return true;
        }
        let numbers = self.number(inviter).zip(self.number(recipient));
        if numbers.is_some_and(|(above, below)| self.forest.root(above) == below) {
            return true;
        }
        if self.spellings.is_empty() && mailboxes == [None; 2] {
            return false;
        }
        let mailbox =
            |person, told: Option<PersonId>| told.unwrap_or_else(|| self.spellings.mailbox(person));
        let (from, to) = (mailbox(inviter, mailboxes[0]), mailbox(recipient, mailboxes[1]));
        from == to || self.stands_above(from, inviter, to, recipient)
    }

    /// Whether `recipient` or its mailbox `to` stands above `inviter` or its mailbox `from`, also
    /// by way of people in between who share a mailbox.
    fn stands_above(
        &self,
        from: PersonId,
        inviter: PersonId,
        to: PersonId,
        recipient: PersonId,
    ) -> bool {
        let mut met = BTreeSet::from([from]);
        let mut starts: Vec<PersonId> = self.spellings.of(from).chain([inviter]).collect();
        while let Some(start) = starts.pop() {
            let Some(number) = self.number(start) else { continue };
            for above in self.forest.up(number).map(|number| self.person(number).id) {
                let mailbox = self.spellings.mailbox(above);
                if above == recipient || mailbox == to {
                    return true;
                }
                if above != start && self.spellings.is_shared(mailbox) {
                    // All who have this mailbox are starts of their own, also this one.
                    if met.insert(mailbox) {
                        starts.extend(self.spellings.of(mailbox));
                    }
                    break;
                }
            }
        }
        false
    }

    pub(super) fn stats(&self) -> Stats {
        let Self { by_state, shares, conversions, .. } = *self;
        let reviews = self.suspects.waiting_count() as u64;
        Stats { by_state, shares, conversions, reviews }
    }

    /// A digest of everything that later answers depend on.
    pub(super) fn digest(&self) -> [u8; 32] {
        let rewards = &self.rewards;
        record::digest(&(
            self.brought().collect::<Vec<_>>(),
            self.best().map(|one| (one.id, one.counts.0, one.counts.1)).collect::<Vec<_>>(),
            self.spellings.list(),
            self.members.iter().collect::<BTreeMap<_, _>>(),
            self.members_false,
            rewards.granted.iter().collect::<BTreeMap<_, _>>(),
            (self.by_state, self.shares, self.conversions),
            (self.suspects.list(), self.suspects.waiting(None).collect::<Vec<_>>()),
            self.credits.iter().collect::<BTreeMap<_, _>>(),
            self.points.iter().collect::<BTreeMap<_, _>>(),
            (&rewards.held, self.gate_open, &rewards.lost, &rewards.reclaimed, &rewards.awaited),
            self.arrivals.iter().collect::<Vec<_>>(),
        ))
    }

    pub(super) fn add(&mut self, brought: Brought, shared: bool) {
        self.link(brought);
        self.shares += u64::from(shared);
        if brought.state.is_in() {
            self.conversions += 1;
            self.note_member(brought.recipient, brought.state, brought.at);
        }
    }

    /// The next edge, counted by its state.
    pub(super) fn link(&mut self, brought: Brought) {
        let Brought { id, state, at, shape, withheld, .. } = brought;
        let [inviter, recipient] =
            [brought.inviter, brought.recipient].map(|person| self.admit(person));
        self.people[recipient as usize].edge = self.edges.len() as u32;
        self.edges.push(Edge { id, inviter, recipient, state, withheld, shape, at });
        self.forest.link(inviter, recipient);
        self.by_state[usize::from(state.number())] += 1;
        self.recount(inviter, |counts| counts.change(state, withheld, |count| count + 1));
    }

    /// The number of a person, who gets one at the first edge.
    fn admit(&mut self, id: PersonId) -> u32 {
        if let Some(number) = self.number(id) {
            return number;
        }
        let number = self.forest.plant();
        self.people.push(Person { id, edge: NO_EDGE, counts: Counts::default() });
        let people = &self.people;
        self.numbers.insert_unique(id, number, |&number| people[number as usize].id);
        number
    }

    /// Changes how an inviter's referrals stand, and the rank that follows from it.
    fn recount(&mut self, inviter: u32, change: impl FnOnce(&mut Counts)) {
        let rank = |counts: Counts| -> Rank {
            (counts.redeemed(), Reverse(counts.all()), Reverse(inviter))
        };
        let counts = &mut self.people[inviter as usize].counts;
        let before = rank(*counts);
        change(counts);
        let after = rank(*counts);
        if before != after {
            self.best.remove(&before);
            if after.0 > 0 {
                self.best.insert(after);
            }
        }
    }

    /// Where a person stands, as a recipient and as a member.
    pub(super) fn stands(&self, person: PersonId) -> [Option<ReferralState>; 2] {
        let member = self.member(person).map(|member| member.state);
        [self.to(person).map(|edge| edge.state), member]
    }

    /// Where a person stands because somebody has said so; as far as the person is a recipient, and
    /// a member. That is no sign of life.
    pub(super) fn set(&mut self, person: PersonId, [edge, member]: [Option<ReferralState>; 2]) {
        if let Some((state, known)) = member.zip(self.member(person).copied()) {
            self.put_member(person, Member { state, ..known });
        }
        if let Some(to) = edge {
            self.move_edge(person, to);
        }
    }

    /// Where a person would stand if nobody had rejected the person.
    pub(super) fn life(&self, person: PersonId) -> [Option<ReferralState>; 2] {
        let [edge, member] = self.stands(person);
        let rejected = |suspect: &&Suspect| suspect.verdict == Verdict::Rejected;
        let Some(suspect) = self.suspects.get(person).filter(rejected) else {
            return [edge, member];
        };
        if suspect.life[1].is_none() && member.is_some() {
            // Came in before events said what a verdict hides.
            return [edge.map(|_| ReferralState::Redeemed), Some(ReferralState::Redeemed)];
        }
        // Who was brought only after the rejection stands where the referral says.
        [suspect.life[0].or(edge), suspect.life[1]]
    }

    /// Puts somebody there.
    pub(super) fn restore(&mut self, person: PersonId) {
        self.set(person, self.life(person));
    }

    /// A step of somebody who is rejected, and stays so.
    pub(super) fn progress_hidden(&mut self, person: PersonId, to: ReferralState, at: Timestamp) {
        let member = self.member(person).copied().filter(|_| to.is_in());
        if let Some(known) = member {
            let since = if to == ReferralState::Redeemed { at } else { known.since };
            self.put_member(person, Member { since, seen: at, ..known });
        }
        self.convert(self.suspects.get(person).and_then(|suspect| suspect.life[0]), to);
        let edge = self.to(person).map(|_| to);
        self.suspects.live_on(person, [edge, member.map(|_| to)]);
    }

    pub(super) fn progress(&mut self, person: PersonId, to: ReferralState, at: Timestamp) {
        if to.is_in() {
            self.note_member(person, to, at);
        }
        let from = self.move_edge(person, to);
        self.convert(from, to);
    }

    /// Counts a referral whose recipient comes in.
    fn convert(&mut self, from: Option<ReferralState>, to: ReferralState) {
        self.conversions += u64::from(from.is_some_and(|from| to.is_in() && !from.is_in()));
    }

    /// Changes the state of a person's referral; the one before.
    fn move_edge(&mut self, person: PersonId, to: ReferralState) -> Option<ReferralState> {
        let number = self.number(person)?;
        let edge = self.edges.get_mut(self.people[number as usize].edge as usize)?;
        let from = std::mem::replace(&mut edge.state, to);
        let (inviter, withheld) = (edge.inviter, edge.withheld);
        self.by_state[usize::from(from.number())] -= 1;
        self.by_state[usize::from(to.number())] += 1;
        self.recount(inviter, |counts| {
            counts.change(from, withheld, |count| count - 1);
            counts.change(to, withheld, |count| count + 1);
        });
        Some(from)
    }

    fn note_member(&mut self, person: PersonId, state: ReferralState, at: Timestamp) {
        let stays = state != ReferralState::Redeemed;
        let since = self.member(person).filter(|_| stays).map_or(at, |member| member.since);
        self.put_member(person, Member { since, state, seen: at });
    }

    /// A member as it is now.
    pub(super) fn put_member(&mut self, person: PersonId, member: Member) {
        let is_false = |member: &Member| u64::from(member.state == ReferralState::Fraud);
        self.members_false += is_false(&member);
        if let Some(before) = self.members.insert(person, member) {
            self.members_false -= is_false(&before);
        }
    }

    pub(super) fn suspect(&mut self, person: PersonId, suspicion: Suspicion, at: Timestamp) {
        self.suspects.suspect(person, suspicion, at);
        self.withhold(person);
    }

    /// Somebody of an image who is suspected.
    pub(super) fn put_suspect(&mut self, person: PersonId, suspect: Suspect) {
        self.suspects.put(person, suspect);
        self.withhold(person);
    }

    pub(super) fn judge(
        &mut self,
        person: PersonId,
        verdict: Verdict,
        life: [Option<ReferralState>; 2],
    ) {
        self.suspects.judge(person, verdict, life);
        self.withhold(person);
    }

    /// Counts a person's referral, or does not, as the person is suspected.
    fn withhold(&mut self, person: PersonId) {
        let to = self.suspects.is_withheld(person);
        let Some(number) = self.number(person) else { return };
        let Some(edge) = self.edges.get_mut(self.people[number as usize].edge as usize) else {
            return;
        };
        let from = std::mem::replace(&mut edge.withheld, to);
        let (inviter, state) = (edge.inviter, edge.state);
        self.recount(inviter, |counts| {
            counts.change(state, from, |count| count - 1);
            counts.change(state, to, |count| count + 1);
        });
    }

    pub(super) fn credit(&mut self, credits: &[Credit]) {
        for Credit { inviter, recipient, points, .. } in credits {
            let Some(recipient) = recipient else { continue };
            if *points > 0 {
                self.credits.insert(*recipient, *points);
            } else {
                self.credits.remove(*recipient);
            }
            let sum = self.points.get_or_default(*inviter);
            *sum = sum.saturating_add(*points);
        }
    }
}
