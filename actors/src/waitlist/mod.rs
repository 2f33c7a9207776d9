//! The waitlist: who waits, in which order, and who has been let in.
//!
//! It promises one place to everybody who waits: priority score first, then time of joining.
//! Joining twice changes nothing. A place is found in O(log n), also with ten million people
//! waiting, and no call ever walks the list. Whoever was invited or let in has no place any more;
//! whoever leaves is gone, and may come back as somebody new.
//!
//! Time orders people because a domain's events have strictly increasing times; the index of an
//! entry counts joins, so score and index together are the whole key of the queue.
//!
//! What is deliberately absent: addresses and texts. They belong to the [`people`](crate::people)
//! book, and this module knows a person by id only.

mod actor;
mod apply;
mod command;
mod daily;
mod decide;
mod entries;
mod event;
mod image;
mod line;
mod queue;
mod rows;
mod schedule;
mod scoring;
mod state;
mod wait;
mod wave;

pub(crate) use actor::{Handle, Waitlist};
pub(crate) use command::{Boost, Join, Leave, Referrer, Wave};
pub use command::{Boosted, Invited, Joined, Left, Standing, Stats};
pub use event::{Event, Rejection};
pub(crate) use line::{Entrant, Stretch};
pub(crate) use queue::Key;
pub use schedule::Schedule;
pub use scoring::{Persona, Policy, Score};
pub use state::EntryState;
pub(crate) use state::State;
pub use wait::Wait;
pub use wave::Order;
