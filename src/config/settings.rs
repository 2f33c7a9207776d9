//! All settings together.

use serde::{Deserialize, Serialize};

use super::rule::Rule;
use super::{
    Archive, Fraud, Invites, Limits, Log, Metrics, Postgres, Quality, Referrals, Server, Snapshots,
    Storage, Waitlist, Waves, archive, fraud, invites, limits, log, metrics, postgres, quality,
    referrals, server, snapshots, storage, waitlist, waves,
};

/// Every setting of a node. The default is the one that `config/vobee.toml` shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Listeners, deadlines, trusted proxies.
    pub server: Server,
    /// The data directory.
    pub storage: Storage,
    /// When snapshots are taken.
    pub snapshots: Snapshots,
    /// What becomes of the events behind them.
    pub archive: Archive,
    /// Rates, sizes and counts.
    pub limits: Limits,
    /// The waitlist and its scoring.
    pub waitlist: Waitlist,
    /// Inviting by itself.
    pub waves: Waves,
    /// Invite codes.
    pub invites: Invites,
    /// Referrals and their rewards.
    pub referrals: Referrals,
    /// Signs of fraud.
    pub fraud: Fraud,
    /// Quality gates.
    pub quality: Quality,
    /// A copy in a database.
    pub postgres: Postgres,
    /// The log.
    pub log: Log,
    /// The Prometheus endpoint.
    pub metrics: Metrics,
}

impl Config {
    /// What single values cannot show: the key at fault and what is wrong.
    pub(super) fn conflicts(&self) -> Vec<(&'static str, String)> {
        let mut found = self.server.conflicts();
        found.extend(self.referrals.conflicts());
        found.extend(self.quality.conflicts());
        found
    }
}

/// Every setting there is, in the order of the shipped file.
pub(super) fn rules() -> impl Iterator<Item = &'static Rule> {
    const ALL: [&[Rule]; 14] = [
        server::RULES,
        storage::RULES,
        snapshots::RULES,
        archive::RULES,
        limits::RULES,
        waitlist::RULES,
        waves::RULES,
        invites::RULES,
        referrals::RULES,
        fraud::RULES,
        quality::RULES,
        postgres::RULES,
        log::RULES,
        metrics::RULES,
    ];
    ALL.into_iter().flatten()
}
