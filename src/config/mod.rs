//! What the operator may set, and how a setting gets its value.
//!
//! Four layers, each over the one before it: the defaults in the code, the first configuration
//! file found, environment variables, flags. Every setting has one rule (`rule.rs`): its dotted
//! key and what it may be. The rules are the only list of keys there is: they check the file, give
//! the environment variables their names, find the nearest known key for a typo, and hold
//! `config/vobee.toml` complete.
//!
//! What this module promises: a configuration that loads contradicts neither its rules nor itself,
//! what is wrong is told at once, each problem with its place, and every value knows where it came
//! from. What is deliberately absent: includes, substitution, and settings that have no effect.

mod archive;
mod fraud;
mod invites;
mod layers;
mod limits;
mod load;
mod log;
mod metrics;
mod nearest;
mod network;
mod origin;
mod policies;
mod postgres;
mod problem;
mod quality;
mod referrals;
mod rule;
mod server;
mod settings;
mod snapshots;
mod storage;
mod waitlist;
mod waves;

pub use archive::Archive;
pub use fraud::{Fraud, FraudWeights};
pub use invites::Invites;
pub use limits::Limits;
pub use load::{Entry, Flag, Loaded, SHIPPED, Sources, lay_over, load};
pub use log::{Log, LogFormat, LogLevel};
pub use metrics::Metrics;
pub use network::{Network, NetworkError};
pub use origin::Origin;
pub use postgres::Postgres;
pub use problem::{Problem, Problems};
pub use quality::{Lines, Quality, Thresholds, TrustWeights};
pub use referrals::{Loyalty, QualityBonus, ReferralWeights, Referrals, Tier};
pub use server::{Ports, Server};
pub use settings::Config;
pub use snapshots::Snapshots;
pub use storage::Storage;
pub(crate) use waitlist::{KEYWORD, KEYWORDS_MAX, POINTS, WORDS_MAX, is_keyword};
pub use waitlist::{Personas, Scoring, Waitlist};
pub use waves::Waves;
