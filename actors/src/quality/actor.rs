//! The quality gates as an actor: messages in, rules applied, answers when durable.

use std::io;

use crate::answers::UnderWay;
use crate::cell::{Cell, Decided, Domain};
use crate::committer::Committed;
use crate::error::Error;
use crate::event::{self, Stream};
use crate::ids::{PersonId, Timestamp};
use crate::image::{ImageReader, ImageWriter};
use crate::mailbox::{Ask, Mailbox};
use crate::record::Unreadable;
use crate::{invites, referrals, waitlist};

use super::command::{Drilling, Observe, Observed, Stats};
use super::history::{Point, Window};
use super::ratio::Ratio;
use super::trust::{self, Trust};
use super::{Event, Policy, Rejection, State, apply, decide, image};

/// What the gates are asked.
#[derive(Debug)]
pub(crate) enum Message {
    Observe(Observe, Ask<Observed>),
    Evaluate(Ask<Trust>),
    Drill(Drilling, Ask<Trust>),
    Load(Option<Ratio>, Ask<()>),
    History(Window, Ask<Vec<Point>>),
    Trust(Ask<Trust>),
    Stats(Ask<Stats>),
    Digest(Ask<[u8; 32]>),
}

/// Asks the gates.
#[derive(Clone, Debug)]
pub(crate) struct Handle(pub(crate) Mailbox<Message>);

type Request = Option<UnderWay>;

impl Handle {
    pub(crate) async fn observe(
        &self,
        now: Timestamp,
        request: Request,
        observe: Observe,
    ) -> Result<Observed, Error> {
        self.0.ask(now, request, |ask| Message::Observe(observe, ask)).await
    }

    pub(crate) async fn evaluate(&self, now: Timestamp, request: Request) -> Result<Trust, Error> {
        self.0.ask(now, request, Message::Evaluate).await
    }

    pub(crate) async fn drill(
        &self,
        now: Timestamp,
        request: Request,
        drilling: Drilling,
    ) -> Result<Trust, Error> {
        self.0.ask(now, request, |ask| Message::Drill(drilling, ask)).await
    }

    pub(crate) async fn see_load(&self, now: Timestamp, load: Option<Ratio>) -> Result<(), Error> {
        self.0.ask(now, None, |ask| Message::Load(load, ask)).await
    }

    pub(crate) async fn history(
        &self,
        now: Timestamp,
        window: Window,
    ) -> Result<Vec<Point>, Error> {
        self.0.ask(now, None, |ask| Message::History(window, ask)).await
    }

    pub(crate) async fn trust(&self, now: Timestamp) -> Result<Trust, Error> {
        self.0.ask(now, None, Message::Trust).await
    }

    pub(crate) async fn stats(&self, now: Timestamp) -> Result<Stats, Error> {
        self.0.ask(now, None, Message::Stats).await
    }

    pub(crate) async fn digest(&self, now: Timestamp) -> Result<[u8; 32], Error> {
        self.0.ask(now, None, Message::Digest).await
    }
}

/// The domain of the window and the gate.
pub(crate) struct Quality;

impl Domain for Quality {
    const IMAGE_VERSION: u16 = 3;
    const STREAM: Stream = Stream::Quality;
    type Policy = Policy;
    type State = State;
    type Event = Event;
    type Rejection = Rejection;
    type Message = Message;

    fn state(_: &Policy) -> State {
        State::default()
    }

    fn apply(state: &mut State, event: &Event, at: Timestamp) {
        apply::apply(state, event, at);
    }

    fn save(state: &State, out: &mut ImageWriter<'_>) -> io::Result<()> {
        image::save(state, out)
    }

    fn fingerprint(state: &State, turn: u64, out: &mut ImageWriter<'_>) -> io::Result<()> {
        image::fingerprint(state, turn, out)
    }

    fn restore(version: u16, input: &mut ImageReader<'_>) -> Result<State, Unreadable> {
        match version {
            1 => image::restore_v1(input),
            2 | 3 => image::restore(version, input),
            _ => Err(Unreadable::new(format!("quality image version {version}"))),
        }
    }

    fn follows(event: &event::Event) -> bool {
        match event {
            event::Event::Waitlist(waitlist::Event::Joined { .. })
            | event::Event::Invites(invites::Event::Redeemed { .. })
            | event::Event::Referrals(referrals::Event::Reviewed { .. }) => true,
            event::Event::Waitlist(waitlist::Event::Left { was, .. }) => {
                *was == waitlist::EntryState::Member
            }
            event::Event::Referrals(referrals::Event::Referred { bind, .. }) => {
                *bind != referrals::Bind::Nothing
            }
            event::Event::Waitlist(_)
            | event::Event::Invites(_)
            | event::Event::Referrals(_)
            | event::Event::Quality(_) => false,
        }
    }

    /// All of a batch is counted in one event, or where somebody comes back in it, in more.
    fn react(cell: &mut Cell<Self>, causes: &[&Committed]) {
        let mut rest = causes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(decide::together(rest.iter().map(moved)));
            count(cell, now);
            rest = later;
        }
        if let Some(newest) = causes.last() {
            move_gate(cell, newest.at);
        }
    }

    fn handle(cell: &mut Cell<Self>, message: Message) {
        match message {
            Message::Observe(observe, ask) => {
                let now = ask.now;
                let accepted = observe.seen.len() as u32;
                let decided = decide::observe(&cell.state, &observe, cell.time(now));
                cell.settle(ask, decided, Vec::new(), |_, _, _| Observed { accepted });
                move_gate(cell, now);
            }
            Message::Drill(drilling, ask) => {
                let (now, at) = (ask.now, cell.time(ask.now));
                if let Some(event) = decide::drill(&cell.state, &drilling, at) {
                    cell.record(event, now, None);
                }
                evaluate(cell, ask);
            }
            Message::Load(load, ask) => {
                let now = ask.now;
                let decided = decide::see_load(&cell.state, &cell.policy, load);
                let decided = decided.map_or(Decided::Already(()), Decided::Now);
                cell.settle(ask, Ok(decided), Vec::new(), |_, _, _| ());
                move_gate(cell, now);
            }
            Message::History(window, ask) => {
                let points = cell.state.history.within(&window);
                cell.answer(ask, Ok(points));
            }
            Message::Evaluate(ask) => evaluate(cell, ask),
            Message::Trust(ask) => {
                let trust = trust::report(&cell.state, &cell.policy, cell.time(ask.now));
                cell.answer(ask, Ok(trust));
            }
            Message::Digest(ask) => {
                let digest = cell.state.digest();
                cell.answer(ask, Ok(digest));
            }
            Message::Stats(ask) => {
                let stats = Stats {
                    trust: trust::report(&cell.state, &cell.policy, cell.time(ask.now)),
                    transitions: cell.state.transitions(),
                    raised: cell.state.raised(),
                };
                cell.answer(ask, Ok(stats));
            }
        }
    }
}

/// Moves the gate when that is due, answers, and notes how it stands once in five minutes.
fn evaluate(cell: &mut Cell<Quality>, ask: Ask<Trust>) {
    let (now, at) = (ask.now, cell.time(ask.now));
    let decided = match decide::evaluate(&cell.state, &cell.policy, at) {
        Some(event) => Decided::Now(event),
        None => Decided::Already(trust::report(&cell.state, &cell.policy, at)),
    };
    cell.settle(ask, Ok(decided), Vec::new(), |cell, _, at| {
        trust::report(&cell.state, &cell.policy, at)
    });
    if let Some(event) = decide::sample(&cell.state, &cell.policy, cell.time(now)) {
        cell.record(event, now, None);
    }
}

/// Moves the gate when what has just been counted asks for it.
fn move_gate(cell: &mut Cell<Quality>, now: Timestamp) {
    let due = decide::evaluate(&cell.state, &cell.policy, cell.time(now));
    if let Some(event) = due {
        cell.record(event, now, None);
    }
}

/// Who came in (true) or left for good because of a record.
fn moved(cause: &&Committed) -> Option<(PersonId, bool)> {
    match &cause.event {
        Some(event::Event::Waitlist(waitlist::Event::Left { person, .. })) => {
            Some((*person, false))
        }
        Some(event::Event::Invites(invites::Event::Redeemed { person, .. })) => {
            Some((*person, true))
        }
        _ => None,
    }
}

/// Counts what has happened elsewhere.
fn count(cell: &mut Cell<Quality>, causes: &[&Committed]) {
    let Some(newest) = causes.last() else { return };
    let (mut joins, mut shares) = (0, 0);
    let (mut came, mut left, mut judged) = (Vec::new(), Vec::new(), Vec::new());
    for cause in causes {
        match &cause.event {
            Some(event::Event::Waitlist(waitlist::Event::Joined { .. })) => joins += 1,
            Some(event::Event::Waitlist(waitlist::Event::Left { person, .. })) => {
                left.push((*person, cause.at));
            }
            Some(event::Event::Invites(invites::Event::Redeemed { person, .. })) => {
                came.push((*person, cause.at));
            }
            Some(event::Event::Referrals(referrals::Event::Reviewed {
                person,
                accepted,
                state,
                ..
            })) if decide::on_reviewed(&cell.state, &judged, (*person, *accepted), *state) => {
                judged.push((*person, cause.at, *accepted));
            }
            Some(event::Event::Referrals(referrals::Event::Referred { .. })) => shares += 1,
            _ => {}
        }
    }
    let counts = joins + shares > 0 || !came.is_empty() || !left.is_empty() || !judged.is_empty();
    if counts {
        let counted = Event::Counted { joins, shares, came, left, judged };
        cell.record(counted, newest.at, Some(newest.seq));
    }
}
