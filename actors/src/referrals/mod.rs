//! Referrals: who brought whom, how well that went, and what it has earned.
//!
//! It promises that a person has one inviter, the first; that nobody is their own inviter, directly
//! or round a cycle, also not by another spelling of an address; and that a reward is granted once,
//! whatever is asked how often. A referral's state follows the person's life: shared, waiting,
//! redeemed, active, churned, fraud.
//!
//! Spellings are known of those who took part in a share. Who came through a code alone is taken to
//! have a plain address.
//!
//! What is deliberately absent: the codes that rewards consist of. A reward is an event here; the
//! [`invites`](crate::invites) registry issues the codes because of it.

mod actor;
mod apply;
mod command;
mod decide;
mod event;
mod forest;
mod image;
mod reads;
mod rows;
mod score;
mod spellings;
mod state;

pub(crate) use actor::{Handle, Referrals};
pub(crate) use command::{Earn, RecipientIs, Share};
pub use command::{Earned, Milestone, Shared, Stats};
pub use event::{Bind, Event, Rejection, Reward, RewardKind};
pub use reads::{Analytics, Ancestor, Chain, Leader, Network, Past};
pub use score::{Part, Quality, Weights};
pub(crate) use state::State;
pub use state::{Loyalty, Policy, QualityBonus, ReferralState, Tier};
