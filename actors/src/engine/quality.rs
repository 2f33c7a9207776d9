//! Asking the quality gates.

use crate::error::Error;
use crate::ids::{PersonId, Timestamp};
use crate::quality::{Drilling, Observe, Observed, Point, Ratio, Rejection, Seen, Trust, Window};
use crate::request::RequestTag;

use super::Engine;

/// What the product saw of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Of whom.
    pub person: PersonId,
    /// What.
    pub kind: Seen,
    /// When; now when absent.
    pub at: Option<Timestamp>,
}

impl Engine {
    /// Takes in what the product saw, all of it or none.
    ///
    /// # Errors
    /// [`Rejection::UnknownMembers`].
    pub async fn observe(
        &self,
        seen: Vec<Sighting>,
        tag: Option<RequestTag>,
    ) -> Result<Observed, Error> {
        let seen = seen.into_iter().map(|Sighting { person, kind, at }| (person, kind, at));
        let command = Observe { seen: seen.collect() };
        let now = self.now();
        let run = |request| self.0.quality.observe(now, request, command);
        self.once::<_, Rejection, _>(tag, run).await
    }

    /// Score, rates, gate and alerts, as of the last look at the gate.
    ///
    /// # Errors
    /// A [`Failure`](crate::error::Failure) only.
    pub async fn trust(&self) -> Result<Trust, Error> {
        self.0.quality.trust(self.now()).await
    }

    /// Looks at the gate now, moves it when that is due, and answers as [`Engine::trust`].
    ///
    /// # Errors
    /// A [`Failure`](crate::error::Failure) only.
    pub async fn evaluate(&self, tag: Option<RequestTag>) -> Result<Trust, Error> {
        let now = self.now();
        let run = |request| self.0.quality.evaluate(now, request);
        self.once::<_, Rejection, _>(tag, run).await
    }

    /// Puts rates in the place of the measured ones for a while, or ends that early; moves the gate
    /// when that is due, and answers as [`Engine::trust`].
    ///
    /// # Errors
    /// A [`Failure`](crate::error::Failure) only.
    pub async fn drill(&self, drilling: Drilling, tag: Option<RequestTag>) -> Result<Trust, Error> {
        let now = self.now();
        let run = |request| self.0.quality.drill(now, request, drilling);
        self.once::<_, Rejection, _>(tag, run).await
    }

    /// Takes in how loaded the machine is; None when that is not known, which raises nothing.
    ///
    /// # Errors
    /// A [`Failure`](crate::error::Failure) only.
    pub async fn see_load(&self, load: Option<Ratio>) -> Result<(), Error> {
        self.0.quality.see_load(self.now(), load).await
    }

    /// How the metrics have been, oldest first.
    ///
    /// # Errors
    /// A [`Failure`](crate::error::Failure) only.
    pub async fn quality_history(&self, window: Window) -> Result<Vec<Point>, Error> {
        self.0.quality.history(self.now(), window).await
    }
}
