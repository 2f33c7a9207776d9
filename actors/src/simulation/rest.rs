//! Everything compared, once nothing is under way.

use crate::cell::{Cell, Domain};
use crate::ids::{PersonId, Timestamp};
use crate::invites::Invites;
use crate::mailbox::Ask;
use crate::people::People;
use crate::quality::Quality;
use crate::role::Role;
use crate::waitlist::{EntryState, Waitlist};

use super::history::History;
use super::node::Node;
use super::post::{Post, Trouble};
use super::run::CODES_MAX;

/// Asks an actor that has nothing else to do, and whose state is durable.
fn ask<R: Role, T>(
    post: &mut Post<R>,
    now: Timestamp,
    make: impl FnOnce(Ask<T>) -> R::Message,
) -> Result<Result<T, crate::error::Error>, String> {
    let (ask, mut answer) = Ask::simulated(now, None);
    let message = make(ask);
    let role = post.role.as_mut().ok_or("an actor is gone")?;
    role.handle(message);
    answer.try_recv().map_err(|_| format!("{} does not answer at rest", post.name))
}

/// The live engine against the oracle, and against two replays.
pub(super) fn compare(
    node: &mut Node,
    history: &History,
    people: &[PersonId],
    now: Timestamp,
) -> Result<(), Trouble> {
    let live = |node: &mut Node| -> Result<(), String> {
        waitlist(&mut node.posts.waitlist, history, people, now)?;
        invites(&mut node.posts.invites, history, now)?;
        quality(&mut node.posts.quality, history, now)?;
        book(&mut node.posts.people, history, people, now)?;
        waves(history)?;
        across(history, people)?;
        verdicts(node, history, people)
    };
    live(node).and_then(|()| replays(node, history)).map_err(Trouble::Bug)
}

fn waitlist(
    post: &mut Post<Cell<Waitlist>>,
    history: &History,
    people: &[PersonId],
    now: Timestamp,
) -> Result<(), String> {
    let queue = history.queue();
    for &person in people {
        let standing = |ask| <Waitlist as Domain>::Message::Standing(person, ask);
        let standing = ask(post, now, standing)?.ok();
        let live = standing.as_ref().map(|standing| {
            let position = standing.position.map(|position| position as usize);
            (standing.index as usize, i64::from(standing.score), Some(standing.state), position)
        });
        let position = queue.iter().position(|waiting| *waiting == person).map(|before| before + 1);
        let place = history.place(person);
        let naive = place.map(|(index, place)| (index, place.score, place.state, position));
        if live != naive {
            return Err(format!("{person} stands {live:?}, a sorted list says {naive:?}"));
        }
    }
    let stats = ask(post, now, <Waitlist as Domain>::Message::Stats)?;
    let waiting = stats.map_err(|error| format!("{error:?}"))?.waiting;
    if waiting != queue.len() as u64 {
        return Err(format!("{waiting} wait, a sorted list has {}", queue.len()));
    }
    Ok(())
}

fn invites(
    post: &mut Post<Cell<Invites>>,
    history: &History,
    now: Timestamp,
) -> Result<(), String> {
    for facts in &history.codes {
        let view = ask(post, now, |ask| <Invites as Domain>::Message::View(facts.code, ask))?;
        let view = view.map_err(|_| format!("{facts:?} is unknown"))?;
        let live = (view.uses as usize, view.max_uses, view.bound, view.expires_at);
        let naive = (facts.used_by.len(), facts.max_uses, facts.bound.is_some(), facts.expires_at);
        if live != naive {
            return Err(format!("a code is {view:?}, the oracle has {facts:?}"));
        }
    }
    Ok(())
}

fn quality(
    post: &mut Post<Cell<Quality>>,
    history: &History,
    now: Timestamp,
) -> Result<(), String> {
    let trust = ask(post, now, <Quality as Domain>::Message::Trust)?;
    let colour = trust.map_err(|error| format!("{error:?}"))?.colour;
    if colour == history.gate {
        return Ok(());
    }
    Err(format!("the gate is {colour:?}, the oracle has {:?}", history.gate))
}

fn book(
    post: &mut Post<People>,
    history: &History,
    people: &[PersonId],
    now: Timestamp,
) -> Result<(), String> {
    let profiles = ask(post, now, |ask| <People as Role>::Message::Profiles(people.to_vec(), ask))?;
    let profiles = profiles.map_err(|error| format!("{error:?}"))?;
    for (person, profile) in people.iter().zip(profiles) {
        if profile.is_some() != history.book.contains_key(person) {
            return Err(format!("the book has {profile:?} of {person}"));
        }
    }
    Ok(())
}

/// Who was invited in a wave has a code of that wave, all of them or, where the registry is full,
/// none.
fn waves(history: &History) -> Result<(), String> {
    for (batch, [people, sent]) in &history.waves {
        let full = sent.is_empty() && history.codes.len() + people.len() > CODES_MAX as usize;
        if people != sent && !full {
            return Err(format!("{batch} has invited {people:?} and sent codes to {sent:?}"));
        }
    }
    Ok(())
}

/// Graph and gates say the same of everybody: who is false counts so in both, once in; and codes of
/// rewards that went or came back are known to the graph.
fn verdicts(node: &Node, history: &History, people: &[PersonId]) -> Result<(), String> {
    let graph = node.posts.referrals.role.as_ref().ok_or("the graph is gone")?;
    let gates = node.posts.quality.role.as_ref().ok_or("the gates are gone")?;
    for &person in people {
        let rejected = history.rejected.contains(&person);
        if graph.state.is_rejected(person) != rejected {
            return Err(format!("{person} was rejected: {rejected}, and the graph says otherwise"));
        }
        if graph.state.is_awaited(person) {
            return Err(format!("what could be taken back from {person} was never told"));
        }
        let is_in = history.members.contains_key(&person);
        let naive = (is_in, is_in && history.is_false(person));
        let counted = gates.state.counts(person);
        if counted != naive {
            return Err(format!(
                "of {person}, in and false, gates have {counted:?} and not {naive:?}"
            ));
        }
        if is_in && graph.state.counts_as_false(person) != naive.1 {
            return Err(format!("{person} is false: {}, and the graph says otherwise", naive.1));
        }
    }
    let [graph, registry] = &history.returns;
    let same = people.iter().all(|person| {
        graph.get(person).copied().unwrap_or(0) == registry.get(person).copied().unwrap_or(0)
    });
    if same { Ok(()) } else { Err(format!("codes went: {registry:?}, told: {graph:?}")) }
}

/// What holds between domains once every reaction has happened.
fn across(history: &History, people: &[PersonId]) -> Result<(), String> {
    for person in people {
        let state = history.place(*person).and_then(|(_, place)| place.state);
        let came = history.members.contains_key(person);
        if came != (state == Some(EntryState::Member)) {
            return Err(format!(
                "{person} is {state:?} on the list, and came in with a code: {came}"
            ));
        }
    }
    Ok(())
}

/// Live equals the snapshot and what follows, and the beginning and what follows.
fn replays(node: &mut Node, history: &History) -> Result<(), String> {
    let reader = node.reader.box_clone();
    let newest = history.newest();
    for stage in node.posts.stages() {
        let Some(probe) = stage.probe() else { continue };
        let (turn, Some(live)) = (probe.seq, probe.fingerprint) else { continue };
        let from_snapshot = stage.folded(turn, &mut |fresh| {
            let from = fresh.restore(reader.as_ref())?;
            fresh.replay(reader.as_ref(), from, newest + 1)
        })?;
        let from_nothing = stage.folded(turn, &mut |fresh| {
            for (seq, kept) in (1..).zip(&history.records) {
                fresh.replay_one(seq, &kept.body, &kept.sections)?;
            }
            Ok(())
        })?;
        if from_snapshot != Some(live) || from_nothing != Some(live) {
            let how = if from_nothing == Some(live) { "its snapshot" } else { "the journal" };
            return Err(format!("live {} is another one than {how} gives", stage.name()));
        }
    }
    Ok(())
}
