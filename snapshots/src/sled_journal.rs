//! The journal over sled: one owner appends, readers scan beside it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::disk::{Disk, Files};
use crate::epochs::{Epoch, EpochReader, Epochs, Shared};
use crate::frame::{self, HEADER_BYTES, Header, PAYLOAD_BYTES_MAX};
use crate::journal::{Appended, Journal, Reader};
use crate::record::RECORD_BYTES_MAX;
use crate::recovery::{Base, Extent, Walk, Walked};
use crate::snapshot::{self, Position, Snapshot};
use crate::store::{self, Store};
use crate::watermark::{Found, Watermark, WatermarkFile};
use crate::{Batch, DataLock, Error, archive, chain, layout};

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
    /// Records since the beginning.
    pub records: u64,
    /// The last record that the snapshot covers; 0 without one.
    pub snapshot_seq: u64,
    /// Frames behind the snapshot.
    pub frames: u64,
    /// Frames that were cut off behind the journal.
    pub cut: u64,
    /// The acknowledged records that are gone for good, first and last, where that was accepted.
    pub lost: Option<(u64, u64)>,
    /// Snapshots that were damaged and have been set aside.
    pub set_aside: Vec<PathBuf>,
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
    active: Arc<Epoch>,
    watermark: WatermarkFile,
    chain: [u8; 32],
    /// Why nothing more may be written. Set while a commit runs, so that one that panics counts.
    stopped: Option<String>,
    frame: Vec<u8>,
}

impl SledJournal {
    /// Takes the data directory, finds the newest good snapshot, checks every frame behind it, cuts
    /// off a torn tail and makes what is left durable.
    ///
    /// # Errors
    /// [`Error::InUse`]; [`Error::Damaged`] unless `accept_loss`; [`Error::Newer`];
    /// [`Error::Store`] and [`Error::Io`].
    pub fn open(options: Options) -> Result<(SledJournal, Recovered), Error> {
        let disk = Files { dir: options.dir.clone(), cache_bytes: options.cache_bytes };
        Self::open_on(Arc::new(disk), options)
    }

    /// As [`open`](Self::open), with frames and watermark on `disk`.
    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        options: Options,
    ) -> Result<(SledJournal, Recovered), Error> {
        let began = Instant::now();
        let dir = &options.dir;
        let lock = DataLock::acquire(dir)?;
        archive::remove_unfinished(&layout::archive_dir(dir))?;
        snapshot::remove_unfinished(dir)?;
        store::finish_removals(&layout::journal_dir(dir))?;
        let (snapshot, damaged) = newest_snapshot(dir)?;
        let position = snapshot.as_ref().map(Snapshot::position);
        let found = WatermarkFile::read(disk.as_ref())?;
        let (numbers, fresh) = epochs_behind(disk.epochs()?, position);
        let stores = numbers.iter().map(|&epoch| disk.open_store(epoch));
        let stores = stores.collect::<Result<Vec<_>, _>>()?;
        let mut walked = walk(&stores, position, found)?;
        let lost = accept_or_refuse(&mut walked, options.accept_loss)?;
        // Not before: a start that is refused leaves everything as it is.
        let set_aside = set_aside(dir, damaged)?;
        let cut = cut_tail(&stores, &walked)?;
        if !fresh && walked.next_seq > 1 {
            warn_without_watermark(found);
        }
        let mut watermark = WatermarkFile::open(disk.as_ref())?;
        watermark.write(&Watermark { seq: walked.next_seq - 1, chain: walked.chain })?;
        watermark.sync()?;
        let recovered = Recovered {
            next_seq: walked.next_seq,
            records: walked.next_seq - 1,
            snapshot_seq: position.map_or(0, |position| position.seq),
            frames: walked.frames,
            cut,
            lost,
            set_aside,
            chain: walked.chain,
            micros: micros_since(began),
            fresh,
        };
        let Walked { next_seq, chain, .. } = walked;
        let epochs = epochs(numbers, stores, &walked);
        let dir = options.dir;
        let shared = Shared::new(dir, disk, epochs, snapshot, next_seq, Some(lock));
        let shared = Arc::new(shared);
        let active = shared.active();
        let (stopped, frame) = (None, Vec::new());
        let journal = SledJournal { shared, active, watermark, chain, stopped, frame };
        Ok((journal, recovered))
    }

    /// The way to its epochs and snapshots, for whoever takes care of them.
    #[must_use]
    pub fn epochs(&self) -> Epochs {
        Epochs(Arc::clone(&self.shared))
    }

    /// Frames, store and disk, in this order. Whatever fails here leaves the fate of the batch
    /// unknown.
    fn commit(&mut self, batch: &Batch) -> Result<Appended, Error> {
        let mut appended = self.nothing_appended();
        let mut records = batch.ends();
        let mut start = 0;
        while let Some(count) = packed(records, start) {
            let end = records[count - 1];
            self.insert(&batch.bytes()[start..end], count, &mut appended)?;
            records = &records[count..];
            start = end;
        }
        let began = Instant::now();
        self.active.store.commit()?;
        appended.sync_micros = micros_since(began);
        appended.chain = self.chain;
        self.active.bytes.fetch_add(appended.bytes, Ordering::Relaxed);
        self.watermark.write(&Watermark { seq: appended.next_seq - 1, chain: self.chain })?;
        Ok(appended)
    }

    fn nothing_appended(&self) -> Appended {
        let (chain_before, chain) = (self.chain, self.chain);
        let next_seq = self.next_seq();
        Appended { next_seq, frames: 0, bytes: 0, chain_before, chain, sync_micros: 0 }
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
            self.active.store.insert(&frame::key(first_seq, part), &self.frame)?;
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
            return Ok(self.nothing_appended());
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

    fn rotate(&mut self) -> Result<Position, Error> {
        if let Some(reason) = &self.stopped {
            return Err(Error::Stopped { reason: reason.clone() });
        }
        // What lies in a closed epoch is never cut off, so the watermark must not lag behind it. A
        // sync that has failed says nothing about what a second one would find.
        if let Err(error) = self.watermark.sync() {
            let reason = error.to_string();
            self.stopped = Some(reason.clone());
            return Err(Error::Stopped { reason });
        }
        let (epoch, seq) = (self.active.number, self.next_seq() - 1);
        let end = Position { epoch, seq, chain: self.chain };
        self.active = self.shared.rotate(end)?;
        Ok(end)
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(EpochReader(Arc::clone(&self.shared)))
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

/// The newest snapshot that is whole, and the epochs of newer ones, which are not.
fn newest_snapshot(dir: &Path) -> Result<(Option<Snapshot>, Vec<u64>), Error> {
    let mut damaged = Vec::new();
    for epoch in layout::snapshots(dir)?.into_iter().rev() {
        let path = layout::snapshot_path(dir, epoch);
        match Snapshot::open(&path) {
            Ok(snapshot) if snapshot.position().epoch == epoch => {
                return Ok((Some(snapshot), damaged));
            }
            Err(error) if !error.is_unreadable() => return Err(error),
            Ok(_) | Err(_) => damaged.push(epoch),
        }
    }
    Ok((None, damaged))
}

/// Puts damaged snapshots under another name; those names.
fn set_aside(dir: &Path, damaged: Vec<u64>) -> Result<Vec<PathBuf>, Error> {
    let set_aside = |epoch| {
        let path = layout::snapshot_path(dir, epoch);
        let aside = layout::bad_snapshot_path(dir, epoch);
        tracing::warn!(path = %aside.display(), "set aside a damaged snapshot");
        std::fs::rename(&path, &aside).map_err(Error::io("rename", &path))?;
        Ok(aside)
    };
    damaged.into_iter().map(set_aside).collect()
}

/// The epochs behind the snapshot, and whether there was none at all.
pub(crate) fn epochs_behind(on_disk: Vec<u64>, position: Option<Position>) -> (Vec<u64>, bool) {
    let covered = position.map_or(0, |position| position.epoch);
    let mut numbers = on_disk;
    let fresh = numbers.is_empty() && position.is_none();
    numbers.retain(|&epoch| epoch > covered);
    if numbers.is_empty() {
        numbers.push(covered + 1);
    }
    (numbers, fresh)
}

pub(crate) fn walk(
    stores: &[Box<dyn Store>],
    position: Option<Position>,
    found: Found,
) -> Result<Walked, Error> {
    let base = position.map_or(Base::BEGINNING, Base::from);
    let mut walk = Walk::new(base, found);
    for store in stores {
        store::surviving(|| walk.epoch(store.frames(&[])))?;
    }
    Ok(walk.end())
}

pub(crate) fn epochs(
    numbers: Vec<u64>,
    stores: Vec<Box<dyn Store>>,
    walked: &Walked,
) -> Vec<Arc<Epoch>> {
    let last = stores.len() - 1;
    let places = numbers.into_iter().zip(stores).zip(&walked.epochs).enumerate();
    let epochs = places.map(|(index, ((number, store), extent))| {
        let end = OnceLock::new();
        if index < last {
            let Extent { next_seq, chain, .. } = *extent;
            end.get_or_init(|| Position { epoch: number, seq: next_seq - 1, chain });
        }
        let (first_seq, bytes) = (extent.first_seq, AtomicU64::new(0));
        Arc::new(Epoch { number, first_seq, store, bytes, end })
    });
    epochs.collect()
}

/// The records that are lost for good, if there are any and that is accepted.
fn accept_or_refuse(walked: &mut Walked, accept: bool) -> Result<Option<(u64, u64)>, Error> {
    let Some(damage) = walked.damage.take() else {
        return Ok(None);
    };
    let lost = (walked.next_seq, damage.newest);
    let damage = Error::from(damage);
    if !accept {
        return Err(damage);
    }
    tracing::warn!(%damage, from = lost.0, to = lost.1, "going on without records, as asked");
    Ok(Some(lost))
}

fn cut_tail(stores: &[Box<dyn Store>], walked: &Walked) -> Result<u64, Error> {
    let Some(flaw) = walked.flaw else {
        return Ok(0);
    };
    let mut cut = 0;
    for (store, extent) in stores.iter().zip(&walked.epochs).filter(|(_, extent)| extent.torn) {
        cut += store.cut_after(extent.last_key.as_deref())?;
    }
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

fn micros_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::watermark::{SLOT_BYTES, Slots};

    /// A data directory whose watermark cannot be synced while that is said.
    struct Unsynced {
        files: Files,
        failing: Arc<AtomicBool>,
    }

    struct UnsyncedSlots {
        slots: Box<dyn Slots>,
        failing: Arc<AtomicBool>,
    }

    impl Disk for Unsynced {
        fn epochs(&self) -> Result<Vec<u64>, Error> {
            self.files.epochs()
        }

        fn open_store(&self, epoch: u64) -> Result<Box<dyn Store>, Error> {
            self.files.open_store(epoch)
        }

        fn remove_epoch(&self, epoch: u64) -> Result<(), Error> {
            self.files.remove_epoch(epoch)
        }

        fn look_at_slots(&self) -> Result<Option<Box<dyn Slots>>, Error> {
            self.files.look_at_slots()
        }

        fn open_slots(&self) -> Result<Box<dyn Slots>, Error> {
            let (slots, failing) = (self.files.open_slots()?, Arc::clone(&self.failing));
            Ok(Box::new(UnsyncedSlots { slots, failing }))
        }
    }

    impl Slots for UnsyncedSlots {
        fn read(&self, slot: u64) -> Result<Option<[u8; SLOT_BYTES]>, Error> {
            self.slots.read(slot)
        }

        fn write(&self, slot: u64, bytes: &[u8; SLOT_BYTES]) -> Result<(), Error> {
            self.slots.write(slot, bytes)
        }

        fn sync(&self) -> Result<(), Error> {
            if self.failing.load(Ordering::Relaxed) {
                return Err(Error::Store("the disk is gone".to_owned()));
            }
            self.slots.sync()
        }
    }

    #[test]
    fn a_watermark_that_cannot_be_synced_at_the_end_of_an_epoch_stops_the_journal() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, cache_bytes) = (dir.path().to_path_buf(), 16 << 20);
        let failing = Arc::new(AtomicBool::new(false));
        let files = Files { dir: path.clone(), cache_bytes };
        let disk = Unsynced { files, failing: Arc::clone(&failing) };
        let options = Options { dir: path, cache_bytes, accept_loss: false };
        let opened = SledJournal::open_on(Arc::new(disk), options);
        let (mut journal, _) = opened.expect("the journal opens");
        failing.store(true, Ordering::Relaxed);
        assert!(matches!(journal.rotate(), Err(Error::Stopped { .. })));
        failing.store(false, Ordering::Relaxed);
        assert!(matches!(journal.rotate(), Err(Error::Stopped { .. })), "no second try");
        let mut batch = Batch::default();
        batch.push(b"a record", &[]);
        assert!(matches!(journal.append(1, &batch), Err(Error::Stopped { .. })));
    }
}
