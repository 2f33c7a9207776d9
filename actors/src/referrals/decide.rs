//! The rules of the graph. The order of the refusals is their precedence.

use std::collections::BTreeMap;

use crate::cell::Decided;
use crate::fraud::{Signal, Signals};
use crate::ids::{PersonId, Seq, Timestamp, Uuid};
use crate::quality::{Colour, Observation, Seen};
use crate::waitlist::EntryState;

use super::command::{Earn, Earned, Milestone, RecipientIs, Share, Shared};
use super::review::{self, Arrival, Points};
use super::score;
use super::state::State;
use super::{Bind, Event, Policy, ReferralState, Rejection, Reward, RewardKind};

/// Names the reward for referrals of high quality.
pub(super) const QUALITY_RULE: &str = "quality";

/// A referral, unless the recipient has an inviter.
pub(super) fn share(
    state: &State,
    policy: &Policy,
    share: &Share,
) -> Result<Decided<Event, Shared>, Rejection> {
    if let Some(edge) = state.to(share.recipient)
        && state.person(edge.inviter).id == share.inviter
    {
        return Ok(Decided::Already(Shared { referral: edge.id, already: true }));
    }
    let mailboxes = [share.mailbox, share.marks.mailbox];
    let [from, to] = mailboxes;
    if from.unwrap_or(share.inviter) == to.unwrap_or(share.recipient) {
        return Err(Rejection::SelfReferral);
    }
    if share.recipient_is == RecipientIs::Member {
        return Err(Rejection::AlreadyMember);
    }
    may_refer(state, policy, share.inviter, share.recipient, mailboxes)?;
    let is = match share.recipient_is {
        RecipientIs::Waiting => ReferralState::Waiting,
        RecipientIs::Unknown | RecipientIs::Member => ReferralState::Shared,
    };
    let (person, marks) = (share.recipient, share.marks);
    let arrival = Arrival { person, marks, signals: Signals::NONE };
    Ok(Decided::Now(Event::Referred {
        id: share.id,
        inviter: share.inviter,
        recipient: share.recipient,
        state: is,
        bind: share.bind,
        mailboxes,
        shape: share.marks.shape,
        suspicion: review::suspicion(state, policy, &arrival, Some(share.inviter)),
        credits: Vec::new(),
        from: None,
    }))
}

/// Whether the graph has room for an edge that leaves it a forest.
fn may_refer(
    state: &State,
    policy: &Policy,
    inviter: PersonId,
    recipient: PersonId,
    mailboxes: [Option<PersonId>; 2],
) -> Result<(), Rejection> {
    if state.to(recipient).is_some() {
        return Err(Rejection::AlreadyReferred);
    }
    if state.would_close(inviter, recipient, mailboxes) {
        return Err(Rejection::ReferralCycle);
    }
    if state.len() >= policy.edges_max as usize {
        return Err(Rejection::GraphFull);
    }
    Ok(())
}

/// What a person has earned and not been given yet. What comes with codes waits while the gate is
/// red, and while it is not known which of them were taken back.
pub(super) fn earn(
    state: &State,
    policy: &Policy,
    earn: &Earn,
    now: Timestamp,
) -> Result<Decided<Event, Earned>, Rejection> {
    let Due { rewards: mut due, more } = due(state, policy, earn.person, now);
    let paused = is_paused(state, policy, earn.person, now);
    let shut = earn.gate == Colour::Red && hold_codes(&mut due);
    let held = (shut || more) && !paused;
    if due.is_empty() || paused {
        let waits = held && !state.rewards.held.contains(&earn.person);
        return Ok(if waits {
            Decided::Now(Event::Held { person: earn.person, waits })
        } else {
            Decided::Already(earned(state, policy, earn, Vec::new(), now))
        });
    }
    Ok(Decided::Now(rewarded(earn.person, due, held)))
}

fn rewarded(person: PersonId, due: Vec<Reward>, held: bool) -> Event {
    let codes = due
        .iter()
        .filter(|reward| reward.kind == RewardKind::InviteCodes)
        .map(|reward| reward.amount)
        .sum();
    Event::Rewarded { person, rewards: due, codes, held }
}

/// What follows for the next of those who wait, once the gate is open and nothing else is awaited.
pub(super) fn resume(state: &State, policy: &Policy, now: Timestamp) -> Option<Event> {
    // A gate that never moved is open.
    let mut waiting = state.rewards.held.iter().filter(|_| state.gate_open != Some(false));
    let person = *waiting.find(|person| !state.rewards.is_awaited(**person))?;
    let Due { rewards: due, .. } = due(state, policy, person, now);
    Some(if due.is_empty() || is_paused(state, policy, person, now) {
        Event::Held { person, waits: false }
    } else {
        rewarded(person, due, false)
    })
}

/// What a move of the gate means here.
pub(super) fn on_gate_moved(state: &State, to: Colour) -> Option<Event> {
    let open = to != Colour::Red;
    (state.gate_open != Some(open)).then_some(Event::GateSeen { open })
}

/// What a claim tells of a gate whose moves are older than what is noted of them.
pub(super) fn on_red_claim(state: &State, gate: Colour) -> Option<Event> {
    let shut = gate == Colour::Red && state.gate_open.is_none();
    shut.then_some(Event::GateSeen { open: false })
}

/// The answer to a claim that has granted `granted`.
pub(super) fn earned(
    state: &State,
    policy: &Policy,
    earn: &Earn,
    granted: Vec<Reward>,
    now: Timestamp,
) -> Earned {
    let person = earn.person;
    let redeemed = state.counts(person).redeemed();
    let next = policy.tiers.iter().filter(|tier| tier.redeemed > redeemed);
    let next = next.min_by_key(|tier| tier.redeemed).map(|tier| Milestone {
        redeemed: tier.redeemed,
        missing: tier.redeemed - redeemed,
        reason: tier.reason.clone(),
    });
    let Due { rewards: mut due, more } = due(state, policy, person, now);
    let paused = is_paused(state, policy, person, now);
    let held = !paused && (more || earn.gate == Colour::Red && hold_codes(&mut due));
    Earned { granted, next, paused, held }
}

/// Takes out the rules that give codes, with all that they give: a rule is granted as a whole.
/// Whether there were any.
fn hold_codes(due: &mut Vec<Reward>) -> bool {
    let codes = |reward: &&Reward| reward.kind == RewardKind::InviteCodes;
    let held: Vec<String> = due.iter().filter(codes).map(|reward| reward.rule.clone()).collect();
    due.retain(|reward| !held.contains(&reward.rule));
    !held.is_empty()
}

fn is_paused(state: &State, policy: &Policy, person: PersonId, now: Timestamp) -> bool {
    let quality = score::quality(state, policy, person, now);
    state.suspects.is_rejected(person)
        || quality.judged >= policy.quality_bonus.referred_min && quality.score < policy.pause_below
}

/// What has been earned and not granted.
struct Due {
    rewards: Vec<Reward>,
    /// Whether there is more, with codes of which it is not known yet how many may be granted.
    more: bool,
}

fn due(state: &State, policy: &Policy, person: PersonId, now: Timestamp) -> Due {
    let had = |rule: &str| state.granted(person).iter().any(|reward| reward.rule == rule);
    let reward = |rule: &str, kind, amount, reason: &str| Reward {
        rule: rule.to_owned(),
        kind,
        amount,
        reason: reason.to_owned(),
        at: now,
    };
    let mut due = Vec::new();
    let redeemed = state.counts(person).redeemed();
    for tier in policy.tiers.iter().filter(|tier| tier.redeemed <= redeemed) {
        let rule = format!("redeemed:{}", tier.redeemed);
        if !had(&rule) {
            let rewards = tier.rewards.iter();
            due.extend(rewards.map(|&(kind, amount)| reward(&rule, kind, amount, &tier.reason)));
        }
    }
    let (bonus, quality) = (policy.quality_bonus, score::quality(state, policy, person, now));
    if is_high(policy, &quality) && !had(QUALITY_RULE) {
        let why = "High-quality referrals";
        due.push(reward(QUALITY_RULE, RewardKind::InviteCodes, bonus.codes, why));
    }
    let loyal = state.member(person).is_some_and(|member| {
        let stayed = now >= member.since.plus_days(policy.loyalty.days);
        let lately = now < member.seen.plus_days(policy.loyalty.days);
        member.state == ReferralState::Active && stayed && lately
    });
    if loyal && !had("loyalty") {
        let reason = format!("{} days as an active member", policy.loyalty.days);
        due.push(reward("loyalty", RewardKind::InviteCodes, policy.loyalty.codes, &reason));
    }
    let more = as_far_as_reclaimed(state, person, &mut due);
    Due { rewards: due, more }
}

/// Whether referrals are so good that it earns something.
pub(super) fn is_high(policy: &Policy, quality: &score::Quality) -> bool {
    let bonus = policy.quality_bonus;
    quality.judged >= bonus.referred_min && quality.score > bonus.score
}

/// Codes that were taken back are granted again as far as they are out of the world: what was used
/// before it could be taken back has been had. How far that is, is not known before the registry
/// has told what it could take; whether anything waits for that.
fn as_far_as_reclaimed(state: &State, person: PersonId, due: &mut Vec<Reward>) -> bool {
    let Some(lost) = state.rewards.lost.get(&person) else { return false };
    if state.rewards.is_awaited(person) {
        let (mut again, others) = due.drain(..).partition(|reward| lost.contains(&reward.rule));
        *due = others;
        let waits = hold_codes(&mut again);
        due.append(&mut again);
        return waits;
    }
    let left = state.rewards.reclaimed.get(&person).copied().unwrap_or(0);
    let mut left = u32::try_from(left.max(0)).unwrap_or(u32::MAX);
    due.retain_mut(|reward| {
        if reward.kind != RewardKind::InviteCodes || !lost.contains(&reward.rule) {
            return true;
        }
        reward.amount = reward.amount.min(left);
        left -= reward.amount;
        reward.amount > 0
    });
    false
}

/// What it means here that codes were taken back with their rewards.
pub(super) fn on_withdrawn(people: &[(PersonId, u32)]) -> Event {
    let people = people.iter().map(|(person, codes)| (*person, i64::from(*codes)));
    Event::Reclaimed { people: people.collect() }
}

/// What it means here that one of them is good again: so much of the reward is back.
pub(super) fn on_restored(holder: PersonId) -> Event {
    Event::Reclaimed { people: vec![(holder, -1)] }
}

/// What a join means here: a step for somebody who was told of it, or a referral through a code.
pub(super) fn on_joined(
    state: &State,
    policy: &Policy,
    arrival: &Arrival,
    referrer: Option<PersonId>,
    id: Uuid,
) -> Option<Event> {
    if let [Some(edge), _] = state.life(arrival.person) {
        let told = edge == ReferralState::Shared;
        return noted(state, policy, arrival, told.then_some(ReferralState::Waiting));
    }
    referrer
        .and_then(|from| referred(state, policy, from, arrival, ReferralState::Waiting, id))
        .or_else(|| noted(state, policy, arrival, None))
}

/// What a redemption means here. Coming back clears nobody of fraud.
pub(super) fn on_redeemed(
    state: &State,
    policy: &Policy,
    arrival: &Arrival,
    holder: Option<PersonId>,
    id: Uuid,
    now: Timestamp,
) -> Event {
    let origin = arrival.marks.origin;
    let [site, network] = origin.map_or([0; 2], |from| state.arrivals.count(from, now));
    let signals = arrival
        .signals
        .with(Signal::SharedAddress, site >= policy.fraud.address_joins)
        .with(Signal::SharedNetwork, network >= policy.fraud.network_joins);
    let arrival = Arrival { signals, ..*arrival };
    let mut event = came_in(state, policy, &arrival, holder, id);
    if let Event::Referred { from, .. } | Event::Progressed { from, .. } = &mut event {
        *from = origin;
    }
    event
}

fn came_in(
    state: &State,
    policy: &Policy,
    arrival: &Arrival,
    holder: Option<PersonId>,
    id: Uuid,
) -> Event {
    let person = arrival.person;
    if state.life(person)[1] == Some(ReferralState::Fraud) {
        return progressed(state, policy, arrival, ReferralState::Fraud);
    }
    if state.suspects.is_rejected(person) {
        return progressed(state, policy, arrival, ReferralState::Redeemed);
    }
    let through = holder.filter(|_| state.to(person).is_none());
    through
        .and_then(|holder| referred(state, policy, holder, arrival, ReferralState::Redeemed, id))
        .unwrap_or_else(|| progressed(state, policy, arrival, ReferralState::Redeemed))
}

/// A step of somebody who arrives, with what is noticed and who gets points for it.
fn progressed(state: &State, policy: &Policy, arrival: &Arrival, to: ReferralState) -> Event {
    step(state, policy, arrival, Some(to))
}

/// The same where perhaps nothing happens, and perhaps nothing is to be noted.
fn noted(
    state: &State,
    policy: &Policy,
    arrival: &Arrival,
    to: Option<ReferralState>,
) -> Option<Event> {
    let event = step(state, policy, arrival, to);
    let Event::Progressed { people, mailboxes, suspicions, credits, hidden, .. } = &event else {
        return None;
    };
    let nothing = people.is_empty()
        && mailboxes.is_empty()
        && suspicions.is_empty()
        && credits.is_empty()
        && hidden.is_empty();
    (!nothing).then_some(event)
}

/// Whether a step changes only where somebody would stand who is rejected. Who was brought after
/// that is seen to wait all the same, until the person comes in.
fn is_hidden(state: &State, person: PersonId, to: ReferralState) -> bool {
    let [edge, _] = state.stands(person);
    let stands_out = !to.is_in() && edge != Some(ReferralState::Fraud);
    state.suspects.is_rejected(person) && !stands_out
}

fn step(state: &State, policy: &Policy, arrival: &Arrival, to: Option<ReferralState>) -> Event {
    let Arrival { person, marks, .. } = *arrival;
    let inviter = state.inviter(person);
    let suspicion = review::suspicion(state, policy, arrival, inviter);
    let withheld = suspicion
        .map_or_else(|| state.suspects.is_withheld(person), |suspicion| suspicion.withheld);
    let (mut people, mut hidden) = (Vec::new(), Vec::new());
    match to {
        Some(to) if is_hidden(state, person, to) => {
            // Who comes in is a member, false or not.
            people.extend(to.is_in().then_some((person, ReferralState::Fraud)));
            hidden.push((person, to));
        }
        to => people.extend(to.map(|to| (person, to))),
    }
    let now = people.first().map(|(_, to)| *to).or(state.stands(person)[0]);
    let counts = now.is_some_and(ReferralState::counts) && !withheld;
    Event::Progressed {
        people,
        mailboxes: marks.mailbox.map(|mailbox| (person, mailbox)).into_iter().collect(),
        suspicions: suspicion.map(|suspicion| (person, suspicion)).into_iter().collect(),
        credits: arrived(state, policy, person).settle(person, inviter, counts).finish(),
        from: None,
        hidden,
    }
}

/// Whoever arrives may have points already, from people who were quicker.
fn arrived<'a>(state: &'a State, policy: &'a Policy, person: PersonId) -> Points<'a> {
    Points::new(state, policy).tell(person, !state.suspects.is_rejected(person))
}

fn referred(
    state: &State,
    policy: &Policy,
    inviter: PersonId,
    arrival: &Arrival,
    at: ReferralState,
    id: Uuid,
) -> Option<Event> {
    let Arrival { person: recipient, marks, .. } = *arrival;
    let (bind, mailboxes) = (Bind::Nothing, [None, marks.mailbox]);
    may_refer(state, policy, inviter, recipient, mailboxes).ok()?;
    let suspicion = review::suspicion(state, policy, arrival, Some(inviter));
    let counts = at.counts() && !suspicion.is_some_and(|suspicion| suspicion.withheld);
    let points = arrived(state, policy, recipient).settle(recipient, Some(inviter), counts);
    Some(Event::Referred {
        id,
        inviter,
        recipient,
        state: at,
        bind,
        mailboxes,
        shape: marks.shape,
        suspicion,
        credits: points.finish(),
        from: None,
    })
}

/// What it means here that somebody left: a member is gone; who waited was told of it, no more.
pub(super) fn on_left(state: &State, person: PersonId, was: EntryState) -> Option<Event> {
    let [edge, member] = state.life(person);
    let (follows, to) = match was {
        EntryState::Member => {
            let over = matches!(member?, ReferralState::Churned | ReferralState::Fraud);
            (!over, ReferralState::Churned)
        }
        EntryState::Waiting | EntryState::Invited => {
            (edge? == ReferralState::Waiting, ReferralState::Shared)
        }
    };
    let step = vec![(person, to)];
    follows.then(|| {
        if is_hidden(state, person, to) {
            Event::lived(Vec::new(), step)
        } else {
            Event::lived(step, Vec::new())
        }
    })
}

/// What the product saw of members, as far as that is news. Activity is news once a day; a flag for
/// fraud stays until the product clears it. A verdict stands beside that: what the product says of
/// somebody who is rejected counts from when the verdict is taken back.
pub(super) fn on_observed(
    state: &State,
    policy: &Policy,
    seen: &[Observation],
    now: Timestamp,
) -> Option<Event> {
    let mut latest = BTreeMap::new();
    let (mut people, mut hidden) = (Vec::new(), Vec::new());
    for Observation { person, kind, .. } in seen {
        let (Some(member), [_, Some(stands)]) = (state.member(*person), state.life(*person)) else {
            continue;
        };
        let before = latest.get(person).copied().unwrap_or(stands);
        let to = match kind {
            Seen::Active | Seen::Cleared => ReferralState::Active,
            Seen::Churned => ReferralState::Churned,
            Seen::Fraud => ReferralState::Fraud,
        };
        let flagged = before == ReferralState::Fraud && *kind != Seen::Cleared;
        let known = before == to && now < member.seen.plus_days(1);
        if !flagged && !known {
            latest.insert(*person, to);
            let steps = if is_hidden(state, *person, to) { &mut hidden } else { &mut people };
            steps.push((*person, to));
        }
    }
    let mut points = Points::new(state, policy);
    for (person, to) in latest {
        let counted = state.to(person).map(|edge| edge.state.counts());
        let counted = counted.filter(|_| !is_hidden(state, person, to));
        // Points are given when somebody comes to count, not for those who count since long.
        if counted.is_some_and(|counted| counted != to.counts()) {
            let due = to.counts() && !state.suspects.is_withheld(person);
            points = points.settle(person, state.inviter(person), due);
        }
    }
    let credits = points.finish();
    let (mailboxes, suspicions) = (Vec::new(), Vec::new());
    let news = !people.is_empty() || !hidden.is_empty();
    news.then_some(Event::Progressed { people, mailboxes, suspicions, credits, from: None, hidden })
}

/// The id of a referral that follows from the event `cause` at `at`: a version 7 UUID, the same in
/// every replay.
pub(super) fn id_caused_by(cause: Seq, at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.micros() / 1_000).unwrap_or(0);
    let mut tail = [0; 10];
    tail[2..].copy_from_slice(&cause.to_be_bytes());
    Uuid(uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid().as_u128())
}

#[cfg(test)]
mod tests {
    use super::super::apply::apply;
    use super::*;
    use crate::fraud::Marks;
    use crate::record;

    const ADA: PersonId = PersonId(1);

    fn person(number: u128) -> PersonId {
        PersonId(number)
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn arrives(person: PersonId) -> Arrival {
        Arrival { person, marks: Marks::default(), signals: Signals::NONE }
    }

    fn referral(inviter: PersonId, recipient: PersonId, state: ReferralState) -> Event {
        Event::referral(Uuid(9), [inviter, recipient], state, Bind::Oldest)
    }

    fn seen(state: &State, kind: Seen, now: Timestamp) -> Option<Event> {
        on_observed(
            state,
            &Policy::default(),
            &[Observation { person: person(2), kind, at: now }],
            now,
        )
    }

    fn given(events: &[Event]) -> State {
        let mut state = State::default();
        events.iter().for_each(|event| apply(&mut state, event, at(1)));
        state
    }

    fn wants(inviter: PersonId, recipient: PersonId) -> Share {
        Share {
            id: Uuid(7),
            inviter,
            recipient,
            mailbox: None,
            marks: Marks::default(),
            recipient_is: RecipientIs::Unknown,
            bind: Bind::Oldest,
        }
    }

    fn try_share(state: &State, wanted: &Share) -> Result<bool, Rejection> {
        share(state, &Policy::default(), wanted).map(|decided| matches!(decided, Decided::Now(_)))
    }

    fn brought(inviter: PersonId, count: u128, state: ReferralState) -> Vec<Event> {
        (100..100 + count).map(|number| referral(inviter, person(number), state)).collect()
    }

    fn claim(state: &State, now: Timestamp) -> Vec<(String, u32)> {
        claim_at(state, Colour::Green, now)
    }

    fn claim_at(state: &State, gate: Colour, now: Timestamp) -> Vec<(String, u32)> {
        match earn(state, &Policy::default(), &Earn { person: ADA, gate }, now) {
            Ok(Decided::Now(Event::Rewarded { rewards, .. })) => {
                rewards.into_iter().map(|reward| (reward.rule, reward.amount)).collect()
            }
            Ok(Decided::Already(_)) => Vec::new(),
            other => panic!("neither granted nor not: {other:?}"),
        }
    }

    #[test]
    fn a_person_has_one_inviter_the_first() {
        let state = given(&[referral(ADA, person(2), ReferralState::Shared)]);
        assert_eq!(try_share(&state, &wants(ADA, person(2))), Ok(false));
        assert_eq!(
            try_share(&state, &wants(person(3), person(2))),
            Err(Rejection::AlreadyReferred)
        );
        assert_eq!(try_share(&state, &wants(ADA, person(4))), Ok(true));
    }

    #[test]
    fn nobody_brings_themselves_directly_or_round_a_cycle() {
        let state = given(&[
            referral(ADA, person(2), ReferralState::Shared),
            referral(person(2), person(3), ReferralState::Shared),
        ]);
        assert_eq!(try_share(&state, &wants(ADA, ADA)), Err(Rejection::SelfReferral));
        let same_mailbox = Share {
            marks: Marks { mailbox: Some(ADA), ..Marks::default() },
            ..wants(ADA, person(9))
        };
        assert_eq!(try_share(&state, &same_mailbox), Err(Rejection::SelfReferral));
        assert_eq!(try_share(&state, &wants(person(3), ADA)), Err(Rejection::ReferralCycle));
        let policy = Policy::default();
        assert_eq!(on_joined(&state, &policy, &arrives(ADA), Some(person(3)), Uuid(1)), None);
    }

    #[test]
    fn another_spelling_of_an_address_closes_a_cycle_all_the_same() {
        let spelled = |inviter, recipient, mailboxes: [Option<u128>; 2]| Share {
            mailbox: mailboxes[0].map(PersonId),
            marks: Marks { mailbox: mailboxes[1].map(PersonId), ..Marks::default() },
            ..wants(person(inviter), person(recipient))
        };
        // 11 and 12 are other spellings of 1, 21 of 2.
        let mut state = given(&[]);
        for (inviter, recipient, mailboxes) in
            [(11, 2, [Some(1), None]), (21, 3, [Some(2), None]), (4, 12, [None, Some(1)])]
        {
            let Ok(Decided::Now(event)) =
                share(&state, &Policy::default(), &spelled(inviter, recipient, mailboxes))
            else {
                panic!("no cycle yet");
            };
            apply(&mut state, &event, at(1));
        }
        for (inviter, recipient, mailboxes, why) in [
            (2, 1, [None; 2], "the plain address of who stands above"),
            (2, 13, [None, Some(1)], "a spelling never seen before"),
            (3, 1, [None; 2], "by way of both spellings of 2"),
            (3, 4, [None; 2], "by way of 12, whom 4 has brought"),
            (2, 4, [None; 2], "the same from half way"),
            (13, 4, [Some(1), None], "the inviter's other spelling stands below"),
        ] {
            let refused = try_share(&state, &spelled(inviter, recipient, mailboxes));
            assert_eq!(refused, Err(Rejection::ReferralCycle), "{why}");
        }
        assert_eq!(try_share(&state, &spelled(12, 13, [Some(1); 2])), Err(Rejection::SelfReferral));
        assert_eq!(try_share(&state, &spelled(3, 5, [None; 2])), Ok(true));
        let joined = on_joined(&state, &Policy::default(), &arrives(ADA), Some(person(3)), Uuid(1));
        assert!(matches!(joined, Some(Event::Progressed { .. })), "{joined:?}");
    }

    #[test]
    fn a_member_is_not_referred_any_more() {
        let member = Share { recipient_is: RecipientIs::Member, ..wants(ADA, person(2)) };
        assert_eq!(try_share(&given(&[]), &member), Err(Rejection::AlreadyMember));
    }

    #[test]
    fn a_referral_follows_the_recipients_life() {
        let mut state = given(&[referral(ADA, person(2), ReferralState::Shared)]);
        let policy = Policy::default();
        let now_in = |state: &State| state.to(person(2)).map(|edge| edge.state);
        let event = on_joined(&state, &policy, &arrives(person(2)), None, Uuid(1)).expect("a step");
        apply(&mut state, &event, at(2));
        assert_eq!(now_in(&state), Some(ReferralState::Waiting));
        let event = on_redeemed(&state, &policy, &arrives(person(2)), None, Uuid(1), at(9));
        apply(&mut state, &event, at(3));
        assert_eq!(now_in(&state), Some(ReferralState::Redeemed));
        for (kind, then) in [
            (Seen::Active, ReferralState::Active),
            (Seen::Churned, ReferralState::Churned),
            (Seen::Fraud, ReferralState::Fraud),
            (Seen::Cleared, ReferralState::Active),
        ] {
            let event = seen(&state, kind, at(4)).expect("news");
            apply(&mut state, &event, at(4));
            assert_eq!(now_in(&state), Some(then));
        }
        assert_eq!(seen(&state, Seen::Active, at(5)), None);
        assert!(seen(&state, Seen::Active, at(4).plus_days(1)).is_some());
        assert_eq!(state.stats().by_state, [0, 0, 0, 1, 0, 0]);
        assert_eq!(state.stats().conversions, 1);
    }

    #[test]
    fn who_leaves_was_told_of_it_or_is_gone() {
        let stands = |state, was| {
            let mut state = given(&[referral(ADA, person(2), state)]);
            let event = on_left(&state, person(2), was);
            event.inspect(|event| apply(&mut state, event, at(2)))?;
            state.to(person(2)).map(|edge| edge.state)
        };
        use ReferralState as R;
        assert_eq!(stands(R::Waiting, EntryState::Waiting), Some(R::Shared));
        assert_eq!(stands(R::Waiting, EntryState::Invited), Some(R::Shared));
        assert_eq!(stands(R::Redeemed, EntryState::Member), Some(R::Churned));
        assert_eq!(stands(R::Active, EntryState::Member), Some(R::Churned));
        assert_eq!(stands(R::Churned, EntryState::Member), None, "no news");
        assert_eq!(stands(R::Fraud, EntryState::Member), None, "a flag stays");
        assert_eq!(stands(R::Churned, EntryState::Waiting), None, "was in before");
        assert_eq!(on_left(&given(&[]), ADA, EntryState::Waiting), None);
    }

    #[test]
    fn who_was_false_and_comes_in_again_is_still_false() {
        let state = given(&[referral(ADA, person(2), ReferralState::Fraud)]);
        let event =
            on_redeemed(&state, &Policy::default(), &arrives(person(2)), None, Uuid(1), at(9));
        assert_eq!(event, Event::progressed(vec![(person(2), ReferralState::Fraud)]));
    }

    #[test]
    fn a_fraud_flag_stays_until_it_is_cleared() {
        let mut state = given(&[referral(ADA, person(2), ReferralState::Redeemed)]);
        let sight = |kind| Observation { person: person(2), kind, at: at(4) };
        let event = on_observed(
            &state,
            &Policy::default(),
            &[sight(Seen::Fraud), sight(Seen::Active)],
            at(4),
        );
        let fraud = Event::progressed(vec![(person(2), ReferralState::Fraud)]);
        assert_eq!(event, Some(fraud.clone()));
        apply(&mut state, &fraud, at(4));
        assert_eq!(seen(&state, Seen::Active, at(4).plus_days(3)), None);
    }

    #[test]
    fn whoever_redeems_a_holders_code_was_brought_by_the_holder() {
        let state = given(&[]);
        let event =
            on_redeemed(&state, &Policy::default(), &arrives(person(2)), Some(ADA), Uuid(1), at(9));
        let Event::Referred { inviter, recipient, state, .. } = event else { panic!("{event:?}") };
        assert_eq!((inviter, recipient, state), (ADA, person(2), ReferralState::Redeemed));
    }

    #[test]
    fn a_red_gate_holds_back_codes_and_what_comes_with_them_and_nothing_else() {
        let state = given(&brought(ADA, 50, ReferralState::Redeemed));
        let all = claim(&state, at(9));
        let at_red = claim_at(&state, Colour::Red, at(9));
        assert_eq!(at_red, [("redeemed:25".to_owned(), 1)], "a month of premium");
        let wanted = Earn { person: ADA, gate: Colour::Red };
        assert!(earned(&state, &Policy::default(), &wanted, Vec::new(), at(9)).held);
        assert_eq!(claim_at(&state, Colour::Yellow, at(9)), all, "nothing was lost");
        let state = given(&brought(ADA, 2, ReferralState::Redeemed));
        assert!(!earned(&state, &Policy::default(), &wanted, Vec::new(), at(9)).held);
    }

    #[test]
    fn whose_rewards_are_paused_is_promised_none_when_the_gate_opens() {
        let state = given(&brought(ADA, 50, ReferralState::Redeemed));
        let policy = Policy { pause_below: 1.1, ..Policy::default() };
        let wanted = Earn { person: ADA, gate: Colour::Red };
        let answer = earned(&state, &policy, &wanted, Vec::new(), at(9));
        assert_eq!((answer.paused, answer.held), (true, false));
    }

    #[test]
    fn an_answer_from_before_the_gate_was_asked_is_read() {
        let wanted = Earn { person: ADA, gate: Colour::Green };
        let answer = earned(&given(&[]), &Policy::default(), &wanted, Vec::new(), at(9));
        let mut bytes = Vec::new();
        record::encode(&answer, &mut bytes);
        assert_eq!(bytes.pop(), Some(0), "nothing is held");
        assert_eq!(record::decode::<Earned>(&bytes), Ok(answer));
    }

    #[test]
    fn a_tier_is_granted_once_and_all_that_are_due_at_once() {
        let mut state = given(&brought(ADA, 2, ReferralState::Redeemed));
        assert_eq!(claim(&state, at(9)), []);
        state = given(&brought(ADA, 10, ReferralState::Redeemed));
        let wanted = Earn { person: ADA, gate: Colour::Yellow };
        let Ok(Decided::Now(event)) = earn(&state, &Policy::default(), &wanted, at(9)) else {
            panic!("nothing earned");
        };
        let Event::Rewarded { codes, .. } = event else { panic!("{event:?}") };
        assert_eq!(codes, 8);
        apply(&mut state, &event, at(9));
        assert_eq!(claim(&state, at(10)), []);
        let left = earned(&state, &Policy::default(), &wanted, Vec::new(), at(10));
        assert_eq!(left.next.map(|next| (next.redeemed, next.missing)), Some((25, 15)));
    }

    #[test]
    fn false_referrals_earn_nothing() {
        assert_eq!(claim(&given(&brought(ADA, 30, ReferralState::Fraud)), at(9)), []);
        assert_eq!(claim(&given(&brought(ADA, 30, ReferralState::Waiting)), at(9)), []);
    }

    #[test]
    fn five_good_referrals_earn_the_quality_bonus() {
        let rules = claim(&given(&brought(ADA, 5, ReferralState::Active)), at(9));
        let expected = [("redeemed:3".to_owned(), 3), ("quality".to_owned(), 2)];
        assert_eq!(rules, expected);
    }

    #[test]
    fn fourteen_days_as_an_active_member_earn_a_code() {
        let redeemed = Event::progressed(vec![(ADA, ReferralState::Redeemed)]);
        let active = Event::progressed(vec![(ADA, ReferralState::Active)]);
        let mut state = given(&[redeemed]);
        let later = at(1).plus_days(14);
        assert_eq!(claim(&state, later), [], "never seen active");
        apply(&mut state, &active, at(1).plus_days(10));
        assert_eq!(claim(&state, at(1).plus_days(13)), []);
        assert_eq!(claim(&state, later), [("loyalty".to_owned(), 1)]);
        assert_eq!(claim(&state, at(1).plus_days(24)), [], "not seen for 14 days");
    }

    #[test]
    fn the_score_weighs_its_four_parts() {
        let mut events = brought(ADA, 2, ReferralState::Active);
        events.extend([
            referral(ADA, person(3), ReferralState::Churned),
            referral(ADA, person(4), ReferralState::Redeemed),
            referral(ADA, person(5), ReferralState::Shared),
        ]);
        let quality = score::quality(&given(&events), &Policy::default(), ADA, at(1).plus_days(30));
        let parts = quality.parts.map(|part| (part.value * 100.0).round());
        assert_eq!(parts, [50.0, 80.0, 50.0, 75.0]);
        assert_eq!((quality.referred, quality.score), (5, 0.65));
        assert_eq!(score::quality(&given(&[]), &Policy::default(), ADA, at(9)).score, 0.0);
    }
}
