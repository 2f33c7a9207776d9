//! The book as an actor: it follows the journal and answers look-ups.

use std::io;

use snapshots::Section;

use crate::committer::{Committed, Delivery};
use crate::error::Error;
use crate::event::{Event, Stream};
use crate::ids::{PersonId, Seq, Timestamp};
use crate::image::{ImageReader, ImageWriter};
use crate::mailbox::{Ask, Mailbox};
use crate::record::{self, NO_EVENT, Unreadable};
use crate::role::Role;

use super::book::Book;
use super::text::{self, Entry, Profile};

/// What the book is asked.
#[derive(Debug)]
pub(crate) enum Message {
    Profiles(Vec<PersonId>, Ask<Vec<Option<Profile>>>),
    /// What the product is wanted for, by each of these; None where nothing is known.
    UseCases(Vec<PersonId>, Ask<Vec<Option<Box<str>>>>),
    Count(Ask<u64>),
    Digest(Ask<[u8; 32]>),
}

/// Asks the book.
#[derive(Clone, Debug)]
pub(crate) struct Handle(pub(crate) Mailbox<Message>);

impl Handle {
    /// What these people have typed, in their order.
    pub(crate) async fn profiles(
        &self,
        now: Timestamp,
        people: Vec<PersonId>,
    ) -> Result<Vec<Option<Profile>>, Error> {
        self.0.ask(now, None, |ask| Message::Profiles(people, ask)).await
    }

    /// What these people want the product for, in their order.
    pub(crate) async fn use_cases(
        &self,
        now: Timestamp,
        people: Vec<PersonId>,
    ) -> Result<Vec<Option<Box<str>>>, Error> {
        self.0.ask(now, None, |ask| Message::UseCases(people, ask)).await
    }

    pub(crate) async fn count(&self, now: Timestamp) -> Result<u64, Error> {
        self.0.ask(now, None, Message::Count).await
    }

    pub(crate) async fn digest(&self, now: Timestamp) -> Result<[u8; 32], Error> {
        self.0.ask(now, None, Message::Digest).await
    }
}

/// The book's state.
#[derive(Default)]
pub(crate) struct People {
    book: Book,
    /// The newest record that the book has come to.
    at: Seq,
}

impl People {
    /// What somebody wants the product for; None when nothing is known.
    pub(crate) fn use_case(&self, person: PersonId) -> Option<&str> {
        self.book.get(person).and_then(text::use_case)
    }

    /// What somebody has typed; None when nothing is known.
    pub(crate) fn profile(&self, person: PersonId) -> Option<Profile> {
        self.book.get(person).and_then(text::decode)
    }

    /// Everybody of whom something is known, with what it is, and whether that is a whole profile.
    pub(crate) fn everybody(&self) -> impl Iterator<Item = (PersonId, Profile, bool)> {
        self.book.texts().filter_map(|(person, text)| {
            text::told(text).map(|(profile, whole)| (person, profile, whole))
        })
    }

    fn take_in(&mut self, sections: &[Section]) {
        for Section { owner, text, .. } in sections {
            let person = PersonId::from_owner(*owner);
            match text::entry(text) {
                Entry::Whole => self.book.put(person, text),
                Entry::AddressOnly if self.book.get(person).is_none() => {
                    self.book.put(person, text);
                }
                Entry::AddressOnly | Entry::None => {}
            }
        }
    }

    fn on_event(&mut self, event: &Event) {
        if let Event::Waitlist(event) = event
            && let Some(person) = event.forgets()
        {
            self.book.remove(person);
        }
    }
}

/// Hands out every person and text of an image; the newest record that is in it.
pub(crate) fn saved(
    version: u16,
    input: &mut ImageReader<'_>,
    each: &mut dyn FnMut(PersonId, &[u8]),
) -> Result<Seq, Unreadable> {
    if version != 1 {
        return Err(Unreadable::new(format!("people image version {version}")));
    }
    let at = input.take()?;
    let mut text = Vec::new();
    for _ in 0..input.take::<u64>()? {
        let person = input.bytes(&mut text)?;
        each(PersonId(person), &text);
    }
    Ok(at)
}

impl Role for People {
    const IMAGE_VERSION: u16 = 1;
    type Message = Message;

    fn replay(&mut self, seq: Seq, body: &[u8], sections: &[Section]) -> Result<(), Unreadable> {
        self.at = seq;
        self.take_in(sections);
        let record = record::read(body)?;
        if record.head.stream == Stream::Waitlist && record.head.tag != NO_EVENT {
            self.on_event(&Event::decode(record.head, record.payload)?);
        }
        Ok(())
    }

    fn at(&self) -> Seq {
        self.at
    }

    fn fingerprint(&self, turn: Seq) -> Option<u64> {
        Some(self.book.fingerprint(turn))
    }

    fn save(&self, out: &mut ImageWriter<'_>) -> io::Result<()> {
        out.put(&self.at)?;
        out.put(&(self.book.len() as u64))?;
        for (person, text) in self.book.texts() {
            out.bytes(person.get(), text)?;
        }
        Ok(())
    }

    fn restore(&mut self, version: u16, input: &mut ImageReader<'_>) -> Result<(), Unreadable> {
        self.at = saved(version, input, &mut |person, text| self.book.put(person, text))?;
        Ok(())
    }

    fn wants(record: &Committed) -> bool {
        let forgets = matches!(&record.event, Some(Event::Waitlist(e)) if e.forgets().is_some());
        forgets || !record.sections.is_empty()
    }

    /// What is delivered is durable, and so is all that the book answers from.
    fn on_delivery(&mut self, delivery: &Delivery) {
        for Committed { seq, event, sections, .. } in delivery.records.iter() {
            self.at = *seq;
            self.take_in(sections);
            if let Some(event) = event {
                self.on_event(event);
            }
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Profiles(people, ask) => {
                let known = |person| self.profile(person);
                ask.reply.send(Ok(people.into_iter().map(known).collect()));
            }
            Message::UseCases(people, ask) => {
                let said = |person| self.use_case(person).map(Box::from);
                ask.reply.send(Ok(people.into_iter().map(said).collect()));
            }
            Message::Digest(ask) => ask.reply.send(Ok(record::digest(&self.book.contents()))),
            Message::Count(ask) => ask.reply.send(Ok(self.book.len() as u64)),
        }
    }
}
