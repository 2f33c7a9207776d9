//! What gathers while the disk is busy.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use snapshots::Section;

use crate::event::Event;
use crate::ids::{Seq, Timestamp};
use crate::request::RequestTag;

use super::thread::Shared;
use super::tickets::Ticket;

/// One durable record, as the actors that follow it see it.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) seq: Seq,
    pub(crate) at: Timestamp,
    /// None for a record that carries no event.
    pub(crate) event: Option<Event>,
    /// Personal text that travelled with the event.
    pub(crate) sections: Vec<Section>,
    /// The request that the record answers, with its encoded outcome.
    pub(crate) request: Option<(RequestTag, Box<[u8]>)>,
}

/// The records of a durable batch. Once everybody has read them they are gone, and their list goes
/// back to the committer.
pub(crate) struct Records {
    pub(super) list: Vec<Committed>,
    pub(super) shared: Arc<Shared>,
}

impl Deref for Records {
    type Target = [Committed];

    fn deref(&self) -> &[Committed] {
        &self.list
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.list).finish()
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        let mut list = std::mem::take(&mut self.list);
        list.clear();
        self.shared.on_read(list);
    }
}

/// A durable batch on its way to one follower. Counts as outstanding until it is dropped.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) records: Arc<Records>,
    pub(super) outstanding: Arc<AtomicUsize>,
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.outstanding.fetch_sub(1, Ordering::Release);
    }
}

/// Records and answers since the last batch was taken.
#[derive(Default)]
pub(super) struct Gathering {
    pub(super) bytes: snapshots::Batch,
    pub(super) records: Vec<Committed>,
    pub(super) tickets: Vec<(Seq, Ticket)>,
}
