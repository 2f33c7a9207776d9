//! Writes what happened as records.

use std::path::Path;

use snapshots::{Batch, Journal, Section, SledJournal};

use crate::entropy;
use crate::event::{Event, Stream};
use crate::fraud::{Marks, Signals};
use crate::ids::{Email, InviteCode, PersonId, Seq, Timestamp, Uuid};
use crate::invites::Channel;
use crate::people::Text;
use crate::record::{self, Head, NO_EVENT};
use crate::referrals::{Bind, ReferralState};
use crate::waitlist::Persona;
use crate::{invites, quality, referrals, waitlist};

const CACHE_BYTES: u64 = 64 << 20;
/// Records between two syncs.
const RECORDS_A_COMMIT: usize = 4_096;
const BYTES_A_COMMIT: usize = 4 << 20;
/// Records after which each domain says how far it has come. A start holds as many in memory.
const MARK_EVERY: u64 = 4_096;

/// Why nothing more can be written.
pub type Error = snapshots::Error;

/// Somebody who took a place.
pub struct Entry<'a> {
    /// Address.
    pub email: &'a Email,
    /// What the product is wanted for.
    pub use_case: &'a str,
    /// Persona, as it was written.
    pub persona: &'a str,
    /// Pairs of the caller's own.
    pub metadata: &'a [(String, String)],
    /// The priority score.
    pub score: i32,
}

/// Codes that have everything in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Codes {
    /// The codes.
    pub codes: Vec<InviteCode>,
    /// Label of their batch.
    pub batch: String,
    /// The one person who can use them.
    pub bound: Option<PersonId>,
    /// The person who has earned them.
    pub holder: Option<PersonId>,
    /// When they stop being valid.
    pub expires_at: Timestamp,
    /// How often each can be used.
    pub max_uses: u32,
    /// Why they were issued.
    pub channel: Channel,
}

/// What the gate counts.
#[derive(Default)]
struct Counted {
    joins: u32,
    shares: u32,
    came: Vec<(PersonId, Timestamp)>,
    hour: i64,
}

/// The journal of a new node while it is written. Within a domain no time is before the one before
/// it, and people who joined are a microsecond apart at least, so that time orders them.
pub struct Writer {
    journal: SledJournal,
    batch: Batch,
    next: Seq,
    body: Vec<u8>,
    newest: [Timestamp; 4],
    /// When the newest person joined.
    joined_at: Timestamp,
    marked: Seq,
    counted: Counted,
}

impl Writer {
    /// Begins in a directory without a journal.
    ///
    /// # Errors
    /// When there is one, or the disk refuses.
    pub fn create(dir: &Path) -> Result<Self, Error> {
        let options = snapshots::Options {
            dir: dir.to_path_buf(),
            cache_bytes: CACHE_BYTES,
            accept_loss: false,
        };
        let (journal, recovered) = SledJournal::open(options)?;
        if recovered.records > 0 {
            return Err(Error::Store("the journal is not empty".to_owned()));
        }
        Ok(Self {
            journal,
            batch: Batch::default(),
            next: 1,
            body: Vec::new(),
            newest: [Timestamp::default(); 4],
            joined_at: Timestamp::default(),
            marked: 0,
            counted: Counted::default(),
        })
    }

    /// Somebody took a place.
    ///
    /// # Errors
    /// As for all that follow: when the disk refuses.
    pub fn joined(
        &mut self,
        person: PersonId,
        entry: &Entry<'_>,
        at: Timestamp,
    ) -> Result<(), Error> {
        let Entry { email, use_case, persona, metadata, score } = *entry;
        let section = section(person, &Text::Profile { email, use_case, persona, metadata });
        let persona = Persona::named(persona);
        self.count(at, |counted| counted.joins += 1)?;
        let (marks, signals) = (Marks::default(), Signals::NONE);
        let event =
            waitlist::Event::Joined { person, persona, score, referrer: None, marks, signals };
        self.push(event.into(), at, &[section])
    }

    /// Somebody who waited was invited.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn invited(&mut self, person: PersonId, at: Timestamp) -> Result<(), Error> {
        self.push(waitlist::Event::Invited { person }.into(), at, &[])
    }

    /// Codes came into being; with them, addresses of people they are for.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn issued(
        &mut self,
        codes: Codes,
        addresses: &[(PersonId, &Email)],
        at: Timestamp,
    ) -> Result<(), Error> {
        let sections: Vec<Section> = addresses
            .iter()
            .map(|(person, email)| section(*person, &Text::Address(email)))
            .collect();
        let Codes { codes, batch, bound, holder, expires_at, max_uses, channel } = codes;
        let event = match (channel, bound) {
            (Channel::Wave, Some(person)) => {
                let codes = codes.into_iter().map(|code| (code, person)).collect();
                invites::Event::Sent { batch, codes, expires_at }
            }
            (Channel::Wave | Channel::Batch | Channel::Reward, _) => invites::Event::Issued {
                batch,
                codes,
                bound,
                holder,
                expires_at,
                max_uses,
                channel,
                forced: false,
            },
        };
        self.push(event.into(), at, &sections)
    }

    /// A code was taken back.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn revoked(&mut self, code: InviteCode, at: Timestamp) -> Result<(), Error> {
        self.push(invites::Event::Revoked { code }.into(), at, &[])
    }

    /// A code was given to somebody.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn bound(
        &mut self,
        code: InviteCode,
        person: PersonId,
        at: Timestamp,
    ) -> Result<(), Error> {
        self.push(invites::Event::Bound { code, person }.into(), at, &[])
    }

    /// Somebody came in.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn redeemed(
        &mut self,
        code: InviteCode,
        person: PersonId,
        email: &Email,
        at: Timestamp,
    ) -> Result<(), Error> {
        let address = section(person, &Text::Address(email));
        self.count(at, |counted| counted.came.push((person, at)))?;
        let (holder, marks) = (None, Marks::default());
        let event = invites::Event::Redeemed { code, person, holder, marks };
        self.push(event.into(), at, &[address])?;
        self.push(waitlist::Event::Admitted { person }.into(), at, &[])?;
        self.progressed(person, ReferralState::Redeemed, at)
    }

    /// A code was used by somebody of whom nothing is known any more.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn used_up(&mut self, code: InviteCode, at: Timestamp) -> Result<(), Error> {
        let person = PersonId(entropy::uuid(at).0);
        let (holder, marks) = (None, Marks::default());
        let event = invites::Event::Redeemed { code, person, holder, marks };
        self.push(event.into(), at, &[])?;
        self.push(invites::Event::Departed { person }.into(), at, &[])
    }

    /// Somebody was brought by somebody; with it, the addresses of both where they are known.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn referred(
        &mut self,
        id: Uuid,
        [inviter, recipient]: [PersonId; 2],
        addresses: &[(PersonId, &Email)],
        state: ReferralState,
        at: Timestamp,
    ) -> Result<(), Error> {
        let sections: Vec<Section> = addresses
            .iter()
            .map(|(person, email)| section(*person, &Text::Address(email)))
            .collect();
        self.count(at, |counted| counted.shares += 1)?;
        let people = [inviter, recipient];
        let event = referrals::Event::referral(id, people, state, Bind::Nothing);
        self.push(event.into(), at, &sections)
    }

    /// Somebody who was brought is elsewhere now.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn progressed(
        &mut self,
        person: PersonId,
        state: ReferralState,
        at: Timestamp,
    ) -> Result<(), Error> {
        let people = vec![(person, state)];
        self.push(referrals::Event::progressed(people).into(), at, &[])
    }

    /// Makes the journal whole and durable; its newest record.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(mut self) -> Result<Seq, Error> {
        self.flush_counts()?;
        // Twice: what the first marks are written behind is marked by the second.
        self.mark()?;
        self.mark()?;
        self.commit()?;
        Ok(self.next - 1)
    }

    /// Counts something for the gate, in the hour that it happened in.
    fn count(&mut self, at: Timestamp, count: impl FnOnce(&mut Counted)) -> Result<(), Error> {
        if self.counted.hour != at.hour() || self.counted.came.len() >= RECORDS_A_COMMIT {
            self.flush_counts()?;
            self.counted.hour = at.hour();
        }
        count(&mut self.counted);
        Ok(())
    }

    fn flush_counts(&mut self) -> Result<(), Error> {
        let Counted { joins, shares, came, hour } = std::mem::take(&mut self.counted);
        if joins == 0 && shares == 0 && came.is_empty() {
            return Ok(());
        }
        let at = Timestamp::from_micros(hour.saturating_mul(3_600_000_000));
        let event =
            quality::Event::Counted { joins, shares, came, left: Vec::new(), judged: Vec::new() };
        self.push(event.into(), at, &[])
    }

    fn push(&mut self, event: Event, at: Timestamp, sections: &[Section]) -> Result<(), Error> {
        self.record(event.stream(), Some(&event), at, sections)?;
        if self.next - self.marked > MARK_EVERY {
            self.mark()?;
        }
        Ok(())
    }

    /// Lets every domain say that it has come to everything so far.
    fn mark(&mut self) -> Result<(), Error> {
        self.marked = self.next;
        let streams = [Stream::Waitlist, Stream::Invites, Stream::Referrals, Stream::Quality];
        for stream in streams {
            self.record(stream, None, Timestamp::default(), &[])?;
        }
        Ok(())
    }

    fn record(
        &mut self,
        stream: Stream,
        event: Option<&Event>,
        at: Timestamp,
        sections: &[Section],
    ) -> Result<(), Error> {
        let newest = &mut self.newest[stream as usize - 1];
        let mut at = if event.is_some() { at.max(*newest) } else { *newest };
        if let Some(Event::Waitlist(waitlist::Event::Joined { .. })) = event {
            at = at.max(Timestamp::from_micros(self.joined_at.micros() + 1));
            self.joined_at = at;
        }
        *newest = at;
        let (tag, version) = event.map_or((NO_EVENT, 1), Event::kind);
        let head = Head { stream, tag, version, at, seen: self.next - 1, caused: false };
        let payload = |out: &mut Vec<u8>| event.into_iter().for_each(|event| event.encode(out));
        record::write(&mut self.body, head, payload, None);
        self.batch.push(&self.body, sections);
        self.next += 1;
        if self.batch.len() >= RECORDS_A_COMMIT || self.batch.byte_len() >= BYTES_A_COMMIT {
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Error> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let first = self.next - self.batch.len() as u64;
        self.journal.append(first, &self.batch)?;
        self.batch.clear();
        Ok(())
    }
}

fn section(person: PersonId, text: &Text<'_>) -> Section {
    Section { owner: person.get(), salt: entropy::salt(), text: text.encode() }
}
