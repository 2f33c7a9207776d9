//! `vobee openapi`: what the API takes and answers.

use super::Output;
use crate::http::openapi;

/// Prints the OpenAPI 3.1 document of this version.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(output: &mut Output) -> anyhow::Result<()> {
    output.text(&openapi::text())?;
    Ok(())
}
