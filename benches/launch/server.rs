//! The servers that are driven: children of this process, and gone when it is.
//!
//! Each is started through this very program in the role of a launcher, which asks the kernel to be
//! killed when the bench dies and then becomes the server. So no server outlives a bench that was
//! killed, and its process id is the one that was started.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use crate::client;

/// The first argument that makes this program a launcher; the command to become follows.
pub(crate) const LAUNCHER: &str = "become";
/// The first argument that makes this program the no-op server; its port follows.
pub(crate) const NOOP: &str = "noop-server";

const READY_MAX: Duration = Duration::from_secs(180);
const READY_PAUSE: Duration = Duration::from_millis(2);
const STOP_MAX: Duration = Duration::from_secs(30);
const LOG_TAIL_BYTES: usize = 4 * 1024;

/// A running server.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
    /// From its start to the first good answer of `/readyz`.
    pub(crate) started_in: Duration,
}

/// A server's CPU time, user and system, since it was started.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration, String> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    // The second field is a name in brackets, which may hold anything; user and system time are the
    // 14th and 15th, in ticks.
    let ticks = text.rsplit_once(") ").and_then(|(_, rest)| {
        let mut fields = rest.split(' ').skip(11);
        let user = fields.next()?.parse::<u64>().ok()?;
        let system = fields.next()?.parse::<u64>().ok()?;
        Some(user + system)
    });
    let ticks = ticks.ok_or_else(|| format!("{path} is not what it should be: {text}"))?;
    let second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_micros(ticks * 1_000_000 / second))
}

/// What a process holds in memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resident {
    /// All of it: with pages of files, such as the program itself.
    pub(crate) all: u64,
    /// What it allocated.
    pub(crate) anonymous: u64,
}

impl Server {
    /// Starts the no-op server.
    pub(crate) fn noop(dir: &Path) -> Result<Server, String> {
        let port = free_port()?;
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = launcher(&program)?;
        command.arg(NOOP).arg(port.to_string());
        Server::start(command, port, dir, "noop")
    }

    /// Starts `vobee` on a data directory inside `dir`, open, on one port and without rate limits.
    pub(crate) fn vobee(program: &Path, dir: &Path) -> Result<Server, String> {
        let port = free_port()?;
        let mut command = launcher(program)?;
        command.args(["serve", "--open", "--port", &port.to_string(), "--data-dir"]);
        command.arg(dir.join("data"));
        for setting in ["LIMITS__PER_ADDRESS", "LIMITS__PER_KEY", "LIMITS__GLOBAL"] {
            command.env(format!("VOBEE_{setting}"), "0");
        }
        for service in ["WAITLIST", "INVITES", "REFERRALS", "QUALITY"] {
            command.env(format!("VOBEE_SERVER__PORTS__{service}"), "0");
        }
        Server::start(command, port, dir, "vobee")
    }

    fn start(mut command: Command, port: u16, dir: &Path, name: &str) -> Result<Server, String> {
        let log = dir.join(format!("{name}.log"));
        let output = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let copy = output.try_clone().map_err(|error| error.to_string())?;
        // The directory holds no configuration file, so nobody's settings are measured by accident.
        command.current_dir(dir).stdin(Stdio::null()).stdout(output).stderr(copy);
        let begin = Instant::now();
        let child = command.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Server { child, address, log, started_in: Duration::ZERO };
        while !matches!(client::call(address, "GET", "/readyz", ""), Ok((200, _))) {
            let ended = server.child.try_wait().map_err(|error| error.to_string())?;
            if let Some(status) = ended {
                return Err(server.explain(&format!("{name} ended with {status}")));
            }
            if begin.elapsed() > READY_MAX {
                return Err(server.explain(&format!("{name} is not ready after {READY_MAX:?}")));
            }
            std::thread::sleep(READY_PAUSE);
        }
        server.started_in = begin.elapsed();
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server's CPU time since it was started.
    pub(crate) fn cpu_time(&self) -> Result<Duration, String> {
        cpu_time(self.child.id())
    }

    pub(crate) fn resident(&self) -> Result<Resident, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let bytes = |name: &str| {
            let kibibytes = text.lines().find_map(|line| line.strip_prefix(name))?;
            Some(kibibytes.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
        };
        let found = bytes("VmRSS:").zip(bytes("RssAnon:"));
        let (all, anonymous) = found.ok_or_else(|| format!("{path} tells no memory"))?;
        Ok(Resident { all, anonymous })
    }

    /// Asks the server to stop as an operator would, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            kill_process(pid, Signal::TERM).map_err(|error| error.to_string())?;
        }
        let begin = Instant::now();
        while begin.elapsed() < STOP_MAX {
            match self.child.try_wait().map_err(|error| error.to_string())? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    return Err(self.explain(&format!("the server stopped with {status}")));
                }
                None => std::thread::sleep(READY_PAUSE),
            }
        }
        Err(self.explain(&format!("the server did not stop within {STOP_MAX:?}")))
    }

    /// Adds what the server said last to a message.
    pub(crate) fn explain(&self, message: &str) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let tail = &log[log.len().saturating_sub(LOG_TAIL_BYTES)..];
        format!("{message}; its last words:\n{}", String::from_utf8_lossy(tail))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails when it has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program as the launcher of `program`, with a clean environment.
fn launcher(program: &Path) -> Result<Command, String> {
    let launcher = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(launcher);
    command.env_clear().arg(LAUNCHER).arg(program);
    Ok(command)
}

/// The launcher's part, in the child: dies with its parent, and becomes the command. Returns only
/// to say why it could not.
pub(crate) fn become_command(command: &[String]) -> String {
    let Some((program, arguments)) = command.split_first() else {
        return "there is no command to become".to_owned();
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return format!("cannot ask to die with the bench: {error}");
    }
    format!("cannot become {program}: {}", Command::new(program).args(arguments).exec())
}

/// A port that was free a moment ago; the server binds it at once.
fn free_port() -> Result<u16, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no free port on loopback: {error}"))
}
