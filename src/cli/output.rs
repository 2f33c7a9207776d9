//! Data goes to stdout, talk goes to stderr.

use std::fmt::Display;
use std::io::{self, Stdout, Write};

use serde::Serialize;

/// The way to stdout. A closed pipe is an error of kind `BrokenPipe`, never a panic.
#[derive(Debug)]
pub struct Output(Stdout);

impl Output {
    /// The process's stdout.
    #[must_use]
    pub fn stdout() -> Self {
        Self(io::stdout())
    }

    /// One line of data.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn line(&mut self, line: impl Display) -> io::Result<()> {
        writeln!(self.0, "{line}")
    }

    /// Text that has its own line ends.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes())?;
        self.0.flush()
    }

    /// One JSON value, over as many lines as it takes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value)?;
        self.line(text)
    }
}

/// One line to whoever watches. Nobody may be watching, so a failure to say it is none.
pub fn talk(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
