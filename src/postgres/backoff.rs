//! How long to wait before the next try.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const DOUBLINGS_MAX: u32 = 7;

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It went well.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// It failed: so long to wait, twice as long each time, up to half a minute. `luck` in 0..1
    /// takes up to half of it away, so that many nodes do not come back all at once.
    pub(super) fn next(&mut self, luck: f64) -> Duration {
        let wait = FIRST * 2_u32.pow(self.failures.min(DOUBLINGS_MAX));
        self.failures = self.failures.saturating_add(1);
        wait.mul_f64(1.0 - luck.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..10).map(|_| backoff.next(0.0).as_millis()).collect();
        let doubling = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 32_000, 32_000];
        assert_eq!(waits, doubling);
        backoff.reset();
        assert_eq!(backoff.next(1.0), Duration::from_millis(125));
    }
}
