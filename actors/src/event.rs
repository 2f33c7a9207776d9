//! The union of the domains' events, and their numbers on disk.
//!
//! A stream's and a tag's number is persisted for ever: a new kind of event takes the next free
//! one, and a kind that is no longer written keeps its own.

use crate::record::{Head, Persisted, Unreadable};
use crate::{invites, quality, referrals, waitlist};

/// Whose events they are: one stream for each domain, all in one journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    /// The priority queue.
    Waitlist = 1,
    /// The code registry.
    Invites = 2,
    /// The referral graph.
    Referrals = 3,
    /// The rolling window and the gate.
    Quality = 4,
}

impl Stream {
    /// The stream with that number, if there is one.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Waitlist),
            2 => Some(Self::Invites),
            3 => Some(Self::Referrals),
            4 => Some(Self::Quality),
            _ => None,
        }
    }
}

/// What happened in any of the domains.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// In the queue.
    Waitlist(waitlist::Event),
    /// In the code registry.
    Invites(invites::Event),
    /// In the referral graph.
    Referrals(referrals::Event),
    /// In the window or at the gate.
    Quality(quality::Event),
}

impl Event {
    /// Whose event it is.
    pub(crate) const fn stream(&self) -> Stream {
        match self {
            Self::Waitlist(_) => Stream::Waitlist,
            Self::Invites(_) => Stream::Invites,
            Self::Referrals(_) => Stream::Referrals,
            Self::Quality(_) => Stream::Quality,
        }
    }

    /// Tag and version under which it is written.
    pub(crate) fn kind(&self) -> (u8, u8) {
        match self {
            Self::Waitlist(event) => event.kind(),
            Self::Invites(event) => event.kind(),
            Self::Referrals(event) => event.kind(),
            Self::Quality(event) => event.kind(),
        }
    }

    /// Appends its payload.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Waitlist(event) => event.encode(out),
            Self::Invites(event) => event.encode(out),
            Self::Referrals(event) => event.encode(out),
            Self::Quality(event) => event.encode(out),
        }
    }

    /// Reads the payload of a record that carries an event.
    pub(crate) fn decode(head: Head, payload: &[u8]) -> Result<Self, Unreadable> {
        let Head { stream, tag, version, .. } = head;
        Ok(match stream {
            Stream::Waitlist => waitlist::Event::decode(tag, version, payload)?.into(),
            Stream::Invites => invites::Event::decode(tag, version, payload)?.into(),
            Stream::Referrals => referrals::Event::decode(tag, version, payload)?.into(),
            Stream::Quality => quality::Event::decode(tag, version, payload)?.into(),
        })
    }
}

macro_rules! union {
    ($($domain:ident, $variant:ident);+) => {$(
        impl From<$domain::Event> for Event {
            fn from(event: $domain::Event) -> Self {
                Self::$variant(event)
            }
        }
    )+};
}

union!(waitlist, Waitlist; invites, Invites; referrals, Referrals; quality, Quality);
