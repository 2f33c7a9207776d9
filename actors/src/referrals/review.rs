//! Signs of fraud among those who are brought: when the credit for them is withheld, what a verdict
//! comes to, and what there is to read about that.

use serde::{Deserialize, Serialize};

use crate::cell::Decided;
use crate::fraud::{Marks, Signal, Signals};
use crate::ids::{PersonId, Timestamp};

use super::event::{Credit, Event, RewardKind, Suspicion, Withdrawn};
use super::state::{Policy, ReferralState, State};
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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Review {
    pub(crate) person: PersonId,
    /// Whether it is a person like others.
    pub(crate) accept: bool,
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
    let met = |other: PersonId| state.number(other).is_some() || state.member(other).is_some();
    state.spellings.of(plain).any(|other| other != person && (other != plain || met(plain)))
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

/// The points that an inviter gets, or loses again, when somebody's referral counts from now on, or
/// does not. Who was rejected gets none.
pub(super) fn credit(
    state: &State,
    policy: &Policy,
    inviter: PersonId,
    recipient: PersonId,
    counts: bool,
) -> Option<Credit> {
    let counts = counts && !state.suspects.is_rejected(inviter);
    settle(state, policy, inviter, recipient, counts)
}

/// Points until there are as many as there have to be.
fn settle(
    state: &State,
    policy: &Policy,
    inviter: PersonId,
    recipient: PersonId,
    due: bool,
) -> Option<Credit> {
    let points = match (due, state.credits.get(&recipient)) {
        (true, None) => policy.points_per_redeemed,
        (false, Some(points)) => -points,
        (true, Some(_)) | (false, None) => 0,
    };
    (points != 0).then_some(Credit { inviter, recipient, points })
}

/// A verdict, with all that follows from it.
pub(super) fn review(
    state: &State,
    policy: &Policy,
    review: Review,
) -> Result<Decided<Event, Reviewed>, Rejection> {
    let Review { person, accept } = review;
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
        }));
    }
    Ok(Decided::Now(if accept {
        accepted(state, policy, person, suspect)
    } else {
        rejected(state, policy, person)
    }))
}

fn accepted(state: &State, policy: &Policy, person: PersonId, suspect: Option<Suspect>) -> Event {
    let rejected = suspect.is_some_and(|suspect| suspect.verdict == Verdict::Rejected);
    let is_false = state.member(person).is_some_and(|member| member.state == ReferralState::Fraud);
    let to = (rejected && is_false).then_some(ReferralState::Active);
    let edge = state.to(person);
    let counts = edge.is_some_and(|edge| to.unwrap_or(edge.state).counts());
    let inviter = state.inviter(person);
    let credit = inviter.and_then(|inviter| credit(state, policy, inviter, person, counts));
    let credits = credit.into_iter().chain(own_credits(state, policy, person, true)).collect();
    Event::Reviewed { person, accepted: true, state: to, withdrawn: Vec::new(), credits }
}

/// What a false account has caused comes undone: the referral does not count, what the inviter got
/// for it is taken back, and so is all that the account itself was granted or credited.
fn rejected(state: &State, policy: &Policy, person: PersonId) -> Event {
    let member = state.member(person).filter(|member| member.state != ReferralState::Fraud);
    let inviter = state.inviter(person);
    let of_inviter = inviter.and_then(|inviter| credit(state, policy, inviter, person, false));
    let credits = of_inviter.into_iter().chain(own_credits(state, policy, person, false)).collect();
    let mut withdrawn = Vec::new();
    if let Some(inviter) = inviter
        && let Some(undue) = undue(state, inviter, state.counts_for_inviter(person))
    {
        withdrawn.push(undue);
    }
    let rewards = state.granted(person).to_vec();
    if !rewards.is_empty() {
        withdrawn.push(Withdrawn { person, rewards, codes: u32::MAX });
    }
    let state = member.map(|_| ReferralState::Fraud);
    Event::Reviewed { person, accepted: false, state, withdrawn, credits }
}

/// Points for all whom a person has brought and who count, or none any more.
fn own_credits<'a>(
    state: &'a State,
    policy: &'a Policy,
    inviter: PersonId,
    due: bool,
) -> impl Iterator<Item = Credit> + 'a {
    state.from(inviter).filter_map(move |edge| {
        let counts = edge.state.counts() && !edge.withheld;
        settle(state, policy, inviter, state.person(edge.recipient).id, due && counts)
    })
}

/// The rewards that an inviter would not have with one redeemed referral less.
fn undue(state: &State, inviter: PersonId, one_less: bool) -> Option<Withdrawn> {
    let before = state.counts(inviter).redeemed();
    let tier = |reward: &&Reward| {
        let tier = reward.rule.strip_prefix("redeemed:").and_then(|tier| tier.parse::<u32>().ok());
        one_less && tier == Some(before)
    };
    let rewards: Vec<Reward> = state.granted(inviter).iter().filter(tier).cloned().collect();
    let codes = rewards.iter().filter(|reward| reward.kind == RewardKind::InviteCodes);
    let codes = codes.map(|reward| reward.amount).sum();
    (!rewards.is_empty()).then_some(Withdrawn { person: inviter, rewards, codes })
}

/// What a verdict would do.
pub(super) fn preview(
    state: &State,
    policy: &Policy,
    verdict: Review,
) -> Result<Reviewed, Rejection> {
    let withheld = state.suspects.is_withheld(verdict.person);
    Ok(match review(state, policy, verdict)? {
        Decided::Now(event) => reviewed(state, &event, withheld),
        Decided::Already(reviewed) => reviewed,
    })
}

/// What a verdict's event says to whoever has given it. `state` is from before, or after: what is
/// told of it does not change.
pub(super) fn reviewed(state: &State, event: &Event, withheld: bool) -> Reviewed {
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
    }
}

/// What is known of somebody.
pub(super) fn risk(state: &State, policy: &Policy, person: PersonId) -> Risk {
    let suspect = state.suspects.get(person);
    let counts = state.counts(person);
    let unheard = counts.all() >= policy.fraud.shares && counts.came() == 0;
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
