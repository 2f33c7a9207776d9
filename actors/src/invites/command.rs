//! What can be asked of the code registry, and what it answers.

use serde::{Deserialize, Serialize};

use crate::fraud::Marks;
use crate::ids::{InviteCode, PersonId, Timestamp, Uuid};
use crate::quality::Colour;

use super::CodeStatus;

/// Wants codes.
#[derive(Clone, Debug)]
pub(crate) struct Generate {
    pub(crate) count: u32,
    pub(crate) batch: String,
    pub(crate) bound: Option<PersonId>,
    pub(crate) expires_days: u32,
    pub(crate) max_uses: u32,
    /// Issue them whatever the gate says.
    pub(crate) force: bool,
    pub(crate) gate: Colour,
    /// Why the gate has that colour.
    pub(crate) reasons: Vec<String>,
    /// Random codes to choose from: more than `count`, in case one was issued before.
    pub(crate) candidates: Vec<InviteCode>,
}

/// Wants in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Redeem {
    pub(crate) code: InviteCode,
    pub(crate) person: PersonId,
    pub(crate) marks: Marks,
}

/// Wants a code kept while signing up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reserve {
    pub(crate) reservation: Uuid,
    pub(crate) code: InviteCode,
    pub(crate) person: PersonId,
    pub(crate) seconds: u32,
    pub(crate) marks: Marks,
}

/// What an operator does to one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amend {
    /// Take it back.
    Revoke,
    /// Make it good again.
    Restore,
    /// Give it so many more days, from its expiry or, when that has passed, from now.
    Extend(u32),
}

/// Which codes to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this batch.
    pub batch: Option<String>,
    /// Bound to this person, or held by that person.
    pub issued_to: Option<PersonId>,
    /// In this state now.
    pub status: Option<CodeStatus>,
    /// From this place in the order of issue on.
    pub after: u32,
    /// So many at most.
    pub limit: usize,
}

/// A code as an operator sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// As everybody sees it.
    pub view: CodeView,
    /// Label of its batch.
    pub batch: String,
    /// The one person who can redeem it.
    pub bound: Option<PersonId>,
    /// The person who has earned it.
    pub holder: Option<PersonId>,
}

/// A stretch of the codes.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// In the order of issue.
    pub items: Vec<Listed>,
    /// Where to go on; None at the end.
    pub next: Option<u32>,
}

/// The answer to a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reserved {
    /// Names it.
    pub reservation: Uuid,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Whether the same person held the code before.
    pub already: bool,
}

/// The codes of a wave with their people, in its order, and when they expire.
pub(crate) type Wave = (Vec<(InviteCode, PersonId)>, Timestamp);

/// The answer to a demand for codes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generated {
    /// Label of the batch.
    pub batch_id: String,
    /// How many were asked for.
    pub requested: u32,
    /// The codes: fewer than asked for while the gate is yellow.
    pub codes: Vec<InviteCode>,
    /// When they stop being valid.
    pub expires_at: Timestamp,
    /// The gate's colour when they were issued.
    pub gate: Colour,
}

/// The answer to a redemption.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Redeemed {
    /// When the code was redeemed.
    pub at: Timestamp,
    /// When the code was issued.
    pub issued_at: Timestamp,
    /// Whether it had been redeemed by the same person before.
    pub already: bool,
}

/// A code, as anybody who has it may see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodeView {
    /// The code.
    pub code: InviteCode,
    /// What it is good for at the moment.
    pub status: CodeStatus,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it stops being valid.
    pub expires_at: Timestamp,
    /// How often it was redeemed.
    pub uses: u32,
    /// How many people hold it while they are signing up.
    pub held: u32,
    /// How often it can be.
    pub max_uses: u32,
    /// Whether it is for one person only.
    pub bound: bool,
}

/// How the registry stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Codes that can be redeemed now.
    pub active: u64,
    /// Codes of which all that is left is held.
    pub reserved: u64,
    /// Codes redeemed as often as they can be.
    pub used: u64,
    /// Codes that ran out of time.
    pub expired: u64,
    /// Codes taken back.
    pub revoked: u64,
    /// All codes ever issued: in batches, as rewards, and in waves.
    pub issued: [u64; 3],
    /// All redemptions ever.
    pub redemptions: u64,
    /// Codes of waves that ran out of time unused.
    pub lapsed: u64,
}
