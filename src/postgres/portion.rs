//! How much is written at once, and how long is waited for what cannot be cut.

use std::time::Duration;

use super::error::Error;

/// A batch of thirteen halvings is one event.
const HALVINGS_MAX: u32 = 13;

/// Waited for as long as this many halvings ask for, at most: what hangs has to be noticed.
const DOUBLINGS_MAX: u32 = 3;

/// Halved whenever PostgreSQL has not come to its end in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Portion {
    halvings: u32,
}

impl Portion {
    /// Something went wrong that it was written for.
    pub(super) fn after(&mut self, error: &Error) {
        if matches!(error, Error::Late(_)) {
            self.halvings = HALVINGS_MAX.min(self.halvings + 1);
        }
    }

    /// There is nothing left to write: the next that comes is little.
    pub(super) fn reset(&mut self) {
        self.halvings = 0;
    }

    /// How often what is read at once is halved.
    pub(super) fn halvings(self) -> u32 {
        self.halvings
    }

    /// What is left of so many.
    pub(super) fn of(self, whole: usize) -> usize {
        (whole >> self.halvings).max(1)
    }

    /// How long to wait for what takes as long as it takes.
    pub(super) fn patience(self, first: Duration) -> Duration {
        first.saturating_mul(1 << self.halvings.min(DOUBLINGS_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_is_late_is_halved_down_to_one_event_until_nothing_is_left_to_write() {
        let mut portion = Portion::default();
        portion.after(&Error::Moved);
        assert_eq!(portion.of(8_192), 8_192);
        portion.after(&Error::Late(60));
        portion.after(&Error::Late(60));
        assert_eq!((portion.halvings(), portion.of(8_192), portion.of(1)), (2, 2_048, 1));
        assert_eq!(portion.patience(Duration::from_secs(600)), Duration::from_secs(2_400));
        (0..20).for_each(|_| portion.after(&Error::Late(60)));
        assert_eq!(portion.of(8_192), 1);
        assert_eq!(portion.patience(Duration::from_secs(600)), Duration::from_secs(4_800));
        portion.reset();
        assert_eq!(portion.of(8_192), 8_192);
    }
}
