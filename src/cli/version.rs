//! `vobee version`: which program this is.

use serde::Serialize;

use super::Output;

/// How to print it.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Version {
    name: &'static str,
    version: &'static str,
    os: &'static str,
    arch: &'static str,
}

/// Prints name and version.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(options: &Options, output: &mut Output) -> anyhow::Result<()> {
    let version = Version {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
    };
    if options.json {
        output.json(&version)?;
    } else {
        output.line(format_args!("{} {}", version.name, version.version))?;
    }
    Ok(())
}
