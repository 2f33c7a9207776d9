//! Answers that wait for the disk.

use crate::ids::Seq;

/// What a durable record can prove: its number, and the hash chain before and after the commit
/// that it came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) seq: Seq,
    pub(crate) chain_before: [u8; 32],
    pub(crate) chain: [u8; 32],
}

/// An answer and its way home, run once its record is durable; with a receipt when the answer came
/// with a record. Dropped unrun, its caller learns that the outcome is unknown.
pub(crate) struct Ticket(Box<dyn FnOnce(Option<Receipt>) + Send>);

impl Ticket {
    pub(crate) fn new(release: impl FnOnce(Option<Receipt>) + Send + 'static) -> Self {
        Self(Box::new(release))
    }

    pub(crate) fn release(self, receipt: Option<Receipt>) {
        (self.0)(receipt);
    }
}
