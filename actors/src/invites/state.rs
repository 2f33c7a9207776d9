//! Codes, who holds them, and who came in with them.

use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

use hashbrown::HashTable;

use crate::ids::{InviteCode, PersonId, Timestamp};
use crate::record;

use super::command::{CodeView, Stats};
use super::event::Channel;

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
    /// Was redeemed as often as it can be.
    Used,
    /// Ran out of time.
    Expired,
    /// Was taken back.
    Revoked,
}

impl CodeStatus {
    /// The name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// What all codes of one event have in common.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Issue {
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) max_uses: u32,
    pub(super) holder: Option<PersonId>,
}

/// One code.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Code {
    pub(super) code: InviteCode,
    pub(super) bound: Option<PersonId>,
    pub(super) issue: u32,
    pub(super) uses: u32,
}

/// A person who came in.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Member {
    pub(super) code: u32,
    pub(super) at: Timestamp,
}

/// The registry. Invariants: `by_code` names every code; `open` counts, by expiry, the codes that
/// are not used up.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(super) codes: Vec<Code>,
    pub(super) issues: Vec<Issue>,
    pub(super) by_code: HashTable<u32>,
    pub(super) held: HashMap<PersonId, Vec<u32>>,
    pub(super) members: HashMap<PersonId, Member>,
    pub(super) open: BTreeMap<Timestamp, u64>,
    pub(super) used: u64,
    pub(super) issued: [u64; 2],
    pub(super) redemptions: u64,
}

impl State {
    pub(super) fn len(&self) -> usize {
        self.codes.len()
    }

    pub(super) fn find(&self, code: InviteCode) -> Option<u32> {
        let same = |&index: &u32| self.codes[index as usize].code == code;
        self.by_code.find(hash(code), same).copied()
    }

    pub(super) fn code(&self, index: u32) -> (&Code, &Issue) {
        let code = &self.codes[index as usize];
        (code, &self.issues[code.issue as usize])
    }

    pub(super) fn member(&self, person: PersonId) -> Option<&Member> {
        self.members.get(&person)
    }

    pub(super) fn status(&self, index: u32, now: Timestamp) -> CodeStatus {
        let (code, issue) = self.code(index);
        if code.uses >= issue.max_uses {
            CodeStatus::Used
        } else if now >= issue.expires_at {
            CodeStatus::Expired
        } else {
            CodeStatus::Active
        }
    }

    pub(super) fn view(&self, code: InviteCode, now: Timestamp) -> Option<CodeView> {
        let index = self.find(code)?;
        let (code, issue) = self.code(index);
        Some(CodeView {
            code: code.code,
            status: self.status(index, now),
            created_at: issue.created_at,
            expires_at: issue.expires_at,
            uses: code.uses,
            max_uses: issue.max_uses,
            bound: code.bound.is_some(),
        })
    }

    /// The codes that a person has earned and can still give away, oldest first.
    pub(super) fn free(
        &self,
        holder: PersonId,
        now: Timestamp,
    ) -> impl Iterator<Item = InviteCode> + '_ {
        let held = self.held.get(&holder).map_or(&[][..], Vec::as_slice);
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
        let held = self.held.get(&holder)?;
        let codes = held.iter().rev().map(|&index| &self.codes[index as usize]);
        codes.filter(|code| code.bound == Some(person)).map(|code| code.code).next()
    }

    pub(super) fn stats(&self, now: Timestamp) -> Stats {
        let expired = self.open.range(..=now).map(|(_, count)| count).sum();
        let total: u64 = self.issued.iter().sum();
        Stats {
            active: total - self.used - expired,
            used: self.used,
            expired,
            revoked: 0,
            issued: self.issued,
            redemptions: self.redemptions,
        }
    }

    /// A digest of everything that later answers depend on.
    pub(super) fn digest(&self) -> [u8; 32] {
        let found = self.codes.iter().map(|code| self.find(code.code));
        record::digest(&(
            (&self.codes, &self.issues, found.collect::<Vec<_>>()),
            self.held.iter().collect::<BTreeMap<_, _>>(),
            self.members.iter().collect::<BTreeMap<_, _>>(),
            (&self.open, self.used, self.issued, self.redemptions),
        ))
    }

    pub(super) fn issue(
        &mut self,
        issue: Issue,
        codes: &[InviteCode],
        bound: Option<PersonId>,
        channel: Channel,
    ) {
        let number = self.issues.len() as u32;
        self.issues.push(issue);
        self.codes.reserve(codes.len());
        for &code in codes {
            self.put_back(Code { code, bound, issue: number, uses: 0 });
        }
        self.issued[channel as usize] += codes.len() as u64;
    }

    /// The next code of an issue that is there, with all that is counted of it.
    pub(super) fn put_back(&mut self, code: Code) {
        let index = self.codes.len() as u32;
        self.codes.push(code);
        let all = &self.codes;
        let rehash = |&index: &u32| hash(all[index as usize].code);
        self.by_code.insert_unique(hash(code.code), index, rehash);
        let issue = &self.issues[code.issue as usize];
        if let Some(holder) = issue.holder {
            self.held.entry(holder).or_default().push(index);
        }
        if code.uses < issue.max_uses {
            *self.open.entry(issue.expires_at).or_default() += 1;
        } else {
            self.used += 1;
        }
    }

    pub(super) fn redeem(&mut self, code: InviteCode, person: PersonId, at: Timestamp) {
        let Some(index) = self.find(code) else { return };
        let code = &mut self.codes[index as usize];
        code.uses += 1;
        let issue = &self.issues[code.issue as usize];
        if code.uses == issue.max_uses {
            self.used += 1;
            if let Some(open) = self.open.get_mut(&issue.expires_at) {
                *open -= 1;
                if *open == 0 {
                    self.open.remove(&issue.expires_at);
                }
            }
        }
        self.members.insert(person, Member { code: index, at });
        self.redemptions += 1;
    }

    pub(super) fn bind(&mut self, code: InviteCode, person: PersonId) {
        if let Some(index) = self.find(code) {
            self.codes[index as usize].bound = Some(person);
        }
    }

    pub(super) fn depart(&mut self, person: PersonId) {
        self.members.remove(&person);
    }
}

/// Codes are bits of a cryptographic hash: the lowest 48 of them are as good as any.
fn hash(code: InviteCode) -> u64 {
    code.low_bits().wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
