//! What every domain actor is around its rules: decide, apply, append, answer; replay; and
//! reactions.
//!
//! A domain's state is a fold of its own events and of nothing else. A [`Cell`] owns that state,
//! gives every event its time (strictly increasing within the domain, so that time orders events
//! even when the clock is set back), writes it to the journal with the answer that waits for it,
//! and remembers the newest event of another domain that it has reacted to, so that a redelivery
//! after a crash does nothing.

use std::collections::VecDeque;
use std::io;

use serde::Serialize;
use snapshots::Section;

use crate::answers::UnderWay;
use crate::committer::{Committed, Committer, Delivery, Receipt, Ticket, Uncommitted};
use crate::error::Error;
use crate::event::{Event, Stream};
use crate::ids::{Seq, Timestamp};
use crate::image::{self, ImageReader, ImageWriter};
use crate::mailbox::Ask;
use crate::record::{self, Head, NO_EVENT, Persisted, Record, Unreadable};
use crate::request::RequestTag;
use crate::role::Role;

/// Events of other domains that a domain passes by in silence before it notes in the journal how
/// far it has come. Bounds what is looked at again after a crash.
const UNMARKED_MAX: usize = 4_096;

/// A domain: its rules, and how its messages and the events of others reach them.
pub(crate) trait Domain: Sized + Send + 'static {
    const STREAM: Stream;
    /// Under which version an image of the state is written.
    const IMAGE_VERSION: u16;
    type Policy: Clone + Send + Sync + 'static;
    type State: Send + 'static;
    type Event: Persisted + Clone + Into<Event> + Send;
    type Rejection: Into<Error> + Serialize + Clone + Send + 'static;
    type Message: Send + 'static;

    /// The state before the first event.
    fn state(policy: &Self::Policy) -> Self::State;
    /// The only way that state changes, live and in replay.
    fn apply(state: &mut Self::State, event: &Self::Event, at: Timestamp);
    /// Writes the state, equal states alike.
    fn save(state: &Self::State, out: &mut ImageWriter<'_>) -> io::Result<()>;
    /// Writes what tells the state from another one, without a walk over all of a large one: the
    /// live actor answers nobody meanwhile. The turn chooses what is looked at.
    fn fingerprint(state: &Self::State, turn: Seq, out: &mut ImageWriter<'_>) -> io::Result<()>;
    /// Reads what `save` of that version wrote.
    fn restore(version: u16, input: &mut ImageReader<'_>) -> Result<Self::State, Unreadable>;
    /// Whether an event of another domain can matter to this one.
    fn follows(event: &Event) -> bool;
    /// What follows here from what has happened there, oldest first; nothing is a good answer.
    fn react(cell: &mut Cell<Self>, causes: &[&Committed]);
    /// Answers one message.
    fn handle(cell: &mut Cell<Self>, message: Self::Message);
}

/// What a command comes to when no rule forbids it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decided<E, T> {
    /// Something happens.
    Now(E),
    /// It was so already: nothing happens, and this is the answer.
    Already(T),
}

/// A domain's state and its place in the journal.
pub(crate) struct Cell<D: Domain> {
    pub(crate) state: D::State,
    pub(crate) policy: D::Policy,
    committer: Committer,
    /// Seq of the newest own record.
    last_seq: Seq,
    /// Time of the newest own record.
    last_at: Timestamp,
    /// The newest record that was looked at for reactions. Every own record carries it, so that
    /// replay reacts again only to what came after the newest own record: the state is the same
    /// then, and so is the reaction.
    seen: Seq,
    /// The newest foreign event that an own record says is done with.
    marked: Seq,
    /// In replay: foreign events that no own record has come past yet.
    unreacted: VecDeque<Committed>,
    unmarked: usize,
    body: Vec<u8>,
}

impl<D: Domain> Cell<D> {
    pub(crate) fn new(policy: D::Policy, committer: Committer) -> Self {
        Self {
            state: D::state(&policy),
            policy,
            committer,
            last_seq: 0,
            last_at: Timestamp::default(),
            marked: 0,
            seen: 0,
            unreacted: VecDeque::new(),
            unmarked: 0,
            body: Vec::new(),
        }
    }

    /// The time of what is decided now: `now`, or just after the newest own event when the clock
    /// went back.
    pub(crate) fn time(&self, now: Timestamp) -> Timestamp {
        now.max(Timestamp::from_micros(self.last_at.micros() + 1))
    }

    /// Settles a command: applies and appends its event, or carries back why nothing happens.
    /// Either answer leaves when everything that it was computed from is durable.
    pub(crate) fn settle<T: Serialize + Send + 'static>(
        &mut self,
        ask: Ask<T>,
        decided: Result<Decided<D::Event, T>, D::Rejection>,
        sections: Vec<Section>,
        answer: impl FnOnce(&Self, &D::Event, Timestamp) -> T,
    ) {
        self.settle_with_receipt(ask, decided, sections, answer, |_, _| {});
    }

    /// As [`settle`](Self::settle), and `sign` puts the receipt into the answer when it leaves.
    pub(crate) fn settle_with_receipt<T: Serialize + Send + 'static>(
        &mut self,
        ask: Ask<T>,
        decided: Result<Decided<D::Event, T>, D::Rejection>,
        sections: Vec<Section>,
        answer: impl FnOnce(&Self, &D::Event, Timestamp) -> T,
        sign: fn(&mut T, Receipt),
    ) {
        let at = self.time(ask.now);
        let mut sections = sections;
        let (event, outcome) = match decided {
            Ok(Decided::Now(event)) => {
                crash_point!("cell.before_apply");
                D::apply(&mut self.state, &event, at);
                let value = answer(self, &event, at);
                (Some(event), Ok(value))
            }
            Ok(Decided::Already(value)) => (None, Ok(value)),
            Err(rejection) => (None, Err(rejection)),
        };
        if event.is_none() {
            // What somebody has typed counts only when something happens because of it.
            sections.clear();
        }
        let tag = ask.request.as_ref().map(UnderWay::tag);
        let request = tag.map(|tag| (tag, encode_outcome(&outcome)));
        let (reply, under_way) = (ask.reply, ask.request);
        let ticket = Ticket::new(move |receipt| {
            let mut outcome = outcome;
            if let (Ok(answer), Some(receipt)) = (&mut outcome, receipt) {
                sign(answer, receipt);
            }
            reply.send(outcome.map_err(Into::into));
            drop(under_way);
        });
        if event.is_none() && request.is_none() {
            self.committer.when_durable(self.last_seq, ticket);
        } else {
            self.append(event, at, None, sections, request, Some(ticket));
        }
    }

    /// Answers from the state as it is; the answer leaves when that state is durable.
    pub(crate) fn answer<T: Send + 'static>(&self, ask: Ask<T>, outcome: Result<T, D::Rejection>) {
        let reply = ask.reply;
        let ticket = Ticket::new(move |_| reply.send(outcome.map_err(Into::into)));
        self.committer.when_durable(self.last_seq, ticket);
    }

    /// Records what a foreign event has caused here, or what follows from what was just recorded.
    pub(crate) fn record(&mut self, event: D::Event, now: Timestamp, cause: Option<Seq>) {
        let at = self.time(now);
        crash_point!("cell.before_reaction");
        D::apply(&mut self.state, &event, at);
        self.append(Some(event), at, cause, Vec::new(), None, None);
    }

    fn append(
        &mut self,
        event: Option<D::Event>,
        at: Timestamp,
        cause: Option<Seq>,
        sections: Vec<Section>,
        request: Option<(RequestTag, Box<[u8]>)>,
        ticket: Option<Ticket>,
    ) {
        let (tag, version) = event.as_ref().map_or((NO_EVENT, 1), Persisted::kind);
        let seen = cause.unwrap_or(self.seen);
        let head = Head { stream: D::STREAM, tag, version, at, seen, caused: cause.is_some() };
        let kept = request.as_ref().map(|(tag, outcome)| (*tag, outcome.as_ref()));
        record::write(
            &mut self.body,
            head,
            |out| {
                if let Some(event) = &event {
                    event.encode(out);
                }
            },
            kept,
        );
        crash_point!("cell.before_append");
        let record = Uncommitted { at, event: event.map(Into::into), sections, request };
        // None once nothing is written any more. The state is ahead of the journal from then on, so
        // nothing that is computed from it may ever be told.
        self.last_seq = self.committer.append(&self.body, record, ticket).unwrap_or(Seq::MAX);
        self.last_at = at;
        self.marked = self.marked.max(seen);
        self.unmarked = 0;
        crash_point!("cell.after_append");
    }

    /// Reacts to the foreign events among `records` that it has not reacted to before.
    fn on_committed(&mut self, records: &[Committed]) {
        let Some(newest) = records.last() else { return };
        let seen = self.seen;
        let follows = |record: &&Committed| record.seq > seen && Self::wants(record);
        let causes: Vec<&Committed> = records.iter().filter(follows).collect();
        if !causes.is_empty() {
            self.unmarked += causes.len();
            D::react(self, &causes);
        }
        self.seen = self.seen.max(newest.seq);
        if self.unmarked >= UNMARKED_MAX && self.marked < self.seen {
            let at = self.time(newest.at);
            self.append(None, at, None, Vec::new(), None, None);
        }
    }

    /// A foreign event that still waits for a reaction, as the journal has it.
    fn foreign(record: &Committed) -> (Seq, Vec<u8>) {
        let mut body = Vec::new();
        if let Some(event) = &record.event {
            let (tag, version) = event.kind();
            let (stream, at) = (event.stream(), record.at);
            let head = Head { stream, tag, version, at, seen: 0, caused: false };
            record::write(&mut body, head, |out| event.encode(out), None);
        }
        (record.seq, body)
    }

    fn replay_own(&mut self, seq: Seq, record: &Record<'_>) -> Result<(), Unreadable> {
        let Head { tag, version, at, seen, .. } = record.head;
        if tag != NO_EVENT {
            let event = D::Event::decode(tag, version, record.payload)?;
            D::apply(&mut self.state, &event, at);
        }
        self.last_seq = seq;
        self.last_at = at;
        self.marked = self.marked.max(seen);
        while self.unreacted.front().is_some_and(|waiting| waiting.seq <= self.marked) {
            self.unreacted.pop_front();
        }
        Ok(())
    }
}

/// The state alone, out of an image that a cell has saved. What the cell still owes to others is
/// passed over.
pub(crate) fn saved_state<D: Domain>(
    version: u16,
    input: &mut ImageReader<'_>,
) -> Result<D::State, Unreadable> {
    let _: (Seq, Timestamp, Seq) = input.take()?;
    input.list(|_: (Seq, Vec<u8>)| Ok(()))?;
    D::restore(version, input)
}

/// The answer to a request that may be repeated, as the journal keeps it.
fn encode_outcome<T: Serialize, R: Serialize>(outcome: &Result<T, R>) -> Box<[u8]> {
    let mut bytes = Vec::new();
    record::encode(outcome, &mut bytes);
    bytes.into()
}

impl<D: Domain> Role for Cell<D> {
    const IMAGE_VERSION: u16 = D::IMAGE_VERSION;
    type Message = D::Message;

    fn replay(&mut self, seq: Seq, body: &[u8], _: &[Section]) -> Result<(), Unreadable> {
        let record = record::read(body)?;
        if record.head.stream == D::STREAM {
            return self.replay_own(seq, &record);
        }
        if record.head.tag == NO_EVENT {
            return Ok(());
        }
        let event = Event::decode(record.head, record.payload)?;
        if D::follows(&event) {
            let at = record.head.at;
            let event = Some(event);
            self.unreacted.push_back(Committed {
                seq,
                at,
                event,
                sections: Vec::new(),
                request: None,
            });
        }
        Ok(())
    }

    fn at(&self) -> Seq {
        self.last_seq
    }

    fn fingerprint(&self, turn: Seq) -> Option<u64> {
        Some(image::fingerprint(|out| {
            out.put(&self.last_at)?;
            D::fingerprint(&self.state, turn, out)
        }))
    }

    fn save(&self, out: &mut ImageWriter<'_>) -> io::Result<()> {
        out.put(&(self.last_seq, self.last_at, self.marked))?;
        out.list(self.unreacted.iter().map(Self::foreign))?;
        D::save(&self.state, out)
    }

    fn restore(&mut self, version: u16, input: &mut ImageReader<'_>) -> Result<(), Unreadable> {
        (self.last_seq, self.last_at, self.marked) = input.take()?;
        input.list(|(seq, body): (Seq, Vec<u8>)| self.replay(seq, &body, &[]))?;
        self.state = D::restore(version, input)?;
        Ok(())
    }

    fn on_replayed(&mut self) {
        self.seen = self.marked;
        let unreacted: Vec<Committed> = std::mem::take(&mut self.unreacted).into();
        self.on_committed(&unreacted);
    }

    fn wants(record: &Committed) -> bool {
        record.event.as_ref().is_some_and(D::follows)
    }

    fn on_delivery(&mut self, delivery: &Delivery) {
        self.on_committed(&delivery.records);
    }

    fn handle(&mut self, message: D::Message) {
        D::handle(self, message);
    }
}

#[cfg(all(test, feature = "simulation"))]
mod tests {
    use std::time::Duration;

    use snapshots::SledJournal;

    use super::*;
    use crate::clock::Clock;
    use crate::committer::Desk;
    use crate::ids::PersonId;
    use crate::waitlist::{Event, Policy, Waitlist};

    #[tokio::test]
    async fn what_follows_from_an_event_that_the_journal_did_not_take_is_told_to_nobody() {
        let dir = tempfile::tempdir().expect("a directory");
        let options = snapshots::Options {
            dir: dir.path().to_owned(),
            cache_bytes: 8 << 20,
            accept_loss: false,
        };
        let (journal, _) = SledJournal::open(options).expect("a journal");
        let now = Timestamp::default();
        let (mut desk, committer) = Desk::new(Box::new(journal), Clock::manual(now));
        let mut cell = Cell::<Waitlist>::new(Policy::default(), committer.clone());
        let closing = tokio::time::timeout(Duration::ZERO, committer.close()).await;
        closing.expect_err("nobody commits, so it waits");

        let (ask, mut decided) = Ask::simulated(now, None);
        let event = Event::Boosted { person: PersonId(1), points: 5 };
        cell.settle(ask, Ok(Decided::Now(event)), Vec::new(), |_, _, _| ());
        let (ask, mut read) = Ask::simulated(now, None);
        cell.answer(ask, Ok(()));
        while desk.commit().expect("a sound disk") || desk.announce() {}
        assert!(decided.try_recv().is_err(), "it was not written");
        assert!(read.try_recv().is_err(), "it was computed from what was not written");
    }
}
