//! `vobee serve`: runs a node until it is told to stop.

use anyhow::Context;

use crate::config::Config;
use crate::shutdown::Shutdown;

/// Serves until SIGTERM or SIGINT, then stops in good order. Within a tokio runtime.
///
/// # Errors
/// When the node cannot start, or has to stop before it was told to.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals().context("cannot listen for signals")?;
    crate::run(config, async move { shutdown.requested().await }).await?;
    Ok(())
}
