//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::{backup, compact, config, import, keys, postgres, simulate, verify, version};
use crate::config::{Flag, Sources};

/// Decides who gets into a product and when: waitlist, invite codes, referrals, quality gates.
///
/// Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "vobee", version, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// What to do; nothing means serve.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start; creates the data directory and the first admin key (the default command)
    Serve,
    /// Check or show the configuration
    Config(config::Options),
    /// Make, list and revoke API keys, also beside a running node
    Keys(keys::Options),
    /// Walk archive, snapshots, journal and chain, read-only, while no node runs on them
    Verify(verify::Options),
    /// Tell who would stand where under another scoring policy, read-only, while no node runs
    Simulate(simulate::Options),
    /// Copy a running node into one file, or check such a file
    Backup(backup::Options),
    /// Make a data directory of a backup, where there is none
    Restore(backup::RestoreOptions),
    /// Make the text of those who left disappear from the disk of a running node now
    Compact(compact::Options),
    /// Print the OpenAPI document
    Openapi,
    /// Make, fill, compare and look at the copy of everything in PostgreSQL
    Postgres(postgres::Options),
    /// Make the data directory of a new node from a database
    Import(import::Options),
    /// Print the version
    Version(version::Options),
}

/// Flags that override the configuration; every command takes them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Configuration")]
struct Settings {
    /// Configuration file [default: $VOBEE_CONFIG, ./vobee.toml, /etc/vobee/vobee.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data directory (storage.dir)
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// IP address to listen on (server.host)
    #[arg(long, global = true, value_name = "ADDRESS")]
    host: Option<String>,
    /// Port that serves everything (server.port)
    #[arg(long, global = true, value_name = "PORT")]
    port: Option<String>,
    /// Ask for no keys; only on loopback (server.open)
    #[arg(long, global = true)]
    open: bool,
    /// Start although acknowledged events are missing, without them (storage.accept_loss)
    #[arg(long, global = true)]
    accept_loss: bool,
    /// error, warn, info, debug or trace (log.level)
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl Arguments {
    /// Where the configuration comes from.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let settings = &self.settings;
        let open = settings.open.then(|| "true".to_owned());
        let accept_loss = settings.accept_loss.then(|| "true".to_owned());
        let given = [
            ("--data-dir", "storage.dir", settings.data_dir.clone()),
            ("--host", "server.host", settings.host.clone()),
            ("--port", "server.port", settings.port.clone()),
            ("--open", "server.open", open),
            ("--accept-loss", "storage.accept_loss", accept_loss),
            ("--log-level", "log.level", settings.log_level.clone()),
        ];
        let flag =
            |(name, key, text): (_, _, Option<String>)| Some(Flag { name, key, text: text? });
        Sources::of_process(settings.config.clone(), given.into_iter().filter_map(flag).collect())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::config::{Origin, load};

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_count_before_and_after_the_command() {
        for line in [
            ["vobee", "--port", "0", "serve", "--data-dir=x", "--open"],
            ["vobee", "serve", "--port=0", "--open", "--data-dir", "x"],
            ["vobee", "--open", "--data-dir", "x", "--port", "0"],
        ] {
            let arguments = Arguments::try_parse_from(line).expect("a command line");
            let sources = Sources { search: vec![], environment: vec![], ..arguments.sources() };
            let loaded = load(&sources).expect("a configuration");
            assert_eq!(loaded.config.server.port, 0);
            assert!(loaded.config.server.open);
            assert_eq!(loaded.config.storage.dir, PathBuf::from("x"));
            let port = loaded.entries.iter().find(|entry| entry.key == "server.port");
            let origin = port.map(|entry| entry.origin.clone());
            assert_eq!(origin, Some(Origin::Flag { name: "--port" }));
        }
    }
}
