//! What can be asked of the waitlist, and what it answers.

use serde::{Deserialize, Serialize};

use crate::fraud::Marks;
use crate::ids::{PersonId, Seq, Timestamp};
use crate::quality::Colour;

use super::{EntryState, Order, Persona, Wait};

/// Wants a place.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    pub(crate) person: PersonId,
    pub(crate) persona: Persona,
    pub(crate) use_case: Box<str>,
    /// Entry whose referral code was given; None when none was.
    pub(crate) referrer: Option<Referrer>,
    pub(crate) marks: Marks,
}

/// The entry that a referral code names, or a code that names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Referrer {
    Entry(u32),
    Unknown,
}

/// Moves a person up or down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boost {
    pub(crate) person: PersonId,
    pub(crate) points: i32,
}

/// Leaves for good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leave {
    pub(crate) person: PersonId,
    /// Whether the person's address is known, entry or not.
    pub(crate) known: bool,
}

/// Wants people invited.
#[derive(Clone, Debug)]
pub(crate) struct Wave {
    pub(crate) batch: String,
    pub(crate) count: u32,
    pub(crate) order: Order,
    pub(crate) gate: Colour,
    /// Why the gate has that colour.
    pub(crate) reasons: Vec<String>,
    pub(crate) expires_days: u32,
    /// What a lottery is drawn from.
    pub(crate) seed: u64,
    pub(crate) rolled: u32,
    /// How many codes there is room for.
    pub(crate) room: u64,
}

/// The answer to a wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// Label of the wave.
    pub batch_id: String,
    /// How many were asked for.
    pub requested: u32,
    /// How many were invited: fewer while the gate is yellow, or when fewer wait.
    pub invited: u32,
    /// How they were found.
    pub order: Order,
    /// The gate's colour then.
    pub gate: Colour,
    /// When.
    pub at: Timestamp,
    /// Whether the wave had been sent before.
    pub already: bool,
}

/// Somebody's entry and place, as of the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Whose.
    pub person: PersonId,
    /// Number of the entry, counting joins from 0; names the referral code.
    pub index: u32,
    /// Waiting, invited or in.
    pub state: EntryState,
    /// What the person said to be.
    pub persona: Persona,
    /// Priority score, boosts included.
    pub score: i32,
    /// Sum of the boosts in it.
    pub boost: i32,
    /// What of it comes from referrals. Not in answers that are kept for repeated requests.
    #[serde(skip)]
    pub credited: i32,
    /// When the person joined.
    pub joined_at: Timestamp,
    /// When the person was invited or let in.
    pub invited_at: Option<Timestamp>,
    /// Place among those who wait, from 1; None for those who do not.
    pub position: Option<u64>,
    /// How many wait.
    pub total: u64,
    /// How long it may take; None for those who do not wait.
    pub wait: Option<Wait>,
}

/// The answer to a join.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Joined {
    /// The entry.
    pub standing: Standing,
    /// Whether it was there before.
    pub already: bool,
}

/// The answer to a boost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boosted {
    /// The entry, boosted.
    pub standing: Standing,
}

/// The answer to leaving.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Left {
    /// When.
    pub at: Timestamp,
    /// The number of the record that says so; 0 until it is durable.
    pub seq: Seq,
    /// The hash chain of the journal before the commit of that record.
    pub chain_before: [u8; 32],
    /// The hash chain after it.
    pub chain: [u8; 32],
}

impl Left {
    pub(super) fn unsigned(at: Timestamp) -> Self {
        Self { at, seq: 0, chain_before: [0; 32], chain: [0; 32] }
    }
}

/// A stretch of the queue.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) standings: Vec<Standing>,
    /// Key to go on from, when there is more.
    pub(crate) next: Option<u64>,
}

/// How the list stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// People who wait.
    pub waiting: u64,
    /// People invited and not yet in.
    pub invited: u64,
    /// People who are in.
    pub members: u64,
    /// People who have left.
    pub removed: u64,
    /// Joins since midnight UTC.
    pub joined_today: u64,
    /// People invited, or let in from the list without an invitation, since midnight UTC.
    pub processed_today: u64,
    /// People who wait, in the order of [`Persona::ALL`].
    pub by_persona: [u64; 5],
    /// Mean of the last 14 days, today included.
    pub invites_per_day: f64,
    /// All joins ever: without a referral code, and with one.
    pub joins: [u64; 2],
    /// Invitations that ran out unused and that later waves have made up for.
    pub rolled: u64,
}
