//! sled 0.34.7, used only in the way that survives a power cut.
//!
//! On Linux `flush` calls `sync_file_range`, which neither commits the file's size nor reaches
//! the disk's cache. So a commit here is insert, `flush`, and then `sync_data` on a descriptor of
//! our own; a runway of zeros ahead of the data keeps that sync short. What sled offers beyond that
//! stays unused: `flush_async` deadlocks, and batches and transactions would add what one frame a
//! value already gives.
//!
//! Guards before opening: a process killed while sled wrote its snapshot leaves
//! `snap.*.generating`, and one killed while it created the database half a `conf`; either would
//! lock the database for ever. And sled creates its files and directories without syncing them.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use sled::{Db, IVec};

use crate::runway::Runway;
use crate::{Error, FRAME_BYTES_MAX, affinity, files};

/// sled keeps its own lock a moment longer than its handle, on a thread of its pool.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(2);
const LOCK_RETRY: Duration = Duration::from_millis(2);

/// The end of the name of a database that is being removed.
const REMOVED: &str = "removed";

/// sled's file of parameters, which it does not sync.
const CONF: &str = "conf";

const FLUSH_EVERY_MS: u64 = 5000;

/// A page holds up to 17 frames before it is split, and one that is larger than a quarter of a
/// segment would go to a file of its own, which sled never syncs.
const SEGMENT_BYTES: usize = 1 << 20;
const _: () = assert!(17 * (FRAME_BYTES_MAX + 64) < SEGMENT_BYTES / 4);

/// A frame with its key, as a store gives it.
pub(crate) type Frame = Result<(IVec, IVec), Error>;

/// The frames of one epoch, in the order of their keys.
pub(crate) trait Store: Send + Sync {
    /// Writes one frame into the store's memory; `commit` makes it durable.
    fn insert(&self, key: &[u8], frame: &[u8]) -> Result<(), Error>;
    /// Makes every insert and removal so far durable.
    fn commit(&self) -> Result<(), Error>;
    /// Removes every key after `last_good`, durably, and says how many there were.
    fn cut_after(&self, last_good: Option<&[u8]>) -> Result<u64, Error>;
    /// The frames from the key `from` on.
    fn frames(&self, from: &[u8]) -> Box<dyn Iterator<Item = Frame> + '_>;
    /// The last key that is not above `key`.
    fn key_up_to(&self, key: &[u8]) -> Result<Option<IVec>, Error>;
}

/// One sled database and the descriptor that makes it durable.
pub(crate) struct SledStore {
    db: Db,
    data: File,
    data_path: PathBuf,
    runway: Runway,
}

impl SledStore {
    /// Opens or creates the database at `path` and makes it durable as it is.
    pub(crate) fn open(path: &Path, cache_bytes: u64) -> Result<SledStore, Error> {
        affinity::opening(|| Self::open_here(path, cache_bytes))
    }

    fn open_here(path: &Path, cache_bytes: u64) -> Result<SledStore, Error> {
        let blobs = path.join("blobs");
        files::create_dir(path)?;
        files::create_dir(&blobs)?;
        remove_unfinished_snapshots(path)?;
        remove_unfinished_creation(path)?;
        let db = open_patiently(path, cache_bytes)?;
        let data_path = path.join("db");
        let data = File::open(&data_path).map_err(Error::io("open", &data_path))?;
        let runway = Runway::open(&data_path, SEGMENT_BYTES as u64);
        let runway = runway.map_err(Error::io("open", &data_path))?;
        let store = SledStore { db, data, data_path, runway };
        store.commit()?;
        let conf = path.join(CONF);
        let synced = File::open(&conf).and_then(|conf| conf.sync_all());
        synced.map_err(Error::io("sync", &conf))?;
        files::sync_dir(&blobs)?;
        files::sync_dir(path)?;
        Ok(store)
    }

    /// Removes the database at `path`, which nobody has open.
    pub(crate) fn remove(path: &Path) -> Result<(), Error> {
        // Under another name, so that nobody takes what is half removed for an epoch.
        let gone = path.with_extension(REMOVED);
        fs::rename(path, &gone).map_err(Error::io("rename", path))?;
        path.parent().map_or(Ok(()), files::sync_dir)?;
        finish_removal(&gone)
    }
}

impl Store for SledStore {
    fn insert(&self, key: &[u8], frame: &[u8]) -> Result<(), Error> {
        self.db.insert(key, frame)?;
        Ok(())
    }

    fn commit(&self) -> Result<(), Error> {
        self.db.flush()?;
        // Without the zeros commits are slower; a disk that is full or broken says so by itself.
        let _ = self.runway.extend();
        self.data.sync_data().map_err(Error::io("sync", &self.data_path))
    }

    fn cut_after(&self, last_good: Option<&[u8]>) -> Result<u64, Error> {
        let mut cut = 0;
        // Collected first: the iterator must not walk pages that change under it.
        let keys: Vec<IVec> = match last_good {
            Some(key) => self.db.range(after(key)..).keys().collect::<Result<_, _>>()?,
            None => self.db.iter().keys().collect::<Result<_, _>>()?,
        };
        for key in keys {
            self.db.remove(key)?;
            cut += 1;
        }
        if cut > 0 {
            self.commit()?;
        }
        Ok(cut)
    }

    fn frames(&self, from: &[u8]) -> Box<dyn Iterator<Item = Frame> + '_> {
        Box::new(self.db.range(from..).map(|frame| frame.map_err(Error::from)))
    }

    fn key_up_to(&self, key: &[u8]) -> Result<Option<IVec>, Error> {
        let last = self.db.range(..=key).next_back().transpose()?;
        Ok(last.map(|(key, _)| key))
    }
}

/// The least key above `key`.
fn after(key: &[u8]) -> Vec<u8> {
    let mut after = key.to_vec();
    after.push(0);
    after
}

/// Finishes the removals in a directory of databases that were cut short.
pub(crate) fn finish_removals(dir: &Path) -> Result<(), Error> {
    if !dir.is_dir() {
        return Ok(());
    }
    let paths = files::names(dir)?.into_iter().map(|name| dir.join(name));
    let removed = |path: &PathBuf| path.extension().is_some_and(|end| end == REMOVED);
    paths.filter(removed).try_for_each(|path| finish_removal(&path))
}

fn finish_removal(path: &Path) -> Result<(), Error> {
    let data = path.join("db");
    if data.exists() {
        files::shrink_away(&data)?;
    }
    fs::remove_dir_all(path).map_err(Error::io("remove", path))
}

fn remove_unfinished_snapshots(path: &Path) -> Result<(), Error> {
    for name in files::names(path)? {
        if is_unfinished_snapshot(&name) {
            let unfinished = path.join(name);
            fs::remove_file(&unfinished).map_err(Error::io("remove", &unfinished))?;
        }
    }
    Ok(())
}

/// sled writes its parameters piece by piece and then creates the data. While there is no data,
/// nothing rests on them, and half of them would lock the database for ever.
fn remove_unfinished_creation(path: &Path) -> Result<(), Error> {
    let (data, conf) = (path.join("db"), path.join(CONF));
    let begun = fs::metadata(&data).is_ok_and(|about| about.len() > 0);
    if !begun && conf.exists() {
        fs::remove_file(&conf).map_err(Error::io("remove", &conf))?;
    }
    Ok(())
}

/// Whether sled died while it wrote this file.
pub(crate) fn is_unfinished_snapshot(name: &str) -> bool {
    name.starts_with("snap.") && name.ends_with(".generating")
}

fn open_patiently(path: &Path, cache_bytes: u64) -> Result<Db, Error> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(cache_bytes)
        .flush_every_ms(Some(FLUSH_EVERY_MS))
        .segment_size(SEGMENT_BYTES)
        .use_compression(false);
    let began = Instant::now();
    loop {
        match surviving(|| config.open().map_err(Error::from)) {
            Ok(db) => return Ok(db),
            // The data directory is ours, so whoever holds this lock is a predecessor in this
            // process that is about to let go.
            Err(error) if is_locked(&error) && began.elapsed() < LOCK_WAIT_MAX => {
                thread::sleep(LOCK_RETRY);
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_locked(error: &Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// Turns a panic of sled's, which some damage to its files brings about, into an error.
pub(crate) fn surviving<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let what = "sled panicked over its files, which are damaged; restore a backup";
        Err(Error::Store(what.to_owned()))
    })
}
