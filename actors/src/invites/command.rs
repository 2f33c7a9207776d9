//! What can be asked of the code registry, and what it answers.

use serde::{Deserialize, Serialize};

use crate::ids::{InviteCode, PersonId, Timestamp};
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
}

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
    /// Codes redeemed as often as they can be.
    pub used: u64,
    /// Codes that ran out of time.
    pub expired: u64,
    /// Codes taken back.
    pub revoked: u64,
    /// All codes ever issued: in batches, and as rewards.
    pub issued: [u64; 2],
    /// All redemptions ever.
    pub redemptions: u64,
}
