//! The engine of VoBee: it decides who gets into a product and when, and forgets nothing that it
//! has answered.
//!
//! A request becomes a command; a pure function *decides* an event or a rejection; the event is
//! *applied* to memory, *committed* to the journal in a batch, and only then *answered*.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`engine`] | the handle that callers see: opens, asks, closes |
//! | [`waitlist`], [`invites`], [`referrals`], [`quality`] | the domains, each alike |
//! | [`people`] | the book of what people typed: the one owner of personal data |
//! | `answers` | answers to requests that may be repeated |
//! | `cell` | what every domain actor is around its rules |
//! | `role`, `mailbox` | an actor's life, and the way into it |
//! | `committer` | the one writer of the journal; answers wait here |
//! | `supervisor` | starts actors, and starts them again |
//! | [`fraud`] | signs that somebody is not who they seem, and what they weigh |
//! | [`event`], `record` | the union of events, and their form in the journal |
//! | [`export`] | the journal as changes of rows, for a database outside |
//! | [`policies`] | where everybody would stand under another scoring policy |
//! | [`import`] | the journal of a new node from what somebody else has kept |
//! | `image`, `snapshotter` | a state on disk, and who puts it there |
//! | [`ids`], [`identity`] | names of things, and what follows from an address |
//! | [`clock`], [`entropy`] | the only files that ask for the time and for random bytes |
//!
//! In a domain `decide.rs` holds the rules, `apply.rs` is the only way that state changes, and only
//! `actor.rs` knows of actors and the journal.
//!
//! Nothing here knows HTTP or configuration files, and there is no global state but the metrics
//! recorder.

#[macro_use]
pub mod crash;

mod answers;
mod cell;
pub mod clock;
mod committer;
pub mod engine;
pub mod entropy;
pub mod error;
pub mod event;
pub mod export;
pub mod fraud;
mod growing;
pub mod identity;
pub mod ids;
mod image;
pub mod import;
pub mod invites;
mod mailbox;
mod mix;
pub mod past;
pub mod people;
pub mod policies;
pub mod quality;
mod record;
pub mod referrals;
pub mod request;
mod role;
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod snapshotter;
mod supervisor;
pub mod waitlist;

pub use clock::Clock;
pub use engine::{
    Engine, Generate, Join, OpenError, Options, Policies, Recovery, Sent, Sighting, Stats, Wave,
};
pub use error::{Error, Failure, Rejection};
pub use identity::Identity;
pub use ids::{CodeError, Email, EmailError, InviteCode, PersonId, Timestamp, Uuid};
pub use invites::CodeStatus;
pub use people::Profile;
pub use quality::{Alert, Seen};
pub use referrals::{Milestone, Reward, RewardKind};
pub use request::RequestTag;
pub use waitlist::{Standing, Wait};
