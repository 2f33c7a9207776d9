//! The memory of answers as an actor: it follows the journal and says whether a request may go
//! ahead.

use std::io;

use snapshots::Section;

use crate::committer::{Committed, Delivery};
use crate::error::Error;
use crate::ids::{Seq, Timestamp};
use crate::image::{ImageReader, ImageWriter};
use crate::mailbox::{Ask, Mailbox};
use crate::record::{self, Unreadable};
use crate::request::RequestTag;
use crate::role::Role;

use super::memory::Memory;

/// What the memory is asked.
#[derive(Debug)]
pub(crate) enum Message {
    Begin(UnderWay, Ask<Begun>),
    Release(RequestTag),
}

/// Asks the memory.
#[derive(Clone, Debug)]
pub(crate) struct Handle(pub(crate) Mailbox<Message>);

/// Whether a request may go ahead.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It may, and is under way until this is dropped.
    Fresh(UnderWay),
    /// It was answered before, with this encoded outcome.
    Answered(Box<[u8]>),
}

/// A request under way: a second one with its key is turned away meanwhile. Boxed, since it travels
/// with every message and most requests have none.
#[derive(Debug)]
pub(crate) struct UnderWay(Box<Held>);

#[derive(Debug)]
struct Held {
    tag: RequestTag,
    memory: Mailbox<Message>,
    /// Whether the memory has let it go ahead. Then it is released wherever this ends, also in an
    /// answer that nobody waits for any more.
    let_in: bool,
}

impl UnderWay {
    fn new(tag: RequestTag, memory: Mailbox<Message>) -> Self {
        Self(Box::new(Held { tag, memory, let_in: false }))
    }

    pub(crate) fn tag(&self) -> RequestTag {
        self.0.tag
    }
}

#[cfg(feature = "simulation")]
impl UnderWay {
    /// A request whose end is told to nobody.
    pub(crate) fn simulated(tag: RequestTag) -> Self {
        Self::new(tag, Mailbox::new(1, std::time::Duration::ZERO))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.let_in {
            // A memory that restarts has forgotten what was under way.
            let _ = self.memory.cast(Message::Release(self.tag));
        }
    }
}

impl Handle {
    pub(crate) async fn begin(&self, now: Timestamp, tag: RequestTag) -> Result<Begun, Error> {
        let under_way = UnderWay::new(tag, self.0.clone());
        self.0.ask(now, None, |ask| Message::Begin(under_way, ask)).await
    }
}

/// The memory's state.
#[derive(Default)]
pub(crate) struct Answers {
    memory: Memory,
    /// The newest record that the memory has come to.
    at: Seq,
}

impl Role for Answers {
    const IMAGE_VERSION: u16 = 1;
    type Message = Message;

    fn replay(&mut self, seq: Seq, body: &[u8], _: &[Section]) -> Result<(), Unreadable> {
        self.at = seq;
        let record = record::read(body)?;
        if let Some((tag, outcome)) = record.request {
            self.memory.keep(tag, outcome, record.head.at);
        }
        self.memory.expire(record.head.at);
        Ok(())
    }

    fn at(&self) -> Seq {
        self.at
    }

    /// None: the live memory forgets by the clock, a replayed one by the times in the journal.
    fn fingerprint(&self, _: Seq) -> Option<u64> {
        None
    }

    fn save(&self, out: &mut ImageWriter<'_>) -> io::Result<()> {
        out.put(&self.at)?;
        let kept: Vec<_> = self.memory.outcomes().collect();
        out.list(kept.into_iter())
    }

    fn restore(&mut self, version: u16, input: &mut ImageReader<'_>) -> Result<(), Unreadable> {
        if version != 1 {
            return Err(Unreadable::new(format!("answers image version {version}")));
        }
        self.at = input.take()?;
        input.list(|(at, id, body, outcome): (Timestamp, u128, u128, Vec<u8>)| {
            self.memory.keep(RequestTag { id, body }, &outcome, at);
            Ok(())
        })
    }

    fn wants(record: &Committed) -> bool {
        record.request.is_some()
    }

    fn on_delivery(&mut self, delivery: &Delivery) {
        for Committed { seq, at, request, .. } in delivery.records.iter() {
            self.at = *seq;
            if let Some((tag, outcome)) = request {
                self.memory.keep(*tag, outcome, *at);
            }
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Begin(mut under_way, ask) => {
                let begun = self.memory.begin(under_way.tag(), ask.now).map(|known| match known {
                    Some(outcome) => Begun::Answered(outcome),
                    None => {
                        under_way.0.let_in = true;
                        Begun::Fresh(under_way)
                    }
                });
                ask.reply.send(begun.map_err(Error::from));
            }
            Message::Release(tag) => self.memory.release(tag),
        }
    }
}
