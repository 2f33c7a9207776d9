//! The log: text on a terminal, one JSON object a line otherwise.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};

/// Starts logging to stderr, once for the process; a second call changes nothing.
///
/// `RUST_LOG` overrides the configured level. A panic is logged with its place but without its
/// message, which could repeat what somebody sent.
pub fn start(config: &Log) {
    let terminal = stderr().is_terminal();
    let json = match config.format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    // ractor keeps a span around each actor, which is entered with every message.
    let level = || EnvFilter::new(format!("{},ractor=warn", config.level.as_str()));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| level());
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(stderr);
    let started = if json {
        registry.with(layer.json().flatten_event(true)).try_init()
    } else {
        let colour = terminal && std::env::var_os("NO_COLOR").is_none();
        registry.with(layer.with_ansi(colour).with_target(false)).try_init()
    };
    if started.is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            tracing::error!(place, "panicked; please report this");
        }));
    }
}
