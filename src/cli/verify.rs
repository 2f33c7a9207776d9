//! `vobee verify`: whether the journal holds what it should, without changing anything.

use anyhow::{Context, ensure};
use serde_json::json;

use super::{Output, interruptible, talk};
use crate::config::Config;

/// How to print the result.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Walks the journal of the data directory and prints what it holds. Within a tokio runtime.
///
/// # Errors
/// When acknowledged records are missing, a process owns the directory, or there is none to read.
pub async fn run(options: &Options, config: &Config, output: &mut Output) -> anyhow::Result<()> {
    let dir = &config.storage.dir;
    // Nothing at all would pass for sound, and a mistyped directory for a verified one.
    ensure!(dir.is_dir(), "no data directory at {}; name it with --data-dir", dir.display());
    talk(format_args!("verifying the journal in {} ...", dir.display()));
    let verified = interruptible(async |stop| {
        let (of, stop) = (dir.clone(), stop.clone());
        let mut go_on = move || !stop.is_requested();
        let verifying = move || snapshots::verify_within(&of, &std::env::temp_dir(), &mut go_on);
        let verified = tokio::task::spawn_blocking(verifying).await?;
        verified.with_context(|| format!("cannot vouch for the journal in {}", dir.display()))
    });
    let verified = verified.await?;
    let chain: String = verified.chain.iter().map(|byte| format!("{byte:02x}")).collect();
    if options.json {
        output.json(&json!({
            "dir": dir,
            "epoch": verified.epoch,
            "snapshot_seq": verified.snapshot_seq,
            "records": verified.records,
            "frames": verified.frames,
            "next_seq": verified.next_seq,
            "acknowledged": verified.watermark,
            "chain": chain,
            "torn": verified.torn,
            "snapshots": verified.snapshots,
            "archives": verified.archives,
            "archived_records": verified.archived,
            "unarchived": verified.unarchived,
        }))?;
        return Ok(());
    }
    let Some(epoch) = verified.epoch else {
        output.line("there is no journal yet")?;
        return Ok(());
    };
    let (records, frames) = (verified.records, verified.frames);
    if verified.archives > 0 {
        let (archives, records) = (verified.archives, verified.archived);
        output.line(format_args!("archive: {records} records in {archives} files, all sound"))?;
    }
    for (from, to) in &verified.unarchived {
        output.line(format_args!("events {from} to {to} are in no archive"))?;
    }
    if verified.snapshots > 0 {
        let (snapshots, seq) = (verified.snapshots, verified.snapshot_seq);
        output.line(format_args!("snapshots: {snapshots}, the newest of record {seq}, sound"))?;
    }
    output.line(format_args!("epoch {epoch}: {records} records in {frames} frames, all sound"))?;
    output.line(format_args!("chain {chain}"))?;
    match verified.watermark {
        Some(seq) => output.line(format_args!("acknowledged up to record {seq}"))?,
        None => output.line("acknowledged up to an unknown record: the watermark is unreadable")?,
    }
    if let Some(torn) = verified.torn {
        output
            .line(format_args!("torn tail, never acknowledged, which a start cuts off: {torn}"))?;
    }
    Ok(())
}
