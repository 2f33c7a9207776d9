//! Counts and times of one route, behind handles that are looked up once.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::StatusCode;
use metrics::{Counter, Histogram};

/// Every status that a handler or the edge can give; others are counted as 500, which they would
/// be a defect of.
const STATUSES: [StatusCode; 16] = [
    StatusCode::OK,
    StatusCode::CREATED,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::BAD_REQUEST,
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::CONFLICT,
    StatusCode::GONE,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
    StatusCode::TOO_MANY_REQUESTS,
];

const INTERNAL: usize = 2;

/// The metrics of one route and method.
pub(crate) struct RouteMetrics {
    route: &'static str,
    method: &'static str,
    seconds: Histogram,
    // Filled when a status first occurs: all of all routes would be several hundred series.
    counters: [OnceLock<Counter>; STATUSES.len()],
}

impl RouteMetrics {
    pub(crate) fn new(method: &'static str, route: &'static str) -> Self {
        let seconds = metrics::histogram!("vobee_http_request_duration_seconds", "route" => route);
        let this =
            Self { route, method, seconds, counters: [const { OnceLock::new() }; STATUSES.len()] };
        // The statuses that alerts divide by are there from the start.
        for status in 0..4 {
            this.counter(status);
        }
        this
    }

    pub(crate) fn record(&self, status: StatusCode, took: Duration) {
        let index = STATUSES.iter().position(|known| *known == status);
        self.counter(index.unwrap_or(INTERNAL)).increment(1);
        self.seconds.record(took.as_secs_f64());
    }

    fn counter(&self, index: usize) -> &Counter {
        self.counters[index].get_or_init(|| {
            metrics::counter!(
                "vobee_http_requests_total",
                "route" => self.route,
                "method" => self.method,
                "status" => STATUSES[index].as_str().to_owned(),
            )
        })
    }
}
