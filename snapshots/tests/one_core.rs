//! Where the threads are that carry a batch to the disk. A process of its own: sled's pool is one
//! for the process.

use std::collections::BTreeMap;
use std::{fs, thread};

use snapshots::{Batch, Journal, Options, SledJournal, share_core, use_one_core};

/// The cores that each thread of this process is allowed, by its name.
fn allowed() -> BTreeMap<String, String> {
    let tasks = fs::read_dir("/proc/self/task").expect("the threads of this process");
    let about = tasks.filter_map(|task| {
        let task = task.expect("a thread").path();
        let name = fs::read_to_string(task.join("comm")).ok()?;
        let status = fs::read_to_string(task.join("status")).ok()?;
        let cores = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        Some((name.trim().to_owned(), cores.trim().to_owned()))
    });
    about.collect()
}

fn own() -> String {
    let status = fs::read_to_string("/proc/thread-self/status").expect("the state of this thread");
    let cores = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    cores.expect("the cores it is allowed").trim().to_owned()
}

#[test]
fn the_stores_threads_share_the_last_core_and_whoever_opens_it_goes_on_as_before() {
    let before = own();
    share_core();
    assert_eq!(own(), before, "nothing is shared unasked");
    use_one_core();
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options { dir: dir.path().to_owned(), cache_bytes: 1 << 20, accept_loss: false };
    let (mut journal, _) = SledJournal::open(options).expect("opens");
    assert_eq!(own(), before);
    let mut batch = Batch::default();
    batch.push(b"record", &[]);
    journal.append(1, &batch).expect("appends");
    let last = before.rsplit(['-', ',']).next().expect("one at least").to_owned();
    let pool = allowed().into_iter().filter(|(name, _)| name.starts_with("sled-io-"));
    let pool: Vec<_> = pool.map(|(_, cores)| cores).collect();
    assert!(!pool.is_empty(), "sled has a pool");
    assert!(pool.iter().all(|cores| *cores == last), "{pool:?}");
    let committing = thread::spawn(|| {
        share_core();
        own()
    });
    assert_eq!(committing.join().expect("no panic"), last);
}
