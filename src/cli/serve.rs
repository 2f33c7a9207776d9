//! `vobee serve`: runs a node until it is told to stop.

use anyhow::Context;
use tokio::runtime::Runtime;

use crate::config::Config;
use crate::shutdown::Shutdown;

/// Serves until SIGTERM or SIGINT, then stops in good order.
///
/// # Errors
/// When the node cannot start, or has to stop before it was told to.
pub fn run(config: Config, runtime: Runtime) -> anyhow::Result<()> {
    let served = runtime.block_on(async {
        let shutdown = Shutdown::on_signals().context("cannot listen for signals")?;
        crate::run(config, async move { shutdown.requested().await }).await?;
        Ok(())
    });
    // Whoever is still held up, by a bad disk or by a backup that nobody takes, is not waited for.
    runtime.shutdown_background();
    served
}
