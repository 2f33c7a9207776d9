//! One core for the threads that carry a batch to the disk.
//!
//! For each write sled wakes all seven threads of its pool, of which one has something to do; they
//! wake one another in a chain, and the committing thread waits at its end. Across cores each link
//! interrupts another one; on one core it is a mere switch. Where the system does not allow it,
//! only speed is lost.
//!
//! sled's pool is one for the process and starts with the first database. So this is settled once
//! for the process too, before the first journal is opened.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

static WANTED: AtomicBool = AtomicBool::new(false);
static STARTED: AtomicBool = AtomicBool::new(false);

/// From now on sled's threads, if they have not been started yet, and whoever calls [`share_core`]
/// stay on one core: the last of those that the process is allowed, since systems tend to put their
/// own work on the first.
pub fn use_one_core() {
    WANTED.store(true, Ordering::Relaxed);
}

/// Keeps the calling thread on that core, if there is to be one.
pub fn share_core() {
    if !WANTED.load(Ordering::Relaxed) {
        return;
    }
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let last = (0..CpuSet::MAX_CPU).rev().find(|&core| allowed.is_set(core));
    if let Some(last) = last {
        let mut only = CpuSet::new();
        only.set(last);
        let _ = sched_setaffinity(None, &only);
    }
}

/// Opens a database of sled's, the first one on that core: threads stay where they were started.
pub(crate) fn opening<T, E>(open: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    if STARTED.load(Ordering::Relaxed) {
        return open();
    }
    let _caller = Returning(sched_getaffinity(None).ok());
    share_core();
    let opened = open();
    STARTED.fetch_or(opened.is_ok(), Ordering::Relaxed);
    opened
}

/// Puts the thread back to where it was.
struct Returning(Option<CpuSet>);

impl Drop for Returning {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = sched_setaffinity(None, before);
        }
    }
}
