//! Asking how it was, and why it is so now.

use std::sync::Arc;

use crate::error::Failure;
use crate::ids::PersonId;
use crate::past::{self, Error, Explained, Moment, Walk};
use crate::snapshotter::yield_to_others;
use crate::waitlist::{Rejection, Score, Standing, Stats};

use super::Engine;

/// Why somebody stands where the person stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The standing now.
    pub standing: Standing,
    /// What the active policy gives for what the person typed; None when that is not known.
    pub score: Option<Score>,
    /// How the person came to this place; None for somebody who does not wait.
    pub explained: Option<Explained>,
}

impl Engine {
    /// Why somebody has the place that the person has, and what has changed since a moment, or
    /// since the joining.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn explain(
        &self,
        person: PersonId,
        since: Option<Moment>,
    ) -> Result<Explanation, Error> {
        let standing = self.standing(person).await?;
        let profile = self.profile(person).await?;
        let score =
            profile.map(|profile| self.scoring().score(standing.persona, &profile.use_case));
        let explained = self.walk(move |walk| past::explain(walk, person, since)).await?;
        Ok(Explanation { standing, score, explained })
    }

    /// Somebody's standing as it was.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn standing_as_of(
        &self,
        person: PersonId,
        moment: Moment,
    ) -> Result<Standing, Error> {
        self.walk(move |walk| {
            let (state, at) = past::at(walk, moment)?;
            let unknown = || Error::Asked(Rejection::UnknownPerson.into());
            state.standing(person, at).ok_or_else(unknown)
        })
        .await
    }

    /// How the list stood.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn waitlist_stats_as_of(&self, moment: Moment) -> Result<Stats, Error> {
        self.walk(move |walk| {
            let (state, at) = past::at(walk, moment)?;
            Ok(state.stats(at))
        })
        .await
    }

    /// Reads history on a thread that yields to all others; one at a time.
    async fn walk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Walk<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let one = Arc::clone(&self.0.simulating)
            .try_acquire_owned()
            .map_err(|_| Error::Asked(Failure::Busy.into()))?;
        let (reader, dir) = (self.0.history.0.box_clone(), self.0.history.1.dir().to_owned());
        let end = self.0.committer.durable();
        let (sender, done) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new().name("history".to_owned());
        let spawned = thread.spawn(move || {
            yield_to_others();
            let outcome = work(&Walk { reader: reader.as_ref(), dir: &dir, end });
            drop(one);
            // Whoever asked has given up.
            let _ = sender.send(outcome);
        });
        spawned.map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;
        done.await.unwrap_or_else(|_| Err(Error::Failed("reading history panicked".to_owned())))
    }
}
