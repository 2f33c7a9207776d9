//! Codes, who holds them, and who came in with them.

use serde::Serialize;
use std::collections::BTreeMap;

use crate::fraud::Marks;
use crate::growing::{List, Map, Table};
use crate::ids::{InviteCode, PersonId, Timestamp, Uuid};
use crate::record;

use super::command::{CodeView, Filter, Listed, Page, Stats, Wave};
use super::event::Channel;
use super::holds::{Hold, Holds, Outcome};

/// Codes that one listing looks at, at most, so that nobody waits long for the registry.
const LOOKED_AT_MAX: usize = 20_000;

/// The shape and life of codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What every code starts with.
    pub prefix: String,
    /// Hex digits of a code, 12 to 32. 48 bits are few when a million codes are live.
    pub digits: u8,
    /// Days that a code is valid when nobody says otherwise.
    pub expires_days: u32,
    /// Codes that the registry takes, used and expired ones included.
    pub codes_max: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { prefix: "VOBEE-".to_owned(), digits: 12, expires_days: 7, codes_max: 100_000_000 }
    }
}

/// What a code is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodeStatus {
    /// Can be redeemed.
    Active,
    /// All that is left of it is kept for people who are signing up.
    Reserved,
    /// Was redeemed as often as it can be.
    Used,
    /// Ran out of time.
    Expired,
    /// Was taken back.
    Revoked,
}

impl CodeStatus {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Active, Self::Reserved, Self::Used, Self::Expired, Self::Revoked];

    /// The name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Reserved => "reserved",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// What all codes of one event have in common.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Issue {
    pub(super) batch: Box<str>,
    pub(super) channel: Channel,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) max_uses: u32,
    pub(super) holder: Option<PersonId>,
}

/// Whether a code was taken back, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Taken {
    /// It was not.
    Not,
    /// By hand.
    Back,
    /// With the reward that it was part of.
    WithReward,
}

impl Taken {
    pub(super) const fn number(self) -> u8 {
        self as u8
    }

    pub(super) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Not),
            1 => Some(Self::Back),
            2 => Some(Self::WithReward),
            _ => None,
        }
    }
}

/// One code.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Code {
    pub(super) code: InviteCode,
    pub(super) bound: Option<PersonId>,
    pub(super) issue: u32,
    pub(super) uses: u32,
    pub(super) taken: Taken,
}

impl Code {
    pub(super) fn is_revoked(&self) -> bool {
        self.taken != Taken::Not
    }
}

/// Where a code is counted, so that how many are in each state is known without looking at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Used,
    Revoked,
    /// Good until then, and reserved until `full_until` where all that is left of it is held.
    Open {
        expires_at: Timestamp,
        full_until: Option<Timestamp>,
        wave: bool,
    },
}

/// A person who came in.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Member {
    pub(super) code: u32,
    pub(super) at: Timestamp,
}

/// The registry. Invariants: `by_code` names every code; `used`, `revoked`, `open` and `full` count
/// each code where [`Counted`] says.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(super) codes: List<Code>,
    pub(super) issues: List<Issue>,
    pub(super) by_code: Table<u32>,
    pub(super) held: Map<PersonId, Vec<u32>>,
    pub(super) members: Map<PersonId, Member>,
    /// Codes with another expiry than the others of their issue.
    pub(super) extended: Map<u32, Timestamp>,
    pub(super) holds: Holds,
    pub(super) open: BTreeMap<Timestamp, u64>,
    /// As `open`, of codes that were sent in waves.
    pub(super) open_waves: BTreeMap<Timestamp, u64>,
    /// When codes stop being reserved, unless something happens before.
    pub(super) full: BTreeMap<Timestamp, u64>,
    pub(super) used: u64,
    pub(super) revoked: u64,
    pub(super) issued: [u64; 3],
    pub(super) redemptions: u64,
    /// The codes of each wave, first index and the one behind the last.
    pub(super) waves: BTreeMap<Box<str>, (u32, u32)>,
}

impl State {
    pub(super) fn len(&self) -> usize {
        self.codes.len()
    }

    pub(super) fn find(&self, code: InviteCode) -> Option<u32> {
        let same = |&index: &u32| self.codes[index as usize].code == code;
        self.by_code.find(code, same).copied()
    }

    pub(super) fn code(&self, index: u32) -> (&Code, &Issue) {
        let code = &self.codes[index as usize];
        (code, &self.issues[code.issue as usize])
    }

    pub(super) fn member(&self, person: PersonId) -> Option<&Member> {
        self.members.get(person)
    }

    pub(super) fn expires_at(&self, index: u32) -> Timestamp {
        let (_, issue) = self.code(index);
        self.extended.get(index).copied().unwrap_or(issue.expires_at)
    }

    pub(super) fn status(&self, index: u32, now: Timestamp) -> CodeStatus {
        let (code, issue) = self.code(index);
        if code.uses >= issue.max_uses {
            CodeStatus::Used
        } else if code.is_revoked() {
            CodeStatus::Revoked
        } else if now >= self.expires_at(index) {
            CodeStatus::Expired
        } else if code.uses + self.holds.live(index, now) >= issue.max_uses {
            CodeStatus::Reserved
        } else {
            CodeStatus::Active
        }
    }

    pub(crate) fn view(&self, code: InviteCode, now: Timestamp) -> Option<CodeView> {
        self.find(code).map(|index| self.view_of(index, now))
    }

    fn view_of(&self, index: u32, now: Timestamp) -> CodeView {
        let (code, issue) = self.code(index);
        CodeView {
            code: code.code,
            status: self.status(index, now),
            created_at: issue.created_at,
            expires_at: self.expires_at(index),
            uses: code.uses,
            held: self.holds.live(index, now),
            max_uses: issue.max_uses,
            bound: code.bound.is_some(),
        }
    }

    /// Codes in the order of issue from the index `filter.after` on. Looks at a bounded number of
    /// them, so a page may be short, or empty, and still name where to go on.
    pub(super) fn page(&self, filter: &Filter, now: Timestamp) -> Page {
        let mut items = Vec::new();
        let first = filter.after;
        let last = self.codes.len().min((first as usize).saturating_add(LOOKED_AT_MAX)) as u32;
        for index in first..last {
            if items.len() == filter.limit {
                return Page { items, next: Some(index) };
            }
            let (code, issue) = self.code(index);
            let batch = filter.batch.as_deref().is_none_or(|batch| batch == &*issue.batch);
            let person = |person| code.bound == Some(person) || issue.holder == Some(person);
            if batch
                && filter.issued_to.is_none_or(person)
                && filter.status.is_none_or(|status| self.status(index, now) == status)
            {
                let (bound, holder) = (code.bound, issue.holder);
                let batch = issue.batch.to_string();
                items.push(Listed { view: self.view_of(index, now), batch, bound, holder });
            }
        }
        let next = ((last as usize) < self.codes.len()).then_some(last);
        Page { items, next }
    }

    /// The codes of the newest wave of that name, in its order.
    pub(super) fn wave(&self, batch: &str) -> Option<Wave> {
        let &(first, end) = self.waves.get(batch)?;
        if first >= end || end as usize > self.codes.len() {
            return None;
        }
        let expires_at = self.code(first).1.expires_at;
        let codes = (first..end).map(|index| &self.codes[index as usize]);
        Some((codes.filter_map(|code| Some((code.code, code.bound?))).collect(), expires_at))
    }

    /// The codes that a person has earned and can still give away, oldest first.
    pub(super) fn free(
        &self,
        holder: PersonId,
        now: Timestamp,
    ) -> impl Iterator<Item = InviteCode> + '_ {
        let held = self.held.get(holder).map_or(&[][..], Vec::as_slice);
        held.iter().map(move |&index| (index, &self.codes[index as usize])).filter_map(
            move |(index, code)| {
                let free = code.bound.is_none()
                    && code.uses == 0
                    && self.status(index, now) == CodeStatus::Active;
                free.then_some(code.code)
            },
        )
    }

    /// The newest code that `holder` has given to `person`.
    pub(super) fn given(&self, holder: PersonId, person: PersonId) -> Option<InviteCode> {
        let held = self.held.get(holder)?;
        let codes = held.iter().rev().map(|&index| &self.codes[index as usize]);
        codes.filter(|code| code.bound == Some(person)).map(|code| code.code).next()
    }

    pub(super) fn stats(&self, now: Timestamp) -> Stats {
        let until = |counts: &BTreeMap<Timestamp, u64>| -> u64 {
            counts.range(..=now).map(|(_, count)| count).sum()
        };
        let expired = until(&self.open);
        let reserved = self.full.values().sum::<u64>() - until(&self.full);
        let total: u64 = self.issued.iter().sum();
        Stats {
            active: total - self.used - self.revoked - expired - reserved,
            reserved,
            used: self.used,
            expired,
            revoked: self.revoked,
            issued: self.issued,
            redemptions: self.redemptions,
            lapsed: until(&self.open_waves),
        }
    }

    /// A digest of everything that later answers depend on.
    pub(super) fn digest(&self) -> [u8; 32] {
        let found = self.codes.iter().map(|code| self.find(code.code));
        record::digest(&(
            (&self.codes, &self.issues, found.collect::<Vec<_>>()),
            self.held.iter().collect::<BTreeMap<_, _>>(),
            self.members.iter().collect::<BTreeMap<_, _>>(),
            self.extended.iter().collect::<BTreeMap<_, _>>(),
            self.holds.iter().collect::<Vec<_>>(),
            (&self.open, &self.full, self.used, self.revoked, self.issued, self.redemptions),
            &self.waves,
        ))
    }

    pub(super) fn issue(
        &mut self,
        issue: Issue,
        codes: impl ExactSizeIterator<Item = (InviteCode, Option<PersonId>)>,
    ) {
        let channel = issue.channel;
        let (number, first) = (self.issues.len() as u32, self.codes.len() as u32);
        let count = codes.len();
        if channel == Channel::Wave {
            self.waves.insert(issue.batch.clone(), (first, first + count as u32));
        }
        self.issues.push(issue);
        for (code, bound) in codes {
            self.put_back(Code { code, bound, issue: number, uses: 0, taken: Taken::Not }, None);
        }
        self.issued[channel as usize] += count as u64;
    }

    /// The next code of an issue that is there, with all that is counted of it.
    pub(super) fn put_back(&mut self, code: Code, expires_at: Option<Timestamp>) {
        let index = self.codes.len() as u32;
        self.codes.push(code);
        let all = &self.codes;
        self.by_code.insert_unique(code.code, index, |&index| all[index as usize].code);
        if let Some(holder) = self.issues[code.issue as usize].holder {
            self.held.get_or_default(holder).push(index);
        }
        if let Some(expires_at) = expires_at {
            self.extended.insert(index, expires_at);
        }
        self.count(self.counted(index), true);
    }

    pub(super) fn put_back_hold(&mut self, id: Uuid, hold: Hold) {
        self.change(hold.code, |state| state.holds.add(id, hold));
    }

    pub(super) fn redeem(&mut self, code: InviteCode, person: PersonId, at: Timestamp) {
        let Some(index) = self.find(code) else { return };
        self.change(index, |state| {
            state.codes[index as usize].uses += 1;
            if let Some(id) = state.holds.of(index, person, at) {
                state.holds.close(id, Outcome::Confirmed);
            }
            state.holds.expire(index, at);
        });
        self.members.insert(person, Member { code: index, at });
        self.redemptions += 1;
    }

    pub(super) fn reserve(
        &mut self,
        id: Uuid,
        code: InviteCode,
        person: PersonId,
        (until, marks): (Timestamp, Marks),
        at: Timestamp,
    ) {
        for index in self.holds.forgotten(at) {
            self.change(index, |state| state.holds.expire(index, at));
        }
        self.holds.forget(at);
        let Some(index) = self.find(code) else { return };
        self.change(index, |state| {
            state.holds.expire(index, at);
            state.holds.add(id, Hold { code: index, person, until, outcome: Outcome::Open, marks });
        });
    }

    pub(super) fn release(&mut self, id: Uuid) {
        let Some(hold) = self.holds.get(id).copied() else { return };
        self.change(hold.code, |state| state.holds.close(id, Outcome::Released));
    }

    pub(super) fn take(&mut self, code: InviteCode, taken: Taken) {
        let Some(index) = self.find(code) else { return };
        self.change(index, |state| state.codes[index as usize].taken = taken);
    }

    pub(super) fn extend(&mut self, code: InviteCode, expires_at: Timestamp) {
        let Some(index) = self.find(code) else { return };
        self.change(index, |state| {
            state.extended.insert(index, expires_at);
        });
    }

    /// Changes a code, or its holds, and counts it where it belongs afterwards.
    fn change(&mut self, index: u32, change: impl FnOnce(&mut Self)) {
        self.count(self.counted(index), false);
        change(self);
        self.count(self.counted(index), true);
    }

    fn counted(&self, index: u32) -> Counted {
        let (code, issue) = self.code(index);
        if code.uses >= issue.max_uses {
            return Counted::Used;
        }
        if code.is_revoked() {
            return Counted::Revoked;
        }
        let (held, first_end) = self.holds.open(index);
        let full = code.uses + held >= issue.max_uses;
        let full_until = if full { first_end } else { None };
        let wave = issue.channel == Channel::Wave;
        Counted::Open { expires_at: self.expires_at(index), full_until, wave }
    }

    fn count(&mut self, counted: Counted, more: bool) {
        let change = |count: u64| if more { count + 1 } else { count - 1 };
        let in_map = |counts: &mut BTreeMap<Timestamp, u64>, at: Timestamp| {
            let count = change(counts.get(&at).copied().unwrap_or(0));
            if count == 0 {
                counts.remove(&at);
            } else {
                counts.insert(at, count);
            }
        };
        match counted {
            Counted::Used => self.used = change(self.used),
            Counted::Revoked => self.revoked = change(self.revoked),
            Counted::Open { expires_at, full_until, wave } => {
                in_map(&mut self.open, expires_at);
                if wave {
                    in_map(&mut self.open_waves, expires_at);
                }
                if let Some(until) = full_until {
                    in_map(&mut self.full, until);
                }
            }
        }
    }

    pub(super) fn bind(&mut self, code: InviteCode, person: PersonId) {
        if let Some(index) = self.find(code) {
            self.codes[index as usize].bound = Some(person);
        }
    }

    pub(super) fn depart(&mut self, person: PersonId) {
        self.members.remove(person);
    }
}
