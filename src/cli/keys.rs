//! `vobee keys`: who may call. Works on the key file, also beside a running node, which notices
//! within a second.

use std::time::SystemTime;

use anyhow::bail;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Output, talk};
use crate::config::Config;
use crate::keys::{KeyFile, KeyId, NewKey, Record, Scope};

const SECONDS_PER_DAY: i64 = 86_400;

/// What to do with the keys.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key and print it, once
    Create(Create),
    /// List the keys, without their secrets
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a key away; a running node refuses it within a second
    Revoke {
        /// The id, as `list` shows it
        id: KeyId,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// What its holder may do: admin implies all, app implies public
    #[arg(long, value_parser = scopes())]
    scope: Scope,
    /// What to call it in lists
    #[arg(long, default_value = "", hide_default_value = true, value_parser = name)]
    name: String,
    /// Days until it opens nothing any more; without it, never
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(1..=36_500))]
    expires_days: Option<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// When the key file is missing, cannot be read or written, or holds no such key.
pub fn run(options: &Options, config: &Config, output: &mut Output) -> anyhow::Result<()> {
    let file = KeyFile::of(&config.storage.dir);
    match &options.action {
        Action::Create(wanted) => create(wanted, &file, output),
        Action::List { json } => list(*json, &file.list()?, output),
        Action::Revoke { id, json } => revoke(*id, *json, &file, output),
    }
}

fn create(wanted: &Create, file: &KeyFile, output: &mut Output) -> anyhow::Result<()> {
    let now = now();
    let expires_at = wanted.expires_days.map(|days| now + days * SECONDS_PER_DAY);
    let new = NewKey { name: wanted.name.clone(), scope: wanted.scope, expires_at };
    let issued = file.create(new, now)?;
    if wanted.json {
        let mut object = object(&issued.record);
        object["key"] = issued.token.into();
        output.json(&object)?;
    } else {
        talk(format_args!(
            "key {} of scope {}; it is not shown again",
            issued.record.id, wanted.scope
        ));
        output.line(issued.token)?;
    }
    Ok(())
}

fn list(json: bool, records: &[Record], output: &mut Output) -> anyhow::Result<()> {
    if json {
        let items: Vec<Value> = records.iter().map(object).collect();
        output.json(&items)?;
        return Ok(());
    }
    output.line("ID        SCOPE    CREATED               EXPIRES               NAME")?;
    let now = now();
    for record in records {
        let Record { id, name, scope, created_at, expires_at, .. } = record;
        let expires = match expires_at {
            Some(at) if *at <= now => "expired".to_owned(),
            Some(at) => time(*at),
            None => "never".to_owned(),
        };
        let created = time(*created_at);
        let scope = scope.as_str();
        output.line(format_args!("{id}  {scope:<7}  {created:<20}  {expires:<20}  {name}"))?;
    }
    Ok(())
}

fn revoke(id: KeyId, json: bool, file: &KeyFile, output: &mut Output) -> anyhow::Result<()> {
    let Some(record) = file.revoke(id)? else {
        bail!("there is no key {id}; `vobee keys list` shows those there are");
    };
    if json {
        output.json(&object(&record))?;
    } else {
        output.line(format_args!("revoked {id}"))?;
    }
    if record.scope == Scope::Admin && file.list()?.iter().all(|key| key.scope != Scope::Admin) {
        talk("no admin key is left; `vobee keys create --scope admin` makes one");
    }
    Ok(())
}

fn object(record: &Record) -> Value {
    json!({
        "id": record.id,
        "name": record.name,
        "scope": record.scope,
        "created_at": time(record.created_at),
        "expires_at": record.expires_at.map(time),
    })
}

fn scopes() -> impl TypedValueParser<Value = Scope> {
    PossibleValuesParser::new(Scope::ALL.map(Scope::as_str)).try_map(|name| name.parse::<Scope>())
}

/// Names stand in lists on terminals.
fn name(text: &str) -> Result<String, &'static str> {
    if text.chars().count() > 100 || text.chars().any(char::is_control) {
        return Err("at most 100 characters, none of them control characters");
    }
    Ok(text.to_owned())
}

fn now() -> i64 {
    DateTime::<Utc>::from(SystemTime::now()).timestamp()
}

fn time(unix: i64) -> String {
    let time = DateTime::from_timestamp(unix, 0).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
