//! The journal over sled: one owner appends, readers scan beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::frame::{self, Assembler, HEADER_BYTES, Header, PAYLOAD_BYTES_MAX};
use crate::journal::{Appended, Journal, Reader};
use crate::record::{RECORD_BYTES_MAX, RecordView};
use crate::recovery::{self, Walked};
use crate::store::Store;
use crate::watermark::{Found, Watermark, WatermarkFile};
use crate::{Batch, DataLock, Error, chain, files};

const JOURNAL: &str = "journal";
const EPOCH_DIGITS: usize = 16;
const EPOCH_FIRST: u64 = 1;

/// What opening needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data directory. It is created, for the owner only, if it is not there.
    pub dir: PathBuf,
    /// What sled may keep in memory.
    pub cache_bytes: u64,
    /// Go on without acknowledged records that are missing, and without everything behind them.
    pub accept_loss: bool,
}

/// What opening found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The number that the next record gets.
    pub next_seq: u64,
    /// Records in the journal.
    pub records: u64,
    /// Frames in the journal.
    pub frames: u64,
    /// Frames that were cut off behind the journal.
    pub cut: u64,
    /// The hash chain after the last record.
    pub chain: [u8; 32],
    /// How long opening took.
    pub micros: u64,
    /// Whether there was no journal before.
    pub fresh: bool,
}

/// The journal in a data directory, which it owns until the last reader is gone too.
pub struct SledJournal {
    shared: Arc<Shared>,
    watermark: WatermarkFile,
    chain: [u8; 32],
    /// Why nothing more may be written. Set while a commit runs, so that one that panics counts.
    stopped: Option<String>,
    frame: Vec<u8>,
}

/// What a journal and its readers hold together. The store goes before the lock.
struct Shared {
    store: Store,
    /// One more than the last durable record.
    next_seq: AtomicU64,
    _lock: DataLock,
}

impl SledJournal {
    /// Takes the data directory, checks every frame in it, cuts off a torn tail and makes what is
    /// left durable.
    ///
    /// # Errors
    /// [`Error::InUse`]; [`Error::Damaged`] unless `accept_loss`; [`Error::Newer`];
    /// [`Error::Store`] and [`Error::Io`].
    pub fn open(options: Options) -> Result<(SledJournal, Recovered), Error> {
        let began = Instant::now();
        let dir = &options.dir;
        let lock = DataLock::acquire(dir)?;
        let epoch = newest_epoch(dir)?;
        let found = WatermarkFile::read(dir)?;
        let path = epoch_path(dir, epoch.unwrap_or(EPOCH_FIRST));
        let store = Store::open(&path, options.cache_bytes)?;
        let mut walked = recovery::walk(store.db(), found)?;
        accept_or_refuse(&mut walked, options.accept_loss)?;
        let cut = cut_tail(&store, &walked)?;
        if epoch.is_some() && walked.next_seq > 1 {
            warn_without_watermark(found);
        }
        let mut watermark = WatermarkFile::open(dir)?;
        watermark.write(&Watermark { seq: walked.next_seq - 1, chain: walked.chain })?;
        watermark.sync()?;
        let recovered = Recovered {
            next_seq: walked.next_seq,
            records: walked.next_seq - 1,
            frames: walked.frames,
            cut,
            chain: walked.chain,
            micros: micros_since(began),
            fresh: epoch.is_none(),
        };
        let next_seq = AtomicU64::new(walked.next_seq);
        let shared = Arc::new(Shared { store, next_seq, _lock: lock });
        let chain = walked.chain;
        let journal = SledJournal { shared, watermark, chain, stopped: None, frame: Vec::new() };
        Ok((journal, recovered))
    }

    /// Frames, store and disk, in this order. Whatever fails here leaves the fate of the batch
    /// unknown.
    fn commit(&mut self, batch: &Batch) -> Result<Appended, Error> {
        let mut appended =
            Appended { next_seq: self.next_seq(), frames: 0, bytes: 0, sync_micros: 0 };
        let mut records = batch.ends();
        let mut start = 0;
        while let Some(count) = packed(records, start) {
            let end = records[count - 1];
            self.insert(&batch.bytes()[start..end], count, &mut appended)?;
            records = &records[count..];
            start = end;
        }
        let began = Instant::now();
        self.shared.store.commit()?;
        appended.sync_micros = micros_since(began);
        self.watermark.write(&Watermark { seq: appended.next_seq - 1, chain: self.chain })?;
        Ok(appended)
    }

    /// One frame, or all the parts of a record that is too large for one.
    fn insert(&mut self, payload: &[u8], count: usize, done: &mut Appended) -> Result<(), Error> {
        let first_seq = done.next_seq;
        let count = u32::try_from(count).expect("a frame holds far fewer than 2^32 records");
        let chain = chain::next(&self.chain, first_seq, count, payload)
            .expect("a batch holds well formed records");
        let parts = payload.len().div_ceil(PAYLOAD_BYTES_MAX);
        let parts = u16::try_from(parts).expect("the largest record has fewer than 2^16 parts");
        for (part, payload) in (0..parts).zip(payload.chunks(PAYLOAD_BYTES_MAX)) {
            let header = Header { part, parts, count, first_seq, chain };
            frame::encode(&header, payload, &mut self.frame);
            self.shared.store.insert(&frame::key(first_seq, part), &self.frame)?;
            done.frames += 1;
            done.bytes += (HEADER_BYTES + payload.len()) as u64;
        }
        self.chain = chain;
        done.next_seq += u64::from(count);
        Ok(())
    }
}

impl Journal for SledJournal {
    fn append(&mut self, expected: u64, batch: &Batch) -> Result<Appended, Error> {
        if let Some(reason) = &self.stopped {
            return Err(Error::Stopped { reason: reason.clone() });
        }
        let next_seq = self.next_seq();
        if expected != next_seq {
            return Err(Error::Unexpected { expected, found: next_seq });
        }
        if let Some(bytes) = too_large(batch.ends()) {
            return Err(Error::TooLarge { bytes, bytes_max: RECORD_BYTES_MAX });
        }
        if batch.is_empty() {
            return Ok(Appended { next_seq, frames: 0, bytes: 0, sync_micros: 0 });
        }
        self.stopped = Some("a commit did not come to its end".to_owned());
        let committed = self.commit(batch);
        self.stopped = committed.as_ref().err().map(ToString::to_string);
        if let Ok(appended) = &committed {
            self.shared.next_seq.store(appended.next_seq, Ordering::Release);
        }
        committed
    }

    fn next_seq(&self) -> u64 {
        self.shared.next_seq.load(Ordering::Acquire)
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(SledReader { shared: Arc::clone(&self.shared) })
    }
}

impl Drop for SledJournal {
    fn drop(&mut self) {
        // Only a stale watermark is at stake, and the journal behind it is durable.
        if let Err(error) = self.watermark.sync() {
            tracing::warn!(%error, "cannot sync the watermark at the end");
        }
    }
}

struct SledReader {
    shared: Arc<Shared>,
}

impl Reader for SledReader {
    fn scan(&self, from: u64, to: u64, visit: &mut dyn FnMut(RecordView<'_>)) -> Result<(), Error> {
        let to = to.min(self.shared.next_seq.load(Ordering::Acquire));
        let mut seq = from.max(1);
        if seq >= to {
            return Ok(());
        }
        let db = self.shared.store.db();
        // The frame that holds `from` starts at or before it, and so does its first part.
        let start = db.range(..=frame::key(seq, u16::MAX)).next_back().transpose()?;
        let start = start.and_then(|(key, _)| frame::parse_key(&key)).map_or(seq, |key| key.0);
        let mut parts = Assembler::default();
        for item in db.range(frame::key(start, 0)..) {
            let (key, value) = item?;
            let whole = match parts.push(&key, &value) {
                Ok(Some(whole)) => whole,
                Ok(None) => continue,
                Err(flaw) => return Err(damaged(seq, to, &flaw.refuse_newer()?)),
            };
            if whole.header.first_seq > seq {
                return Err(damaged(seq, whole.header.first_seq, &frame::Flaw::Order));
            }
            let mut rest = whole.payload;
            for at in (whole.header.first_seq..).take(whole.header.count as usize) {
                let Some(record) = RecordView::take(at, &mut rest) else {
                    return Err(damaged(seq, to, &frame::Flaw::Records));
                };
                if at == seq {
                    visit(record);
                    seq += 1;
                }
                if seq == to {
                    return Ok(());
                }
            }
        }
        Err(damaged(seq, to, &frame::Flaw::Order))
    }

    fn box_clone(&self) -> Box<dyn Reader> {
        Box::new(SledReader { shared: Arc::clone(&self.shared) })
    }
}

fn damaged(from: u64, to: u64, flaw: &frame::Flaw) -> Error {
    Error::Damaged { missing_from: from, missing_to: to - 1, what: flaw.to_string() }
}

/// How many of the records that end at `ends` go into the next frame: as many as fit, and at
/// least one. `None` when there are no more.
fn packed(ends: &[usize], start: usize) -> Option<usize> {
    if ends.is_empty() {
        return None;
    }
    let fit = ends.partition_point(|end| end - start <= PAYLOAD_BYTES_MAX);
    Some(fit.max(1))
}

fn too_large(ends: &[usize]) -> Option<usize> {
    let starts = std::iter::once(&0).chain(ends);
    let mut sizes = ends.iter().zip(starts).map(|(end, start)| end - start);
    sizes.find(|bytes| *bytes > RECORD_BYTES_MAX)
}

fn accept_or_refuse(walked: &mut Walked, accept_loss: bool) -> Result<(), Error> {
    let Some(damage) = walked.damage.take() else {
        return Ok(());
    };
    let damage = Error::from(damage);
    if !accept_loss {
        return Err(damage);
    }
    tracing::warn!(%damage, "going on without the missing records, as asked");
    Ok(())
}

fn cut_tail(store: &Store, walked: &Walked) -> Result<u64, Error> {
    let Some(flaw) = walked.flaw else {
        return Ok(0);
    };
    let cut = store.cut_after(walked.last_key.as_deref())?;
    tracing::warn!(frames = cut, after = walked.next_seq - 1, %flaw, "cut off a torn tail");
    Ok(cut)
}

fn warn_without_watermark(found: Found) {
    match found {
        Found::Mark(_) => {}
        Found::Absent => {
            tracing::warn!("the watermark file was gone; a lost tail would not have been noticed");
        }
        Found::Unreadable => {
            tracing::warn!("the watermark was unreadable; a lost tail would not have been noticed");
        }
    }
}

pub(crate) fn newest_epoch(dir: &Path) -> Result<Option<u64>, Error> {
    let journal = dir.join(JOURNAL);
    if !journal.is_dir() {
        return Ok(None);
    }
    let names = files::names(&journal)?;
    let epochs = names.iter().filter(|name| name.len() == EPOCH_DIGITS);
    Ok(epochs.filter_map(|name| name.parse().ok()).max())
}

pub(crate) fn epoch_path(dir: &Path, epoch: u64) -> PathBuf {
    dir.join(JOURNAL).join(format!("{epoch:016}"))
}

fn micros_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}
