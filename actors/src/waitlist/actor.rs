//! The waitlist as an actor: messages in, rules applied, answers when durable.

use std::io;

use snapshots::Section;

use crate::answers::UnderWay;
use crate::cell::{Cell, Decided, Domain};
use crate::committer::{Committed, Receipt};
use crate::error::Error;
use crate::event::{self, Stream};
use crate::ids::{PersonId, Timestamp};
use crate::image::{ImageReader, ImageWriter};
use crate::invites;
use crate::mailbox::{Ask, Mailbox};
use crate::record::Unreadable;

use super::command::{
    Boost, Boosted, Invited, Join, Joined, Leave, Left, Page, Standing, Stats, Wave,
};
use super::{Event, Policy, Rejection, State, Stretch, apply, decide, image};

/// What the waitlist is asked.
#[derive(Debug)]
pub(crate) enum Message {
    Join(Join, Vec<Section>, Ask<Joined>),
    Boost(Boost, Vec<Section>, Ask<Boosted>),
    Leave(Leave, Ask<Left>),
    Wave(Wave, Ask<Invited>),
    Standing(PersonId, Ask<Standing>),
    Page(Option<u64>, usize, Ask<Page>),
    /// The places of several people, in their order; None for those who do not wait.
    Places(Vec<PersonId>, Ask<Vec<Option<u64>>>),
    Stats(Ask<Stats>),
    /// Entries to copy: the number of the first, and how many.
    Stretch(u32, u32, Ask<Stretch>),
    Digest(Ask<[u8; 32]>),
}

/// Asks the waitlist.
#[derive(Clone, Debug)]
pub(crate) struct Handle(pub(crate) Mailbox<Message>);

type Request = Option<UnderWay>;

impl Handle {
    pub(crate) fn join(
        &self,
        now: Timestamp,
        request: Request,
        join: Join,
        sections: Vec<Section>,
    ) -> impl Future<Output = Result<Joined, Error>> {
        self.0.ask(now, request, |ask| Message::Join(join, sections, ask))
    }

    pub(crate) async fn boost(
        &self,
        now: Timestamp,
        request: Request,
        boost: Boost,
        sections: Vec<Section>,
    ) -> Result<Boosted, Error> {
        self.0.ask(now, request, |ask| Message::Boost(boost, sections, ask)).await
    }

    pub(crate) async fn leave(&self, now: Timestamp, leave: Leave) -> Result<Left, Error> {
        self.0.ask(now, None, |ask| Message::Leave(leave, ask)).await
    }

    pub(crate) async fn wave(
        &self,
        now: Timestamp,
        request: Request,
        wave: Wave,
    ) -> Result<Invited, Error> {
        self.0.ask(now, request, |ask| Message::Wave(wave, ask)).await
    }

    pub(crate) async fn standing(
        &self,
        now: Timestamp,
        person: PersonId,
    ) -> Result<Standing, Error> {
        self.0.ask(now, None, |ask| Message::Standing(person, ask)).await
    }

    pub(crate) async fn page(
        &self,
        now: Timestamp,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Page, Error> {
        self.0.ask(now, None, |ask| Message::Page(after, limit, ask)).await
    }

    pub(crate) async fn places(
        &self,
        now: Timestamp,
        people: Vec<PersonId>,
    ) -> Result<Vec<Option<u64>>, Error> {
        self.0.ask(now, None, |ask| Message::Places(people, ask)).await
    }

    pub(crate) async fn stats(&self, now: Timestamp) -> Result<Stats, Error> {
        self.0.ask(now, None, Message::Stats).await
    }

    pub(crate) async fn stretch(
        &self,
        now: Timestamp,
        from: u32,
        count: u32,
    ) -> Result<Stretch, Error> {
        self.0.ask(now, None, |ask| Message::Stretch(from, count, ask)).await
    }

    pub(crate) async fn digest(&self, now: Timestamp) -> Result<[u8; 32], Error> {
        self.0.ask(now, None, Message::Digest).await
    }
}

/// The domain of the queue.
pub(crate) struct Waitlist;

impl Domain for Waitlist {
    const IMAGE_VERSION: u16 = 3;
    const STREAM: Stream = Stream::Waitlist;
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
            1..=3 => image::restore(version, input),
            _ => Err(Unreadable::new(format!("waitlist image version {version}"))),
        }
    }

    fn follows(event: &event::Event) -> bool {
        match event {
            event::Event::Invites(
                invites::Event::Redeemed { .. }
                | invites::Event::Issued { .. }
                | invites::Event::Departed { .. },
            ) => true,
            event::Event::Referrals(event) => !event.credits().is_empty(),
            event::Event::Invites(_) | event::Event::Waitlist(_) | event::Event::Quality(_) => {
                false
            }
        }
    }

    fn react(cell: &mut Cell<Self>, causes: &[&Committed]) {
        for cause in causes {
            let caused = match &cause.event {
                Some(event::Event::Invites(invites::Event::Redeemed { person, .. })) => {
                    decide::on_redeemed(&cell.state, *person)
                }
                Some(event::Event::Invites(invites::Event::Issued {
                    bound: Some(person), ..
                })) => decide::on_code_bound(&cell.state, *person),
                Some(event::Event::Invites(invites::Event::Departed { person })) => {
                    decide::on_departed(&cell.state, *person)
                }
                Some(event::Event::Referrals(event)) => {
                    decide::on_credited(&cell.state, event.credits())
                }
                _ => None,
            };
            if let Some(event) = caused {
                record_wait(&cell.state, &event, cause.at);
                cell.record(event, cause.at, Some(cause.seq));
            }
        }
    }

    fn handle(cell: &mut Cell<Self>, message: Message) {
        match message {
            Message::Join(join, sections, ask) => {
                let decided = decide::join(&cell.state, &cell.policy, &join, cell.time(ask.now));
                cell.settle(ask, decided, sections, |cell, _, at| Joined {
                    standing: standing(cell, join.person, at),
                    already: false,
                });
            }
            Message::Boost(boost, sections, ask) => {
                let decided = decide::boost(&cell.state, &boost);
                cell.settle(ask, decided, sections, |cell, _, at| Boosted {
                    standing: standing(cell, boost.person, at),
                });
            }
            Message::Leave(leave, ask) => {
                let decided = decide::leave(&cell.state, &leave);
                let left = |_: &Cell<Self>, _: &Event, at| Left::unsigned(at);
                cell.settle_with_receipt(ask, decided, Vec::new(), left, sign);
            }
            Message::Wave(wave, ask) => {
                let decided = decide::wave(&cell.state, &wave);
                if let Ok(Decided::Now(event)) = &decided {
                    record_waits(&cell.state, event, cell.time(ask.now));
                }
                cell.settle(ask, decided, Vec::new(), |cell, _, _| {
                    let known = cell.state.waves.get(wave.batch.as_str());
                    let known = known.expect("a wave that was just sent is remembered");
                    decide::answer(&wave.batch, known, false)
                });
            }
            Message::Standing(person, ask) => {
                let standing = cell.state.standing(person, cell.time(ask.now));
                let absent = || decide::absence(&cell.state, person);
                cell.answer(ask, standing.ok_or_else(absent));
            }
            Message::Page(after, limit, ask) => {
                let page = cell.state.page(after, limit, cell.time(ask.now));
                cell.answer(ask, Ok(page));
            }
            Message::Digest(ask) => {
                let digest = cell.state.digest();
                cell.answer(ask, Ok(digest));
            }
            Message::Places(people, ask) => {
                let places = people.into_iter().map(|person| cell.state.place_of(person));
                let places = places.collect();
                cell.answer(ask, Ok(places));
            }
            Message::Stats(ask) => {
                let stats = cell.state.stats(cell.time(ask.now));
                cell.answer(ask, Ok(stats));
            }
            Message::Stretch(from, count, ask) => {
                let stretch = cell.state.stretch(from, count);
                cell.answer(ask, Ok(stretch));
            }
        }
    }
}

/// Puts the proof into the answer to leaving.
fn sign(left: &mut Left, receipt: Receipt) {
    let Receipt { seq, chain_before, chain } = receipt;
    (left.seq, left.chain_before, left.chain) = (seq, chain_before, chain);
}

/// The standing of somebody whom an event has just touched.
fn standing(cell: &Cell<Waitlist>, person: PersonId, at: Timestamp) -> Standing {
    cell.state.standing(person, at).expect("whoever an event has just touched has an entry")
}

/// Notes for the operator how long somebody who is let off the list has waited.
fn record_wait(state: &State, event: &Event, now: Timestamp) {
    let (Event::Invited { person } | Event::Admitted { person }) = event else { return };
    record_one(state, *person, now);
}

/// The same for everybody in a wave.
fn record_waits(state: &State, event: &Event, now: Timestamp) {
    let Event::Waved { people, .. } = event else { return };
    people.iter().for_each(|&person| record_one(state, person, now));
}

fn record_one(state: &State, person: PersonId, now: Timestamp) {
    let standing = state.standing(person, now);
    if let Some(waiting) = standing.filter(|standing| standing.position.is_some()) {
        let micros = now.micros() - waiting.joined_at.micros();
        metrics::histogram!("vobee_waitlist_wait_seconds").record(micros.max(0) as f64 / 1e6);
    }
}
