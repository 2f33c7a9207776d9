//! A node of its own for each test: the real program, a data directory that is removed afterwards,
//! and a small client.

mod client;
pub(crate) mod document;
mod shape;

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) use client::{Answer, Client};
pub(crate) use shape::{assert_shape, is_code};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_vobee");
const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// A running node, killed when it goes out of scope.
pub(crate) struct Server {
    child: Child,
    log: Log,
    data: PathBuf,
    /// Removed with the node, when the directory was made for it.
    _temporary: Option<TempDir>,
    ports: [u16; 5],
    settings: Vec<(String, String)>,
    wrapper: Vec<String>,
    base_url: String,
    admin_key: String,
}

impl Server {
    /// A node with keys and default settings, on free ports.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// A node with some settings of its own, as in the environment.
    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        Self::wrapped(&[], settings)
    }

    /// The same, its program started by another one.
    pub(crate) fn wrapped(wrapper: &[&str], settings: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let mut server = Self::spawned(dir.path(), wrapper, settings);
        server._temporary = Some(dir);
        server.wait_until_ready();
        server
    }

    /// A node on a directory of the caller's.
    pub(crate) fn at(data: &Path, settings: &[(&str, &str)]) -> Self {
        let mut server = Self::spawned(data, &[], settings);
        server.wait_until_ready();
        server
    }

    /// A node on a directory that it may refuse: then it has ended, with that status.
    pub(crate) fn attempt(
        data: &Path,
        wrapper: &[&str],
        settings: &[(&str, &str)],
    ) -> (Self, Option<ExitStatus>) {
        let mut server = Self::spawned(data, wrapper, settings);
        let refused = server.ready_or_ended();
        (server, refused)
    }

    fn spawned(data: &Path, wrapper: &[&str], settings: &[(&str, &str)]) -> Self {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let settings: Vec<_> = settings.iter().map(own).collect();
        let wrapper: Vec<_> = wrapper.iter().map(|part| (*part).to_owned()).collect();
        let ports = free_ports();
        let data = data.to_path_buf();
        let (child, log) = spawn(&wrapper, &data, ports, &settings);
        let base_url = format!("http://127.0.0.1:{}", ports[0]);
        let (_temporary, admin_key) = (None, String::new());
        Self { child, log, data, _temporary, ports, settings, wrapper, base_url, admin_key }
    }

    fn wait_until_ready(&mut self) {
        if let Some(status) = self.ready_or_ended() {
            panic!("the node has ended with {status}: {}", self.last_words());
        }
    }

    /// Waits until the node is ready, or has ended with the status that is returned.
    fn ready_or_ended(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child process") {
                return Some(status);
            }
            // Somebody else's node may answer there while this one has not come to listen.
            let listens = self.log().contains("listening on");
            let ready = Client::try_new(self.port())
                .and_then(|mut c| c.try_send("GET", "/readyz", &[], b""));
            if listens && ready.is_ok_and(|answer| answer.status == 200) {
                let key = self.data().join("keys").join("admin.key");
                // A restored node has none in clear: whoever restored it knows the key.
                if let Ok(key) = std::fs::read_to_string(key) {
                    key.trim().clone_into(&mut self.admin_key);
                }
                return None;
            }
            assert!(Instant::now() < deadline, "the node does not get ready: {}", self.log());
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    pub(crate) fn admin_key(&self) -> &str {
        &self.admin_key
    }

    pub(crate) fn port(&self) -> u16 {
        self.ports[0]
    }

    /// Of waitlist, invites, referrals and quality gates.
    pub(crate) fn service_ports(&self) -> [u16; 4] {
        let [_, waitlist, invites, referrals, quality] = self.ports;
        [waitlist, invites, referrals, quality]
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the node has said so far.
    pub(crate) fn log(&self) -> String {
        let text = self.log.text.lock().expect("the log's reader lives");
        String::from_utf8_lossy(&text).into_owned()
    }

    /// All that a node has said that has ended.
    pub(crate) fn last_words(&mut self) -> String {
        if let Some(reader) = self.log.reader.take() {
            reader.join().expect("the log's reader lives");
        }
        self.log()
    }

    /// A client with the admin key.
    pub(crate) fn admin(&self) -> Client {
        Client::new(self.port()).with_key(&self.admin_key)
    }

    /// A client without a key.
    pub(crate) fn public(&self) -> Client {
        Client::new(self.port())
    }

    /// Ends the node as a power cut would end the process, and starts it again.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        self.start_again();
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the node is killed");
        self.child.wait().expect("the node has ended");
    }

    /// Puts another data directory in the place of the stopped node's.
    pub(crate) fn replace_data(&mut self, other: &Path) {
        std::fs::remove_dir_all(&self.data).expect("the old data goes");
        std::fs::rename(other, &self.data).expect("the new data comes");
    }

    /// Starts a node whose data came from elsewhere, with the key that works there.
    pub(crate) fn start_again_with_key(&mut self, admin_key: &str) {
        admin_key.clone_into(&mut self.admin_key);
        self.start_again();
    }

    /// A setting from the next start on.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    pub(crate) fn start_again(&mut self) {
        self.start_without_waiting();
        self.wait_until_ready();
    }

    pub(crate) fn start_without_waiting(&mut self) {
        // Somebody may have taken them meanwhile.
        if self.ports.iter().any(|port| !is_free(*port)) {
            self.ports = free_ports();
            self.base_url = format!("http://127.0.0.1:{}", self.ports[0]);
        }
        let (child, log) = spawn(&self.wrapper, &self.data, self.ports, &self.settings);
        (self.child, self.log) = (child, log);
    }

    /// Waits until the node, which may be started and not ready, has said something.
    pub(crate) fn wait_until_it_says(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            let ended = self.child.try_wait().expect("a child process");
            assert!(ended.is_none(), "the node has ended: {}", self.log());
            assert!(Instant::now() < deadline, "it does not say {text}: {}", self.log());
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// Asks the node to stop, and waits until it has.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.end_within(PATIENCE)
    }

    pub(crate) fn signal(&self, name: &str) {
        let (name, pid) = (format!("-{name}"), self.pid().to_string());
        let sent = Command::new("kill").args([name, pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Holds every thread of the node where it is; back once none of them runs any more. A signal
    /// to stop is only begun with when `kill` returns, and a busy node answers until it has spread.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
        let deadline = Instant::now() + PATIENCE;
        while self.threads_not_held() > 0 {
            assert!(Instant::now() < deadline, "the node goes on: {}", self.log());
            std::thread::yield_now();
        }
    }

    fn threads_not_held(&self) -> usize {
        let tasks = format!("/proc/{}/task", self.pid());
        let tasks = std::fs::read_dir(tasks).expect("the node is there").flatten();
        let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
        // The state follows the name, which is in parentheses and may hold some itself.
        stats.filter(|stat| !stat.rsplit(") ").next().is_some_and(|s| s.starts_with('T'))).count()
    }

    /// Waits until the node has ended by itself; one that goes on for longer than that hangs.
    pub(crate) fn end_within(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child process") {
                return status;
            }
            assert!(Instant::now() < deadline, "the node does not stop: {}", self.log());
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ports that nobody listens on. They lie below those that the system gives to clients, so that no
/// connection of another test takes one while a node is down, and each test process looks elsewhere
/// first.
fn free_ports() -> [u16; 5] {
    [(); 5].map(|()| free_port())
}

/// One of them.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(50);
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(next < COUNT, "every port is taken");
        let port = FIRST + start.wrapping_add(next) % COUNT;
        let port = u16::try_from(port).expect("the range ends below the highest port");
        if is_free(port) {
            return port;
        }
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// What a node says, while it says it.
struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

fn spawn(
    wrapper: &[String],
    data: &Path,
    ports: [u16; 5],
    settings: &[(String, String)],
) -> (Child, Log) {
    let mut words = wrapper.iter().map(String::as_str).chain([PROGRAM, "serve"]);
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).arg("--data-dir").arg(data).arg("--port").arg(ports[0].to_string());
    let services = ["WAITLIST", "INVITES", "REFERRALS", "QUALITY"];
    for (service, port) in services.iter().zip(&ports[1..]) {
        command.env(format!("VOBEE_SERVER__PORTS__{service}"), port.to_string());
    }
    // What a test sees must not depend on what else this machine does.
    for line in ["WARNING", "CRITICAL"] {
        command.env(format!("VOBEE_QUALITY__THRESHOLDS__LOAD__{line}"), "1");
    }
    command.envs(settings.iter().map(|(key, value)| (key, value)));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the node starts");
    let text = Arc::new(Mutex::new(Vec::new()));
    let mut said = BufReader::new(child.stderr.take().expect("stderr is a pipe"));
    let kept = Arc::clone(&text);
    let reader = std::thread::spawn(move || {
        let mut line = Vec::new();
        while said.by_ref().read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            kept.lock().expect("nobody panics with the log").append(&mut line);
        }
    });
    (child, Log { text, reader: Some(reader) })
}
