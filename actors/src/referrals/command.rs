//! What can be asked of the referral graph, and what it answers.

use serde::{Deserialize, Serialize};

use crate::fraud::Marks;
use crate::ids::{PersonId, Uuid};
use crate::quality::Colour;
use crate::record;

use super::{Bind, Reward};

/// Brings somebody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) id: Uuid,
    pub(crate) inviter: PersonId,
    pub(crate) recipient: PersonId,
    /// The inviter's mailbox, where the address is another spelling of it.
    pub(crate) mailbox: Option<PersonId>,
    /// What the recipient's address shows.
    pub(crate) marks: Marks,
    pub(crate) recipient_is: RecipientIs,
    pub(crate) bind: Bind,
}

/// What the waitlist knows of the recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecipientIs {
    Unknown,
    Waiting,
    Member,
}

/// Wants what has been earned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Earn {
    pub(crate) person: PersonId,
    /// What the gate shows.
    pub(crate) gate: Colour,
}

/// The answer to a share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shared {
    /// Names the referral.
    pub referral: Uuid,
    /// Whether the same inviter had shared with the same recipient before.
    pub already: bool,
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Earned {
    /// What is new.
    pub granted: Vec<Reward>,
    /// What comes next, while there is a tier left.
    pub next: Option<Milestone>,
    /// Whether rewards are paused because the referrals are of poor quality.
    pub paused: bool,
    /// Whether codes are due and come by themselves: when the gate opens, or when it is known which
    /// of them could be taken back. Answers that were kept before the gate was asked end above.
    #[serde(deserialize_with = "record::if_there")]
    pub held: bool,
}

/// The next tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Milestone {
    /// Redeemed referrals that it takes.
    pub redeemed: u32,
    /// How many of them are missing.
    pub missing: u32,
    /// What it is called.
    pub reason: String,
}

/// How the graph stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Referrals in each state, in the order of [`super::ReferralState::ALL`].
    pub by_state: [u64; 6],
    /// All shares ever.
    pub shares: u64,
    /// All referrals whose recipient came in, ever.
    pub conversions: u64,
    /// People on whom a verdict is awaited.
    pub reviews: u64,
}
