//! The process's one metrics recorder.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::Counter;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::families::{self, FAMILIES};
use super::process::{self, StartTime};

/// Bounds for requests, seconds: an in-memory read, a commit, a bad day, a time-out.
const REQUEST_SECONDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0];

/// Bounds for what takes people hours and weeks, seconds.
const WAIT_SECONDS: &[f64] = &[
    60.0,
    3600.0,
    21_600.0,
    86_400.0,
    259_200.0,
    604_800.0,
    1_209_600.0,
    2_592_000.0,
    7_776_000.0,
];

/// Bounds for how many events share a commit.
const BATCH_EVENTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1024.0];

/// Bounds for everything else that is measured in seconds.
const SECONDS: &[f64] = &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0];

const UPKEEP: Duration = Duration::from_secs(1);

/// Gives the metrics as text. Clones share the process's one recorder.
#[derive(Clone)]
pub(crate) struct Recorder(PrometheusHandle);

impl Recorder {
    /// Installs the recorder on the first call; later calls get the same one. Handles that were
    /// made before the first call count nothing.
    ///
    /// # Errors
    /// When another recorder has been installed.
    pub(crate) fn install(start: StartTime) -> Result<Self, BuildError> {
        static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
        if let Some(handle) = INSTALLED.get() {
            return Ok(Self(handle.clone()));
        }
        let full = |name: &str| Matcher::Full(name.to_owned());
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(full("vobee_http_request_duration_seconds"), REQUEST_SECONDS)?
            .set_buckets_for_metric(full("vobee_waitlist_wait_seconds"), WAIT_SECONDS)?
            .set_buckets_for_metric(full("vobee_invite_redemption_delay_seconds"), WAIT_SECONDS)?
            .set_buckets_for_metric(full("vobee_journal_batch_events"), BATCH_EVENTS)?
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)?
            .install_recorder()?;
        let handle = INSTALLED.get_or_init(|| handle).clone();
        for family in FAMILIES {
            family.describe();
        }
        families::start_at_zero(start);
        Ok(Self(handle))
    }

    /// Folds the samples that were taken into their histograms. Without it they pile up.
    pub(crate) async fn keep_up(self) {
        let mut tick = tokio::time::interval(UPKEEP);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.0.run_upkeep();
        }
    }

    /// The Prometheus text format.
    pub(crate) fn render(&self, start: StartTime) -> String {
        let mut text = self.0.render();
        process::write(&mut text, start);
        text
    }
}

/// Counts invite codes that were looked up and were none.
pub(crate) fn wrong_codes() -> Counter {
    metrics::counter!("vobee_wrong_codes_total")
}

/// Counts requests that a rate limit turned away.
pub(crate) fn rate_limited(scope: &'static str) -> Counter {
    metrics::counter!("vobee_rate_limited_total", "scope" => scope)
}
