//! The whole state as the changes that lead to it, by the code of recovery.

use std::path::Path;
use std::sync::Arc;

use snapshots::{Position, RecordView, Section, Snapshot, Still};

use crate::cell::{self, Domain};
use crate::event::Stream;
use crate::ids::Seq;
use crate::image::ImageReader;
use crate::invites::Invites;
use crate::people::{self, People};
use crate::quality::{self, Quality};
use crate::record::{self, NO_EVENT, Persisted, Unreadable};
use crate::referrals::Referrals;
use crate::role::{self, Role};
use crate::waitlist::Waitlist;

use super::change::Change;
use super::feed::{self, Error, Place};

/// Takes changes; false when it wants no more.
type Visit<'a> = &'a mut dyn FnMut(Change) -> bool;

/// The state in a snapshot.
pub struct Whole(Arc<Snapshot>);

impl Whole {
    pub(super) fn of_snapshot(snapshot: Arc<Snapshot>) -> Self {
        Self(snapshot)
    }

    /// Where in the journal it stands.
    #[must_use]
    pub fn place(&self) -> Place {
        let Position { seq, chain, .. } = self.0.position();
        Place { seq, chain: Some(chain) }
    }

    /// Hands out all changes: first what people have typed, then the parts of the state in turn,
    /// each of which is in memory while it is handed out. Blocks.
    ///
    /// # Errors
    /// When the snapshot cannot be read.
    pub fn visit(&self, visit: Visit<'_>) -> Result<(), Error> {
        let (version, mut part) = self.0.part("people").ok_or_else(|| absent("people"))?;
        let mut more = true;
        people::saved(version, &mut ImageReader(&mut part), &mut |person, text| {
            if let Some((profile, whole)) = people::told(text).filter(|_| more) {
                more = visit(Change::Named { person, profile, whole });
            }
        })?;
        if !more {
            return Ok(());
        }
        let list = self.state::<Waitlist>("waitlist")?;
        more = list.rows(visit);
        drop(list);
        more = more && self.state::<Invites>("invites")?.rows(visit);
        more = more && self.state::<Referrals>("referrals")?.rows(visit);
        let _ = more && self.state::<Quality>("quality")?.rows(visit);
        Ok(())
    }

    fn state<D: Domain>(&self, name: &'static str) -> Result<D::State, Error> {
        let (version, mut part) = self.0.part(name).ok_or_else(|| absent(name))?;
        Ok(cell::saved_state::<D>(version, &mut ImageReader(&mut part))?)
    }
}

fn absent(name: &str) -> Unreadable {
    Unreadable::new(format!("a snapshot without a part named {name}"))
}

/// The state of a data directory that no node runs on, at any record behind its newest snapshot.
/// Takes as much memory as a start would.
pub struct Fold {
    waitlist: <Waitlist as Domain>::State,
    invites: <Invites as Domain>::State,
    referrals: <Referrals as Domain>::State,
    quality: <Quality as Domain>::State,
    people: People,
    sections: Vec<Section>,
    place: Place,
}

impl Fold {
    /// Reads it up to the record `end`, or as far as it goes. Nothing is changed.
    ///
    /// # Errors
    /// When the directory is in use, damaged or unreadable; [`Error::NotKept`] when the snapshot is
    /// behind `end` already.
    pub fn open(dir: &Path, end: Option<Seq>) -> Result<Self, FoldError> {
        Self::read(&Still::open(dir)?, end)
    }

    /// Reads all of it for somebody who has come to some `place`, and says whether that is a place
    /// of this journal, as [`Feed::knows`](super::Feed::knows) does, by the archive and what is
    /// behind the newest snapshot.
    ///
    /// # Errors
    /// As for [`Fold::open`].
    pub fn open_behind(
        still: &Still,
        place: Option<Place>,
    ) -> Result<(Self, Option<bool>), FoldError> {
        let newest = still.next_seq() - 1;
        let knows = |place| feed::knows(place, newest, |seq| still.chain_at(seq));
        let known = place.map(knows).transpose()?.flatten();
        Ok((Self::read(still, None)?, known))
    }

    fn read(still: &Still, end: Option<Seq>) -> Result<Self, FoldError> {
        let reader = still.reader();
        let newest = still.next_seq() - 1;
        let end = end.unwrap_or(newest);
        let policy = quality::Policy::default();
        let mut fold = Self {
            waitlist: <Waitlist as Domain>::State::default(),
            invites: <Invites as Domain>::State::default(),
            referrals: <Referrals as Domain>::State::default(),
            quality: Quality::state(&policy),
            people: People::default(),
            sections: Vec::new(),
            place: Place { seq: end, chain: (end == newest).then(|| still.chain()) },
        };
        let mut first = 1;
        if let Some(base) = reader.base() {
            let whole = Whole(Arc::clone(&base));
            if whole.place().seq > end {
                return Err(Error::NotKept(end + 1).into());
            }
            first = whole.place().seq + 1;
            fold.waitlist = whole.state::<Waitlist>("waitlist")?;
            fold.invites = whole.state::<Invites>("invites")?;
            fold.referrals = whole.state::<Referrals>("referrals")?;
            fold.quality = whole.state::<Quality>("quality")?;
            role::restore("people", &mut fold.people, Some(&base))
                .map_err(|error| Error::Failed(error.to_string()))?;
        }
        if end > newest {
            return Err(Error::NotKept(end).into());
        }
        let mut unreadable = None;
        reader.scan(first, end + 1, &mut |record| {
            if unreadable.is_none() {
                unreadable = fold.replay(record).err();
            }
        })?;
        unreadable.map_or(Ok(fold), |error| Err(Error::from(error).into()))
    }

    fn replay(&mut self, record: RecordView<'_>) -> Result<(), Unreadable> {
        self.sections.clear();
        self.sections.extend(record.sections().filter_map(role::kept));
        self.people.replay(record.seq, record.body, &self.sections)?;
        let record = record::read(record.body)?;
        if record.head.tag == NO_EVENT {
            return Ok(());
        }
        match record.head.stream {
            Stream::Waitlist => apply::<Waitlist>(&mut self.waitlist, &record),
            Stream::Invites => apply::<Invites>(&mut self.invites, &record),
            Stream::Referrals => apply::<Referrals>(&mut self.referrals, &record),
            Stream::Quality => apply::<Quality>(&mut self.quality, &record),
        }
    }

    /// Where in the journal it stands.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// Hands out all changes, as [`Whole::visit`] does.
    pub fn visit(&self, visit: Visit<'_>) {
        let mut more = true;
        for (person, profile, whole) in self.people.everybody() {
            more = more && visit(Change::Named { person, profile, whole });
        }
        more = more && self.waitlist.rows(visit);
        more = more && self.invites.rows(visit);
        more = more && self.referrals.rows(visit);
        let _ = more && self.quality.rows(visit);
    }
}

fn apply<D: Domain>(state: &mut D::State, record: &record::Record<'_>) -> Result<(), Unreadable> {
    let event = D::Event::decode(record.head.tag, record.head.version, record.payload)?;
    D::apply(state, &event, record.head.at);
    Ok(())
}

/// Why a data directory is not read.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// It is in use or damaged.
    #[error("cannot read the journal")]
    Journal(#[from] snapshots::Error),
    /// What is in it cannot be read, or does not reach that far.
    #[error(transparent)]
    Read(#[from] Error),
}

impl From<Unreadable> for FoldError {
    fn from(error: Unreadable) -> Self {
        Self::Read(error.into())
    }
}
