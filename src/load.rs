//! How loaded the machine is: the mean use of processor, memory and disk, each in 0..=1.
//!
//! Where the process runs in a container with limits (cgroup v2), its processor and memory are
//! those that the container may use. What is absent: any conclusion, which is the gate's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use actors::Engine;
use actors::quality::Ratio;

/// Between two looks. A look takes the mean of this time, so that a burst closes no gate.
const EVERY: Duration = Duration::from_secs(30);

/// Tells the engine how loaded the machine is, for as long as the node runs.
pub(crate) async fn watch(engine: Engine, mut meter: Meter) {
    let mut told = false;
    loop {
        // A file system that hangs must not hold up a thread that answers requests.
        let looking = tokio::task::spawn_blocking(move || {
            let load = meter.look();
            (meter, load)
        });
        let Ok((same, load)) = looking.await else { return };
        meter = same;
        let known = match load {
            Ok(None) => None,
            Ok(Some(load)) => {
                metrics::gauge!("vobee_system_load_ratio").set(load.get());
                told = false;
                Some(Some(load))
            }
            Err(error) => {
                if !told {
                    tracing::warn!(%error, "the load of the machine is unknown and raises nothing");
                }
                told = true;
                Some(None)
            }
        };
        if let Some(load) = known {
            // A gate that does not answer now is told the next time.
            let _ = engine.see_load(load).await;
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Looks at the machine. Processor use is what was used since the look before.
pub(crate) struct Meter {
    proc: PathBuf,
    /// The folder of the process's cgroup; not there outside of cgroup v2.
    cgroup: PathBuf,
    /// Somewhere on the disk that counts.
    disk: PathBuf,
    start: Instant,
    before: Option<Work>,
}

/// Processor time since some beginning, in one unit or another.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Work {
    done: f64,
    possible: f64,
    /// Whether a limit says what is possible.
    limited: bool,
}

impl Meter {
    /// Of the machine whose data lies at `disk`.
    pub(crate) fn new(disk: &Path) -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
        let root = Path::new("/sys/fs/cgroup");
        // A container may see its own folder as the root, under the path that the host gave it.
        let cgroup = Some(root.join(own)).filter(|own| own.is_dir());
        Self::at(Path::new("/proc"), cgroup.as_deref().unwrap_or(root), disk)
    }

    fn at(proc: &Path, cgroup: &Path, disk: &Path) -> Self {
        let [proc, cgroup, disk] = [proc, cgroup, disk].map(Path::to_path_buf);
        Self { proc, cgroup, disk, start: Instant::now(), before: None }
    }

    /// The load since the look before; None at the first.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub(crate) fn look(&mut self) -> io::Result<Option<Ratio>> {
        let work = self.work()?;
        let before = self.before.replace(work).filter(|before| before.limited == work.limited);
        let processor = before.and_then(|before| {
            let possible = work.possible - before.possible;
            (possible > 0.0).then(|| (work.done - before.done) / possible)
        });
        let (memory, disk) = (self.memory()?, self.disk()?);
        Ok(processor.and_then(|processor| {
            let parts = [processor, memory, disk].map(|part| part.clamp(0.0, 1.0));
            Ratio::new((parts.iter().sum::<f64>() / 3.0).min(1.0))
        }))
    }

    fn work(&self) -> io::Result<Work> {
        let quota = self.limit("cpu.max").as_deref().and_then(quota);
        let used = self.limit("cpu.stat").and_then(|text| entry(&text, "usage_usec"));
        if let (Some(quota), Some(done)) = (quota, used) {
            let possible = quota * self.start.elapsed().as_micros() as f64;
            return Ok(Work { done, possible, limited: true });
        }
        let path = self.proc.join("stat");
        machine_work(&read(&path)?).ok_or_else(|| strange(&path))
    }

    fn memory(&self) -> io::Result<f64> {
        let most = self.limit("memory.max").and_then(|text| number(&text));
        let used = self.limit("memory.current").and_then(|text| number(&text));
        if let (Some(most), Some(used)) = (most, used) {
            // Pages of files that nobody has asked for lately make room when there is need.
            let idle = self.limit("memory.stat").and_then(|text| entry(&text, "inactive_file"));
            return Ok((used - idle.unwrap_or(0.0)) / most.max(1.0));
        }
        let path = self.proc.join("meminfo");
        let text = read(&path)?;
        let all = entry(&text, "MemTotal:").filter(|all| *all > 0.0);
        let free = entry(&text, "MemAvailable:");
        let used = all.zip(free).map(|(all, free)| 1.0 - free / all);
        used.ok_or_else(|| strange(&path))
    }

    fn disk(&self) -> io::Result<f64> {
        let stat = rustix::fs::statvfs(&self.disk)?;
        let used = stat.f_blocks.saturating_sub(stat.f_bfree) as f64;
        Ok(used / (used + stat.f_bavail as f64).max(1.0))
    }

    /// A file of the cgroup; None where there is none.
    fn limit(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.cgroup.join(name)).ok()
    }
}

fn read(path: &Path) -> io::Result<String> {
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display()))
    };
    fs::read_to_string(path).map_err(named)
}

fn strange(path: &Path) -> io::Error {
    io::Error::other(format!("{} does not say what it should", path.display()))
}

/// The first line of `/proc/stat` (proc_stat(5)): user, nice, system, idle, iowait, irq, softirq,
/// steal, and times of guests that are in user and nice already.
fn machine_work(text: &str) -> Option<Work> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Option<Vec<f64>> = line.split_whitespace().take(8).map(number).collect();
    let ticks = ticks.filter(|ticks| ticks.len() >= 5)?;
    let possible: f64 = ticks.iter().sum();
    Some(Work { done: possible - ticks[3] - ticks[4], possible, limited: false })
}

/// Processors that `cpu.max` grants, `<quota> <period>`; None when it grants all there are.
fn quota(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period) = (number(quota)?, number(period)?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

/// The number behind `name` at the beginning of a line.
fn entry(text: &str, name: &str) -> Option<f64> {
    let mut lines = text.lines().map(str::split_whitespace);
    lines.find_map(|mut words| if words.next()? == name { number(words.next()?) } else { None })
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse::<u64>().ok().map(|number| number as f64)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A machine in a folder, on the disk of this one: others write to that meanwhile.
    struct Machine {
        dir: TempDir,
        meter: Meter,
    }

    impl Machine {
        fn new() -> Self {
            let dir = TempDir::new().expect("a temporary directory");
            let meter = Meter::at(dir.path(), dir.path(), dir.path());
            let machine = Self { dir, meter };
            machine.says("stat", "cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n");
            machine.says("meminfo", "MemTotal:       1000 kB\nMemAvailable:    250 kB\n");
            machine
        }

        fn says(&self, name: &str, text: &str) {
            fs::write(self.dir.path().join(name), text).expect("a file is written");
        }
    }

    #[test]
    fn the_machines_load_is_the_mean_of_its_three_uses() {
        let mut machine = Machine::new();
        assert_eq!(machine.meter.look().expect("a look"), None, "nothing to compare with");
        machine.says("stat", "cpu  150 0 140 705 105 0 0 0 90 0\n");
        let disk = machine.meter.disk().expect("the disk says");
        let load = machine.meter.look().expect("a look").expect("a second look").get();
        assert!((load - (0.9 + 0.75 + disk) / 3.0).abs() < 1e-2, "{load} with a disk at {disk}");
    }

    #[test]
    fn the_limits_of_a_container_count_where_it_has_some() {
        let mut machine = Machine::new();
        machine.says("memory.max", "max\n");
        machine.says("cpu.max", "max 100000\n");
        assert_eq!(machine.meter.memory().expect("memory"), 0.75, "no limit");
        assert!(!machine.meter.work().expect("work").limited);
        machine.says("memory.max", "2000\n");
        machine.says("memory.current", "1500\n");
        machine.says("memory.stat", "anon 700\ninactive_file 500\n");
        assert_eq!(machine.meter.memory().expect("memory"), 0.5);
        machine.says("cpu.max", "50000 100000\n");
        machine.says("cpu.stat", "usage_usec 7000\nuser_usec 5000\n");
        machine.meter.look().expect("a look");
        machine.says("cpu.stat", "usage_usec 999999999999\n");
        let busy = machine.meter.look().expect("a look").expect("a second look").get();
        let disk = machine.meter.disk().expect("the disk says");
        assert!((busy - (1.0 + 0.5 + disk) / 3.0).abs() < 1e-2, "{busy}");
        let work = machine.meter.work().expect("work");
        assert!(work.limited && work.done == 999_999_999_999.0);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_names_the_file() {
        for (name, text) in
            [("stat", "cpu  1 2 3\n"), ("stat", ""), ("meminfo", "MemTotal: 0 kB\n")]
        {
            let mut machine = Machine::new();
            machine.says(name, text);
            let error = machine.meter.look().expect_err("it says nothing");
            assert!(error.to_string().contains(name), "{error}");
        }
        let mut machine = Machine::new();
        fs::remove_file(machine.dir.path().join("meminfo")).expect("it was there");
        let error = machine.meter.look().expect_err("it is not there");
        assert!(error.to_string().contains("meminfo"), "{error}");
    }

    #[test]
    fn this_machine_says_how_loaded_it_is() {
        let dir = TempDir::new().expect("a temporary directory");
        let mut meter = Meter::new(dir.path());
        meter.look().expect("a first look");
        assert!(meter.before.is_some());
    }
}
