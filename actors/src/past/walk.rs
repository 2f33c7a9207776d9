//! A domain's events in order, from where a moment can be reached.

use std::sync::Arc;

use snapshots::archive::Archive;
use snapshots::{Epochs, Reader, RecordView, Snapshot};

use crate::cell::{self, Domain};
use crate::ids::{Seq, Timestamp};
use crate::image::ImageReader;
use crate::record::{self, NO_EVENT, Persisted, Unreadable};

/// A moment of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Just behind the event of this number.
    Seq(Seq),
    /// Just behind the newest event of that time or earlier.
    Time(Timestamp),
}

impl Moment {
    /// Whether an event is behind the moment.
    pub(super) fn is_before(self, seq: Seq, at: Timestamp) -> bool {
        match self {
            Self::Seq(moment) => seq > moment,
            Self::Time(moment) => at > moment,
        }
    }
}

/// Why a moment is not shown.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// History does not go back so far: the archive was switched off, or has been cut.
    #[error("the events before {0} are not kept")]
    NotKept(Seq),
    /// The engine does not answer, or refuses.
    #[error("{0:?}")]
    Asked(crate::error::Error),
    /// The disk, or what is on it.
    #[error("{0}")]
    Failed(String),
}

impl From<crate::error::Error> for Error {
    fn from(error: crate::error::Error) -> Self {
        Self::Asked(error)
    }
}

impl From<snapshots::Error> for Error {
    fn from(error: snapshots::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Unreadable> for Error {
    fn from(error: Unreadable) -> Self {
        Self::Failed(error.to_string())
    }
}

/// An event with its number and time.
type Step<'a, D> = (Seq, Timestamp, &'a <D as Domain>::Event);

/// A domain of which history is read.
pub(crate) struct Subject<D: Domain> {
    /// Its part of a snapshot.
    pub(crate) name: &'static str,
    /// Its state before the first event.
    pub(crate) fresh: D::State,
}

/// Where history is read.
pub(crate) struct Walk<'a> {
    pub(crate) reader: &'a dyn Reader,
    pub(crate) epochs: &'a Epochs,
    /// The newest event that is looked at.
    pub(crate) end: Seq,
}

impl Walk<'_> {
    /// Folds everything up to the end into a state, and shows each event with the state before it.
    /// Begins at a state that is no later than `moment`, and tells behind which event that was.
    /// `step` applies the event, and says whether to go on.
    pub(super) fn run<D: Domain>(
        &self,
        subject: Subject<D>,
        moment: Option<Moment>,
        step: &mut dyn FnMut(&mut D::State, Step<'_, D>) -> bool,
    ) -> Result<(D::State, Seq), Error> {
        let (mut state, first) = self.begin(subject, moment)?;
        let mut outcome = Ok(true);
        self.records(first, &mut |record| {
            if matches!(outcome, Ok(true)) {
                outcome = show::<D>(&mut state, &record, step);
            }
            matches!(outcome, Ok(true))
        })?;
        outcome?;
        Ok((state, first - 1))
    }

    /// The newest snapshot, when it is no later than the moment.
    fn base(&self, moment: Option<Moment>) -> Option<Arc<Snapshot>> {
        self.reader.base().filter(|base| match moment {
            None => false,
            Some(Moment::Seq(seq)) => base.position().seq <= seq,
            // Every event in a snapshot is older than the snapshot.
            Some(Moment::Time(time)) => base.made_at() <= time.micros(),
        })
    }

    /// The newest state before the moment that there is, and the first event behind it.
    fn begin<D: Domain>(
        &self,
        subject: Subject<D>,
        moment: Option<Moment>,
    ) -> Result<(D::State, Seq), Error> {
        let Subject { name, fresh } = subject;
        let Some(base) = self.base(moment) else {
            return Ok((fresh, 1));
        };
        let absent = || Unreadable::new(format!("a snapshot without a part named {name}"));
        let (version, mut part) = base.part(name).ok_or_else(absent)?;
        let state = cell::saved_state::<D>(version, &mut ImageReader(&mut part))?;
        Ok((state, base.position().seq + 1))
    }

    /// The records from `first` on, from the archive as far as that goes, until `visit` has enough.
    pub(crate) fn records(
        &self,
        first: Seq,
        visit: &mut dyn FnMut(RecordView<'_>) -> bool,
    ) -> Result<(), Error> {
        let (mut next, mut more) = (first, true);
        for archive in self.epochs.archived(first)? {
            if !more || next > self.end {
                break;
            }
            let archive = Archive::open(&archive?)?;
            if archive.first_seq() > next {
                break;
            }
            archive.scan(next, self.end + 1, &mut |record| more = more && visit(record))?;
            next = archive.next_seq();
        }
        if !more || next > self.end {
            return Ok(());
        }
        let read = self.reader.scan(next, self.end + 1, &mut |record| more = more && visit(record));
        read.map_err(|error| {
            // So a reader says that events are gone which a snapshot covers.
            let gone = matches!(error, snapshots::Error::Damaged { .. });
            if gone { Error::NotKept(self.oldest()) } else { error.into() }
        })
    }

    fn oldest(&self) -> Seq {
        self.reader.base().map_or(1, |base| base.position().seq + 1)
    }
}

/// Shows an event of the domain; other records are passed by.
fn show<D: Domain>(
    state: &mut D::State,
    record: &RecordView<'_>,
    step: &mut dyn FnMut(&mut D::State, Step<'_, D>) -> bool,
) -> Result<bool, Error> {
    let seq = record.seq;
    let record = record::read(record.body)?;
    if record.head.stream != D::STREAM || record.head.tag == NO_EVENT {
        return Ok(true);
    }
    let event = D::Event::decode(record.head.tag, record.head.version, record.payload)?;
    Ok(step(state, (seq, record.head.at, &event)))
}

/// A state at a moment, and the time that it is to be looked at: the one that was asked for, or
/// that of the newest event in the state.
pub(crate) fn at<D: Domain>(
    walk: &Walk<'_>,
    subject: Subject<D>,
    moment: Moment,
) -> Result<(D::State, Timestamp), Error> {
    // Of the events in a snapshot it is known that they are older than it.
    let made_at = walk.base(Some(moment)).map(|base| Timestamp::from_micros(base.made_at()));
    let mut newest = made_at.unwrap_or_default();
    let (state, _) = walk.run(subject, Some(moment), &mut |state, (seq, at, event)| {
        if moment.is_before(seq, at) {
            return false;
        }
        D::apply(state, event, at);
        newest = at;
        true
    })?;
    let time = match moment {
        Moment::Seq(_) => newest,
        Moment::Time(time) => time,
    };
    Ok((state, time))
}
