//! The restart budget: a pure function of when restarts happened.

use std::collections::VecDeque;
use std::time::Duration;

use crate::ids::Timestamp;

const RESTARTS_MAX: usize = 5;
const WINDOW_MICROS: i64 = 60_000_000;
const BACKOFF_FIRST: Duration = Duration::from_millis(20);

/// At most 5 restarts in any 60 seconds, each after twice the wait of the one before.
#[derive(Debug, Default)]
pub(super) struct Budget {
    recent: VecDeque<Timestamp>,
}

impl Budget {
    /// Spends one restart: how long to wait before it, or None when the budget is spent.
    pub(super) fn spend(&mut self, now: Timestamp) -> Option<Duration> {
        let oldest = now.micros() - WINDOW_MICROS;
        self.recent.retain(|at| (oldest + 1..=now.micros()).contains(&at.micros()));
        if self.recent.len() >= RESTARTS_MAX {
            return None;
        }
        let wait = match self.recent.len() {
            0 => Duration::ZERO,
            restarts => BACKOFF_FIRST * 2_u32.pow(u32::try_from(restarts - 1).unwrap_or(0)),
        };
        self.recent.push_back(now);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000 + seconds * 1_000_000)
    }

    #[test]
    fn the_sixth_restart_within_a_minute_is_one_too_many() {
        let mut budget = Budget::default();
        let waits: Vec<_> = (0..6).map(|second| budget.spend(seconds(second))).collect();
        let millis = |millis| Some(Duration::from_millis(millis));
        assert_eq!(waits, [millis(0), millis(20), millis(40), millis(80), millis(160), None]);
    }

    #[test]
    fn a_restart_is_forgotten_after_a_minute() {
        let mut budget = Budget::default();
        for second in 0..5 {
            assert!(budget.spend(seconds(second)).is_some());
        }
        assert_eq!(budget.spend(seconds(59)), None);
        assert!(budget.spend(seconds(60)).is_some());
    }

    #[test]
    fn a_clock_set_back_does_not_spend_the_budget() {
        let mut budget = Budget::default();
        for _ in 0..5 {
            assert!(budget.spend(seconds(3_600)).is_some());
        }
        assert_eq!(budget.spend(seconds(0)), Some(Duration::ZERO));
    }
}
