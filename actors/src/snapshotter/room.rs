//! Whether the disk has room for something large beside what is to stay free on it.

use snapshots::{Epochs, free_bytes};

use super::work::Error;

/// Room for a snapshot, and for the archive of what it covers: together they take no more than the
/// snapshot before and the journal since.
pub(super) fn for_snapshot(epochs: &Epochs, reserve: u64) -> Result<(), Error> {
    let before = epochs.base().map_or(0, |base| base.bytes());
    check("a snapshot", epochs, before, reserve)
}

/// Room for what a backup copies beside it while it is written: the journal since the snapshot.
pub(crate) fn for_backup(epochs: &Epochs, reserve: u64) -> Result<(), Error> {
    check("a backup", epochs, 0, reserve)
}

/// Without a reserve everything is tried. So it is on a disk that does not say how full it is: a
/// write that does not fit fails by itself.
fn check(what: &'static str, epochs: &Epochs, before: u64, reserve: u64) -> Result<(), Error> {
    let (Ok(since), Ok(free)) = (epochs.unsaved_bytes(), free_bytes(epochs.dir())) else {
        return Ok(());
    };
    let bytes = before.saturating_add(since);
    match fits(bytes, free, reserve) {
        true => Ok(()),
        false => Err(Error::NoRoom { what, bytes, free, reserve }),
    }
}

fn fits(bytes: u64, free: u64, reserve: u64) -> bool {
    reserve == 0 || free.checked_sub(reserve).is_some_and(|room| bytes <= room)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn what_is_written_leaves_the_reserve_free() {
        assert!(fits(30, 100, 70));
        assert!(!fits(31, 100, 70));
        assert!(!fits(1, 60, 70));
        assert!(!fits(u64::MAX, u64::MAX, 1));
    }

    #[test]
    fn without_a_reserve_everything_is_tried() {
        assert!(fits(200, 100, 0));
    }
}
