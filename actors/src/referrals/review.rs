//! Signs of fraud among those who are brought: when the credit for them is withheld, what a verdict
//! comes to, and what there is to read about that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cell::Decided;
use crate::fraud::{Marks, Signal, Signals};
use crate::ids::{PersonId, Timestamp};

use super::decide;
use super::event::{Credit, Event, RewardKind, Suspicion, Withdrawn};
use super::policy::Policy;
use super::score;
use super::state::{Counts, ReferralState, State};
use super::suspects::{Suspect, Verdict};
use super::{Rejection, Reward};

/// Of an inviter's newest referrals so many are compared with the next one.
const COMPARED_MAX: usize = 50;

/// Somebody who joins or comes in, as the graph sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) person: PersonId,
    pub(super) marks: Marks,
    /// What has been noticed already.
    pub(super) signals: Signals,
}

/// A verdict on somebody.
#[derive(Clone, Debug)]
pub(crate) struct Review {
    pub(crate) person: PersonId,
    /// Whether it is a person like others.
    pub(crate) accept: bool,
    /// How many codes people hold whom it may cost some, as far as that is known.
    pub(crate) holding: Vec<(PersonId, u32)>,
}

/// What a verdict has done, or would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reviewed {
    /// Whether the verdict had been given before, and nothing happens.
    pub already: bool,
    /// Whether the credit had been withheld until then.
    pub withheld: bool,
    /// Who has brought the person.
    pub inviter: Option<PersonId>,
    /// Where the person stands from then on, where that changes.
    pub state: Option<ReferralState>,
    /// Rewards that are taken back, and from whom.
    pub withdrawn: Vec<Withdrawn>,
    /// Points that are given or taken back.
    pub credits: Vec<Credit>,
    /// How many codes each of those loses from whom rewards are taken back.
    pub revoked: Vec<u32>,
}

/// What is known of somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Risk {
    /// Whether the graph has met the person, or something was noticed.
    pub known: bool,
    /// How much the signs weigh together, in 0..1, to two decimals.
    pub risk: f64,
    /// Each sign, and what it weighs by itself.
    pub reasons: Vec<(Signal, f64)>,
    /// What was made of it.
    pub verdict: Verdict,
    /// Since when the inviter's credit for this person waits for a verdict.
    pub withheld: Option<Timestamp>,
    /// Who has brought the person.
    pub inviter: Option<PersonId>,
    /// Where the person stands.
    pub state: Option<ReferralState>,
}

/// Somebody who waits for a verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// Who.
    pub person: PersonId,
    /// Why.
    pub risk: Risk,
}

/// Where a list of those who wait for a verdict goes on.
pub type Cursor = (Timestamp, PersonId);

/// Whether somebody else is known by another spelling of a person's mailbox.
pub(super) fn has_double(state: &State, person: PersonId, mailbox: Option<PersonId>) -> bool {
    let plain = mailbox.unwrap_or(person);
    // Of whom somebody has only told, or who has left the list again, there is nobody.
    let came = |other: PersonId| {
        let brought = state.to(other).map(|edge| edge.state);
        state.member(other).is_some() || brought.is_none_or(|is| is != ReferralState::Shared)
    };
    let met = |other: PersonId| state.number(other).is_some() || state.member(other).is_some();
    let others = state.spellings.of(plain).filter(|other| *other != person);
    others.into_iter().any(|other| came(other) && (other != plain || met(plain)))
}

/// What there is to note about somebody whom `inviter` has brought, or nobody; None when that is
/// nothing new.
pub(super) fn suspicion(
    state: &State,
    policy: &Policy,
    arrival: &Arrival,
    inviter: Option<PersonId>,
) -> Option<Suspicion> {
    let Arrival { person, marks, signals } = *arrival;
    let known = state.suspects.get(person);
    let resembled = inviter.map_or(0, |inviter| resembled(state, inviter, person, marks.shape));
    let signals = known
        .map_or(Signals::NONE, |suspect| suspect.signals)
        .and(signals)
        .with(Signal::Lookalike, resembled >= policy.fraud.lookalikes as usize)
        .with(Signal::LookalikeCrowd, resembled >= policy.fraud.crowd as usize)
        .with(Signal::CanonicalDuplicate, has_double(state, person, marks.mailbox))
        .with(Signal::DisposableDomain, marks.disposable);
    if signals.is_empty() {
        return None;
    }
    let open = known.is_none_or(|suspect| suspect.verdict == Verdict::Open);
    let held = known.is_some_and(|suspect| suspect.withheld.is_some());
    let risky = policy.fraud.risk(signals) >= policy.fraud.withhold_at;
    // What has been credited already is taken back by a verdict only.
    let credited = state.counts_for_inviter(person);
    let withheld = held || open && inviter.is_some() && risky && !credited;
    let suspicion = Suspicion { signals, withheld };
    let before = known.map(|suspect| Suspicion { signals: suspect.signals, withheld: held });
    (before != Some(suspicion)).then_some(suspicion)
}

/// How many others of an inviter's newest referrals have an address like that. A shape of 0 is that
/// of an address which nobody has looked at.
fn resembled(state: &State, inviter: PersonId, person: PersonId, shape: u32) -> usize {
    let newest = state.from(inviter).take(COMPARED_MAX);
    let others = newest.filter(|edge| state.person(edge.recipient).id != person);
    others.filter(|edge| edge.shape == shape && shape != 0).count()
}

/// Points that change in one event, and what that comes to for each inviter.
pub(super) struct Points<'a> {
    state: &'a State,
    policy: &'a Policy,
    sums: BTreeMap<PersonId, i32>,
    credits: Vec<Credit>,
}

impl<'a> Points<'a> {
    pub(super) fn new(state: &'a State, policy: &'a Policy) -> Self {
        Self { state, policy, sums: BTreeMap::new(), credits: Vec::new() }
    }

    /// What an inviter has, whether or not it may be kept.
    fn sum(&self, inviter: PersonId) -> i32 {
        let known = self.sums.get(&inviter).or_else(|| self.state.points.get(inviter));
        known.copied().unwrap_or(0)
    }

    /// Gives points for somebody whose referral counts, or takes them back where it does not.
    pub(super) fn settle(
        mut self,
        recipient: PersonId,
        inviter: Option<PersonId>,
        due: bool,
    ) -> Self {
        let points = match (due, self.state.credits.get(recipient)) {
            (true, None) => self.policy.points_per_redeemed,
            (false, Some(points)) => -points,
            (true, Some(_)) | (false, None) => 0,
        };
        if let Some(inviter) = inviter.filter(|_| points != 0) {
            let sum = self.sum(inviter).saturating_add(points);
            self.sums.insert(inviter, sum);
            let total = if self.state.suspects.is_rejected(inviter) { 0 } else { sum };
            self.credits.push(Credit { inviter, recipient: Some(recipient), points, total });
        }
        self
    }

    /// Tells again what an inviter has, who may keep it or not.
    pub(super) fn tell(mut self, inviter: PersonId, keeps: bool) -> Self {
        let sum = self.sum(inviter);
        if sum != 0 {
            let total = if keeps { sum } else { 0 };
            self.credits.push(Credit { inviter, recipient: None, points: 0, total });
        }
        self
    }

    pub(super) fn finish(self) -> Vec<Credit> {
        self.credits
    }
}

/// A verdict, with all that follows from it.
pub(super) fn review(
    state: &State,
    policy: &Policy,
    review: &Review,
    now: Timestamp,
) -> Result<Decided<Event, Reviewed>, Rejection> {
    let Review { person, accept, .. } = *review;
    let suspect = state.suspects.get(person).copied();
    let met = state.number(person).is_some() || state.member(person).is_some();
    if suspect.is_none() && (accept || !met) {
        return Err(Rejection::NothingToReview);
    }
    let verdict = if accept { Verdict::Accepted } else { Verdict::Rejected };
    if suspect.is_some_and(|suspect| suspect.verdict == verdict) {
        let inviter = state.inviter(person);
        return Ok(Decided::Already(Reviewed {
            already: true,
            withheld: false,
            inviter,
            state: None,
            withdrawn: Vec::new(),
            credits: Vec::new(),
            revoked: Vec::new(),
        }));
    }
    Ok(Decided::Now(if accept {
        accepted(state, policy, person, suspect)
    } else {
        rejected(state, policy, person, now)
    }))
}

fn accepted(state: &State, policy: &Policy, person: PersonId, suspect: Option<Suspect>) -> Event {
    let rejected = suspect.is_some_and(|suspect| suspect.verdict == Verdict::Rejected);
    let [edge, member] = state.life(person);
    let to = edge.or(member).filter(|_| rejected);
    let counts = edge.is_some_and(ReferralState::counts);
    let points = Points::new(state, policy).settle(person, state.inviter(person), counts);
    let points = if rejected { points.tell(person, true) } else { points };
    let (withdrawn, credits) = (Vec::new(), points.finish());
    Event::Reviewed { person, accepted: true, state: to, withdrawn, awaited: true, credits }
}

fn is_false(state: ReferralState) -> bool {
    state == ReferralState::Fraud
}

/// What a false account has caused comes undone: the referral does not count, what the inviter got
/// for it is taken back, and so is all that the account itself was granted or credited. Those whom
/// it has brought stay where they are: they may be people like others.
fn rejected(state: &State, policy: &Policy, person: PersonId, now: Timestamp) -> Event {
    let inviter = state.inviter(person);
    let points = Points::new(state, policy).settle(person, inviter, false).tell(person, false);
    let mut withdrawn: Vec<Withdrawn> =
        inviter.and_then(|from| undue(state, policy, from, person, now)).into_iter().collect();
    let rewards = state.granted(person).to_vec();
    if !rewards.is_empty() {
        withdrawn.push(Withdrawn { person, rewards, codes: u32::MAX });
    }
    let seems_true = state.stands(person).into_iter().flatten().any(|is| !is_false(is));
    let to = seems_true.then_some(ReferralState::Fraud);
    let credits = points.finish();
    Event::Reviewed { person, accepted: false, state: to, withdrawn, awaited: true, credits }
}

/// The rewards that an inviter would not have if `person` were false.
fn undue(
    state: &State,
    policy: &Policy,
    inviter: PersonId,
    person: PersonId,
    now: Timestamp,
) -> Option<Withdrawn> {
    let mut after = state.counts(inviter);
    if let Some(edge) = state.to(person) {
        after.change(edge.state, edge.withheld, |count| count - 1);
        after.change(ReferralState::Fraud, false, |count| count + 1);
    }
    let good = |counts: Counts| {
        let quality = score::judge(state, policy, inviter, counts, now);
        decide::is_high(policy, &quality)
    };
    // As if all that are false now were what they seemed to be.
    let mut seeming = after;
    for _ in 0..after.of(ReferralState::Fraud) {
        seeming.change(ReferralState::Fraud, false, |count| count - 1);
        seeming.change(ReferralState::Active, false, |count| count + 1);
    }
    let loses_bonus = good(seeming) && !good(after);
    let is_undue = |reward: &&Reward| match reward.rule.strip_prefix("redeemed:") {
        Some(tier) => tier.parse::<u32>().is_ok_and(|tier| tier > after.redeemed()),
        None => reward.rule == decide::QUALITY_RULE && loses_bonus,
    };
    let rewards: Vec<Reward> = state.granted(inviter).iter().filter(is_undue).cloned().collect();
    let codes = rewards.iter().filter(|reward| reward.kind == RewardKind::InviteCodes);
    let codes = codes.map(|reward| reward.amount).sum();
    (!rewards.is_empty()).then_some(Withdrawn { person: inviter, rewards, codes })
}

/// What a verdict would do.
pub(super) fn preview(
    state: &State,
    policy: &Policy,
    verdict: &Review,
    now: Timestamp,
) -> Result<Reviewed, Rejection> {
    let withheld = state.suspects.is_withheld(verdict.person);
    Ok(match review(state, policy, verdict, now)? {
        Decided::Now(event) => reviewed(state, verdict, &event, withheld),
        Decided::Already(reviewed) => reviewed,
    })
}

/// What a verdict's event says to whoever has given it. `state` is from before, or after: what is
/// told of it does not change.
pub(super) fn reviewed(state: &State, verdict: &Review, event: &Event, withheld: bool) -> Reviewed {
    let Event::Reviewed { person, state: to, withdrawn, credits, .. } = event else {
        unreachable!("a verdict is settled by a verdict")
    };
    Reviewed {
        already: false,
        withheld,
        inviter: state.inviter(*person),
        state: *to,
        withdrawn: withdrawn.clone(),
        credits: credits.clone(),
        revoked: withdrawn
            .iter()
            .map(|Withdrawn { person, codes, .. }| {
                let held = verdict.holding.iter().find(|(holder, _)| holder == person);
                held.map_or(0, |(_, held)| *held.min(codes))
            })
            .collect(),
    }
}

/// What is known of somebody.
pub(super) fn risk(state: &State, policy: &Policy, person: PersonId) -> Risk {
    let suspect = state.suspects.get(person);
    let counts = state.counts(person);
    // Whoever is withheld or false is nobody who came, until somebody says otherwise.
    let unheard_of = counts.of(ReferralState::Shared) + counts.of(ReferralState::Fraud);
    let unheard = counts.all() >= policy.fraud.shares && counts.judged() == unheard_of;
    let signals = suspect
        .map_or(Signals::NONE, |suspect| suspect.signals)
        .with(Signal::SharesWithoutRedemptions, unheard);
    let met = state.number(person).is_some() || state.member(person).is_some();
    Risk {
        known: met || suspect.is_some(),
        risk: policy.fraud.risk(signals),
        reasons: signals.iter().map(|signal| (signal, policy.fraud.weight(signal))).collect(),
        verdict: suspect.map_or(Verdict::Open, |suspect| suspect.verdict),
        withheld: suspect.and_then(|suspect| suspect.withheld),
        inviter: state.inviter(person),
        state: super::reads::stands(state, person),
    }
}

/// Up to `limit` people who wait for a verdict behind `after`, longest first, and where the list
/// goes on.
pub(super) fn waiting(
    state: &State,
    policy: &Policy,
    after: Option<Cursor>,
    limit: usize,
) -> (Vec<Waiting>, Option<Cursor>) {
    let mut people = state.suspects.waiting(after);
    let page: Vec<Cursor> = people.by_ref().take(limit).collect();
    let next = page.last().copied().filter(|_| people.next().is_some());
    let waiting = |&(_, person): &Cursor| Waiting { person, risk: risk(state, policy, person) };
    (page.iter().map(waiting).collect(), next)
}
