//! Referrals: who brought whom, how well that went, and what it has earned.
//!
//! It promises that a person has one inviter, the first; that nobody is their own inviter, directly
//! or round a cycle, also not by another spelling of an address; and that a reward is granted once,
//! whatever is asked how often. A referral's state follows the person's life: shared, waiting,
//! redeemed, active, churned, fraud.
//!
//! Nobody is refused for looking false. What was [noticed](crate::fraud) about a person is kept
//! here, and where it weighs too much, the credit for that person waits for somebody's verdict. A
//! rejection undoes what the false account has caused, and can be looked at before. It stands until
//! somebody accepts the person: till then what happens to the person is written down, and hidden.
//! Codes that are withdrawn with a reward can be earned again, and one that is restored by hand
//! cannot: what is in the world and what can be earned again is always what was earned.
//!
//! What is deliberately absent: the codes that rewards consist of. A reward is an event here; the
//! [`invites`](crate::invites) registry issues the codes because of it.

mod actor;
mod apply;
mod command;
mod decide;
mod event;
#[cfg(test)]
mod examples;
mod forest;
mod image;
mod policy;
#[cfg(test)]
mod property;
mod reads;
mod review;
mod rewards;
mod rows;
mod score;
mod spellings;
mod state;
mod suspects;

pub(crate) use actor::{Handle, Referrals};
pub(crate) use command::{Earn, RecipientIs, Share};
pub use command::{Earned, Milestone, Shared, Stats};
pub use event::{Bind, Credit, Event, Rejection, Reward, RewardKind, Suspicion, Withdrawn};
pub use policy::{Loyalty, Policy, QualityBonus, Tier};
pub use reads::{Analytics, Ancestor, Chain, Leader, Network, Past};
pub(crate) use review::Review;
pub use review::{Cursor, Reviewed, Risk, Waiting};
pub use score::{Part, Quality, Standing, Weights};
pub use state::ReferralState;
pub(crate) use state::State;
pub use suspects::Verdict;
