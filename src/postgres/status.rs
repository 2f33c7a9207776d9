//! How the export does, for whoever asks.

use std::sync::{Arc, Mutex, PoisonError};

use metrics::{Counter, Gauge};

/// What the export is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Doing {
    Connecting,
    Loading,
    Following,
    /// It waits and tries again, because of this.
    Failing(String),
}

/// How the export does. Cheap to clone; clones are one.
#[derive(Clone)]
pub(crate) struct Status(Arc<Inner>);

struct Inner {
    doing: Mutex<(Doing, u64)>,
    written: Counter,
    failed: Counter,
    lag: Gauge,
    last_success: Gauge,
}

impl Status {
    /// Of an export that begins, with `seconds` as the time of the start.
    pub(super) fn new(seconds: f64) -> Self {
        let rows = |result| metrics::counter!(ROWS, "result" => result);
        let inner = Inner {
            doing: Mutex::new((Doing::Connecting, 0)),
            written: rows("written"),
            failed: rows("failed"),
            lag: metrics::gauge!("vobee_postgres_export_lag_events"),
            last_success: metrics::gauge!("vobee_postgres_export_last_success_timestamp_seconds"),
        };
        inner.last_success.set(seconds);
        Self(Arc::new(inner))
    }

    /// Whether it goes well, and how it does in words.
    pub(crate) fn check(&self) -> (bool, String) {
        let doing = self.0.doing.lock().unwrap_or_else(PoisonError::into_inner);
        let lag = doing.1;
        match &doing.0 {
            Doing::Connecting => (true, "connecting".to_owned()),
            Doing::Loading => (true, "loading everything".to_owned()),
            Doing::Following => (true, format!("following, {lag} events behind")),
            Doing::Failing(why) => (false, format!("{lag} events behind, trying again: {why}")),
        }
    }

    pub(super) fn loading(&self, lag: u64) {
        self.note(Doing::Loading, lag);
    }

    /// It has come to `lag` records before the newest one.
    pub(super) fn following(&self, lag: u64) {
        self.note(Doing::Following, lag);
    }

    /// PostgreSQL has done what it was asked for, at `seconds`.
    pub(super) fn answered(&self, seconds: f64) {
        self.0.last_success.set(seconds);
    }

    /// It is `lag` records behind, because of `why`.
    pub(super) fn failing(&self, why: &str, lag: u64) {
        self.note(Doing::Failing(why.to_owned()), lag);
    }

    pub(super) fn wrote(&self, rows: u64) {
        self.0.written.increment(rows);
    }

    pub(super) fn lost(&self, rows: u64) {
        self.0.failed.increment(rows);
    }

    /// One line a change, however often it tries.
    fn note(&self, doing: Doing, lag: u64) {
        self.0.lag.set(lag as f64);
        let mut before = self.0.doing.lock().unwrap_or_else(PoisonError::into_inner);
        before.1 = lag;
        if before.0 == doing {
            return;
        }
        match (&before.0, &doing) {
            (_, Doing::Failing(why)) => {
                tracing::warn!(lag, why, "the export to PostgreSQL waits and tries again");
            }
            (_, Doing::Loading) => tracing::info!("loads everything into PostgreSQL"),
            (_, Doing::Following) => tracing::info!(lag, "the export to PostgreSQL goes on"),
            (_, Doing::Connecting) => {}
        }
        before.0 = doing;
    }
}

const ROWS: &str = "vobee_postgres_export_rows_total";
