//! What the command line asks for.
//!
//! Parsed by hand: eight flags, and cargo adds `--bench` of its own.

use std::path::PathBuf;
use std::time::Duration;

use crate::scenario::Scenario;

/// How long, how wide and how often the workload runs.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How many people are on the long list before it is measured.
    pub(crate) people: u64,
    /// How long one measured window lasts.
    pub(crate) window: Duration,
    /// How long the servers are driven before each window, unmeasured.
    pub(crate) warm_up: Duration,
    /// How many windows each server gets for each scenario and number of connections.
    pub(crate) rounds: usize,
    /// The numbers of keep-alive connections.
    pub(crate) connections: Vec<usize>,
    /// What is measured, in the order in which it runs.
    pub(crate) scenarios: Vec<Scenario>,
    /// Whether the no-op server alone is driven: the cost of the bench itself.
    pub(crate) noop_only: bool,
    /// Whether the tables are printed as Markdown.
    pub(crate) markdown: bool,
    /// Where the data directories are created.
    pub(crate) dir: PathBuf,
}

pub(crate) const USAGE: &str = "\
cargo bench --bench launch -- [options]
  --quick            a tiny run that proves that the bench works; its figures mean nothing
  --people N         people on the long list (1000000)
  --seconds S        length of a measured window (3)
  --rounds R         windows for each server, scenario and number of connections (3)
  --connections A,B  keep-alive connections (64,256)
  --scenario A,B     join-empty, join-full, status, position, redeem (all)
  --noop-only        drive the no-op server alone
  --dir PATH         where the data directories go (target/tmp); it should be a real disk
  --markdown         print the tables as Markdown
";

const PEOPLE_MAX: u64 = 20_000_000;
const SECONDS_MAX: f64 = 600.0;
const ROUNDS_MAX: usize = 100;
const CONNECTIONS_MAX: usize = 4_096;

impl Options {
    fn full() -> Options {
        Options {
            people: 1_000_000,
            window: Duration::from_secs(3),
            warm_up: Duration::from_millis(500),
            rounds: 3,
            connections: vec![64, 256],
            scenarios: Scenario::ALL.to_vec(),
            noop_only: false,
            markdown: false,
            dir: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
        }
    }

    fn quicken(&mut self) {
        self.people = 2_000;
        self.window = Duration::from_millis(500);
        self.warm_up = Duration::from_millis(50);
        self.rounds = 1;
        self.connections = vec![16];
    }

    /// Reads the arguments; the error is what to tell the person who typed them.
    pub(crate) fn parse(arguments: &[String]) -> Result<Options, String> {
        let mut options = Options::full();
        if arguments.iter().any(|argument| argument == "--quick") {
            options.quicken();
        }
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--bench" | "--quick" => {}
                "--markdown" => options.markdown = true,
                "--noop-only" => options.noop_only = true,
                "--people" => options.people = within(argument, value()?, 1, PEOPLE_MAX)?,
                "--rounds" => options.rounds = within(argument, value()?, 1, ROUNDS_MAX)?,
                "--seconds" => {
                    let seconds = within(argument, value()?, 0.1, SECONDS_MAX)?;
                    options.window = Duration::from_secs_f64(seconds);
                }
                "--connections" => {
                    options.connections = value()?
                        .split(',')
                        .map(|number| within(argument, number, 1, CONNECTIONS_MAX))
                        .collect::<Result<_, _>>()?;
                }
                "--scenario" => {
                    let wanted =
                        value()?.split(',').map(Scenario::named).collect::<Result<Vec<_>, _>>()?;
                    options.scenarios.retain(|scenario| wanted.contains(scenario));
                }
                "--dir" => options.dir = PathBuf::from(value()?),
                other => return Err(format!("unknown option {other}")),
            }
        }
        Ok(options)
    }
}

fn within<T>(name: &str, text: &str, min: T, max: T) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let number = text.parse::<T>().map_err(|_| format!("{name}: {text:?} is not a number"))?;
    if number < min || number > max {
        return Err(format!("{name}: {text} is not between {min} and {max}"));
    }
    Ok(number)
}
