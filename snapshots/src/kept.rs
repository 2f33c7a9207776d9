//! Closed epochs that stay on disk for somebody who reads behind the others, where no archive has
//! their records.

use std::sync::{Arc, PoisonError};

use crate::epochs::{Epochs, Shared, damaged};
use crate::frame::{Flaw, Whole};
use crate::record::RecordView;
use crate::{Error, epochs, files, layout};

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
            if self.beginning(epoch).is_ok_and(|base| base.next_seq <= next) {
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
        let _mine = self.0.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let open: Vec<u64> = self.0.open_epochs().iter().map(|epoch| epoch.number).collect();
        let mut next = from;
        for epoch in self.0.disk.epochs()?.into_iter().filter(|epoch| !open.contains(epoch)) {
            let store = self.0.disk.open_store(epoch)?;
            epochs::links(store.as_ref(), &mut |Whole { header, payload }| {
                let mut rest = *payload;
                for seq in (header.first_seq..).take(header.count as usize) {
                    let record = RecordView::take(seq, &mut rest);
                    let record = record.ok_or_else(|| damaged(seq, seq + 1, &Flaw::Records))?;
                    if seq == next && seq < to {
                        visit(record);
                        next += 1;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}
