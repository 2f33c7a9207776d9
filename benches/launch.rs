//! The canonical workload: what durability costs, against a server that does nothing.
//!
//! Two servers are driven in turn over loopback by the same generator: one with the same accept
//! loop and the same JSON in and out but no engine, and the real `vobee` in a directory of its own.
//! Absolute figures belong to the machine and the minute; the ratios are what to compare.
//!
//! ```text
//! cargo bench --bench launch                          everything; takes some minutes
//! cargo bench --bench launch -- --markdown            the same, as the README shows it
//! cargo bench --bench launch -- --scenario join-empty --connections 64
//! cargo test --bench launch -- --quick                does it still work?
//! ```
//!
//! Deliberately absent: pipelining, open-loop arrival rates and TLS. A connection waits for its
//! answer before it asks again, as a client library does, so a slow server is asked less, and the
//! latencies are those of a server that is kept busy rather than of one that is overrun.

#[path = "launch/client.rs"]
mod client;
#[path = "launch/generator.rs"]
mod generator;
#[path = "launch/long_list.rs"]
mod long_list;
#[path = "launch/machine.rs"]
mod machine;
#[path = "launch/noop.rs"]
mod noop;
#[path = "launch/options.rs"]
mod options;
#[path = "launch/report.rs"]
mod report;
#[path = "launch/scenario.rs"]
mod scenario;
#[path = "launch/scratch.rs"]
mod scratch;
#[path = "launch/server.rs"]
mod server;
#[path = "launch/workload.rs"]
mod workload;

use std::io::Write as _;
use std::process::ExitCode;

use machine::Machine;
use options::Options;
use scratch::Scratch;

// The allocator of the real server, so that the two differ in nothing but the work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((role, command)) if role == server::LAUNCHER => Err(server::become_command(command)),
        Some((role, rest)) if role == server::NOOP => noop(rest),
        _ => bench(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn noop(arguments: &[String]) -> Result<(), String> {
    let port = arguments.first().and_then(|port| port.parse().ok());
    noop::run(port.ok_or("the no-op server needs a port")?)
}

fn bench(arguments: &[String]) -> Result<(), String> {
    let options =
        Options::parse(arguments).map_err(|error| format!("{error}\n\n{}", options::USAGE))?;
    let scratch = Scratch::create(&options.dir)?;
    let machine = Machine::look(scratch.path())?;
    let findings = workload::run(&options, &scratch)?;
    let text = report::full(&options, &machine, &findings);
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    findings.stopped
}
