//! `vobee postgres`: the copy of everything in a database.

use std::time::Duration;

use actors::Identity;
use actors::export::{Fold, Place};
use anyhow::{Context, ensure};
use serde_json::json;
use snapshots::Still;

use super::client::{Node, NodeOptions};
use super::{Output, exit, interruptible, talk};
use crate::backup;
use crate::config::Config;
use crate::keys;
use crate::postgres::{Address, Compared, Difference, Portion, Session, Tables, load_from};
use crate::shutdown::Shutdown;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What to do with the copy.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make the tables, or bring them up to date
    Init {
        /// Take them for empty, whoever's they were: the export writes everything anew
        #[arg(long)]
        again: bool,
    },
    /// Write everything into the tables
    Export {
        /// From the data directory, while no node runs on it
        #[arg(long, conflicts_with = "follow", required_unless_present = "follow")]
        once: bool,
        /// Show how the export of a running node goes on
        #[arg(long)]
        follow: bool,
        #[command(flatten)]
        node: NodeOptions,
    },
    /// Tell how far the tables have come
    Status {
        #[command(flatten)]
        node: NodeOptions,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Compare the tables with the node, or with the data directory while no node runs
    Verify {
        #[command(flatten)]
        node: NodeOptions,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does it. Within a tokio runtime.
///
/// # Errors
/// When PostgreSQL, the node or the data directory refuses.
pub async fn run(options: &Options, config: &Config, output: &mut Output) -> anyhow::Result<u8> {
    let environment = std::env::var("DATABASE_URL").ok();
    let address = Address::configured(&config.postgres, environment.as_deref())?;
    let address = address.context(
        "no database is named; put its address into a file and name that with postgres.url_file, \
         or set DATABASE_URL",
    )?;
    let mut session = Session::open(&address, &config.invites.prefix)
        .await
        .with_context(|| format!("cannot use {address}"))?;
    match &options.command {
        Command::Init { again } => {
            let found = session.prepare(identity(config)?.node(), *again).await?;
            let version = found.version;
            output.line(format_args!("{address}: the tables are there, version {version}"))?;
            Ok(exit::OK)
        }
        Command::Export { follow: true, node, .. } => follow(&node.node(config)?, output).await,
        Command::Export { .. } => {
            interruptible(async |_| once(&mut session, config, output).await).await
        }
        Command::Status { node, json } => {
            status(&mut session, &address, node, *json, config, output).await
        }
        Command::Verify { node, json } => {
            interruptible(async |stop| {
                let tables = Tables::of(&mut session, identity(config)?.node().0).await?;
                let fold = fold_at(tables.seq, node, config, stop).await?;
                compare(&tables, &fold, *json, config, output).await
            })
            .await
        }
    }
}

/// The identity of the data directory that is there.
fn identity(config: &Config) -> anyhow::Result<Identity> {
    let dir = &config.storage.dir;
    ensure!(dir.is_dir(), "no data directory at {}; name it with --data-dir", dir.display());
    let secret = keys::identity_secret(dir);
    let secret = secret.with_context(|| format!("cannot read the keys in {}", dir.display()))?;
    Ok(Identity::new(&secret))
}

async fn once(session: &mut Session, config: &Config, output: &mut Output) -> anyhow::Result<u8> {
    let node = identity(config)?.node();
    let dir = config.storage.dir.clone();
    let began = std::time::Instant::now();
    let still = tokio::task::spawn_blocking(move || Still::open(&dir)).await?;
    let still =
        still.context("cannot read the data directory; a running node exports by itself")?;
    // Not before: a node that runs has the tables for itself.
    let found = session.prepare(node, false).await?;
    let reading = move || Fold::open_behind(&still, found.place);
    let (fold, known) =
        tokio::task::spawn_blocking(reading).await?.context("cannot read the data directory")?;
    let ours = fold.place();
    if found.place == Some(ours) {
        output.line(format_args!("up to date at event {}", ours.seq))?;
        return Ok(exit::OK);
    }
    // Whoever restored the data directory has taken back what was exported.
    if known == Some(false) {
        session.prepare(node, true).await?;
    }
    let loading = load_from(session, Portion::default(), move |visit| {
        fold.visit(visit);
        Ok::<_, String>(ours)
    });
    let (Place { seq, .. }, rows) = loading.await?;
    let seconds = began.elapsed().as_secs_f64();
    output.line(format_args!("exported {rows} rows up to event {seq} in {seconds:.2} s"))?;
    Ok(exit::OK)
}

async fn follow(node: &Node, output: &mut Output) -> anyhow::Result<u8> {
    let mut told = String::new();
    loop {
        let says = says(node).await?;
        if says != told {
            output.line(&says)?;
            told = says;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = tokio::signal::ctrl_c() => return Ok(exit::INTERRUPTED),
        }
    }
}

/// What a running node says of its export.
async fn says(node: &Node) -> anyhow::Result<String> {
    let ready = node.get_json("/readyz?verbose").await?;
    let checks = ready["checks"].as_array().cloned().unwrap_or_default();
    let export = checks.into_iter().find(|check| check["name"] == "postgres");
    let says = export.and_then(|check| check["says"].as_str().map(str::to_owned));
    Ok(says.unwrap_or_else(|| "the node has no export".to_owned()))
}

async fn status(
    session: &mut Session,
    address: &Address,
    node: &NodeOptions,
    as_json: bool,
    config: &Config,
    output: &mut Output,
) -> anyhow::Result<u8> {
    let looked = session.look().await?;
    let says = match node.node(config) {
        Ok(node) => says(&node).await.ok(),
        Err(_) => None,
    };
    let version = looked.map_or(0, |(found, _)| found.version);
    let seq = looked.and_then(|(found, _)| found.place).map(|place| place.seq);
    if as_json {
        let database = address.to_string();
        output.json(&json!({
            "database": database, "version": version, "seq": seq, "node": says,
        }))?;
        return Ok(exit::OK);
    }
    match (looked, seq) {
        (None, _) => output.line(format_args!("{address}: no tables of VoBee"))?,
        (Some(_), None) => output.line(format_args!("{address}: nothing exported yet"))?,
        (Some(_), Some(seq)) => {
            output.line(format_args!("{address}: everything up to event {seq}"))?;
        }
    }
    output.line(format_args!("node: {}", says.as_deref().unwrap_or("none answers")))?;
    Ok(exit::OK)
}

async fn compare(
    tables: &Tables<'_>,
    fold: &Fold,
    as_json: bool,
    config: &Config,
    output: &mut Output,
) -> anyhow::Result<u8> {
    let compared = tables.compare(fold, &config.invites.prefix).await?;
    let differ = compared.iter().any(|table| table.ranges > 0);
    if as_json {
        let tables_told: Vec<_> = compared.iter().map(as_json_of).collect();
        output.json(&json!({"seq": tables.seq, "differ": differ, "tables": tables_told}))?;
    } else {
        tell(&compared, tables.seq, output)?;
    }
    Ok(if differ { exit::PROBLEMS } else { exit::OK })
}

fn as_json_of(compared: &Compared) -> serde_json::Value {
    let keys = compared.keys.iter().map(|(key, how)| json!({"key": key, "difference": told(*how)}));
    json!({
        "table": compared.table,
        "rows_expected": compared.rows.0,
        "rows_found": compared.rows.1,
        "ranges_differing": compared.ranges,
        "keys": keys.collect::<Vec<_>>(),
    })
}

fn tell(compared: &[Compared], seq: u64, output: &mut Output) -> anyhow::Result<()> {
    for table in compared {
        let (name, (expected, found)) = (table.table, table.rows);
        if table.ranges == 0 {
            output.line(format_args!("{name}: {found} rows, equal at event {seq}"))?;
            continue;
        }
        let ranges = table.ranges;
        output.line(format_args!(
            "{name}: {found} rows, {expected} expected; {ranges} of 256 ranges differ at {seq}"
        ))?;
        for (key, how) in &table.keys {
            output.line(format_args!("  {key}: {}", told(*how)))?;
        }
    }
    Ok(())
}

fn told(how: Difference) -> &'static str {
    match how {
        Difference::Missing => "not in the table",
        Difference::Extra => "in the table only",
        Difference::Other => "another row",
    }
}

/// The state at a record: of the data directory or, while a node runs on it, of a backup of that.
async fn fold_at(
    seq: u64,
    node: &NodeOptions,
    config: &Config,
    stop: &Shutdown,
) -> anyhow::Result<Fold> {
    let dir = config.storage.dir.clone();
    let opened = tokio::task::spawn_blocking(move || Fold::open(&dir, Some(seq))).await?;
    let error = match opened {
        Ok(fold) => return Ok(fold),
        Err(error) => error,
    };
    let in_use =
        matches!(error, actors::export::FoldError::Journal(snapshots::Error::InUse { .. }));
    if !in_use {
        return Err(error).context("cannot read the data directory");
    }
    talk("a node runs; comparing with a backup of it ...");
    let scratch = tempfile::tempdir().context("cannot make a scratch directory")?;
    let file = scratch.path().join("backup");
    super::backup::fetch(&node.node(config)?, &file).await?;
    let stop = stop.clone();
    let fold = tokio::task::spawn_blocking(move || -> anyhow::Result<Fold> {
        // With the scratch directory, which goes when nothing is written into it any more.
        let copy = scratch.path().join("data");
        backup::restore(&file, &copy, &mut |_| stop.go_on())?;
        Fold::open(&copy, Some(seq)).context("a snapshot was taken meanwhile; try again")
    });
    fold.await?
}
