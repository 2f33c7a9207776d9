//! Invite codes: who may come in, once each.
//!
//! It promises that a code for n people is redeemed exactly n times whatever happens at once, that
//! a code is never issued twice, and that reading a code's status changes nothing. A person redeems
//! one code, ever; the same code and person again within a day is the same answer, so that a lost
//! answer costs nobody anything.
//!
//! A code may be *bound* to a person, and then only that person can redeem it; and it may have a
//! *holder*, who has earned it and may bind it to somebody else by sharing. Codes stop being valid
//! by themselves when they expire. A code can be *held* while its person signs up (`holds.rs`): a
//! hold keeps one use of it, ends by itself, and coming in uses it up.
//!
//! What is deliberately absent: addresses (see [`people`](crate::people)), and any say in whether
//! inviting is wise at the moment: the [`quality`](crate::quality) gate's colour comes with the
//! command.

mod actor;
mod apply;
mod command;
mod decide;
mod event;
mod holds;
mod image;
#[cfg(test)]
mod property;
mod rows;
mod state;

pub(crate) use actor::{CANDIDATES_SPARE, Handle, Invites};
pub(crate) use command::{Amend, Generate, Redeem, Reserve};
pub use command::{CodeView, Filter, Generated, Listed, Page, Redeemed, Reserved, Stats};
pub use event::{Channel, Event, Rejection};
pub(crate) use state::State;
pub use state::{CodeStatus, Policy};
