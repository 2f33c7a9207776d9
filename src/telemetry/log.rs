//! The log: text on a terminal, one JSON object a line otherwise.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat, LogLevel};

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
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(directives(config.level)));
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

/// What is logged at a level. ractor keeps a span around each actor at `info`, which is entered and
/// left with every message; it is there from `debug` on.
fn directives(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Info => "info,ractor=warn",
        LogLevel::Error | LogLevel::Warn | LogLevel::Debug | LogLevel::Trace => level.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn spans_around_actors_are_there_from_debug_on() {
        let levels =
            [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
        let spans = levels.map(|level| {
            let registry = tracing_subscriber::registry().with(EnvFilter::new(directives(level)));
            tracing::subscriber::with_default(registry, || {
                tracing::callsite::rebuild_interest_cache();
                let (of_ractor, ours) = (
                    tracing::span_enabled!(target: "ractor::actor", Level::INFO),
                    tracing::enabled!(target: "vobee", Level::INFO),
                );
                (of_ractor, ours)
            })
        });
        assert_eq!(spans.map(|(of_ractor, _)| of_ractor), [false, false, false, true, true]);
        assert_eq!(spans.map(|(_, ours)| ours), [false, false, true, true, true]);
    }
}
