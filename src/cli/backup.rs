//! `vobee backup` and `vobee restore`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use http_body_util::BodyExt;
use serde_json::json;

use super::client::{Node, NodeOptions};
use super::{Output, exit, interruptible, talk};
use crate::backup::{self, Restored};
use crate::config::Config;
use crate::shutdown::{Interrupted, Shutdown};

const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// What to do with a backup.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Copy a running node into one file, without stopping it
    Create {
        /// The file to make; it must not be there
        file: PathBuf,
        #[command(flatten)]
        node: NodeOptions,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check that a backup can be restored, by restoring it into a scratch directory
    Verify {
        /// The backup
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// How to restore.
#[derive(Debug, clap::Args)]
pub struct RestoreOptions {
    /// The backup
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Makes or checks a backup. Within a tokio runtime.
///
/// # Errors
/// When the node refuses, the disk does, the backup is not whole, or a signal comes.
pub async fn run(options: &Options, config: &Config, output: &mut Output) -> anyhow::Result<u8> {
    interruptible(async |stop| {
        match &options.command {
            Command::Create { file, node, json } => {
                let part = create(&node.node(config)?, file).await?;
                // What has the name of a backup is one.
                let restored = backup::verify(&part.path, &mut |_| stop.go_on())?;
                part.keep(file)?;
                tell(&restored, file, *json, output)?;
            }
            Command::Verify { file, json } => {
                let restored = backup::verify(file, &mut progress("verified", stop))?;
                tell(&restored, file, *json, output)?;
            }
        }
        Ok(exit::OK)
    })
    .await
}

/// Restores a backup into the configured data directory. Within a tokio runtime.
///
/// # Errors
/// When the directory is not empty, the backup is not whole, or a signal comes.
pub async fn restore(
    options: &RestoreOptions,
    config: &Config,
    output: &mut Output,
) -> anyhow::Result<()> {
    interruptible(async |stop| {
        let dir = &config.storage.dir;
        let restored = backup::restore(&options.file, dir, &mut progress("restored", stop))?;
        tell(&restored, dir, options.json, output)
    })
    .await
}

/// Copies a running node into a file, for another command.
pub(super) async fn fetch(node: &Node, file: &Path) -> anyhow::Result<()> {
    create(node, file).await?.keep(file)
}

async fn create(node: &Node, file: &Path) -> anyhow::Result<Part> {
    ensure!(!file.exists(), "{} is there already; choose another name", file.display());
    let part = Part::create(file)?;
    let mut body = node.post("/api/operations/backup").await?.into_body();
    let (mut bytes, mut said) = (0, Instant::now());
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the node broke off; nothing was kept")?;
        let Some(data) = frame.data_ref() else { continue };
        (&part.file).write_all(data).with_context(|| format!("cannot write {}", file.display()))?;
        bytes += data.len() as u64;
        if said.elapsed() >= PROGRESS_EVERY {
            talk(format_args!("copied {} MiB", bytes >> 20));
            said = Instant::now();
        }
    }
    Ok(part)
}

/// A file that is removed again unless it is kept.
struct Part {
    file: fs::File,
    path: PathBuf,
    kept: bool,
}

impl Part {
    fn create(target: &Path) -> anyhow::Result<Self> {
        let mut name = target.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        let file = file.with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { file, path, kept: false })
    }

    fn keep(mut self, target: &Path) -> anyhow::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, target)?;
        self.kept = true;
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed is called .part, and no backup.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A line now and then for whoever waits, until they do not want to wait any more.
fn progress(what: &str, stop: &Shutdown) -> impl FnMut(u64) -> Result<(), Interrupted> {
    let mut said = Instant::now();
    move |bytes| {
        if said.elapsed() >= PROGRESS_EVERY {
            talk(format_args!("{what} {} MiB", bytes >> 20));
            said = Instant::now();
        }
        stop.go_on()
    }
}

fn tell(restored: &Restored, path: &Path, json: bool, output: &mut Output) -> anyhow::Result<()> {
    let Restored { manifest, verified } = restored;
    if json {
        output.json(&json!({
            "path": path,
            "manifest": manifest,
            "records_behind_snapshot": verified.records,
        }))?;
        return Ok(());
    }
    let (seq, snapshot) = (manifest.seq, manifest.snapshot_seq);
    output.line(format_args!("{}: sound, made at {}", path.display(), manifest.made_at))?;
    let replayed = verified.records;
    output.line(format_args!("events 1 to {seq}: snapshot of {snapshot}, {replayed} behind it"))?;
    output.line(format_args!("chain {}", manifest.chain))?;
    Ok(())
}
