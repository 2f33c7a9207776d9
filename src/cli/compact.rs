//! `vobee compact`: makes the text of those who left disappear from the disk now.

use http_body_util::BodyExt;

use super::client::NodeOptions;
use super::{Output, exit};
use crate::config::Config;

/// Which node.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    node: NodeOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Asks a running node to compact. Within a tokio runtime.
///
/// # Errors
/// When the node refuses.
pub async fn run(options: &Options, config: &Config, output: &mut Output) -> anyhow::Result<u8> {
    let response = options.node.node(config)?.post("/api/operations/compact").await?;
    let body = response.into_body().collect().await?.to_bytes();
    let taken: serde_json::Value = serde_json::from_slice(&body)?;
    if options.json {
        output.json(&taken)?;
        return Ok(exit::OK);
    }
    let (seq, erased) = (&taken["seq"], &taken["erased_sections"]);
    let seconds = taken["seconds"].as_f64().unwrap_or_default();
    output.line(format_args!(
        "compacted up to event {seq} in {seconds:.2} s; {erased} texts erased from the archive"
    ))?;
    Ok(exit::OK)
}
