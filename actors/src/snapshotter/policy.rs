//! When a snapshot is due, and what becomes of closed epochs.

use std::time::Duration;

use snapshots::Progress;

/// What happens to the records of a closed epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Archive {
    /// They are kept, compressed.
    #[default]
    Forever,
    /// They are kept until the newest of them is so many days old.
    Days(u32),
    /// They are not kept.
    Off,
}

/// When a snapshot is taken: whatever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// So many records behind the newest one.
    pub events: u64,
    /// So many bytes in the epoch.
    pub bytes: u64,
    /// So long after the last one, if anything has happened since.
    pub every: Duration,
    /// What happens to the records.
    pub archive: Archive,
    /// Without an archive: so many bytes of closed epochs stay for somebody who reads behind the
    /// others, until it is known what they need.
    pub kept_bytes: u64,
    /// So many bytes stay free on the disk, whatever snapshots and backups write; 0 lets them try.
    pub free_min_bytes: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            events: 1_000_000,
            bytes: 512 << 20,
            every: Duration::from_secs(3_600),
            archive: Archive::default(),
            kept_bytes: 0,
            free_min_bytes: 0,
        }
    }
}

impl Policy {
    /// Whether a snapshot is due, `since` after the last one.
    pub(super) fn is_due(&self, progress: Progress, since: Duration) -> bool {
        let Progress { events, bytes, .. } = progress;
        events > 0 && (events >= self.events || bytes >= self.bytes || since >= self.every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(events: u64, bytes: u64, seconds: u64) -> bool {
        let policy =
            Policy { events: 10, bytes: 100, every: Duration::from_secs(5), ..Policy::default() };
        policy.is_due(Progress { epoch: 1, events, bytes }, Duration::from_secs(seconds))
    }

    #[test]
    fn events_bytes_or_time_make_a_snapshot_due() {
        assert!(!due(9, 99, 4));
        assert!(due(10, 99, 4));
        assert!(due(9, 100, 4));
        assert!(due(9, 99, 5));
    }

    #[test]
    fn nothing_is_due_while_nothing_has_happened() {
        assert!(!due(0, 1_000, 1_000));
    }
}
