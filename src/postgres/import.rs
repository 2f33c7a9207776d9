//! The way in: rows of a database become the journal of a new node.

use std::collections::{HashMap, HashSet};

use actors::import::{Codes, Entry, Writer};
use actors::invites::Channel;
use actors::referrals::ReferralState;
use actors::{Email, Identity, InviteCode, PersonId, Timestamp, Uuid};
use tokio_postgres::Row;

use super::error::Error;
use super::session::Session;
use super::source::{Happened, Source, What};

/// How somebody is marked in the tables who was erased.
const ERASED: &str = "erased:";
/// More than the API takes, and less than a record.
const USE_CASE_BYTES_MAX: usize = 64 * 1024;
/// Codes of one event.
const CODES_MAX: usize = 5_000;
/// Rows after which progress is told, at most.
const TOLD_EVERY: u64 = 1_000;
/// A code without an end is good until then: 9999-12-31T23:59:59Z.
const NEVER: Timestamp = Timestamp::from_micros(253_402_300_799_000_000);

/// What came of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// People on the list.
    pub people: u64,
    /// Rows of people whose address, but for its case, an earlier row has.
    pub merged: u64,
    /// Codes.
    pub codes: u64,
    /// Uses of codes.
    pub redemptions: u64,
    /// Referrals.
    pub referrals: u64,
    /// Rows that could not be taken.
    pub rejected: u64,
}

/// A row that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Its table.
    pub table: &'static str,
    /// Its key there.
    pub key: String,
    /// Why.
    pub reason: String,
}

/// Who hears of an import while it goes on.
pub struct Listener<'a> {
    /// Each row that cannot be taken; an error ends the import.
    pub reject: &'a mut dyn FnMut(Reject) -> Result<(), String>,
    /// Now and then, how many rows were read, of how many.
    pub progress: &'a mut dyn FnMut(u64, u64),
}

/// Reads everything from a database into the journal that `writer` makes; without one, only looks
/// what would come of it. `now` is the time: nothing can have happened later.
///
/// # Errors
/// When PostgreSQL, the disk or the listener refuses.
pub async fn import<'a>(
    session: &mut Session,
    identity: &'a Identity,
    prefix: &'a str,
    writer: Option<Writer>,
    now: Timestamp,
    listener: Listener<'a>,
) -> Result<Imported, Error> {
    let mut source = Source::open(session).await?;
    let mut import = Import {
        identity,
        prefix,
        ours: source.ours,
        writer,
        now,
        listener,
        imported: Imported::default(),
        seen: HashMap::new(),
        above: HashMap::new(),
        codes: HashSet::new(),
        early: HashMap::new(),
        pending: None,
        later: Vec::new(),
    };
    let (mut read, rows) = (0, source.rows);
    while let Some(happened) = source.next().await? {
        let counts = matches!(happened.what, What::Joined | What::Issued | What::Referred);
        import.take(happened)?;
        read += u64::from(counts);
        if counts && read % TOLD_EVERY == 0 {
            (import.listener.progress)(read, rows);
        }
    }
    import.finish()
}

/// What is known of a person while the rows go by.
#[derive(Clone, Copy, Default)]
struct Seen {
    listed: bool,
    invited: bool,
    member: bool,
    referred: bool,
}

struct Import<'a> {
    identity: &'a Identity,
    prefix: &'a str,
    ours: bool,
    writer: Option<Writer>,
    now: Timestamp,
    listener: Listener<'a>,
    imported: Imported,
    /// The only thing that grows with the rows: some bytes a person, and a code.
    seen: HashMap<PersonId, Seen>,
    /// Who has brought whom, or somebody further up.
    above: HashMap<PersonId, PersonId>,
    codes: HashSet<InviteCode>,
    /// Invitations of people whose row says that they joined later.
    early: HashMap<PersonId, Timestamp>,
    pending: Option<Pending>,
    /// Where those stand who were referred and went on since.
    later: Vec<(PersonId, ReferralState)>,
}

/// Codes that wait for others of the same kind.
struct Pending {
    codes: Codes,
    emails: Vec<(PersonId, Email)>,
    at: Timestamp,
    revoked: Vec<InviteCode>,
    used_up: Vec<(InviteCode, u32)>,
}

/// Why a row is not taken, or the import ends.
enum Refusal {
    Row(String),
    Import(Error),
}

impl From<actors::import::Error> for Refusal {
    fn from(error: actors::import::Error) -> Self {
        Self::Import(Error::Journal(error.to_string()))
    }
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self::Row(reason.to_owned())
    }
}

impl Import<'_> {
    fn take(&mut self, happened: Happened) -> Result<(), Error> {
        let Happened { what, at, row } = happened;
        if what != What::Issued {
            self.flush().map_err(ended)?;
        }
        let taken = self.time(at).and_then(|at| match what {
            What::Joined => self.joined(&row, at),
            What::Invited => self.invited(&row, at),
            What::Issued => self.issued(&row, at),
            What::Referred => self.referred(&row, at),
            What::Redeemed => self.redeemed(&row, at),
        });
        let reason = match taken {
            Ok(()) => return Ok(()),
            Err(Refusal::Import(error)) => return Err(error),
            Err(Refusal::Row(reason)) => reason,
        };
        if what == What::Redeemed {
            self.use_up(&row, at).map_err(ended)?;
        }
        self.imported.rejected += 1;
        let table = match what {
            What::Joined | What::Invited => "waitlist",
            What::Issued | What::Redeemed => "invite_codes",
            What::Referred => "referrals",
        };
        let key = row.get(1);
        (self.listener.reject)(Reject { table, key, reason }).map_err(Error::Journal)
    }

    fn time(&self, at: Option<Timestamp>) -> Result<Timestamp, Refusal> {
        let at = at.ok_or("it has no time")?;
        match at {
            _ if at > self.now => Err("its time is in the future".into()),
            _ if at < Timestamp::default() => Err("its time is before 1970".into()),
            _ => Ok(at),
        }
    }

    fn joined(&mut self, row: &Row, at: Timestamp) -> Result<(), Refusal> {
        let email = email(row.get(2))?;
        let use_case: &str = row.get(3);
        if use_case.len() > USE_CASE_BYTES_MAX {
            return Err("its use_case is too long".into());
        }
        let person = self.identity.person(&email);
        if self.seen.get(&person).is_some_and(|seen| seen.listed) {
            self.imported.merged += 1;
            return Ok(());
        }
        if self.seen.get(&person).is_some_and(|seen| seen.member) {
            return Err("the person came in before joining".into());
        }
        let metadata: serde_json::Value = serde_json::from_str(row.get(6)).unwrap_or_default();
        let pairs = metadata.as_object().into_iter().flatten();
        let pairs =
            pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or("").to_owned()));
        let mut metadata: Vec<(String, String)> = pairs.collect();
        if !self.ours {
            metadata.push((IMPORTED_ID.to_owned(), row.get(1)));
        }
        let (persona, score) = (row.get(4), row.get(5));
        let entry = Entry { email: &email, use_case, persona, metadata: &metadata, score };
        let seen = self.seen.entry(person).or_default();
        seen.listed = true;
        if let Some(writer) = &mut self.writer {
            writer.joined(person, &entry, at)?;
            if seen.referred {
                writer.progressed(person, ReferralState::Waiting, at)?;
            }
        }
        self.imported.people += 1;
        match self.early.remove(&person) {
            Some(_) => self.invite(person, at),
            None => Ok(()),
        }
    }

    fn invited(&mut self, row: &Row, at: Timestamp) -> Result<(), Refusal> {
        // Where its row could not be taken, that is known.
        let Ok(email) = email(row.get(2)) else { return Ok(()) };
        let person = self.identity.person(&email);
        match self.seen.get(&person) {
            Some(seen) if seen.listed => self.invite(person, at),
            Some(_) | None => {
                self.early.insert(person, at);
                Ok(())
            }
        }
    }

    fn invite(&mut self, person: PersonId, at: Timestamp) -> Result<(), Refusal> {
        let seen = self.seen.entry(person).or_default();
        if !seen.invited && !seen.member {
            seen.invited = true;
            if let Some(writer) = &mut self.writer {
                writer.invited(person, at)?;
            }
        }
        Ok(())
    }

    fn issued(&mut self, row: &Row, at: Timestamp) -> Result<(), Refusal> {
        let code = self.code(row.get(1))?;
        let (status, channel): (&str, &str) = (row.get(4), row.get(5));
        let expires_at = row.get::<_, Option<i64>>(3).map_or(NEVER, Timestamp::from_micros);
        match status {
            "active" | "used" | "revoked" => {}
            "expired" if expires_at <= self.now => {}
            "expired" => return Err("it is expired, and its expires_at is in the future".into()),
            other => return Err(Refusal::Row(format!("its status {other} is not known"))),
        }
        if !self.codes.insert(code) {
            return Err("another row has the same code in another case".into());
        }
        let mut emails = Vec::new();
        let bound = self.named(row.get(8), &mut emails)?;
        let holder = self.named(row.get(9), &mut emails)?;
        let kind = Codes {
            codes: Vec::new(),
            batch: row.get(2),
            bound,
            holder,
            expires_at,
            max_uses: u32::try_from(row.get::<_, i32>(6)).unwrap_or(1),
            channel: channel_named(channel),
        };
        let same = self.pending.as_ref().is_some_and(|pending| {
            let codes = Codes { codes: Vec::new(), ..pending.codes.clone() };
            codes == kind && pending.at == at && pending.codes.codes.len() < CODES_MAX
        });
        if !same {
            self.flush()?;
            let (revoked, used_up) = (Vec::new(), Vec::new());
            self.pending = Some(Pending { codes: kind, emails, at, revoked, used_up });
        }
        if let Some(pending) = &mut self.pending {
            pending.codes.codes.push(code);
            if status == "revoked" {
                pending.revoked.push(code);
            }
            if let Ok(uses @ 1..) = u32::try_from(row.get::<_, i32>(7)) {
                pending.used_up.push((code, uses));
            }
        }
        self.imported.codes += 1;
        Ok(())
    }

    /// Writes the codes that wait.
    fn flush(&mut self) -> Result<(), Refusal> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let emails: Vec<_> =
            pending.emails.iter().map(|(person, email)| (*person, email)).collect();
        writer.issued(pending.codes, &emails, pending.at)?;
        for code in pending.revoked {
            writer.revoked(code, pending.at)?;
        }
        for (code, uses) in pending.used_up {
            for _ in 0..uses {
                writer.used_up(code, pending.at)?;
            }
        }
        Ok(())
    }

    fn redeemed(&mut self, row: &Row, at: Timestamp) -> Result<(), Refusal> {
        let code = self.code(row.get(1))?;
        if !self.codes.contains(&code) {
            // Its row could not be taken, which is known.
            return Ok(());
        }
        let email = email(row.get(2))?;
        let person = self.identity.person(&email);
        let seen = self.seen.entry(person).or_default();
        if seen.member {
            return Err("its used_by came in with another code before".into());
        }
        (seen.member, seen.invited) = (true, true);
        if let Some(writer) = &mut self.writer {
            writer.redeemed(code, person, &email, at)?;
        }
        self.imported.redemptions += 1;
        Ok(())
    }

    /// Whoever used it cannot be taken, and nobody else may use the code again.
    fn use_up(&mut self, row: &Row, at: Option<Timestamp>) -> Result<(), Refusal> {
        let at = at.unwrap_or(self.now).clamp(Timestamp::default(), self.now);
        let Ok(code) = self.code(row.get(1)) else { return Ok(()) };
        if let Some(writer) = self.writer.as_mut().filter(|_| self.codes.contains(&code)) {
            writer.used_up(code, at)?;
        }
        Ok(())
    }

    /// The person at the top of somebody's tree. Ways are halved as they are gone (Tarjan and van
    /// Leeuwen, "Worst-case Analysis of Set Union Algorithms", 1984).
    fn root(&mut self, person: PersonId) -> PersonId {
        let mut at = person;
        while let Some(&above) = self.above.get(&at) {
            if let Some(&further) = self.above.get(&above) {
                self.above.insert(at, further);
            }
            at = above;
        }
        at
    }

    fn referred(&mut self, row: &Row, at: Timestamp) -> Result<(), Refusal> {
        let id = Uuid::parse(row.get(1))?;
        let mut emails = Vec::new();
        let absent = || Refusal::from("an address is missing");
        let inviter = self.named(row.get(2), &mut emails)?.ok_or_else(absent)?;
        let recipient = self.named(row.get(3), &mut emails)?.ok_or_else(absent)?;
        if inviter == recipient {
            return Err("both addresses are one person's".into());
        }
        if self.seen.get(&recipient).is_some_and(|seen| seen.referred) {
            return Err("somebody else brought the same person before".into());
        }
        if self.root(inviter) == self.root(recipient) {
            return Err("the recipient has brought the inviter, directly or over others".into());
        }
        self.above.insert(recipient, inviter);
        let seen = self.seen.entry(recipient).or_default();
        seen.referred = true;
        let state = match *seen {
            Seen { member: true, .. } => ReferralState::Redeemed,
            Seen { listed: true, .. } => ReferralState::Waiting,
            Seen { .. } => ReferralState::Shared,
        };
        let told: &str = row.get(5);
        if let Some(told) = ReferralState::ALL.into_iter().find(|state| state.as_str() == told) {
            self.later.push((recipient, told));
        }
        let given: Option<&str> = row.get(4);
        let given = given.and_then(|code| self.code(code).ok());
        let given = given.filter(|code| self.codes.contains(code));
        if let Some(writer) = &mut self.writer {
            let emails: Vec<_> = emails.iter().map(|(person, email)| (*person, email)).collect();
            writer.referred(id, [inviter, recipient], &emails, state, at)?;
            if let Some(code) = given {
                writer.bound(code, recipient, at)?;
            }
        }
        self.imported.referrals += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<Imported, Error> {
        self.flush().map_err(ended)?;
        let Some(mut writer) = self.writer else { return Ok(self.imported) };
        let failed = |error: actors::import::Error| Error::Journal(error.to_string());
        for (person, state) in self.later {
            let seen = self.seen.get(&person).copied().unwrap_or_default();
            let expected = match seen {
                Seen { member: true, .. } => ReferralState::Redeemed,
                Seen { listed: true, .. } => ReferralState::Waiting,
                Seen { .. } => ReferralState::Shared,
            };
            if state != expected {
                writer.progressed(person, state, self.now).map_err(failed)?;
            }
        }
        writer.finish().map_err(failed)?;
        Ok(self.imported)
    }

    fn code(&self, text: &str) -> Result<InviteCode, Refusal> {
        InviteCode::parse(text, self.prefix).map_err(|error| Refusal::Row(error.to_string()))
    }

    /// The person that a column names, with the address where it has one.
    fn named(
        &self,
        text: Option<&str>,
        emails: &mut Vec<(PersonId, Email)>,
    ) -> Result<Option<PersonId>, Refusal> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
        if let Some(id) = text.strip_prefix(ERASED) {
            return id.parse().map(Some).map_err(|_| Refusal::from("nobody was erased so"));
        }
        let email = email(text)?;
        let person = self.identity.person(&email);
        emails.push((person, email));
        Ok(Some(person))
    }
}

/// The key of metadata under which the id in the original database stands.
const IMPORTED_ID: &str = "imported_id";

fn email(text: &str) -> Result<Email, Refusal> {
    Email::parse(text).map_err(|error| Refusal::Row(format!("an address {error}")))
}

fn channel_named(name: &str) -> Channel {
    let channels = [Channel::Reward, Channel::Wave];
    let named = channels.into_iter().find(|channel| channel.as_str() == name);
    named.unwrap_or(Channel::Batch)
}

fn ended(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Import(error) => error,
        Refusal::Row(reason) => Error::Journal(reason),
    }
}
