//! Closed epochs that stay on disk for somebody who reads behind the others, where no archive has
//! their records.

use std::sync::{Arc, PoisonError};

use crate::epochs::{Epochs, Shared};
use crate::record::RecordView;
use crate::{Error, epochs, files, frame, layout};

/// What a reader has yet to read.
#[derive(Debug, Default)]
pub(crate) struct Needed {
    /// The first record; None without such a reader.
    next: Option<u64>,
    /// Bytes of epochs that stay for it, at most.
    bytes_max: u64,
    /// How many want everything gone, whoever needs it.
    released: u32,
}

/// Nothing stays for a reader as long as this lives.
pub struct Released(Arc<Shared>);

impl Drop for Released {
    fn drop(&mut self) {
        self.0.needed.lock().unwrap_or_else(PoisonError::into_inner).released -= 1;
    }
}

impl Epochs {
    /// From now on closed epochs stay that hold records from `next` on, as long as they take no
    /// more than `bytes_max`. None needs nothing.
    pub fn need(&self, next: Option<u64>, bytes_max: u64) {
        let mut needed = self.0.needed.lock().unwrap_or_else(PoisonError::into_inner);
        (needed.next, needed.bytes_max) = (next, bytes_max);
    }

    /// Lets go of what stays for a reader: it has to begin again with a snapshot.
    #[must_use]
    pub fn release(&self) -> Released {
        self.0.needed.lock().unwrap_or_else(PoisonError::into_inner).released += 1;
        Released(Arc::clone(&self.0))
    }

    /// The oldest of the epochs up to `last` that somebody needs.
    pub(crate) fn first_needed(&self, last: u64) -> Result<u64, Error> {
        let (next, bytes_max) = {
            let needed = self.0.needed.lock().unwrap_or_else(PoisonError::into_inner);
            match (needed.next, needed.released) {
                (Some(next), 0) => (next, needed.bytes_max),
                (_, _) => return Ok(u64::MAX),
            }
        };
        let (mut first, mut bytes) = (u64::MAX, 0);
        let epochs = self.0.disk.epochs()?;
        for &epoch in epochs.iter().rev().filter(|epoch| **epoch <= last) {
            bytes += files::size(&layout::epoch_path(self.dir(), epoch))?;
            if bytes > bytes_max {
                break;
            }
            first = epoch;
            let beginning = self.beginning(epoch).ok().flatten();
            if beginning.is_some_and(|beginning| beginning.next_seq <= next) {
                break;
            }
        }
        Ok(first)
    }

    /// Visits the records `from..to` in closed epochs that are still on disk, as far as they go;
    /// none when the first of them is gone.
    ///
    /// # Errors
    /// [`Error::Damaged`]; [`Error::Store`] and [`Error::Io`].
    pub fn scan_kept(
        &self,
        from: u64,
        to: u64,
        visit: &mut dyn FnMut(RecordView<'_>),
    ) -> Result<(), Error> {
        let open = self.0.open_epochs().first().map_or(0, |epoch| epoch.number);
        let mut next = from;
        for epoch in self.0.disk.epochs()?.into_iter().filter(|epoch| *epoch < open) {
            let end = self.end(epoch)?.map_or(0, |end| end.next_seq).min(to);
            if end <= next {
                continue;
            }
            let read = self.in_epoch(epoch, |store| {
                let is_there = store.key_up_to(&frame::key(next, u16::MAX))?.is_some();
                if is_there {
                    epochs::scan(store, next, end, visit).map(|()| end)
                } else {
                    Ok(next)
                }
            })?;
            match read {
                Some(read) if read > next && read < to => next = read,
                // All of it, or what comes next is gone.
                Some(_) | None => break,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use sled::IVec;
    use tempfile::TempDir;

    use super::*;
    use crate::disk::{Disk, Files};
    use crate::store::{Frame, Store};
    use crate::watermark::Slots;
    use crate::{Batch, Journal, Options, SledJournal, SnapshotWriter};

    const CACHE_BYTES: u64 = 16 << 20;
    const EPOCHS: u64 = 4;
    const RECORDS: u64 = 100;

    /// What was asked of a disk.
    #[derive(Default)]
    struct Asked {
        opened: Mutex<BTreeMap<u64, u64>>,
        frames: AtomicU64,
    }

    struct Counting(Files, Arc<Asked>);

    struct CountingStore(Box<dyn Store>, Arc<Asked>);

    impl Disk for Counting {
        fn epochs(&self) -> Result<Vec<u64>, Error> {
            self.0.epochs()
        }

        fn open_store(&self, epoch: u64) -> Result<Box<dyn Store>, Error> {
            *self.1.opened.lock().expect("no panic").entry(epoch).or_default() += 1;
            Ok(Box::new(CountingStore(self.0.open_store(epoch)?, Arc::clone(&self.1))))
        }

        fn remove_epoch(&self, epoch: u64) -> Result<(), Error> {
            self.0.remove_epoch(epoch)
        }

        fn look_at_slots(&self) -> Result<Option<Box<dyn Slots>>, Error> {
            self.0.look_at_slots()
        }

        fn open_slots(&self) -> Result<Box<dyn Slots>, Error> {
            self.0.open_slots()
        }
    }

    impl Store for CountingStore {
        fn insert(&self, key: &[u8], frame: &[u8]) -> Result<(), Error> {
            self.0.insert(key, frame)
        }

        fn commit(&self) -> Result<(), Error> {
            self.0.commit()
        }

        fn cut_after(&self, last_good: Option<&[u8]>) -> Result<u64, Error> {
            self.0.cut_after(last_good)
        }

        fn frames(&self, from: &[u8]) -> Box<dyn Iterator<Item = Frame> + '_> {
            Box::new(self.0.frames(from).inspect(|_| {
                self.1.frames.fetch_add(1, Ordering::Relaxed);
            }))
        }

        fn key_up_to(&self, key: &[u8]) -> Result<Option<IVec>, Error> {
            self.0.key_up_to(key)
        }
    }

    fn open(dir: &Path) -> (SledJournal, Arc<Asked>) {
        let asked = Arc::<Asked>::default();
        let files = Files { dir: dir.to_path_buf(), cache_bytes: CACHE_BYTES };
        let disk = Counting(files, Arc::clone(&asked));
        let options =
            Options { dir: dir.to_path_buf(), cache_bytes: CACHE_BYTES, accept_loss: false };
        let (journal, _) = SledJournal::open_on(Arc::new(disk), options).expect("it opens");
        (journal, asked)
    }

    /// Closed epochs of records each in a frame of its own.
    fn keep(dir: &Path) {
        let (mut journal, _) = open(dir);
        let epochs = journal.epochs();
        epochs.need(Some(1), u64::MAX);
        for _ in 0..EPOCHS {
            for _ in 0..RECORDS {
                let mut batch = Batch::default();
                batch.push(b"a record", &[]);
                journal.append(journal.next_seq(), &batch).expect("room");
            }
            let end = journal.rotate().expect("the epoch ends");
            let writer = SnapshotWriter::create(dir, end, 0).expect("a file");
            epochs.adopt(writer.finish().expect("a snapshot"));
            epochs.retire(false).expect("nothing stands in the way");
        }
    }

    #[test]
    fn a_reader_that_goes_on_opens_every_epoch_once_and_reads_every_frame_about_once() {
        const STEP: u64 = 7;
        let dir = TempDir::new().expect("a directory");
        keep(dir.path());
        let (journal, asked) = open(dir.path());
        let epochs = journal.epochs();
        asked.opened.lock().expect("no panic").clear();
        asked.frames.store(0, Ordering::Relaxed);
        let (mut next, mut reads) = (1, 0);
        while next <= EPOCHS * RECORDS {
            let read = epochs.scan_kept(next, next + STEP, &mut |record| {
                assert_eq!(record.seq, next);
                next += 1;
            });
            read.expect("they are whole");
            reads += 1;
        }
        let opened: Vec<_> = asked.opened.lock().expect("no panic").clone().into_iter().collect();
        assert_eq!(opened, (1..=EPOCHS).map(|epoch| (epoch, 1)).collect::<Vec<_>>());
        let frames = asked.frames.load(Ordering::Relaxed);
        let ends = EPOCHS;
        assert!(frames <= EPOCHS * RECORDS + reads + ends, "{frames} frames in {reads} reads");
    }

    #[test]
    fn the_newest_link_is_told_whatever_lies_in_kept_epochs() {
        let dir = TempDir::new().expect("a directory");
        keep(dir.path());
        let (mut journal, asked) = open(dir.path());
        let mut batch = Batch::default();
        batch.push(b"a record", &[]);
        let newest = journal.append(journal.next_seq(), &batch).expect("room");
        asked.opened.lock().expect("no panic").clear();
        let told = journal.epochs().chain_at(newest.next_seq - 1).expect("it is open");
        assert_eq!(told, Some(newest.chain));
        assert_eq!(asked.opened.lock().expect("no panic").len(), 0, "closed epochs were opened");
    }
}
