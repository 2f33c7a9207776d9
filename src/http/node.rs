//! What the handlers share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use actors::Engine;
use tokio::sync::Semaphore;

use super::{Admission, Doorkeeper, Guesses, Proxies};
use crate::postgres::Status;
use crate::shutdown::Shutdown;
use crate::telemetry::{Recorder, StartTime};

/// One node's engine and the rules of its edge.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) doorkeeper: Doorkeeper,
    pub(crate) admission: Admission,
    pub(crate) guesses: Guesses,
    pub(crate) proxies: Proxies,
    /// What every invite code starts with.
    pub(crate) code_prefix: String,
    pub(crate) body_bytes_max: usize,
    pub(crate) body_time_max: Duration,
    pub(crate) dir: PathBuf,
    pub(crate) disk: DiskGuard,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) connections_max: usize,
    pub(crate) recorder: Recorder,
    pub(crate) metrics_enabled: bool,
    pub(crate) start: StartTime,
    /// Thrown first of all when the node is to stop, so that nobody new is sent here.
    pub(crate) draining: Shutdown,
    pub(crate) complaints: Complaints,
    /// How the copy in a database does, where there is one.
    pub(crate) export: Option<Status>,
}

impl Node {
    /// Each thing that has to be in order for the node to take writes, and what is wrong with it.
    pub(crate) fn checks(&self) -> [(&'static str, Result<(), String>); 3] {
        let draining = match self.draining.is_requested() {
            false => Ok(()),
            true => Err("the node is stopping".to_owned()),
        };
        [("running", draining), ("journal", self.engine.writable()), ("disk", self.disk())]
    }

    /// Bytes that may still be written to the file system of the data directory.
    pub(crate) fn free_bytes(&self) -> std::io::Result<u64> {
        snapshots::free_bytes(&self.dir)
    }

    fn disk(&self) -> Result<(), String> {
        let free = self.free_bytes().map_err(|error| format!("free space is unknown: {error}"))?;
        let min = self.disk.free_bytes_min;
        if free < min {
            return Err(format!(
                "{free} bytes are free, storage.free_min_bytes is {min}; make room"
            ));
        }
        Ok(())
    }

    /// Refuses writes while the disk is below its reserve, and takes them again when there is room.
    /// A disk that cannot say how full it is is left to the journal, which stops when it fails.
    pub(crate) fn guard_disk(&self) {
        let Ok(free) = self.free_bytes() else { return };
        let low = free < self.disk.free_bytes_min;
        self.engine.hold_writes(low);
        if self.disk.low.swap(low, Ordering::Relaxed) != low {
            let min = self.disk.free_bytes_min;
            if low {
                tracing::error!(free, min, "the disk is almost full: nothing more is written");
            } else {
                tracing::info!(free, min, "there is room on the disk again: writes are taken");
            }
        }
    }
}

/// The reserve of free space on the disk, and whether it has been touched.
pub(crate) struct DiskGuard {
    free_bytes_min: u64,
    low: AtomicBool,
}

impl DiskGuard {
    pub(crate) fn new(free_bytes_min: u64) -> Self {
        Self { free_bytes_min, low: AtomicBool::new(false) }
    }
}

/// Logs that answers failed, at most once a second, so that an outage does not fill the disk.
#[derive(Default)]
pub(crate) struct Complaints {
    last: AtomicI64,
    unsaid: AtomicU64,
}

impl Complaints {
    pub(crate) fn note(&self, route: &'static str, code: &'static str) {
        let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).timestamp();
        let last = self.last.load(Ordering::Relaxed);
        let mine = now != last
            && self.last.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if mine {
            let unsaid = self.unsaid.swap(0, Ordering::Relaxed);
            tracing::warn!(route, code, unsaid, "a request failed");
        } else {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
        }
    }
}
