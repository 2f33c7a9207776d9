//! `[postgres]`: a copy of everything in a database.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::rule::Rule;

/// Where the copy goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postgres {
    /// A file with the address; empty for none.
    pub url_file: String,
    /// A file with the certificates that are trusted; empty for those of this machine.
    pub ca_file: String,
    /// Bytes of closed epochs that may stay for the export, where there is no archive.
    pub lag_max_bytes: u64,
}

impl Default for Postgres {
    fn default() -> Self {
        Self { url_file: String::new(), ca_file: String::new(), lag_max_bytes: 1 << 30 }
    }
}

impl Postgres {
    /// The file with the address.
    #[must_use]
    pub fn url_file(&self) -> Option<&Path> {
        (!self.url_file.is_empty()).then(|| Path::new(&self.url_file))
    }

    /// The file with the certificates that are trusted.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        (!self.ca_file.is_empty()).then(|| Path::new(&self.ca_file))
    }
}

pub(super) const RULES: &[Rule] = &[
    Rule::text("postgres.url_file", "the path of a file", |_| true),
    Rule::text("postgres.ca_file", "the path of a file", |_| true),
    Rule::whole("postgres.lag_max_bytes", 0, 1 << 50),
];
