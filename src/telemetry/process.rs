//! What the operating system knows about this process, under the names that every dashboard knows.

use std::fmt::Write;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// When the process started, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartTime(f64);

impl StartTime {
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(since.as_secs_f64())
    }

    pub(crate) fn seconds(self) -> f64 {
        self.0
    }
}

/// Appends the `process_*` families to `text`. What cannot be read is left out.
pub(super) fn write(text: &mut String, start: StartTime) {
    let mut family = |name: &str, kind: &str, help: &str, value: f64| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    };
    if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse)
    {
        let Stat { cpu_ticks, threads, virtual_bytes, resident_pages } = stat;
        let cpu = cpu_ticks / clock_ticks_per_second() as f64;
        let resident = resident_pages * page_size() as f64;
        family("process_cpu_seconds_total", "counter", "CPU time spent, user and system.", cpu);
        family("process_resident_memory_bytes", "gauge", "Memory in RAM.", resident);
        family("process_virtual_memory_bytes", "gauge", "Address space.", virtual_bytes);
        family("process_threads", "gauge", "Threads of the operating system.", threads);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is the directory that is being read.
        let open = open.count().saturating_sub(1) as f64;
        family("process_open_fds", "gauge", "Open file descriptors.", open);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        family("process_max_fds", "gauge", "Most file descriptors at once.", most as f64);
    }
    let help = "When the process started, seconds since 1970.";
    family("process_start_time_seconds", "gauge", help, start.seconds());
}

/// The fields of `/proc/self/stat` (proc_pid_stat(5)) that are of interest.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_ticks: f64,
    threads: f64,
    virtual_bytes: f64,
    resident_pages: f64,
}

impl Stat {
    fn parse(line: &str) -> Option<Self> {
        // The second field is the name in parentheses, which may hold spaces and parentheses.
        let (_, after_name) = line.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_behind_a_name_with_parentheses() {
        let line = "42 (a (b) c) S 1 1 1 0 -1 0 0 0 0 0 700 50 0 0 20 0 5 0 100 4096000 250 1 2";
        let expected = Stat {
            cpu_ticks: 750.0,
            threads: 5.0,
            virtual_bytes: 4_096_000.0,
            resident_pages: 250.0,
        };
        assert_eq!(Stat::parse(line), Some(expected));
    }

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let mut text = String::new();
        write(&mut text, StartTime::now());
        for name in
            ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"]
        {
            assert!(text.contains(&format!("\n{name} ")), "{name} in {text}");
        }
    }
}
