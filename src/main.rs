//! The `vobee` program: arguments, configuration, runtime, exit code.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use vobee::cli::{self, Arguments, Command, Output, exit};
use vobee::config::{Config, load};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    ExitCode::from(execute(&arguments).unwrap_or_else(|error| exit::report(&error)))
}

fn execute(arguments: &Arguments) -> anyhow::Result<u8> {
    let sources = arguments.sources();
    let config = || -> anyhow::Result<Config> { Ok(load(&sources)?.config) };
    let output = &mut Output::stdout();
    match &arguments.command {
        None | Some(Command::Serve) => cli::serve::run(config()?, runtime()?)?,
        Some(Command::Config(options)) => return cli::config::run(options, &sources, output),
        Some(Command::Keys(options)) => cli::keys::run(options, &config()?, output)?,
        Some(Command::Verify(options)) => {
            runtime()?.block_on(cli::verify::run(options, &config()?, output))?;
        }
        Some(Command::Simulate(options)) => {
            runtime()?.block_on(cli::simulate::run(options, &load(&sources)?, output))?;
        }
        Some(Command::Backup(options)) => {
            return runtime()?.block_on(cli::backup::run(options, &config()?, output));
        }
        Some(Command::Restore(options)) => {
            runtime()?.block_on(cli::backup::restore(options, &config()?, output))?;
        }
        Some(Command::Compact(options)) => {
            return runtime()?.block_on(cli::compact::run(options, &config()?, output));
        }
        Some(Command::Openapi) => cli::openapi::run(output)?,
        Some(Command::Postgres(options)) => {
            return runtime()?.block_on(cli::postgres::run(options, &config()?, output));
        }
        Some(Command::Import(options)) => {
            return runtime()?.block_on(cli::import::run(options, &config()?, output));
        }
        Some(Command::Version(options)) => cli::version::run(options, output)?,
    }
    Ok(exit::OK)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start the runtime")
}
