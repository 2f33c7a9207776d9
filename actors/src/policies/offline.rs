//! The same over a data directory that no node runs on.
//!
//! The newest snapshot and the journal behind it make the list and the book as a start would make
//! them, in as much memory. Nothing in the directory is changed. Reactions that a crash cut short
//! are made by the next start, and not here.

use std::path::Path;
use std::time::Instant;

use snapshots::{Reader, RecordView, Section, Still};

use crate::cell::{self, Domain};
use crate::event::Stream;
use crate::ids::Seq;
use crate::image::ImageReader;
use crate::people::People;
use crate::record::{self, NO_EVENT, Persisted, Unreadable};
use crate::role::{self, ReplayError, Role};
use crate::waitlist::{self, Policy, Waitlist};

use super::{Asked, Rescoring, Simulation};

/// Steps between two looks at the progress.
const TOLD_EVERY: u64 = 4_096;

/// Why there is no simulation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory is in use, damaged or unreadable.
    #[error("cannot read the journal")]
    Journal(#[from] snapshots::Error),
    /// It holds what this version does not understand.
    #[error("{0}")]
    Unreadable(String),
}

impl From<Unreadable> for Error {
    fn from(error: Unreadable) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl From<ReplayError> for Error {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Journal(error) => Self::Journal(error),
            ReplayError::Unreadable(_) | ReplayError::Stopped | ReplayError::Panicked => {
                Self::Unreadable(error.to_string())
            }
        }
    }
}

/// How far a simulation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many events behind the snapshot were replayed, of so many.
    Replayed(u64, u64),
    /// So many people were scored, of so many.
    Scored(u64, u64),
}

/// Where everybody in the data directory `dir` would stand under another policy than `configured`.
/// `progress` is called now and then, and a no ends it.
///
/// # Errors
/// [`Error`]; among them that a node owns the directory.
pub fn simulate(
    dir: &Path,
    configured: &Policy,
    asked: &Asked,
    progress: &mut dyn FnMut(Step) -> bool,
) -> Result<Simulation, Error> {
    let began = Instant::now();
    let still = Still::open(dir)?;
    let fold = Fold::of(still.reader().as_ref(), still.next_seq(), progress)?;
    let line = fold.waitlist.stretch(0, u32::MAX).entrants;
    let mut rescoring = Rescoring::new(configured, &asked.policy, line.len());
    for (done, entrant) in (0..).zip(&line) {
        if done % TOLD_EVERY == 0 && !progress(Step::Scored(done, line.len() as u64)) {
            return Err(snapshots::Error::Interrupted.into());
        }
        rescoring.push(entrant, fold.people.use_case(entrant.person));
    }
    let mut simulation = rescoring.finish(&line, asked);
    for moved in simulation.moves() {
        moved.email = fold.people.profile(moved.person).map(|profile| profile.email);
    }
    simulation.events_replayed = still.next_seq() - 1;
    simulation.took = began.elapsed();
    Ok(simulation)
}

/// The list and the book, without the actors around them.
struct Fold {
    waitlist: waitlist::State,
    people: People,
    sections: Vec<Section>,
}

impl Fold {
    fn of(
        reader: &dyn Reader,
        end: Seq,
        progress: &mut dyn FnMut(Step) -> bool,
    ) -> Result<Self, Error> {
        let (mut waitlist, mut people) = (waitlist::State::default(), People::default());
        let mut first = 1;
        if let Some(base) = reader.base() {
            first = role::restore("people", &mut people, Some(&base))?;
            let absent = || Unreadable::new("a snapshot without a part named waitlist");
            let (version, mut part) = base.part("waitlist").ok_or_else(absent)?;
            waitlist = cell::saved_state::<Waitlist>(version, &mut ImageReader(&mut part))?;
        }
        let mut fold = Self { waitlist, people, sections: Vec::new() };
        let mut failed = None;
        reader.scan(first, end, &mut |record| {
            if failed.is_some() {
                return;
            }
            let step = Step::Replayed(record.seq - first, end - first);
            failed = if record.seq % TOLD_EVERY == 0 && !progress(step) {
                Some(snapshots::Error::Interrupted.into())
            } else {
                fold.replay(record).err().map(Error::from)
            };
        })?;
        failed.map_or(Ok(fold), Err)
    }

    fn replay(&mut self, record: RecordView<'_>) -> Result<(), Unreadable> {
        self.sections.clear();
        self.sections.extend(record.sections().filter_map(role::kept));
        self.people.replay(record.seq, record.body, &self.sections)?;
        let record = record::read(record.body)?;
        if record.head.stream == Stream::Waitlist && record.head.tag != NO_EVENT {
            let (tag, version) = (record.head.tag, record.head.version);
            let event = waitlist::Event::decode(tag, version, record.payload)?;
            Waitlist::apply(&mut self.waitlist, &event, record.head.at);
        }
        Ok(())
    }
}
