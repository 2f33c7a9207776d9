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

/// The CPU time that all processes together have had since the machine started, and that which a
/// hypervisor gave to other machines.
pub(crate) fn busy_time() -> Result<Duration, String> {
    let text = std::fs::read_to_string("/proc/stat").map_err(|error| error.to_string())?;
    let first = text.lines().next().and_then(|line| line.strip_prefix("cpu "));
    let fields = first.ok_or("/proc/stat is not what it should be")?.split_whitespace();
    // user nice system idle iowait irq softirq steal; what follows is counted in user already.
    let busy = fields.take(8).enumerate().filter(|(index, _)| *index != 3 && *index != 4);
    let ticks: u64 = busy.filter_map(|(_, field)| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_micros(ticks * 1_000_000 / rustix::param::clock_ticks_per_second()))
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
