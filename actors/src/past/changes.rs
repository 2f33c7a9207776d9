//! Why a place has changed: the place before and after each event, put down to its cause.

use crate::cell::Domain;
use crate::ids::{PersonId, Seq};
use crate::waitlist::{self, Event, Waitlist};

use super::walk::{Error, Moment, Subject, Walk};

/// What moves somebody who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Somebody joined with a better score.
    JoinedAbove,
    /// Somebody else was boosted past, by hand or by referrals, or back behind.
    Boosted,
    /// Somebody ahead left.
    Left,
    /// Somebody ahead was invited, or came in.
    Invited,
    /// The person's own score changed.
    OwnScore,
}

impl Cause {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::JoinedAbove, Self::Boosted, Self::Left, Self::Invited, Self::OwnScore];

    /// The name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JoinedAbove => "joined-above",
            Self::Boosted => "boosted",
            Self::Left => "left",
            Self::Invited => "invited",
            Self::OwnScore => "own-score",
        }
    }

    fn of(event: &Event, person: PersonId) -> Self {
        match event {
            Event::Joined { .. } => Self::JoinedAbove,
            Event::Boosted { person: boosted, .. } if *boosted == person => Self::OwnScore,
            Event::Credited { people } if people.iter().any(|(one, ..)| *one == person) => {
                Self::OwnScore
            }
            Event::Boosted { .. } | Event::Credited { .. } => Self::Boosted,
            // Who is forgotten without an entry moves nobody.
            Event::Left { .. } | Event::Forgotten { .. } => Self::Left,
            Event::Invited { .. } | Event::Admitted { .. } | Event::Waved { .. } => Self::Invited,
        }
    }
}

/// What one cause has done to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The cause.
    pub cause: Cause,
    /// How many people passed, or were passed, because of it.
    pub people: u64,
    /// Places further back; negative is ahead.
    pub places: i64,
}

/// How somebody who waits came from one place to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The event behind which this begins: the moment that was asked for, or the joining.
    pub since: Seq,
    /// The place then.
    pub from: u64,
    /// The place now.
    pub to: u64,
    /// What happened in between; the places add up to `to - from`.
    pub changes: Vec<Change>,
}

#[derive(Default)]
struct Tally {
    /// The event behind which counting began, and the place then.
    began: Option<(Seq, u64)>,
    sums: [(u64, i64); Cause::ALL.len()],
}

impl Tally {
    fn begin(&mut self, seq: Seq, place: u64) {
        *self = Self { began: Some((seq, place)), ..Self::default() };
    }

    fn count(&mut self, cause: Cause, places: i64) {
        let (people, sum) = &mut self.sums[cause as usize];
        // A boost of the person's own passes as many people as places.
        *people += places.unsigned_abs();
        *sum += places;
    }
}

/// Why somebody has the place that the walk ends with; None for somebody who does not wait then.
pub(crate) fn explain(
    walk: &Walk<'_>,
    person: PersonId,
    since: Option<Moment>,
) -> Result<Option<Explained>, Error> {
    let mut tally = Tally::default();
    // 0 is where the walk begins.
    let mut newest = 0;
    let place = |state: &waitlist::State| state.place_of(person);
    let list = Subject { name: "waitlist", fresh: waitlist::State::default() };
    let (state, behind) = walk.run::<Waitlist>(list, since, &mut |state, (seq, at, event)| {
        let counts = since.is_none_or(|moment| moment.is_before(seq, at));
        let before = place(state);
        if let Some(place) = before.filter(|_| counts && tally.began.is_none()) {
            tally.begin(newest, place);
        }
        Waitlist::apply(state, event, at);
        newest = seq;
        match (before, place(state)) {
            (Some(before), Some(after)) if counts && before != after => {
                let places = after.cast_signed() - before.cast_signed();
                tally.count(Cause::of(event, person), places);
            }
            (None, Some(after)) if counts => tally.begin(seq, after),
            (_, None) => tally = Tally::default(),
            (Some(_), Some(_)) | (None, Some(_)) => {}
        }
        true
    })?;
    let Some(to) = place(&state) else { return Ok(None) };
    let (began, from) = tally.began.unwrap_or((newest, to));
    let since = if began == 0 { behind } else { began };
    let sums = Cause::ALL.into_iter().zip(tally.sums).filter(|(_, (people, _))| *people > 0);
    let changes = sums.map(|(cause, (people, places))| Change { cause, people, places });
    Ok(Some(Explained { since, from, to, changes: changes.collect() }))
}
