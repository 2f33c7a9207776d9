//! What goes wrong with PostgreSQL, in words that may stand in a log.

use tokio_postgres::error::SqlState;

/// What goes wrong. No message holds a value of a row.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// What it was asked for was not done within so many seconds.
    #[error("no answer within {0} s")]
    Late(u64),
    /// It says no.
    #[error("PostgreSQL refuses ({code}): {message}")]
    Refused {
        /// Its code, as in its manual.
        code: String,
        /// What it says.
        message: String,
    },
    /// Somebody has dropped a table or a view.
    #[error("a table or a view is not there any more")]
    Missing,
    /// What is there is not this node's.
    #[error("{0}")]
    Foreign(String),
    /// Somebody else has written meanwhile.
    #[error("another process exports to this database")]
    Moved,
    /// The journal, or what is read from it.
    #[error("{0}")]
    Journal(String),
}

impl Error {
    /// Whether a table, a view or a column is not there that should be.
    pub(super) fn is_missing(&self) -> bool {
        let Self::Refused { code, .. } = self else { return matches!(self, Self::Missing) };
        [&SqlState::UNDEFINED_TABLE, &SqlState::UNDEFINED_COLUMN]
            .iter()
            .any(|state| state.code() == code)
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else {
            return Self::Unreachable(with_causes(&error));
        };
        let code = said.code().code().to_owned();
        // Messages about data and constraints quote it.
        let quotes = code.starts_with("22") || code.starts_with("23");
        let message = if quotes { "a value does not fit" } else { said.message() };
        Self::Refused { code, message: message.to_owned() }
    }
}

impl From<actors::export::Error> for Error {
    fn from(error: actors::export::Error) -> Self {
        Self::Journal(error.to_string())
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
