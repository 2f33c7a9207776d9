//! The running hash over everything ever appended.
//!
//! One link covers one frame's worth of records: SHA-256(previous link || first seq || count ||
//! for each record: body length, body, section count, and each section's owner and commitment),
//! numbers little-endian, seq 8 bytes, the others 4. Two journals with the same link at a
//! sequence number hold the same records up to there, whatever was erased from them.

use sha2::{Digest, Sha256};

use crate::record::RecordView;

/// The link before the first record.
pub(crate) const START: [u8; 32] = [0; 32];

/// The link after `payload`, or `None` if it does not hold exactly `count` well formed records.
pub(crate) fn next(
    previous: &[u8; 32],
    first_seq: u64,
    count: u32,
    payload: &[u8],
) -> Option<[u8; 32]> {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(first_seq.to_le_bytes());
    hash.update(count.to_le_bytes());
    let mut rest = payload;
    for _ in 0..count {
        let whole = rest;
        let record = RecordView::take(first_seq, &mut rest)?;
        // Length, body and section count lie on disk as the chain wants them: one update.
        hash.update(&whole[..4 + record.body.len() + 4]);
        for section in record.sections() {
            hash.update(section.owner().to_le_bytes());
            hash.update(section.commitment());
        }
    }
    rest.is_empty().then(|| hash.finalize().into())
}
