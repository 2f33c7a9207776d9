//! One core for the threads that carry a batch to the disk.
//!
//! For each write sled wakes all seven threads of its pool, of which one has something to do; they
//! wake one another in a chain, and the committing thread waits at its end. Across cores each link
//! interrupts another one; on one core it is a mere switch. Where the system does not allow it,
//! only speed is lost.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Runs `work` on the core of [`share_core`]. Threads that it starts stay there; the caller is
/// afterwards where it was.
pub(crate) fn on_shared_core<T>(work: impl FnOnce() -> T) -> T {
    let before = sched_getaffinity(None);
    share_core();
    let done = work();
    if let Ok(before) = before {
        // A mask that the system has just given; what could fail has failed before.
        let _ = sched_setaffinity(None, &before);
    }
    done
}

/// Keeps the calling thread on the core of sled's threads: the last of those that are allowed,
/// since systems tend to put their own work on the first.
pub fn share_core() {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let last = (0..CpuSet::MAX_CPU).rev().find(|&core| allowed.is_set(core));
    if let Some(last) = last {
        let mut only = CpuSet::new();
        only.set(last);
        let _ = sched_setaffinity(None, &only);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;
    use crate::store::{SledStore, Store as _};

    fn cores() -> Vec<usize> {
        let allowed = sched_getaffinity(None).expect("the system tells");
        (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect()
    }

    #[test]
    fn a_thread_that_is_started_there_stays_and_the_starter_goes_on_as_before() {
        let before = cores();
        let started = on_shared_core(|| thread::spawn(cores).join().expect("no panic"));
        assert_eq!(started, before[before.len() - 1..]);
        assert_eq!(cores(), before);
    }

    #[test]
    fn the_threads_of_the_store_are_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = SledStore::open(&dir.path().join("1"), 1 << 20).expect("opens");
        store.insert(b"key", b"frame").and_then(|()| store.commit()).expect("takes a frame");
        let tasks = fs::read_dir("/proc/self/task").expect("the threads of this process");
        let mut pool = 0;
        for task in tasks.map(|task| task.expect("a thread").path()) {
            // Threads of other tests may end meanwhile.
            let Ok(name) = fs::read_to_string(task.join("comm")) else { continue };
            if name.starts_with("sled-io") {
                let status = fs::read_to_string(task.join("status")).expect("its state");
                let allowed =
                    status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
                let last = cores().pop().map(|core| core.to_string());
                assert_eq!(allowed.map(str::trim), last.as_deref());
                pool += 1;
            }
        }
        assert!(pool > 0, "sled has a pool");
    }

    #[test]
    fn whoever_shares_the_core_is_on_the_same_one() {
        let last = cores().pop();
        let shared = thread::spawn(|| {
            share_core();
            cores()
        });
        assert_eq!(shared.join().expect("no panic"), Vec::from_iter(last));
    }
}
