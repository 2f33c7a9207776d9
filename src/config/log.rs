//! `[log]`: how much is logged and in what form.

use serde::{Deserialize, Serialize};

use super::rule::Rule;

/// Level and form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// Lines below it are left out.
    pub level: LogLevel,
    /// The form of a line.
    pub format: LogFormat,
}

/// From loud trouble to everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What somebody must look at.
    Error,
    /// What somebody should look at.
    Warn,
    /// Starts, stops and changes of state.
    #[default]
    Info,
    /// One line a request.
    Debug,
    /// Everything.
    Trace,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One object a line.
    Json,
}

impl LogLevel {
    /// The name, as the configuration has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

pub(super) const RULES: &[Rule] = &[
    Rule::one_of("log.level", &["error", "warn", "info", "debug", "trace"]),
    Rule::one_of("log.format", &["auto", "text", "json"]),
];
