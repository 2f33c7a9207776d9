//! On what the figures were measured: without it they compare with nothing.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// What the first lines of the output say.
pub(crate) struct Machine {
    /// How many cores this process may use.
    pub(crate) cores: usize,
    /// The processor's name.
    pub(crate) cpu: String,
    /// The median time of a write of one page and its fdatasync.
    pub(crate) sync_p50: Duration,
    /// The 99th percentile of the same.
    pub(crate) sync_p99: Duration,
}

const SYNCS_MAX: usize = 500;
const SYNCING_MAX: Duration = Duration::from_secs(2);
const PAGE: [u8; 4096] = [0x5A; 4096];

impl Machine {
    /// Looks around; `dir` is where the journal will lie.
    pub(crate) fn look(dir: &Path) -> Result<Machine, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = about
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("unknown processor", |(_, name)| name)
            .to_owned();
        let times = sync_times(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        Ok(Machine {
            cores,
            cpu,
            sync_p50: times[times.len() / 2],
            sync_p99: times[times.len() * 99 / 100],
        })
    }
}

/// The sorted times of some appended pages, each synced; at least one.
fn sync_times(dir: &Path) -> std::io::Result<Vec<Duration>> {
    let path = dir.join("sync-probe");
    let mut file = File::create(&path)?;
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.is_empty() || (times.len() < SYNCS_MAX && begin.elapsed() < SYNCING_MAX) {
        let start = Instant::now();
        file.write_all(&PAGE)?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    drop(file);
    std::fs::remove_file(&path)?;
    times.sort_unstable();
    Ok(times)
}
