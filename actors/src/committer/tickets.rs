//! Answers that wait for the disk.

/// An answer and its way home, run once its record is durable. Dropped unrun, its caller learns
/// that the outcome is unknown.
pub(crate) struct Ticket(Box<dyn FnOnce() + Send>);

impl Ticket {
    pub(crate) fn new(release: impl FnOnce() + Send + 'static) -> Self {
        Self(Box::new(release))
    }

    pub(crate) fn release(self) {
        (self.0)();
    }
}
