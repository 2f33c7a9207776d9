//! What callers were told, against what the disk holds.
//!
//! A request that was acknowledged is on the disk exactly once, from the moment of its answer on;
//! one that was refused is not there; of one whose answer was lost nobody knows, until its key is
//! sent again, but it is there at most once, and whole.

use std::collections::HashMap;

use crate::error::{Error, Rejection};
use crate::ids::Timestamp;
use crate::quality::Colour;
use crate::request;

use super::edge::{Order, Said};
use super::history::{Effect, History};

/// Requests for the same thing.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// Sent, and not refused: as often as it may have happened.
    asked: u32,
    /// Acknowledged: as often as it must have.
    acknowledged: u32,
}

/// A key, what was sent under it, and the answer.
pub(super) struct Keyed {
    pub(super) order: Order,
    pub(super) sent: Timestamp,
    answer: Option<Result<Said, Error>>,
}

#[derive(Default)]
pub(super) struct Ledger {
    tallies: HashMap<Effect, Tally>,
    pub(super) keys: Vec<Keyed>,
    pub(super) answers: u64,
    pub(super) lost: u64,
}

/// What an order brings about.
fn effect(
    order: &Order,
    person: impl Fn(&crate::ids::Email) -> crate::ids::PersonId,
) -> Option<Effect> {
    Some(match order {
        Order::Join(email, _) => Effect::Joined(person(email)),
        Order::Boost(person, points) => Effect::Boosted(*person, *points),
        Order::Leave(person) => Effect::Left(*person),
        Order::Generate { batch, .. } => Effect::Issued(batch.clone()),
        Order::Redeem(code, email) => Effect::Redeemed(*code, person(email)),
        Order::Wave { batch, .. } => Effect::Waved(batch.clone()),
        Order::Reserve(code, email) => Effect::Reserved(*code, person(email)),
        Order::Confirm(_, code, person) => Effect::Redeemed(*code, *person),
        Order::Share(from, to) => Effect::Referred(person(from), person(to)),
        Order::Earn(person) => Effect::Rewarded(*person),
        Order::Review(person, accept) => Effect::Reviewed(*person, *accept),
        Order::Observe(_, _, at) => Effect::Observed(*at),
        // An answer does not tell whether it was so before.
        Order::Release(_)
        | Order::Amend(..)
        | Order::Drill(_)
        | Order::Evaluate
        | Order::Look(_) => return None,
    })
}

/// A request under way.
pub(super) struct Sent {
    order: Order,
    effect: Option<Effect>,
    key: Option<usize>,
}

impl Sent {
    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }
}

impl Ledger {
    /// Notes that something is sent, under a key or without, for the first time or again.
    pub(super) fn send(
        &mut self,
        order: Order,
        key: Option<usize>,
        now: Timestamp,
        person: impl Fn(&crate::ids::Email) -> crate::ids::PersonId,
    ) -> Sent {
        let effect = effect(&order, person);
        let again = key.is_some_and(|key| key < self.keys.len());
        if key.is_some() && !again {
            self.keys.push(Keyed { order: order.clone(), sent: now, answer: None });
        }
        if let Some(effect) = effect.as_ref().filter(|_| !again) {
            self.tallies.entry(effect.clone()).or_default().asked += 1;
        }
        Sent { order, effect, key }
    }

    /// Notes an answer, and holds it against the disk.
    pub(super) fn hear(
        &mut self,
        sent: Sent,
        answer: Result<Said, Error>,
        history: &mut History,
    ) -> Result<(), String> {
        let turned_away = matches!(
            answer,
            Err(Error::Rejected(Rejection::Request(request::Rejection::InFlight)))
        );
        if matches!(answer, Err(Error::Failed(_))) || turned_away {
            self.lost += 1;
            return Ok(());
        }
        self.answers += 1;
        if let Some(key) = sent.key {
            let first = &mut self.keys[key].answer;
            if let Some(first) = first {
                let same = *first == answer;
                let Sent { order, .. } = sent;
                let what = format!("{order:?} under one key: {first:?}, then {answer:?}");
                return if same { Ok(()) } else { Err(what) };
            }
            *first = Some(answer.clone());
        }
        check(&sent.order, &answer, history)
            .map_err(|what| format!("{what}: {:?} was answered {answer:?}", sent.order))?;
        let Some(effect) = sent.effect else { return Ok(()) };
        let happened = answer.as_ref().is_ok_and(is_news);
        // Somebody's second share may have been the first one's, whose answer was lost.
        let tally = self.tallies.entry(effect.clone()).or_default();
        if happened {
            tally.acknowledged += 1;
        } else {
            tally.asked -= 1;
        }
        hold(&effect, *tally, history.count(&effect))
    }

    /// Whether the disk holds what was acknowledged, and nothing that nobody asked for.
    pub(super) fn hold(&self, history: &History) -> Result<(), String> {
        for (effect, tally) in &self.tallies {
            hold(effect, *tally, history.count(effect))?;
        }
        for (effect, count) in history.counts() {
            if !self.tallies.contains_key(effect) && !comes_by_itself(effect) {
                return Err(format!("{effect:?} happened {count} times, and nobody asked for it"));
            }
        }
        Ok(())
    }
}

fn hold(effect: &Effect, tally: Tally, count: u32) -> Result<(), String> {
    let Tally { asked, acknowledged } = tally;
    if count < acknowledged {
        return Err(format!(
            "{effect:?} was acknowledged {acknowledged} times, and {count} are on disk"
        ));
    }
    if count > asked && !comes_by_itself(effect) {
        return Err(format!("{effect:?} is on disk {count} times, and may be {asked} times"));
    }
    Ok(())
}

/// People are also brought without a share, and what a red gate has held comes without a claim.
fn comes_by_itself(effect: &Effect) -> bool {
    matches!(effect, Effect::Referred(..) | Effect::Rewarded(_))
}

/// Whether an answer says that something has happened because of the request.
fn is_news(said: &Said) -> bool {
    match said {
        Said::Joined(joined) => !joined.already,
        Said::Redeemed(redeemed) => !redeemed.already,
        Said::Shared(shared) => !shared.already,
        Said::Earned(earned) => !earned.granted.is_empty(),
        Said::Reviewed(reviewed) => !reviewed.already,
        Said::Waved(invited) => !invited.already,
        Said::Reserved(reserved) => !reserved.already,
        Said::Boosted(_) | Said::Left(_) | Said::Generated(_) | Said::Observed => true,
        Said::Released | Said::Amended | Said::Evaluated | Said::Stands(_) => false,
    }
}

/// Whether an answer is true of what is on disk now.
fn check(order: &Order, answer: &Result<Said, Error>, history: &mut History) -> Result<(), String> {
    match answer {
        Ok(Said::Joined(waitlist)) => {
            let standing = &waitlist.standing;
            if waitlist.already {
                return on_disk(history, standing);
            }
            let Some(placed) = history.placed.get(&standing.joined_at) else {
                return Err("an answer outran the disk".to_owned());
            };
            let same = placed.index == standing.index as usize
                && placed.person == standing.person
                && placed.score == i64::from(standing.score)
                && Some(placed.position as u64) == standing.position
                && placed.total as u64 == standing.total;
            if same { Ok(()) } else { Err(format!("a sorted list says {placed:?}")) }
        }
        Ok(Said::Stands(standing) | Said::Boosted(standing)) => on_disk(history, standing),
        Ok(Said::Left(left)) => match history.left.get(&left.seq) {
            Some((_, at)) if *at == left.at => Ok(()),
            _ => Err("a receipt names another record".to_owned()),
        },
        Ok(Said::Generated(generated)) => {
            let Order::Generate { count, force, .. } = order else { return Ok(()) };
            let due = match generated.gate {
                Colour::Yellow if !force => count.div_ceil(2),
                Colour::Green | Colour::Yellow | Colour::Red => *count,
            };
            let issued = history.issued.get(&generated.batch_id);
            let same = issued == Some(&generated.codes) && generated.codes.len() == due as usize;
            if same { Ok(()) } else { Err(format!("the disk has {issued:?}")) }
        }
        Ok(Said::Redeemed(redeemed)) => {
            let (Order::Redeem(code, _) | Order::Confirm(_, code, _)) = order else {
                return Ok(());
            };
            let used = history.code(*code).is_some_and(|facts| !facts.used_by.is_empty());
            let real = used && redeemed.issued_at <= redeemed.at;
            if real { Ok(()) } else { Err("the disk knows of no redemption".to_owned()) }
        }
        Ok(Said::Waved(invited)) => {
            let people = history.waves.get(&invited.batch_id).map(|[people, _]| people.len());
            let same = people == Some(invited.invited as usize);
            if same { Ok(()) } else { Err(format!("the disk has a wave of {people:?}")) }
        }
        Ok(Said::Reserved(reserved)) => {
            let known = history.holds.iter().any(|(hold, ..)| *hold == reserved.reservation);
            if known { Ok(()) } else { Err("the disk knows of no hold".to_owned()) }
        }
        Ok(
            Said::Released
            | Said::Shared(_)
            | Said::Earned(_)
            | Said::Reviewed(_)
            | Said::Amended
            | Said::Observed
            | Said::Evaluated,
        )
        | Err(_) => Ok(()),
    }
}

/// Whether an entry that somebody has read is on disk.
fn on_disk(history: &History, standing: &crate::waitlist::Standing) -> Result<(), String> {
    let entry = history.list.get(standing.index as usize);
    if entry.is_some_and(|place| place.person == standing.person) {
        Ok(())
    } else {
        Err("a read outran the disk".to_owned())
    }
}
