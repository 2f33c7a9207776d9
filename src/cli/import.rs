//! `vobee import`: makes the data directory of a new node from a database.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use actors::Identity;
use actors::import::Writer;
use anyhow::{Context, ensure};
use serde_json::json;

use super::{Output, exit, interruptible, talk};
use crate::config::Config;
use crate::keys;
use crate::postgres::{Address, Imported, Listener, Reject, Session, import};

const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// From where, and what to do about rows that cannot be taken.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// postgresql://user:password@host:5432/database, or a file that holds it
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    from: String,
    /// Only look what would come of it
    #[arg(long)]
    dry_run: bool,
    /// Where rows go that cannot be taken, one JSON object a line
    #[arg(long, value_name = "FILE", default_value = "import-rejects.ndjson")]
    rejects: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Imports into the configured data directory, which must be empty. Within a tokio runtime.
///
/// # Errors
/// When the directory is not empty, the database refuses, or a signal comes.
pub async fn run(options: &Options, config: &Config, output: &mut Output) -> anyhow::Result<u8> {
    // Nothing here works for long without waiting for the database.
    interruptible(async |_| import_all(options, config, output).await).await
}

async fn import_all(options: &Options, config: &Config, output: &mut Output) -> anyhow::Result<u8> {
    let url = match options.from.contains("://") {
        true => options.from.clone(),
        false => fs::read_to_string(&options.from)
            // It may be an address in another form, with a password in it.
            .context("--from is neither an address such as postgres://… nor a file to read")?,
    };
    let address = Address::parse(&url, "--from", config.postgres.ca_file())?;
    let dir = &config.storage.dir;
    ensure!(is_empty(dir)?, "{} is not empty; name a new one with --data-dir", dir.display());
    let mut session = Session::open(&address, &config.invites.prefix)
        .await
        .with_context(|| format!("cannot use {address}"))?;
    let began = Instant::now();
    let mut rejects = Rejects { path: &options.rejects, file: None };
    let imported = match options.dry_run {
        true => {
            let scratch = tempfile::tempdir()?;
            let identity = Identity::new(&keys::identity_secret(scratch.path())?);
            take(&mut session, &identity, None, config, &mut rejects).await?
        }
        false => into(dir, &mut session, config, &mut rejects).await?,
    };
    tell(&imported, began.elapsed(), options, output)?;
    Ok(if imported.rejected > 0 { exit::REJECTED } else { exit::OK })
}

/// Imports beside the directory, which appears as a whole or not at all.
async fn into(
    dir: &Path,
    session: &mut Session,
    config: &Config,
    rejects: &mut Rejects<'_>,
) -> anyhow::Result<Imported> {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let scratch = tempfile::Builder::new().prefix(".vobee-import-").tempdir_in(parent)?;
    let identity = Identity::new(&keys::identity_secret(scratch.path())?);
    let writer = Writer::create(scratch.path())?;
    let imported = take(session, &identity, Some(writer), config, rejects).await?;
    if dir.is_dir() {
        fs::remove_dir(dir).with_context(|| format!("cannot replace {}", dir.display()))?;
    }
    let made = scratch.keep();
    if let Err(error) = fs::rename(&made, dir) {
        let _ = fs::remove_dir_all(&made);
        return Err(error).with_context(|| format!("cannot create {}", dir.display()));
    }
    fs::File::open(parent)?.sync_all()?;
    Ok(imported)
}

async fn take(
    session: &mut Session,
    identity: &Identity,
    writer: Option<Writer>,
    config: &Config,
    rejects: &mut Rejects<'_>,
) -> anyhow::Result<Imported> {
    let mut said = Instant::now();
    let began = said;
    let listener = Listener {
        reject: &mut |reject| rejects.put(&reject).map_err(|error| format!("{error:#}")),
        progress: &mut |read, rows| {
            if said.elapsed() >= PROGRESS_EVERY {
                let rate = read as f64 / began.elapsed().as_secs_f64();
                let left = rows.saturating_sub(read) as f64 / rate.max(1.0);
                talk(format_args!("read {read} of {rows} rows, {rate:.0}/s, {left:.0} s left"));
                said = Instant::now();
            }
        },
    };
    let now = actors::Clock::system().now();
    Ok(import(session, identity, &config.invites.prefix, writer, now, listener).await?)
}

fn is_empty(dir: &Path) -> anyhow::Result<bool> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", dir.display())),
    }
}

/// The file of rows that cannot be taken, made with the first of them.
struct Rejects<'a> {
    path: &'a Path,
    file: Option<fs::File>,
}

impl Rejects<'_> {
    fn put(&mut self, reject: &Reject) -> anyhow::Result<()> {
        let path = self.path;
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let mut options = OpenOptions::new();
                let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
                let file = file.with_context(|| format!("cannot create {}", path.display()))?;
                self.file.insert(file)
            }
        };
        let Reject { table, key, reason } = reject;
        let line = json!({"table": table, "key": key, "reason": reason});
        writeln!(file, "{line}").with_context(|| format!("cannot write {}", path.display()))
    }
}

fn tell(
    imported: &Imported,
    took: Duration,
    options: &Options,
    output: &mut Output,
) -> anyhow::Result<()> {
    let Imported { people, merged, codes, redemptions, referrals, rejected } = *imported;
    let seconds = took.as_secs_f64();
    if options.json {
        output.json(&json!({
            "dry_run": options.dry_run, "people": people, "merged": merged, "codes": codes,
            "redemptions": redemptions, "referrals": referrals, "rejected": rejected,
            "seconds": seconds,
        }))?;
        return Ok(());
    }
    let done = if options.dry_run { "would import" } else { "imported" };
    output.line(format_args!("{done} {people} people, {codes} codes, {referrals} referrals"))?;
    output.line(format_args!("{redemptions} codes had been used; it took {seconds:.2} s"))?;
    if merged > 0 {
        output.line(format_args!("{merged} rows are of people who have an earlier one"))?;
    }
    if rejected > 0 {
        let path = options.rejects.display();
        output.line(format_args!("{rejected} rows were not taken; {path} says why"))?;
    }
    Ok(())
}
