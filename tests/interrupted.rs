//! Commands that a signal ends half way: nothing half done is left, and the status says so.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use crate::support::{PROGRAM, Server};

const SIGNALS: [&str; 2] = ["INT", "TERM"];
const INTERRUPTED: Option<i32> = Some(130);
const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// More than is verified while a test looks once.
const LARGE_BYTES: u64 = 256 << 20;

/// A command under way, killed when it goes out of scope.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self(command.spawn().expect("the program runs"))
    }

    /// Waits until something in a directory has a name that begins so.
    pub(crate) fn wait_for(&mut self, dir: &Path, beginning: &str) {
        let is_there = || names(dir).iter().any(|name| name.starts_with(beginning));
        let deadline = Instant::now() + PATIENCE;
        while !is_there() {
            let ended = self.0.try_wait().expect("a child process");
            assert!(ended.is_none(), "{}", self.said());
            assert!(Instant::now() < deadline, "no {beginning} comes");
            thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// Asks it to end, and looks whether it says how it did.
    pub(crate) fn interrupt(mut self, signal: &str) {
        self.send(signal);
        let (ended, said) = (self.end(), self.said());
        assert_eq!(ended.code(), INTERRUPTED, "SIG{signal}: {ended} {said}");
        assert!(said.contains("nothing half done is left"), "{said}");
    }

    fn send(&self, signal: &str) {
        let (name, pid) = (format!("-{signal}"), self.0.id().to_string());
        let sent = Command::new("kill").args([name, pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.0.try_wait().expect("a child process") {
                Some(status) => return status,
                None => assert!(Instant::now() < deadline, "it goes on"),
            }
            thread::sleep(BETWEEN_LOOKS);
        }
    }

    fn said(&mut self) -> String {
        let mut said = String::new();
        let mut stderr = self.0.stderr.take().expect("stderr is a pipe");
        stderr.read_to_string(&mut said).expect("text");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a list").map(|entry| entry.expect("one").file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().expect("plain")).collect();
    names.sort();
    names
}

fn vobee(words: &[&str], data: &Path) -> Running {
    Running::start(Command::new(PROGRAM).args(words).arg("--data-dir").arg(data))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary directories have plain names")
}

/// A data directory with a journal that takes a while to copy.
fn slow_to_copy() -> Server {
    let mut server = Server::start();
    assert!(server.stop().success());
    let ballast = File::create(server.data().join("journal/0000000000000001/ballast"));
    let written = io::copy(&mut io::repeat(0).take(LARGE_BYTES), &mut ballast.expect("room"));
    assert_eq!(written.expect("room"), LARGE_BYTES);
    server
}

#[test]
fn commands_that_read_a_copy_of_the_journal_leave_no_copy_when_they_are_ended() {
    let server = slow_to_copy();
    let policy = server.data().join("policy.toml");
    fs::write(&policy, "").expect("room");
    for words in [&["verify"][..], &["simulate", "--policy", text(&policy)]] {
        for signal in SIGNALS {
            let room = TempDir::new().expect("a directory");
            let mut command = Command::new(PROGRAM);
            command.args(words).arg("--data-dir").arg(server.data());
            let mut reading = Running::start(command.env("TMPDIR", room.path()));
            reading.wait_for(room.path(), "vobee-verify-");
            reading.interrupt(signal);
            assert_eq!(names(room.path()), [""; 0], "{words:?}");
        }
    }
}

#[test]
fn a_second_signal_ends_what_the_first_one_cannot() {
    let mut server = Server::start();
    assert!(server.stop().success());
    let pipe = server.data().join("journal/0000000000000001/pipe");
    // Nobody writes into it, so opening it waits for ever.
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
    let room = TempDir::new().expect("a directory");
    let mut command = Command::new(PROGRAM);
    command.arg("verify").arg("--data-dir").arg(server.data());
    let mut verifying = Running::start(command.env("TMPDIR", room.path()));
    verifying.wait_for(room.path(), "vobee-verify-");
    SIGNALS.into_iter().for_each(|signal| verifying.send(signal));
    assert_eq!(verifying.end().code(), INTERRUPTED);
}

/// The beginning of a backup: what comes before the content of its first file.
fn head(bytes: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path("snapshots/0000000000000001.snap").expect("a name that fits");
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// A pipe, and who writes a backup into it that never comes to the end of its first file.
fn endless(dir: &Path) -> (PathBuf, JoinHandle<()>) {
    let path = dir.join("endless");
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
    let pipe = path.clone();
    let feeding = thread::spawn(move || {
        let mut pipe = File::options().write(true).open(pipe).expect("somebody reads");
        pipe.write_all(&head(1 << 40)).expect("a pipe has room for that");
        // Until its reader is gone.
        let end = io::copy(&mut io::repeat(0), &mut pipe).expect_err("a pipe has no end");
        assert_eq!(end.kind(), io::ErrorKind::BrokenPipe);
    });
    (path, feeding)
}

#[test]
fn a_backup_ended_while_it_is_copied_leaves_nothing() {
    let server = Server::start();
    let node = format!("127.0.0.1:{}", server.port());
    server.freeze();
    for signal in SIGNALS {
        let dir = TempDir::new().expect("a directory");
        let file = dir.path().join("a.vobee");
        let create = ["backup", "create", text(&file), "--node", &node];
        let mut backup = vobee(&create, server.data());
        backup.wait_for(dir.path(), "a.vobee.part");
        backup.interrupt(signal);
        assert_eq!(names(dir.path()), [""; 0]);
    }
}

/// Answers each connection with the beginning of a large backup.
fn large() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().map(|stream| stream.expect("a connection")) {
            let mut lines = BufReader::new(&stream).lines();
            while !lines.next().expect("a request").expect("text").is_empty() {}
            let head = head(LARGE_BYTES);
            let length = LARGE_BYTES + head.len() as u64;
            write!(&stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").expect("sent");
            (&stream).write_all(&head).expect("sent");
            io::copy(&mut io::repeat(0).take(LARGE_BYTES), &mut &stream).expect("sent");
        }
    });
    address
}

#[test]
fn a_backup_ended_while_it_is_verified_leaves_nothing() {
    let node = large().to_string();
    for signal in SIGNALS {
        let dir = TempDir::new().expect("a directory");
        let file = dir.path().join("a.vobee");
        let create = ["backup", "create", text(&file), "--node", &node];
        let mut backup = vobee(&create, &dir.path().join("none"));
        backup.wait_for(dir.path(), ".vobee-verify-");
        backup.interrupt(signal);
        assert_eq!(names(dir.path()), [""; 0]);
    }
}

#[test]
fn a_verification_that_is_ended_leaves_nothing() {
    for signal in SIGNALS {
        let dir = TempDir::new().expect("a directory");
        let (pipe, feeding) = endless(dir.path());
        let verify = ["backup", "verify", text(&pipe)];
        let mut verifying = vobee(&verify, &dir.path().join("none"));
        verifying.wait_for(dir.path(), ".vobee-verify-");
        verifying.interrupt(signal);
        feeding.join().expect("the pipe is fed to the end");
        assert_eq!(names(dir.path()), ["endless"]);
    }
}

#[test]
fn a_restore_that_is_ended_leaves_its_directory_as_it_was() {
    for signal in SIGNALS {
        for is_there in [false, true] {
            let dir = TempDir::new().expect("a directory");
            let target = dir.path().join("data");
            if is_there {
                fs::create_dir(&target).expect("room");
            }
            let before = names(dir.path());
            let (pipe, feeding) = endless(dir.path());
            let mut restoring = vobee(&["restore", text(&pipe)], &target);
            let around = if is_there { &target } else { dir.path() };
            restoring.wait_for(around, ".vobee-restore-");
            restoring.interrupt(signal);
            feeding.join().expect("the pipe is fed to the end");
            fs::remove_file(pipe).expect("the pipe is there");
            assert_eq!(names(dir.path()), before);
            assert!(!is_there || names(&target).is_empty());
        }
    }
}
