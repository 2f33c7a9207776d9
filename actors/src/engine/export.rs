//! What somebody who keeps a copy outside reads.

use crate::error::Error;
use crate::export::Feed;
use crate::ids::PersonId;

use super::Engine;

/// Places that one message asks for, so that nobody waits long behind it.
const PLACES_MAX: usize = 512;

impl Engine {
    /// The journal, to be followed at the reader's own pace.
    #[must_use]
    pub fn feed(&self) -> Feed {
        let (reader, epochs) = &self.0.history;
        Feed::new(reader.box_clone(), epochs.clone(), self.0.committer.clone())
    }

    /// The places of several people, in their order; None for those who do not wait.
    ///
    /// # Errors
    /// A [`Failure`](crate::error::Failure) only.
    pub async fn places(&self, people: &[PersonId]) -> Result<Vec<Option<u64>>, Error> {
        let mut places = Vec::with_capacity(people.len());
        for people in people.chunks(PLACES_MAX) {
            places.extend(self.0.waitlist.places(self.now(), people.to_vec()).await?);
        }
        Ok(places)
    }
}
