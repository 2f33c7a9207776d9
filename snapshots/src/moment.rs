//! A journal at one moment, for a backup: the newest snapshot, and everything behind it.
//!
//! The moment holds what it needs open, and nothing is removed before it ends, so that nothing that
//! happens meanwhile changes what is copied. The way back puts the records into a fresh epoch as
//! they were, frame by frame, so that seqs and chain are the same.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::archive::{Archive, ArchiveWriter, Archived, Link};
use crate::disk::{Disk, Files};
use crate::epochs::{self, Epoch, Epochs};
use crate::frame::{self, Header, PAYLOAD_BYTES_MAX, Whole};
use crate::recovery::Base;
use crate::snapshot::{Position, Snapshot};
use crate::store::Store;
use crate::watermark::{Watermark, WatermarkFile};
use crate::{Error, layout};

/// Links between two syncs on the way back.
const LINKS_A_COMMIT: u64 = 1_024;

/// A durable state of the journal.
pub struct Moment {
    snapshot: Option<Arc<Snapshot>>,
    epochs: Vec<Arc<Epoch>>,
    next_seq: u64,
    /// Keeps whoever removes epochs and snapshots from doing so.
    _held: Arc<()>,
}

impl Epochs {
    /// This moment: everything that is durable now.
    #[must_use]
    pub fn moment(&self) -> Moment {
        // Before the look around: what is seen then stays.
        let held = Arc::clone(&self.0.moments);
        loop {
            let snapshot = self.base();
            let (epochs, next_seq) =
                (self.0.open_epochs(), self.0.next_seq.load(Ordering::Acquire));
            let first = snapshot.as_ref().map_or(1, |base| base.position().seq + 1);
            // A snapshot that was adopted in between has closed epochs that belong to this one.
            if epochs.first().is_some_and(|epoch| epoch.first_seq <= first) {
                return Moment { snapshot, epochs, next_seq, _held: held };
            }
        }
    }
}

impl Moment {
    /// The snapshot that it begins with.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_deref()
    }

    /// One more than its last record.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Writes the records behind the snapshot into an archive. `time` reads the time of a record
    /// from its body.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Store`], [`Error::Io`].
    pub fn write_tail(&self, path: &Path, time: &dyn Fn(&[u8]) -> i64) -> Result<Archived, Error> {
        let position = self.snapshot().map(Snapshot::position);
        let Base { next_seq, chain } = beginning(position);
        let epoch = position.map_or(0, |position| position.epoch) + 1;
        let mut writer = ArchiveWriter::create(path, epoch, next_seq, chain)?;
        for epoch in &self.epochs {
            epochs::links(epoch.store.as_ref(), &mut |Whole { header, payload }| {
                if !(next_seq..self.next_seq).contains(&header.first_seq) {
                    return Ok(());
                }
                let Header { first_seq, count, chain, .. } = *header;
                let newest = epochs::newest_body(first_seq, count, payload);
                let time = newest.map_or(0, time);
                writer.push(&Link { first_seq, count, chain, time, payload })
            })?;
        }
        writer.finish()
    }
}

/// Makes a journal of a snapshot that lies in its place in `dir`, if there is one, and a tail that
/// [`Moment::write_tail`] has written; one more than its last record. `go_on` is asked again and
/// again, and a no ends it.
///
/// # Errors
/// [`Error::DamagedFile`] when the two do not fit together; [`Error::Interrupted`];
/// [`Error::Store`] and [`Error::Io`].
pub fn restore_journal(
    dir: &Path,
    tail: &Path,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<u64, Error> {
    let archive = Archive::open(tail)?;
    archive.verify()?;
    let newest = layout::snapshots(dir)?.pop();
    let snapshot = newest.map(|epoch| Snapshot::open(&layout::snapshot_path(dir, epoch)));
    let position = snapshot.transpose()?.map(|snapshot| snapshot.position());
    let base = beginning(position);
    let epoch = position.map_or(0, |position| position.epoch) + 1;
    if (archive.first_seq(), archive.chain_before()) != (base.next_seq, base.chain) {
        let what = "it does not follow on the snapshot".to_owned();
        return Err(Error::DamagedFile { path: tail.to_path_buf(), what });
    }
    let disk = Files { dir: dir.to_path_buf(), cache_bytes: CACHE_BYTES };
    let store = disk.open_store(epoch)?;
    let mut links = 0;
    archive.links(archive.first_seq(), &mut |link| {
        if !go_on() {
            return Err(Error::Interrupted);
        }
        put(store.as_ref(), link)?;
        links += 1;
        if links % LINKS_A_COMMIT == 0 { store.commit() } else { Ok(()) }
    })?;
    store.commit()?;
    let mut watermark = WatermarkFile::open(&disk)?;
    watermark.write(&Watermark { seq: archive.next_seq() - 1, chain: archive.chain() })?;
    watermark.sync()?;
    Ok(archive.next_seq())
}

const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Writes a link as the journal does: one frame, or several of a large record.
fn put(store: &dyn Store, link: &Link<'_>) -> Result<(), Error> {
    let Link { first_seq, count, chain, payload, .. } = *link;
    let parts = payload.len().div_ceil(PAYLOAD_BYTES_MAX);
    let parts = u16::try_from(parts).expect("the largest record has fewer than 2^16 parts");
    let mut value = Vec::new();
    for (part, payload) in (0..parts).zip(payload.chunks(PAYLOAD_BYTES_MAX)) {
        frame::encode(&Header { part, parts, count, first_seq, chain }, payload, &mut value);
        store.insert(&frame::key(first_seq, part), &value)?;
    }
    Ok(())
}

fn beginning(position: Option<Position>) -> Base {
    position.map_or(Base::BEGINNING, Base::from)
}
