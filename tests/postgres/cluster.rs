//! A PostgreSQL cluster in a temporary directory: its own port, its own socket, never as root.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::free_port;

const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// The account that Debian's packages make.
const ACCOUNT: &str = "postgres";
const DATABASE: &str = "launch";

/// A running cluster, ended when it goes out of scope.
pub(crate) struct Cluster {
    dir: TempDir,
    port: u16,
    programs: PathBuf,
    running: Option<Child>,
}

impl Cluster {
    /// With an empty database.
    pub(crate) fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("vobee-pg-").tempdir().expect("a directory");
        let programs = programs();
        if is_root() {
            chown(dir.path(), Some(account_id("-u")), Some(account_id("-g"))).expect("root may");
        }
        let mut cluster = Self { dir, port: free_port(), programs, running: None };
        let data = cluster.data();
        let data = data.to_str().expect("a plain path");
        run(cluster.command("initdb").args([
            "-D",
            data,
            "-U",
            "vobee",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]));
        cluster.start_again();
        cluster.sql_in("postgres", &format!("CREATE DATABASE {DATABASE}"));
        cluster
    }

    pub(crate) fn start_again(&mut self) {
        let data = self.data();
        let mut command = self.command("postgres");
        command.arg("-D").arg(&data).arg("-p").arg(self.port.to_string());
        command.arg("-k").arg(self.dir.path());
        for setting in ["listen_addresses=127.0.0.1", "max_wal_size=4GB", "fsync=off"] {
            command.arg("-c").arg(setting);
        }
        let log = std::fs::File::options().create(true).append(true).open(self.log());
        let log = log.expect("a file for the log");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let deadline = Instant::now() + PATIENCE;
        // After a kill the old processes are given time to notice.
        let mut child = command.spawn().expect("PostgreSQL starts");
        while !self.answers() {
            if child.try_wait().expect("a child").is_some() {
                child = command.spawn().expect("PostgreSQL starts");
            }
            assert!(Instant::now() < deadline, "PostgreSQL does not start: {}", self.said());
            std::thread::sleep(BETWEEN_LOOKS);
        }
        self.running = Some(child);
    }

    fn answers(&self) -> bool {
        let mut command = Command::new(self.programs.join("pg_isready"));
        let port = self.port.to_string();
        let ready = command.arg("-h").arg(self.dir.path()).args(["-p", &port, "-q"]).status();
        ready.is_ok_and(|status| status.success())
    }

    /// From now on it speaks TLS, with a certificate for `localhost`; the file with that of its
    /// authority.
    pub(crate) fn use_tls(&mut self) -> PathBuf {
        self.stop();
        let dir = self.dir.path().to_owned();
        let openssl = |words: &str| {
            run(Command::new("openssl").args(words.split(' ')).current_dir(&dir));
        };
        std::fs::write(dir.join("names"), "subjectAltName=DNS:localhost").expect("room");
        openssl(
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2",
        );
        openssl("req -newkey rsa:2048 -nodes -keyout key.pem -out csr.pem -subj /CN=localhost");
        openssl(
            "x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names \
             -out cert.pem",
        );
        if is_root() {
            chown(dir.join("key.pem"), Some(account_id("-u")), None).expect("root may");
        }
        let settings = format!(
            "ssl = on\nssl_cert_file = '{0}/cert.pem'\nssl_key_file = '{0}/key.pem'\n",
            dir.display()
        );
        let file = self.data().join("postgresql.auto.conf");
        std::fs::write(file, settings).expect("room for settings");
        self.start_again();
        dir.join("ca.pem")
    }

    /// What is made from now on lies in a directory that is to be made here.
    pub(crate) fn keep_tables_in(&self, dir: &Path) {
        std::fs::create_dir(dir).expect("room for a directory");
        if is_root() {
            chown(dir, Some(account_id("-u")), Some(account_id("-g"))).expect("root may");
        }
        self.run_outside(&format!("CREATE TABLESPACE elsewhere LOCATION '{}'", dir.display()));
        self.run_outside(&format!("ALTER DATABASE {DATABASE} SET default_tablespace = elsewhere"));
    }

    /// The address by name, and what else it says.
    pub(crate) fn url_by_name(&self, query: &str) -> String {
        format!("postgresql://vobee@localhost:{}/{DATABASE}?{query}", self.port)
    }

    /// Ends it in good order, with whoever is connected.
    pub(crate) fn stop(&mut self) {
        self.end("INT");
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.end("KILL");
    }

    fn end(&mut self, signal: &str) {
        let Some(mut child) = self.running.take() else { return };
        if let Some(pid) = self.postmaster() {
            let signal = format!("-{signal}");
            // It may have ended by itself.
            let _ = Command::new("kill").args([&signal, &pid]).status();
        }
        child.wait().expect("a child that ends");
    }

    /// Holds every process of it where it is, until it is told to go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let pid = self.postmaster().expect("it runs");
        let children = run(Command::new("pgrep").args(["-P", &pid]));
        let children = String::from_utf8(children.stdout).expect("numbers");
        // One that has ended by itself meanwhile needs no signal.
        let _ = Command::new("kill").arg(signal).arg(&pid).args(children.lines()).status();
    }

    fn postmaster(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        text.lines().next().map(str::to_owned)
    }

    /// The address of the database.
    pub(crate) fn url(&self) -> String {
        self.url_of("vobee", DATABASE)
    }

    pub(crate) fn url_of(&self, user: &str, database: &str) -> String {
        format!("postgresql://{user}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// A file that holds the address.
    pub(crate) fn url_file(&self) -> String {
        self.url_file_of("vobee")
    }

    pub(crate) fn url_file_of(&self, user: &str) -> String {
        let path = self.dir.path().join(format!("url-of-{user}"));
        std::fs::write(&path, self.url_of(user, DATABASE)).expect("room for an address");
        path.to_str().expect("a plain path").to_owned()
    }

    /// Rows of a query, each as its columns with `|` between them.
    #[track_caller]
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        let text = self.sql_in(DATABASE, sql);
        text.lines().map(str::to_owned).collect()
    }

    /// The only value of a query.
    #[track_caller]
    pub(crate) fn value(&self, sql: &str) -> String {
        self.sql_in(DATABASE, sql).trim().to_owned()
    }

    #[track_caller]
    pub(crate) fn run(&self, sql: &str) {
        self.sql_in(DATABASE, sql);
    }

    /// The same from another database.
    #[track_caller]
    pub(crate) fn run_outside(&self, sql: &str) {
        self.sql_in("postgres", sql);
    }

    /// Keeps everybody from reading a table until what is returned goes out of scope.
    pub(crate) fn lock(&self, table: &str) -> Locked {
        let mut command = self.psql(DATABASE);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut session = command.spawn().expect("psql starts");
        let input = session.stdin.as_mut().expect("stdin is a pipe");
        writeln!(input, "BEGIN; LOCK TABLE {table}; SELECT 'locked';").expect("psql reads");
        let mut said = String::new();
        let output = session.stdout.as_mut().expect("stdout is a pipe");
        BufReader::new(output).read_line(&mut said).expect("psql answers");
        assert_eq!(said, "locked\n");
        Locked(session)
    }

    #[track_caller]
    fn sql_in(&self, database: &str, sql: &str) -> String {
        let mut command = self.psql(database);
        command.args(["-c", sql]);
        String::from_utf8(run(&mut command).stdout).expect("UTF-8")
    }

    fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command.arg("-h").arg(self.dir.path()).args(["-p", &self.port.to_string()]);
        command.args(["-U", "vobee", "-d", database, "-v", "ON_ERROR_STOP=1", "-qAt"]);
        command.env("PGTZ", "UTC");
        command
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// A program of PostgreSQL, as somebody who is not root.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command;
        if is_root() {
            command = Command::new("setpriv");
            command.args(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--clear-groups", "--"]);
            command.arg(program);
        } else {
            command = Command::new(program);
        }
        command.current_dir("/");
        command
    }
}

/// A session that holds a lock.
pub(crate) struct Locked(Child);

impl Drop for Locked {
    fn drop(&mut self) {
        // Its transaction ends with it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end("INT");
    }
}

#[track_caller]
fn run(command: &mut Command) -> Output {
    let output = command.output().expect("it starts; scripts/test installs postgresql");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

/// Where the programs of the newest release lie that is installed.
fn programs() -> PathBuf {
    let releases = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = releases
        .filter_map(|entry| {
            let release = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            programs.join("initdb").exists().then_some((release, programs))
        })
        .collect();
    found.sort();
    let newest = found.pop().map(|(_, programs)| programs);
    newest.unwrap_or_else(|| Path::new("/usr/bin").to_owned())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn account_id(which: &str) -> u32 {
    let output = run(Command::new("id").args([which, ACCOUNT]));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}
