//! What a process tells its parent by its exit code.

use std::io;

use actors::OpenError;

use super::client::Refused;
use super::talk;
use crate::config::Problems;
use crate::shutdown::Interrupted;

/// Everything went well.
pub const OK: u8 = 0;
/// Something failed; stderr says what.
pub const FAILED: u8 = 1;
/// The command line makes no sense.
pub const USAGE: u8 = 2;
/// The configuration is wrong.
pub const CONFIGURATION: u8 = 3;
/// Another process owns the data directory.
pub const IN_USE: u8 = 4;
/// The data is damaged.
pub const DAMAGED: u8 = 5;
/// Finished, without rows that could not be taken.
pub const REJECTED: u8 = 6;
/// The node refused, or could not be reached.
pub const REFUSED: u8 = 7;
/// A check found problems.
pub const PROBLEMS: u8 = 8;
/// Ctrl-C or SIGTERM ended it before it was done; nothing half done is left.
pub const INTERRUPTED: u8 = 130;

/// Says what went wrong, to stderr, and returns the exit code for it.
#[must_use]
pub fn report(error: &anyhow::Error) -> u8 {
    let code = code(error);
    match code {
        OK => {}
        CONFIGURATION => talk(error),
        _ => talk(format_args!("vobee: {error:#}")),
    }
    code
}

/// The exit code for a failure. A reader that has closed its end of the pipe has seen enough.
fn code(error: &anyhow::Error) -> u8 {
    error.chain().find_map(code_of).unwrap_or(FAILED)
}

fn code_of(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if cause.is::<Problems>() {
        return Some(CONFIGURATION);
    }
    if cause.is::<Interrupted>() {
        return Some(INTERRUPTED);
    }
    if cause.is::<Refused>() {
        return Some(REFUSED);
    }
    if let Some(error) = cause.downcast_ref::<io::Error>() {
        return (error.kind() == io::ErrorKind::BrokenPipe).then_some(OK);
    }
    // The engine's error shows the journal's as its own, so the chain leads past it.
    if let Some(OpenError::Journal(error)) = cause.downcast_ref() {
        return Some(code_of_storage(error));
    }
    cause.downcast_ref().map(code_of_storage)
}

fn code_of_storage(error: &snapshots::Error) -> u8 {
    match error {
        snapshots::Error::InUse { .. } => IN_USE,
        snapshots::Error::Damaged { .. } | snapshots::Error::DamagedFile { .. } => DAMAGED,
        snapshots::Error::Io { .. }
        | snapshots::Error::Store(_)
        | snapshots::Error::Unexpected { .. }
        | snapshots::Error::Newer { .. }
        | snapshots::Error::Stopped { .. }
        | snapshots::Error::TooLarge { .. } => FAILED,
        snapshots::Error::Interrupted => INTERRUPTED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    #[test]
    fn each_failure_has_its_code_however_deep_it_lies() {
        let environment = vec![("VOBEE_SERVER__PROT".into(), "1".into())];
        let problems = load(&Sources { environment, ..Sources::default() }).expect_err("a typo");
        assert_eq!(code(&problems.into()), CONFIGURATION);
        let in_use = || snapshots::Error::InUse { pid: Some(7), since: None };
        assert_eq!(code(&anyhow::Error::from(in_use()).context("cannot verify")), IN_USE);
        let start = crate::RunError::Open(OpenError::Journal(in_use()));
        assert_eq!(code(&anyhow::Error::from(start).context("cannot start")), IN_USE);
        let what = "checksum".to_owned();
        let damaged = snapshots::Error::Damaged { missing_from: 3, missing_to: 5, what };
        assert_eq!(code(&damaged.into()), DAMAGED);
        assert_eq!(code(&anyhow::Error::from(Interrupted).context("half way")), INTERRUPTED);
        assert_eq!(code(&io::Error::from(io::ErrorKind::BrokenPipe).into()), OK);
        assert_eq!(code(&io::Error::from(io::ErrorKind::PermissionDenied).into()), FAILED);
        assert_eq!(code(&anyhow::anyhow!("something else")), FAILED);
    }
}
