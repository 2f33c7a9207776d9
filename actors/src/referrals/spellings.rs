//! Mailboxes that are written in more than one way.
//!
//! A person is an address, and `ada+news@…` is another one than `ada@…`. Both reach one mailbox,
//! which is named like the person with the plain address. Only addresses that differ from that are
//! noted, so this is empty while everybody writes plainly.

use crate::growing::Map;
use crate::ids::PersonId;

/// Which people share a mailbox, as far as shares have told.
#[derive(Debug, Default)]
pub(super) struct Spellings {
    mailboxes: Map<PersonId, PersonId>,
    others: Map<PersonId, Vec<PersonId>>,
}

impl Spellings {
    pub(super) fn is_empty(&self) -> bool {
        self.mailboxes.is_empty()
    }

    pub(super) fn note(&mut self, person: PersonId, mailbox: PersonId) {
        if self.mailboxes.insert(person, mailbox).is_none() {
            self.others.get_or_default(mailbox).push(person);
        }
    }

    pub(super) fn mailbox(&self, person: PersonId) -> PersonId {
        self.mailboxes.get(person).copied().unwrap_or(person)
    }

    /// Whether more than one person is known to have this mailbox, or may be.
    pub(super) fn is_shared(&self, mailbox: PersonId) -> bool {
        self.others.contains_key(mailbox)
    }

    /// All who have this mailbox; also the plain address, whether or not it has been seen.
    pub(super) fn of(&self, mailbox: PersonId) -> impl Iterator<Item = PersonId> {
        let others = self.others.get(mailbox).map_or(&[][..], Vec::as_slice);
        std::iter::once(mailbox).chain(others.iter().copied())
    }

    /// Person and mailbox, in no order that means anything.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&PersonId, &PersonId)> {
        self.mailboxes.iter()
    }

    /// Person and mailbox, in the order of people.
    pub(super) fn list(&self) -> Vec<(PersonId, PersonId)> {
        let pairs = self.mailboxes.iter().map(|(&person, &mailbox)| (person, mailbox));
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_unstable();
        pairs
    }
}
