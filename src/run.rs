//! A node from start to stop, in the order that keeps its promises.
//!
//! Start: own the data directory, recover, then listen; whoever gets a connection gets answers.
//! Stop: say so at `/readyz`, then stop listening, let what is under way finish, then commit. The
//! whole of a stop fits into `server.drain_seconds`.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actors::waitlist::Schedule;
use actors::{Engine, Identity, OpenError, Options, Recovery, snapshotter};
use metrics_exporter_prometheus::BuildError;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::backup;
use crate::config::{Config, Server, Storage};
use crate::descriptors;
use crate::disposable;
use crate::http::accept::{self, Limits};
use crate::http::{
    self, Admission, Complaints, DiskGuard, Doorkeeper, Guesses, Node, Proxies, Service,
};
use crate::keys::{self, Keyring};
use crate::load::{self, Meter};
use crate::postgres::{self, Address, AddressError, Export};
use crate::shutdown::Shutdown;
use crate::telemetry::{self, Recorder, StartTime};
use crate::waves;

/// How long `/readyz` says that the node stops before it does, so that a load balancer that looks
/// a few times a second sends nobody new.
const NOTICE: Duration = Duration::from_millis(500);

/// What is kept of the time for stopping, for the notice before the drain and the commit after it.
const RESERVE: Duration = Duration::from_secs(2);

/// The longest that the last commit may take at a stop. It is over in milliseconds or the disk is
/// gone, and what was not committed was not answered either.
const CLOSE_MAX: Duration = Duration::from_millis(1500);

/// What is left for requests in flight once the engine has failed.
const FAILED_MAX: Duration = Duration::from_secs(1);

const UPKEEP: Duration = Duration::from_secs(1);

/// Seconds between two looks for clients that have gone idle.
const FORGET_EVERY: u32 = 10;

/// Why a node did not start, or stopped without being told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Keys are switched off though somebody else could reach the node.
    #[error("server.open needs every listener on loopback, and server.host is {0}")]
    OpenBeyondLoopback(std::net::IpAddr),
    /// The data directory or the keys in it.
    #[error("cannot use the data directory {path}")]
    Directory {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The list of disposable domains.
    #[error("cannot read fraud.disposable_domains, {path}")]
    DisposableDomains {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The journal.
    #[error("cannot open the journal")]
    Open(#[from] OpenError),
    /// A port that is taken, or an address that is not this machine's.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where to.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The address of the database for a copy.
    #[error("cannot export")]
    Postgres(#[from] AddressError),
    /// Another recorder is installed in this process.
    #[error("cannot record metrics")]
    Recorder(#[from] BuildError),
    /// The engine cannot go on; nothing that was answered is lost.
    #[error("{0}")]
    Engine(String),
}

/// Runs a node until `shutdown` resolves, and stops it in good order.
///
/// # Errors
/// When the node cannot start, or when its engine cannot go on.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    let start = StartTime::now();
    telemetry::start_log(&config.log);
    keep_open_within(&config.server)?;
    let recorder = Recorder::install(start)?;
    let export = export(&config)?;
    let (keys, identity) = directory(&config.storage.dir)?;
    let disposable = disposable_domains(&config.fraud.disposable_domains)?;
    let options = options(&config, export.as_ref(), &disposable);
    let (engine, recovery) = open(&config.storage, options, identity).await?;
    sweep(&config.storage.dir)?;
    let listeners = listen(&config.server, config.limits.connections).await?;
    announce(&config, &keys, &listeners, &recovery);

    let limits = limits(&config);
    let drain = Duration::from_secs(config.server.drain_seconds.into());
    let draining = Shutdown::new();
    let export = export.map(|export| postgres::watch(engine.clone(), export)).unzip();
    let node = Arc::new(Node {
        engine: engine.clone(),
        doorkeeper: Doorkeeper {
            keys,
            open: config.server.open,
            metrics_public: config.metrics.public,
        },
        admission: Admission::new(&config.limits),
        guesses: Guesses::new(&config.limits),
        proxies: Proxies::new(config.server.trusted_proxies),
        code_prefix: config.invites.prefix,
        body_bytes_max: usize::try_from(config.limits.body_bytes).unwrap_or(usize::MAX),
        body_time_max: Duration::from_secs(config.server.body_timeout_seconds.into()),
        dir: config.storage.dir,
        disk: DiskGuard::new(config.storage.free_min_bytes),
        connections: Arc::clone(&limits.connections),
        connections_max: limits.connections.available_permits(),
        recorder: recorder.clone(),
        metrics_enabled: config.metrics.enabled,
        start,
        draining: draining.clone(),
        complaints: Complaints::default(),
        export: export.0,
    });
    let stop = Shutdown::new();
    let mut servers = JoinSet::new();
    for (service, listener) in listeners {
        let router = http::router(&node, service);
        servers.spawn(accept::serve(listener, router, limits.clone(), stop.clone()));
    }
    let mut background = background(node, recorder, config.waves.schedule(), export.1);
    background.spawn(disposable.follow());

    let outcome = tokio::select! {
        () = shutdown => Ok(()),
        why = engine.failed() => Err(RunError::Engine(why)),
    };
    let began = tokio::time::Instant::now();
    draining.request();
    if outcome.is_ok() {
        tokio::time::sleep(NOTICE).await;
    }
    stop.request();
    finish(servers, outcome.is_ok()).await;
    if outcome.is_ok() && config.snapshots.at_shutdown {
        snapshot_at_shutdown(&engine, began + drain.saturating_sub(CLOSE_MAX)).await;
    }
    if tokio::time::timeout(CLOSE_MAX, engine.close()).await.is_err() {
        tracing::warn!("gave up waiting for the last commit; nothing in it had been answered");
    }
    outcome
}

/// Lets requests in flight finish. Those of an engine that has failed wait for what does not come,
/// and whatever can still be answered is answered at once.
async fn finish(mut servers: JoinSet<()>, engine_works: bool) {
    let finished = async { while servers.join_next().await.is_some() {} };
    if engine_works {
        finished.await;
    } else if tokio::time::timeout(FAILED_MAX, finished).await.is_err() {
        servers.shutdown().await;
    }
}

/// Whoever reaches a node without keys may do everything.
fn keep_open_within(server: &Server) -> Result<(), RunError> {
    if server.open && !server.host.to_canonical().is_loopback() {
        return Err(RunError::OpenBeyondLoopback(server.host));
    }
    Ok(())
}

/// Writes the state down, so that the next start replays nothing, if that is done in time. If not,
/// nothing is lost: the next start replays what came after the snapshot before.
async fn snapshot_at_shutdown(engine: &Engine, deadline: tokio::time::Instant) {
    if engine.unsaved_events() == 0 {
        return;
    }
    match tokio::time::timeout_at(deadline, engine.snapshot()).await {
        // The engine has logged either.
        Ok(Ok(_) | Err(_)) => {}
        Err(_) => {
            tracing::warn!("no time for a snapshot at this stop; the next start replays more")
        }
    }
}

/// Removes what a backup has left half done.
fn sweep(path: &Path) -> Result<(), RunError> {
    backup::sweep(path).map_err(|source| RunError::Directory { path: path.to_owned(), source })
}

fn directory(path: &Path) -> Result<(Keyring, Identity), RunError> {
    let wrong = |source| RunError::Directory { path: path.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(wrong)?;
    let keys = Keyring::open(path).map_err(wrong)?;
    let secret = keys::identity_secret(path).map_err(wrong)?;
    Ok((keys, Identity::new(&secret)))
}

async fn open(
    storage: &Storage,
    options: Options,
    identity: Identity,
) -> Result<(Engine, Recovery), RunError> {
    if storage.one_core {
        snapshots::use_one_core();
    }
    Ok(Engine::open(options, identity).await?)
}

fn disposable_domains(file: &str) -> Result<disposable::Source, RunError> {
    disposable::Source::open(file)
        .map_err(|source| RunError::DisposableDomains { path: file.into(), source })
}

fn options(config: &Config, export: Option<&Export>, disposable: &disposable::Source) -> Options {
    let kept_bytes = export.map_or(0, |export| export.lag_bytes_max);
    let free_min_bytes = config.storage.free_min_bytes;
    let snapshots = config.snapshots.policy(&config.archive);
    Options {
        dir: config.storage.dir.clone(),
        policies: config.policies(),
        in_flight_max: usize::try_from(config.limits.in_flight).unwrap_or(usize::MAX),
        timeout: Duration::from_secs(config.server.request_timeout_seconds.into()),
        cache_bytes: config.storage.cache_bytes,
        accept_loss: config.storage.accept_loss,
        snapshots: snapshotter::Policy { kept_bytes, free_min_bytes, ..snapshots },
        disposable: disposable.domains.clone(),
        clock: actors::Clock::system(),
    }
}

/// The copy in a database, where one is asked for.
fn export(config: &Config) -> Result<Option<Export>, RunError> {
    let environment = std::env::var("DATABASE_URL").ok();
    let address = Address::configured(&config.postgres, environment.as_deref())?;
    Ok(address.map(|address| Export {
        address,
        code_prefix: config.invites.prefix.clone(),
        lag_bytes_max: config.postgres.lag_max_bytes,
    }))
}

fn limits(config: &Config) -> Limits {
    Limits::new(
        usize::try_from(config.limits.connections).unwrap_or(usize::MAX),
        Duration::from_secs(config.server.header_timeout_seconds.into()),
        Duration::from_secs(config.server.write_timeout_seconds.into()),
        Duration::from_secs(config.server.drain_seconds.into()).saturating_sub(RESERVE),
    )
}

async fn listen(
    server: &Server,
    connections: u32,
) -> Result<Vec<(Service, TcpListener)>, RunError> {
    descriptors::raise(connections);
    let services = [
        (Service::Waitlist, server.ports.waitlist),
        (Service::Invites, server.ports.invites),
        (Service::Referrals, server.ports.referrals),
        (Service::Quality, server.ports.quality),
    ];
    let on = services.into_iter().filter(|(_, port)| *port != 0);
    let mut listeners = Vec::new();
    for (service, port) in [(Service::All, server.port)].into_iter().chain(on) {
        let address = SocketAddr::new(server.host, port);
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| RunError::Listen { address, source })?;
        listeners.push((service, listener));
    }
    Ok(listeners)
}

/// The three lines that a start prints: where to go, with which key, and what is there already.
fn announce(
    config: &Config,
    keys: &Keyring,
    listeners: &[(Service, TcpListener)],
    recovery: &Recovery,
) {
    let mut others = Vec::new();
    for (service, listener) in listeners {
        // A listener that was just bound has an address.
        let Ok(address) = listener.local_addr() else { continue };
        match service {
            Service::All => eprint!("listening on http://{address}"),
            Service::Waitlist | Service::Invites | Service::Referrals | Service::Quality => {
                others.push(format!("{} on {}", service.name(), address.port()));
            }
        }
    }
    match others.as_slice() {
        [] => eprintln!(),
        others => eprintln!(" ({})", others.join(", ")),
    }
    match keys.admin_key() {
        _ if config.server.open => eprintln!("keys are switched off, everybody may do everything"),
        Some(path) => eprintln!("admin key in {}", path.display()),
        None => eprintln!("admin key not kept in clear; `vobee keys create` makes a new one"),
    }
    let dir = config.storage.dir.canonicalize();
    let dir = dir.as_ref().unwrap_or(&config.storage.dir).display();
    let seconds = recovery.took.as_secs_f64();
    let Recovery { events, snapshot_seq, replayed, cut, lost, set_aside, .. } = *recovery;
    eprint!("data in {dir}, {events} events recovered in {seconds:.2} s");
    if snapshot_seq > 0 {
        eprint!(" (snapshot of {snapshot_seq}, {replayed} replayed)");
    }
    eprintln!();
    if cut > 0 {
        eprintln!("cut off {cut} frames behind the journal that were never acknowledged");
    }
    if set_aside > 0 {
        eprintln!("set aside {set_aside} damaged snapshots; the one before was used");
    }
    if let Some((from, to)) = lost {
        eprintln!("events {from} to {to} are gone for good, as accepted with --accept-loss");
    }
    tracing::info!(events, snapshot_seq, replayed, cut, set_aside, seconds, ?lost, "recovered");
}

/// What goes on beside the requests.
fn background(
    node: Arc<Node>,
    recorder: Recorder,
    schedule: Option<Schedule>,
    exporting: Option<impl Future<Output = ()> + Send + 'static>,
) -> JoinSet<()> {
    let mut background = JoinSet::new();
    if let Some(exporting) = exporting {
        background.spawn(exporting);
    }
    background.spawn(recorder.keep_up());
    background.spawn(load::watch(node.engine.clone(), Meter::new(&node.dir)));
    if let Some(schedule) = schedule {
        background.spawn(waves::send(node.engine.clone(), schedule));
    }
    background.spawn(keep_up(node));
    background
}

/// What has to be done every second for as long as the node runs.
async fn keep_up(node: Arc<Node>) {
    let mut tick = tokio::time::interval(UPKEEP);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for count in 1_u32.. {
        tick.tick().await;
        let node = Arc::clone(&node);
        let looked = tokio::task::spawn_blocking(move || {
            node.guard_disk();
            match node.doorkeeper.keys.reload_if_changed() {
                Ok(true) => tracing::info!("read the keys again"),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "cannot read the keys; the old ones count"),
            }
            if count.is_multiple_of(FORGET_EVERY) {
                node.admission.forget_idle();
            }
        });
        // It does not panic; if it did, the hook has said so and the next second is another try.
        let _ = looked.await;
    }
}
