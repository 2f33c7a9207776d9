//! Asking how it was, and why it is so now.

use std::sync::Arc;

use crate::cell::Domain;
use crate::error::Failure;
use crate::ids::{InviteCode, PersonId};
use crate::invites::{self, CodeView, Invites};
use crate::past::{self, Error, Explained, Moment, Subject, Walk};
use crate::quality::{self, Quality, Trust};
use crate::snapshotter::yield_to_others;
use crate::waitlist::{self, Rejection, Score, Standing, Stats, Waitlist};

use super::Engine;

/// The waitlist.
fn list() -> Subject<Waitlist> {
    Subject { name: "waitlist", fresh: waitlist::State::default() }
}

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
            let (state, at) = past::at(walk, list(), moment)?;
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
            let (state, at) = past::at(walk, list(), moment)?;
            Ok(state.stats(at))
        })
        .await
    }

    /// What a code was good for.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn code_status_as_of(
        &self,
        code: InviteCode,
        moment: Moment,
    ) -> Result<CodeView, Error> {
        self.walk(move |walk| {
            let fresh = invites::State::default();
            let codes = Subject::<Invites> { name: "invites", fresh };
            let (state, at) = past::at(walk, codes, moment)?;
            let unknown = || Error::Asked(invites::Rejection::UnknownCode.into());
            state.view(code, at).ok_or_else(unknown)
        })
        .await
    }

    /// The rates, score and gate as they were, by the weights and lines of now.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn trust_as_of(&self, moment: Moment) -> Result<Trust, Error> {
        let policy = self.0.policies.quality;
        self.walk(move |walk| {
            let rates = Subject::<Quality> { name: "quality", fresh: Quality::state(&policy) };
            let (state, at) = past::at(walk, rates, moment)?;
            Ok(quality::report(&state, &policy, at))
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
        let (reader, epochs) = (self.0.history.0.box_clone(), self.0.history.1.clone());
        let end = self.0.committer.durable();
        let (sender, done) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new().name("history".to_owned());
        let spawned = thread.spawn(move || {
            yield_to_others();
            let outcome = work(&Walk { reader: reader.as_ref(), epochs: &epochs, end });
            drop(one);
            // Whoever asked has given up.
            let _ = sender.send(outcome);
        });
        spawned.map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;
        done.await.unwrap_or_else(|_| Err(Error::Failed("reading history panicked".to_owned())))
    }
}
