//! Closed epochs: where each of them begins and ends, and what is in it.
//!
//! Nothing is ever written to a closed epoch, so what was once found out about it holds. The store
//! of one that is on disk only is opened for whoever asks, one at a time, since each takes the
//! memory of a cache, and nobody can open a store twice. It stays open for the next question.

use std::path::PathBuf;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crate::archive::{self, Archive};
use crate::epochs::{Epochs, damaged};
use crate::frame::{self, Assembler, Header, Whole};
use crate::recovery::Base;
use crate::store::Store;
use crate::{Error, chain, epochs, layout, snapshot};

/// The closed epoch whose store is open though nobody recovers from it.
pub(crate) type Opened = Option<(u64, Box<dyn Store>)>;

impl Epochs {
    /// What `work` makes of the store of an epoch; None when that is not there.
    pub(crate) fn in_epoch<T>(
        &self,
        epoch: u64,
        work: impl FnOnce(&dyn Store) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let open = self.0.open_epochs().into_iter().find(|open| open.number == epoch);
        if let Some(open) = open {
            return work(open.store.as_ref()).map(Some);
        }
        let mut opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.as_ref().is_none_or(|(open, _)| *open != epoch) {
            *opened = None;
            // Opening what is not there would make it.
            if !self.0.disk.epochs()?.contains(&epoch) {
                return Ok(None);
            }
            *opened = Some((epoch, self.0.disk.open_store(epoch)?));
        }
        opened.as_ref().map(|(_, store)| work(store.as_ref())).transpose()
    }

    /// Nobody recovers any more from epochs up to `covered`.
    pub(crate) fn close_up_to(&self, covered: u64) {
        let mut epochs = self.0.epochs.write().unwrap_or_else(PoisonError::into_inner);
        for (epoch, end) in epochs.iter().filter_map(|epoch| Some((epoch.number, epoch.end.get()?)))
        {
            self.note_end(epoch, Base::from(*end));
        }
        epochs.retain(|epoch| epoch.number > covered);
    }

    /// Closes what was opened, until somebody asks again.
    pub(crate) fn close_opened(&self) {
        *self.0.opened.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Removes a closed epoch that nobody recovers from.
    pub(crate) fn remove(&self, epoch: u64) -> Result<(), Error> {
        // Held until it is gone, so that nobody opens what is half removed.
        let mut opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        *opened = None;
        self.0.disk.remove_epoch(epoch)
    }

    /// Visits every link of a closed epoch, in order; none of one that is not there.
    pub(crate) fn links(
        &self,
        epoch: u64,
        visit: &mut dyn FnMut(&Whole<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.in_epoch(epoch, |store| epochs::links(store, visit))?;
        Ok(())
    }

    /// Where a closed epoch begins; None when nothing says so any more.
    pub(crate) fn beginning(&self, epoch: u64) -> Result<Option<Base>, Error> {
        match epoch {
            layout::EPOCH_FIRST => Ok(Some(Base::BEGINNING)),
            later => self.end(later - 1),
        }
    }

    /// Where a closed epoch ends, by what [tells](Self::told_end) it, by the last frame in it or,
    /// when the epoch is gone, by its archive.
    pub(crate) fn end(&self, epoch: u64) -> Result<Option<Base>, Error> {
        if let Some(told) = self.told_end(epoch) {
            return Ok(Some(told));
        }
        let end = match self.in_epoch(epoch, last_link)? {
            Some(Some(end)) => Some(end),
            // Nothing has happened in it.
            Some(None) => self.beginning(epoch)?,
            None => self.archived_end(epoch)?,
        };
        if let Some(end) = end {
            self.note_end(epoch, end);
        }
        Ok(end)
    }

    /// Where a closed epoch ends, by what is known of it in memory, or by the snapshot there. One
    /// that has gone bad is none, but one that is only bad further down still says it.
    pub(crate) fn told_end(&self, epoch: u64) -> Option<Base> {
        let ends = self.0.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = ends.get(&epoch) {
            return Some(*known);
        }
        drop(ends);
        let open = self.0.open_epochs().into_iter().find(|open| open.number == epoch);
        let known = open.and_then(|open| open.end.get().copied());
        let path = layout::snapshot_path(self.dir(), epoch);
        let end = Base::from(known.or_else(|| snapshot::position(&path).ok())?);
        self.note_end(epoch, end);
        Some(end)
    }

    fn note_end(&self, epoch: u64, end: Base) {
        self.0.ends.lock().unwrap_or_else(PoisonError::into_inner).insert(epoch, end);
    }

    /// Forgets where epochs end that nothing rests on. `oldest` rests on the one before.
    pub(crate) fn forget_ends_before(&self, oldest: u64) {
        let mut ends = self.0.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.retain(|epoch, _| epoch + 1 >= oldest);
    }

    /// Where an epoch ended by its archive, if what follows it here follows on that.
    fn archived_end(&self, epoch: u64) -> Result<Option<Base>, Error> {
        let path = layout::archive_path(self.dir(), epoch);
        if !path.exists() {
            return Ok(None);
        }
        let end = end_of(&Archive::open(&path)?);
        Ok(if self.follows_on(epoch + 1, end)? { Some(end) } else { None })
    }

    /// Whether the journal goes on from `base` in an epoch that is on disk: with its first link or,
    /// where nothing has happened in it, behind it.
    fn follows_on(&self, epoch: u64, base: Base) -> Result<bool, Error> {
        let first = self.in_epoch(epoch, |store| {
            let mut parts = Assembler::default();
            for item in store.frames(&[]) {
                let (key, value) = item?;
                let Ok(part) = parts.push(&key, &value) else { return Ok(Some(false)) };
                let Some(Whole { header, payload }) = part else { continue };
                let link = chain::next(&base.chain, header.first_seq, header.count, payload);
                let follows = header.first_seq == base.next_seq && link == Some(header.chain);
                return Ok(Some(follows));
            }
            Ok(None)
        })?;
        match (first, self.told_end(epoch)) {
            (None, _) => Ok(false),
            (Some(Some(follows)), _) => Ok(follows),
            (Some(None), Some(end)) => Ok(end == base),
            (Some(None), None) => self.follows_on(epoch + 1, base),
        }
    }

    /// The archives with the records of this journal from `from` on, in order, as far back as they
    /// lead to it: each ends where the journal went on. A file in that place of another history is
    /// none of them. One that cannot be read is an error in its place.
    ///
    /// # Errors
    /// [`Error::Store`] and [`Error::Io`].
    pub fn archived(&self, from: u64) -> Result<Vec<Result<PathBuf, Error>>, Error> {
        let active = self.0.active().number;
        let mut archives = Vec::new();
        let mut later: Option<(u64, Base)> = None;
        for (epoch, path) in archive::list(&layout::archive_dir(self.dir()))?.into_iter().rev() {
            // A later one is of another history.
            if epoch >= active {
                continue;
            }
            if self.told_end(epoch).is_some_and(|end| end.next_seq <= from) {
                break;
            }
            let archive = match Archive::open(&path) {
                Ok(archive) => archive,
                Err(error) if error.is_unreadable() => {
                    archives.push(Err(error));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let end = end_of(&archive);
            let leads_here = match later {
                Some((next, begins)) if next == epoch + 1 => begins == end,
                // What lay between them is gone, so its place has to do.
                Some((_, begins)) => end.next_seq <= begins.next_seq,
                None => self.ends_at(epoch, end)?,
            };
            if !leads_here {
                later = None;
                continue;
            }
            if end.next_seq <= from {
                break;
            }
            let begins = Base { next_seq: archive.first_seq(), chain: archive.chain_before() };
            archives.push(Ok(path));
            if begins.next_seq <= from {
                break;
            }
            later = Some((epoch, begins));
        }
        archives.reverse();
        Ok(archives)
    }

    /// Whether something here says that an epoch ends there.
    fn ends_at(&self, epoch: u64, end: Base) -> Result<bool, Error> {
        if let Some(told) = self.told_end(epoch) {
            return Ok(told == end);
        }
        let follows = self.follows_on(epoch + 1, end)?;
        if follows {
            self.note_end(epoch, end);
        }
        Ok(follows)
    }

    /// The link of the chain over record `seq`: two journals that say the same have the same
    /// records up to there. None where neither an epoch nor the archive has that record any more.
    ///
    /// # Errors
    /// [`Error::Damaged`]; [`Error::Store`] and [`Error::Io`].
    pub fn chain_at(&self, seq: u64) -> Result<Option<[u8; 32]>, Error> {
        if seq == 0 {
            return Ok(Some(chain::START));
        }
        if seq >= self.0.next_seq.load(Ordering::Acquire) {
            return Ok(None);
        }
        // What lies further back, and in what state, does not matter to who asks for the newest.
        let open = self.0.open_epochs();
        if let Some(epoch) = open.iter().rev().find(|epoch| epoch.first_seq <= seq)
            && let Some(link) = link_up_to(epoch.store.as_ref(), seq)?
            && seq - link.first_seq < u64::from(link.count)
        {
            return Ok(Some(link.chain));
        }
        let active = self.0.active().number;
        // One behind the active epoch is prepared, and nothing is in it.
        for epoch in self.0.disk.epochs()?.into_iter().filter(|epoch| *epoch <= active) {
            let end = if epoch == active { None } else { self.end(epoch)? };
            if end.is_some_and(|end| end.next_seq <= seq) {
                continue;
            }
            if let Some(Some(link)) = self.in_epoch(epoch, |store| link_up_to(store, seq))?
                && seq - link.first_seq < u64::from(link.count)
            {
                return Ok(Some(link.chain));
            }
            break;
        }
        for epoch in layout::snapshots(self.dir())? {
            if let Some(end) = self.told_end(epoch).filter(|end| end.next_seq == seq + 1) {
                return Ok(Some(end.chain));
            }
        }
        for path in self.archived(seq)?.into_iter().flatten() {
            match Archive::open(&path).and_then(|archive| archive.chain_at(seq)) {
                Err(error) if error.is_unreadable() => {}
                Ok(None) => {}
                told => return told,
            }
        }
        Ok(None)
    }
}

fn end_of(archive: &Archive) -> Base {
    Base { next_seq: archive.next_seq(), chain: archive.chain() }
}

/// Where a store ends, by its last frame.
fn last_link(store: &dyn Store) -> Result<Option<Base>, Error> {
    let link = link_up_to(store, u64::MAX)?;
    Ok(link.map(|Header { first_seq, count, chain, .. }| Base {
        next_seq: first_seq + u64::from(count),
        chain,
    }))
}

/// The last link of a store that begins at `seq` or before.
fn link_up_to(store: &dyn Store, seq: u64) -> Result<Option<Header>, Error> {
    let Some(key) = store.key_up_to(&frame::key(seq, u16::MAX))? else { return Ok(None) };
    let Some((key, value)) = store.frames(&key).next().transpose()? else { return Ok(None) };
    match frame::decode(&key, &value) {
        Ok((header, _)) => Ok(Some(header)),
        Err(flaw) => {
            let at = frame::parse_key(&key).map_or(seq, |(seq, _)| seq);
            Err(damaged(at, at + 1, &flaw.refuse_newer()?))
        }
    }
}
