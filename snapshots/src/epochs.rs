//! The epochs of a journal and the snapshots between them.
//!
//! An epoch is a store of its own, small and fresh. A new one begins when the committer says so;
//! the old one is closed then, and nothing is ever written to it again. Once a snapshot of the
//! state at its end is there, the old epoch is only needed in case that snapshot goes bad, so it
//! goes when the next one is there: two snapshots are kept, and every epoch behind the older.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

use crate::archive::{self, Archive, ArchiveWriter, Archived, Link};
use crate::closed::Opened;
use crate::disk::Disk;
use crate::frame::{self, Assembler, Flaw, Whole};
use crate::journal::Reader;
use crate::kept::Needed;
use crate::record::RecordView;
use crate::recovery::Base;
use crate::snapshot::{self, Position, Snapshot};
use crate::store::Store;
use crate::{DataLock, Error, files, layout};

const SNAPSHOTS_KEPT: usize = 2;

/// One store, and where it lies in the journal.
pub(crate) struct Epoch {
    pub(crate) number: u64,
    pub(crate) first_seq: u64,
    pub(crate) store: Box<dyn Store>,
    /// Bytes of frames that were written to it by this process.
    pub(crate) bytes: AtomicU64,
    /// Where it ended; empty while it is written to.
    pub(crate) end: OnceLock<Position>,
}

/// What a journal, its readers and whoever takes snapshots hold together. Stores go before the
/// lock.
pub(crate) struct Shared {
    dir: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    /// Oldest first; the last is written to.
    pub(crate) epochs: RwLock<Vec<Arc<Epoch>>>,
    /// The store of the next epoch, opened before anybody waits for it.
    prepared: Mutex<Option<Box<dyn Store>>>,
    base: RwLock<Option<Arc<Snapshot>>>,
    /// Those that were it before: whoever reads one goes on after the next is there.
    bases: Mutex<Vec<Weak<Snapshot>>>,
    /// What somebody who reads behind the others has yet to read.
    pub(crate) needed: Mutex<Needed>,
    /// Taken by whoever opens, or removes, a closed epoch that is on disk only.
    pub(crate) opened: Mutex<Opened>,
    /// Where closed epochs end, as far as anybody has asked.
    pub(crate) ends: Mutex<BTreeMap<u64, Base>>,
    /// Held by every moment: what it reads is not removed under it.
    pub(crate) moments: Arc<()>,
    /// One more than the last durable record.
    pub(crate) next_seq: AtomicU64,
    /// None where the directory never had an owner.
    _lock: Option<DataLock>,
}

impl Shared {
    pub(crate) fn new(
        dir: PathBuf,
        disk: Arc<dyn Disk>,
        epochs: Vec<Arc<Epoch>>,
        base: Option<Snapshot>,
        next_seq: u64,
        lock: Option<DataLock>,
    ) -> Shared {
        Shared {
            dir,
            disk,
            epochs: RwLock::new(epochs),
            prepared: Mutex::default(),
            base: RwLock::new(base.map(Arc::new)),
            bases: Mutex::default(),
            needed: Mutex::default(),
            opened: Mutex::default(),
            ends: Mutex::default(),
            moments: Arc::default(),
            next_seq: AtomicU64::new(next_seq),
            _lock: lock,
        }
    }

    /// The epoch that is written to.
    pub(crate) fn active(&self) -> Arc<Epoch> {
        let epochs = self.epochs.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(epochs.last().expect("a journal has an epoch that it writes to"))
    }

    /// Ends the active epoch at `end` and begins the next.
    pub(crate) fn rotate(&self, end: Position) -> Result<Arc<Epoch>, Error> {
        let prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).take();
        let number = end.epoch + 1;
        let store = match prepared {
            Some(store) => store,
            None => self.disk.open_store(number)?,
        };
        let next = Epoch {
            number,
            first_seq: end.seq + 1,
            store,
            bytes: AtomicU64::new(0),
            end: OnceLock::new(),
        };
        let next = Arc::new(next);
        let mut epochs = self.epochs.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(active) = epochs.last() {
            active.end.get_or_init(|| end);
        }
        epochs.push(Arc::clone(&next));
        Ok(next)
    }

    pub(crate) fn open_epochs(&self) -> Vec<Arc<Epoch>> {
        self.epochs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the epochs hold, for whoever decides when to end one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The epoch that is written to.
    pub epoch: u64,
    /// Durable records in epochs that no snapshot covers.
    pub events: u64,
    /// Bytes that this process has written to the active epoch.
    pub bytes: u64,
}

/// Takes care of epochs and snapshots beside the one who writes. Cheap to clone.
#[derive(Clone)]
pub struct Epochs(pub(crate) Arc<Shared>);

impl Epochs {
    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// How much there is since the newest snapshot.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let active = self.0.active();
        let covered = self.base().map_or(0, |base| base.position().seq);
        let newest = self.0.next_seq.load(Ordering::Acquire) - 1;
        Progress {
            epoch: active.number,
            events: newest.saturating_sub(covered),
            bytes: active.bytes.load(Ordering::Relaxed),
        }
    }

    /// Bytes on disk of the epochs that no snapshot covers.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn unsaved_bytes(&self) -> Result<u64, Error> {
        let covered = self.covered();
        let mut bytes = 0;
        for epoch in self.0.open_epochs().iter().filter(|epoch| epoch.number > covered) {
            bytes += files::size(&layout::epoch_path(&self.0.dir, epoch.number))?;
        }
        Ok(bytes)
    }

    /// The newest snapshot.
    #[must_use]
    pub fn base(&self) -> Option<Arc<Snapshot>> {
        self.0.base.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The end of the oldest closed epoch that no snapshot covers.
    #[must_use]
    pub fn uncovered(&self) -> Option<Position> {
        let covered = self.covered();
        let epochs = self.0.open_epochs();
        let mut ends = epochs.iter().filter_map(|epoch| epoch.end.get().copied());
        ends.find(|end| end.epoch > covered)
    }

    /// Opens the store of the next epoch, so that beginning it costs nothing.
    ///
    /// # Errors
    /// [`Error::Store`] and [`Error::Io`]; the journal goes on as it is.
    pub fn prepare(&self) -> Result<(), Error> {
        let mut prepared = self.0.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if prepared.is_none() {
            *prepared = Some(self.0.disk.open_store(self.0.active().number + 1)?);
        }
        Ok(())
    }

    /// Makes a snapshot that was just written the one to start from.
    pub fn adopt(&self, snapshot: Snapshot) {
        let base = Arc::new(snapshot);
        let mut bases = self.0.bases.lock().unwrap_or_else(PoisonError::into_inner);
        let mut current = self.0.base.write().unwrap_or_else(PoisonError::into_inner);
        bases.extend(current.replace(base).as_ref().map(Arc::downgrade));
    }

    /// Whether somebody still reads the snapshot of an epoch, which was the base once.
    fn is_read(&self, epoch: u64) -> bool {
        let mut bases = self.0.bases.lock().unwrap_or_else(PoisonError::into_inner);
        bases.retain(|base| base.strong_count() > 0);
        bases.iter().filter_map(Weak::upgrade).any(|base| base.position().epoch == epoch)
    }

    fn covered(&self) -> u64 {
        self.base().map_or(0, |base| base.position().epoch)
    }

    /// The epochs on disk that a snapshot covers and that are not in the archive, oldest first.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Store`].
    pub fn unarchived(&self) -> Result<Vec<u64>, Error> {
        let covered = self.covered();
        let mut unarchived = Vec::new();
        for epoch in self.0.disk.epochs()? {
            if epoch <= covered && !self.is_archived(epoch)? {
                unarchived.push(epoch);
            }
        }
        Ok(unarchived)
    }

    /// Whether the archive has the very records of a closed epoch. A file of that name alone says
    /// nothing: a node that was restored, or went on without its last records, may find the archive
    /// of what came otherwise. One that cannot be read is none either, while the epoch is here.
    fn is_archived(&self, epoch: u64) -> Result<bool, Error> {
        let path = layout::archive_path(&self.0.dir, epoch);
        if !path.exists() {
            return Ok(false);
        }
        let archive = match Archive::open(&path) {
            Ok(archive) => archive,
            Err(error) if error.is_unreadable() => return Ok(false),
            Err(error) => return Err(error),
        };
        let from = Base { next_seq: archive.first_seq(), chain: archive.chain_before() };
        let to = Base { next_seq: archive.next_seq(), chain: archive.chain() };
        let begins_there = self.beginning(epoch)?.is_none_or(|beginning| beginning == from);
        Ok(begins_there && self.end(epoch)?.unwrap_or(from) == to)
    }

    /// Whose personal text is to go, by what lies in the covered epochs from `from` on, and up to
    /// which record. `leaver` reads from the body of a record who has left with it.
    ///
    /// # Errors
    /// [`Error::Damaged`] when an epoch is not whole; [`Error::Store`] and [`Error::Io`].
    pub fn leavers(
        &self,
        from: u64,
        leaver: &dyn Fn(&[u8]) -> Option<u128>,
    ) -> Result<HashMap<u128, u64>, Error> {
        let mut leavers = HashMap::new();
        let covered = self.covered();
        for epoch in self.0.disk.epochs()? {
            if !(from..=covered).contains(&epoch) {
                continue;
            }
            self.links(epoch, &mut |Whole { header, payload }| {
                let mut rest = *payload;
                for seq in (header.first_seq..).take(header.count as usize) {
                    let record = RecordView::take(seq, &mut rest);
                    let record = record.ok_or_else(|| damaged(seq, seq + 1, &Flaw::Records))?;
                    if let Some(owner) = leaver(record.body) {
                        leavers.insert(owner, seq);
                    }
                }
                Ok(())
            })?;
        }
        Ok(leavers)
    }

    /// Copies a closed epoch into the archive, without the personal text that is `gone`. `time`
    /// reads the time of a record from its body. None where nothing says any more what the epoch
    /// follows on: it was kept for a reader while there was no archive, and nothing can be held to
    /// its records, so the archive begins behind it.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the epoch is not whole; [`Error::Store`] and [`Error::Io`].
    pub fn archive(
        &self,
        epoch: u64,
        time: &dyn Fn(&[u8]) -> i64,
        gone: &dyn Fn(u128, u64) -> bool,
    ) -> Result<Option<Archived>, Error> {
        let Some(Base { next_seq, chain }) = self.beginning(epoch)? else {
            tracing::warn!(
                epoch,
                "nothing says what this epoch follows on; the archive has it not"
            );
            return Ok(None);
        };
        files::create_dir(&layout::archive_dir(&self.0.dir))?;
        let target = layout::archive_path(&self.0.dir, epoch);
        if target.exists() && !self.is_archived(epoch)? {
            set_aside(&target)?;
        }
        let mut writer = ArchiveWriter::create(&target, epoch, next_seq, chain)?;
        let mut erased = Vec::new();
        self.links(epoch, &mut |Whole { header, payload }| {
            let (first_seq, count) = (header.first_seq, header.count);
            let malformed = || damaged(first_seq, first_seq + u64::from(count), &Flaw::Records);
            archive::erase_payload(first_seq, count, payload, gone, &mut erased)
                .ok_or_else(malformed)?;
            let newest = newest_body(first_seq, count, &erased).ok_or_else(malformed)?;
            let (chain, time) = (header.chain, time(newest));
            writer.push(&Link { first_seq, count, chain, time, payload: &erased })
        })?;
        // What sled passes over in silence must not be missing in the archive for ever.
        if let Some(end) = self.told_end(epoch)
            && writer.next_seq() != end.next_seq
        {
            return Err(damaged(writer.next_seq(), end.next_seq, &Flaw::Order));
        }
        writer.finish().map(Some)
    }

    /// Removes the archives whose newest record is older than `oldest`, but for those that an epoch
    /// which is still there rests on. One that cannot be read does not keep the others.
    ///
    /// # Errors
    /// As for [`archive::remove_before`].
    pub fn forget(&self, oldest: i64) -> Result<(), Error> {
        let first = self.0.disk.epochs()?.first().copied().unwrap_or(u64::MAX);
        archive::remove_before(&layout::archive_dir(&self.0.dir), oldest, first.saturating_sub(1))
    }

    /// Closes the epochs that the newest snapshot covers, and removes what is no longer needed:
    /// snapshots but the newest two, and the epochs that the older of them covers. With `archived`,
    /// an epoch stays until it is in the archive; without, those stay that somebody needs.
    ///
    /// As long as a [`Moment`](crate::Moment) is held nothing goes, and no snapshot that somebody
    /// reads; then the answer is false.
    ///
    /// # Errors
    /// [`Error::Io`]; whatever is left is removed the next time.
    pub fn retire(&self, archived: bool) -> Result<bool, Error> {
        if Arc::strong_count(&self.0.moments) > 1 {
            return Ok(false);
        }
        let covered = self.covered();
        self.close_up_to(covered);
        let snapshots = layout::snapshots(&self.0.dir)?;
        let Some(older) = snapshots.len().checked_sub(SNAPSHOTS_KEPT) else { return Ok(true) };
        // Before the snapshots: whether an epoch is in the archive is told by where it begins.
        let needed = if archived { u64::MAX } else { self.first_needed(snapshots[older])? };
        let on_disk = self.0.disk.epochs()?;
        for &epoch in on_disk.iter().filter(|&&epoch| epoch <= snapshots[older] && epoch < needed) {
            if !archived || self.is_done_with(epoch, &on_disk)? {
                self.remove(epoch)?;
            }
        }
        let oldest = self.0.disk.epochs()?.first().copied();
        self.forget_ends_before(oldest.unwrap_or(covered));
        self.close_opened();
        let (read, unread): (Vec<_>, Vec<_>) =
            snapshots[..older].iter().partition(|&&epoch| self.is_read(epoch));
        for epoch in unread {
            // The oldest epoch that stays begins at a snapshot or at the end of an archive.
            let archived = layout::archive_path(&self.0.dir, epoch).exists();
            if archived || oldest != Some(epoch + 1) {
                snapshot::remove(&layout::snapshot_path(&self.0.dir, epoch))?;
            }
        }
        // Nobody will want to know any more what was in them.
        for epoch in layout::bad_snapshots(&self.0.dir)? {
            if epoch < snapshots[older] {
                snapshot::remove(&layout::bad_snapshot_path(&self.0.dir, epoch))?;
            }
        }
        Ok(read.is_empty())
    }

    /// Whether the archive needs an epoch no more: it has its records, or cannot take them. Then it
    /// still says what the next one follows on, until the archive has that.
    fn is_done_with(&self, epoch: u64, on_disk: &[u64]) -> Result<bool, Error> {
        if self.is_archived(epoch)? {
            return Ok(true);
        }
        let next = epoch + 1;
        let rests = on_disk.contains(&next) && !self.is_archived(next)?;
        Ok(!rests && self.beginning(epoch)?.is_none())
    }
}

/// Puts an archive that is not that of the epoch of its name under another one. Nothing reads or
/// erases there.
fn set_aside(path: &Path) -> Result<(), Error> {
    let aside = path.with_extension("zst.differs");
    tracing::warn!(
        path = %aside.display(),
        "set aside an archive that has other records than this journal, or cannot be read; what \
         people typed stays in it until it is removed by hand"
    );
    fs::rename(path, &aside).map_err(Error::io("rename", path))?;
    path.parent().map_or(Ok(()), files::sync_dir)
}

/// Reads across epochs.
pub(crate) struct EpochReader(pub(crate) Arc<Shared>);

impl Reader for EpochReader {
    fn scan(&self, from: u64, to: u64, visit: &mut dyn FnMut(RecordView<'_>)) -> Result<(), Error> {
        let to = to.min(self.0.next_seq.load(Ordering::Acquire));
        let mut seq = from.max(1);
        let epochs = self.0.open_epochs();
        for (epoch, next) in epochs.iter().zip(epochs.iter().skip(1).map(Some).chain([None])) {
            let end = next.map_or(to, |next| next.first_seq.min(to));
            if seq >= epoch.first_seq && seq < end {
                scan(epoch.store.as_ref(), seq, end, visit)?;
                seq = end;
            }
        }
        if seq < to { Err(damaged(seq, to, &Flaw::Order)) } else { Ok(()) }
    }

    fn base(&self) -> Option<Arc<Snapshot>> {
        Epochs(Arc::clone(&self.0)).base()
    }

    fn box_clone(&self) -> Box<dyn Reader> {
        Box::new(EpochReader(Arc::clone(&self.0)))
    }
}

/// Visits the records `from..to` of one store, all of which have to be there.
pub(crate) fn scan(
    store: &dyn Store,
    from: u64,
    to: u64,
    visit: &mut dyn FnMut(RecordView<'_>),
) -> Result<(), Error> {
    let mut seq = from;
    // The frame that holds `from` starts at or before it, and so does its first part.
    let start = store.key_up_to(&frame::key(seq, u16::MAX))?;
    let start = start.and_then(|key| frame::parse_key(&key)).map_or(seq, |key| key.0);
    let mut parts = Assembler::default();
    for item in store.frames(&frame::key(start, 0)) {
        let (key, value) = item?;
        let whole = match parts.push(&key, &value) {
            Ok(Some(whole)) => whole,
            Ok(None) => continue,
            Err(flaw) => return Err(damaged(seq, to, &flaw.refuse_newer()?)),
        };
        if whole.header.first_seq > seq {
            return Err(damaged(seq, whole.header.first_seq, &Flaw::Order));
        }
        let mut rest = whole.payload;
        for at in (whole.header.first_seq..).take(whole.header.count as usize) {
            let Some(record) = RecordView::take(at, &mut rest) else {
                return Err(damaged(seq, to, &Flaw::Records));
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
    Err(damaged(seq, to, &Flaw::Order))
}

/// Visits every link of a store, in order.
pub(crate) fn links(
    store: &dyn Store,
    visit: &mut dyn FnMut(&Whole<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut parts = Assembler::default();
    for item in store.frames(&[]) {
        let (key, value) = item?;
        let at = frame::parse_key(&key).map_or(0, |(seq, _)| seq);
        match parts.push(&key, &value) {
            Ok(Some(whole)) => visit(&whole)?,
            Ok(None) => {}
            Err(flaw) => return Err(damaged(at, at + 1, &flaw.refuse_newer()?)),
        }
    }
    Ok(())
}

/// The body of the last record of a payload.
pub(crate) fn newest_body(first_seq: u64, count: u32, payload: &[u8]) -> Option<&[u8]> {
    let mut rest = payload;
    let records = (0..count).map(|_| RecordView::take(first_seq, &mut rest));
    records.last().flatten().map(|record| record.body)
}

pub(crate) fn damaged(from: u64, to: u64, flaw: &Flaw) -> Error {
    Error::Damaged { missing_from: from, missing_to: to - 1, what: flaw.to_string() }
}
