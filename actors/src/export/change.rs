//! The changes of rows.

use std::sync::Arc;

use crate::ids::{InviteCode, PersonId, Timestamp, Uuid};
use crate::invites::Channel;
use crate::people::Profile;
use crate::quality::{Colour, Point};
use crate::referrals::{ReferralState, Reward};
use crate::waitlist::Order;

/// One change, in the order in which things happened. Changes of one record belong together.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// What somebody has typed is known now.
    Named {
        /// Who.
        person: PersonId,
        /// What.
        profile: Profile,
        /// Whether it replaces what was known; otherwise it counts only where nothing was.
        whole: bool,
    },
    /// Somebody is to be forgotten.
    Forgotten {
        /// Who.
        person: PersonId,
    },
    /// Somebody took a place.
    Joined(Joined),
    /// Somebody's score changed.
    Boosted {
        /// Whose.
        person: PersonId,
        /// By how much.
        points: i32,
    },
    /// Somebody who waited does not any more. Of two such changes the first counts.
    Invited {
        /// Who.
        person: PersonId,
        /// Since when.
        at: Timestamp,
    },
    /// A code came into being.
    Issued(Issue),
    /// A code is for one person now.
    Bound {
        /// Which.
        code: InviteCode,
        /// For whom.
        person: PersonId,
    },
    /// A code was taken back, or is good again.
    Revoked {
        /// Which.
        code: InviteCode,
        /// Whether it was taken back.
        revoked: bool,
    },
    /// A code stops being valid at another time.
    Extended {
        /// Which.
        code: InviteCode,
        /// When.
        expires_at: Timestamp,
    },
    /// A code was used by somebody who is in now.
    Redeemed(Redeemed),
    /// A member left for good.
    Departed {
        /// Who.
        person: PersonId,
    },
    /// Somebody has an inviter.
    Referred(Referred),
    /// The one whom a referral brought is elsewhere now.
    Progressed {
        /// The recipient.
        person: PersonId,
        /// Where.
        state: ReferralState,
    },
    /// Somebody got something.
    Rewarded {
        /// Who.
        person: PersonId,
        /// What.
        reward: Reward,
    },
    /// Something that somebody got was taken back.
    Withdrawn {
        /// From whom.
        person: PersonId,
        /// What.
        reward: Reward,
    },
    /// A wave went out.
    Waved(Waved),
    /// Five minutes have a point in the history of the rates.
    Sampled(Point),
    /// The gate has another colour.
    GateMoved {
        /// Which.
        colour: Colour,
        /// Since when.
        at: Timestamp,
        /// Why; empty where that is not known any more.
        reason: String,
    },
}

impl Change {
    /// About how many bytes it takes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let text = match self {
            Self::Named { profile, .. } => profile.bytes(),
            Self::Issued(issue) => issue.batch.len(),
            Self::Rewarded { reward, .. } | Self::Withdrawn { reward, .. } => {
                reward.rule.len() + reward.reason.len()
            }
            Self::Waved(waved) => waved.batch.len(),
            Self::GateMoved { reason, .. } => reason.len(),
            Self::Forgotten { .. }
            | Self::Joined(_)
            | Self::Boosted { .. }
            | Self::Invited { .. }
            | Self::Bound { .. }
            | Self::Revoked { .. }
            | Self::Extended { .. }
            | Self::Redeemed(_)
            | Self::Departed { .. }
            | Self::Referred(_)
            | Self::Progressed { .. }
            | Self::Sampled(_) => 0,
        };
        size_of::<Self>() + text
    }
}

/// Somebody on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Who.
    pub person: PersonId,
    /// The priority score.
    pub score: i32,
    /// Since when.
    pub at: Timestamp,
    /// The place, where it is known.
    pub place: Option<u64>,
}

/// A code.
#[derive(Clone, Debug, PartialEq)]
pub struct Issue {
    /// Which.
    pub code: InviteCode,
    /// Label of its batch.
    pub batch: Arc<str>,
    /// Why it was issued.
    pub channel: Channel,
    /// When.
    pub created_at: Timestamp,
    /// When it stops being valid.
    pub expires_at: Timestamp,
    /// How often it can be used.
    pub max_uses: u32,
    /// How often it was.
    pub uses: u32,
    /// Whether it was taken back.
    pub revoked: bool,
    /// The one person who can use it.
    pub bound: Option<PersonId>,
    /// The person who has earned it.
    pub holder: Option<PersonId>,
}

/// Somebody came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redeemed {
    /// Who.
    pub person: PersonId,
    /// With which code.
    pub code: InviteCode,
    /// When.
    pub at: Timestamp,
    /// Whether that is a use of the code that has not been counted yet.
    pub counts: bool,
}

/// A referral.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Referred {
    /// Names it.
    pub id: Uuid,
    /// Who brought.
    pub inviter: PersonId,
    /// Whom.
    pub recipient: PersonId,
    /// Where the recipient stands.
    pub state: ReferralState,
    /// Since when.
    pub at: Timestamp,
}

/// A wave.
#[derive(Clone, Debug, PartialEq)]
pub struct Waved {
    /// Its label.
    pub batch: String,
    /// How many were asked for.
    pub requested: u32,
    /// How many were invited.
    pub invited: u32,
    /// How they were found.
    pub order: Order,
    /// The gate's colour.
    pub gate: Colour,
    /// When.
    pub at: Timestamp,
}
