//! `[storage]`: where the data lies and what it may take.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rule::Rule;

/// The data directory, its reserve, and the store's cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// The data directory; one process owns it.
    pub dir: PathBuf,
    /// Below this much free space the node is not ready.
    pub free_min_bytes: u64,
    /// Start although acknowledged events are missing, without them and all behind them.
    pub accept_loss: bool,
    /// The page cache of the journal's store: 256 shards, each large enough for one page.
    pub cache_bytes: u64,
    /// Whether the threads that write the journal stay on the last core that the process may use.
    pub one_core: bool,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            dir: "vobee-data".into(),
            free_min_bytes: 256 << 20,
            accept_loss: false,
            cache_bytes: 56 << 20,
            one_core: true,
        }
    }
}

pub(super) const RULES: &[Rule] = &[
    Rule::text("storage.dir", "the path of a directory", |text| !text.is_empty()),
    Rule::whole("storage.free_min_bytes", 0, 1 << 50),
    Rule::flag("storage.accept_loss"),
    Rule::whole("storage.cache_bytes", 52 << 20, 1 << 40),
    Rule::flag("storage.one_core"),
];
