//! Every family there is, and the series that exist before anything has happened.

use super::process::StartTime;

/// What kind of number a family holds.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One family: its full name and what it means.
pub(super) struct Family {
    kind: Kind,
    name: &'static str,
    help: &'static str,
}

impl Family {
    pub(super) fn describe(&self) {
        match self.kind {
            Kind::Counter => metrics::describe_counter!(self.name, self.help),
            Kind::Gauge => metrics::describe_gauge!(self.name, self.help),
            Kind::Histogram => metrics::describe_histogram!(self.name, self.help),
        }
    }
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { kind: Kind::Counter, name, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { kind: Kind::Gauge, name, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Family {
    Family { kind: Kind::Histogram, name, help }
}

pub(super) const FAMILIES: &[Family] = &[
    counter("vobee_waitlist_joins_total", "People who joined the waitlist, by source."),
    counter("vobee_waitlist_join_rejections_total", "Joins that were refused, by reason."),
    gauge("vobee_waitlist_entries", "People on the waitlist, by state."),
    histogram("vobee_waitlist_wait_seconds", "From joining to being let in."),
    counter("vobee_invites_issued_total", "Invite codes issued, by channel."),
    counter("vobee_invite_redemption_attempts_total", "Attempts to redeem a code, by result."),
    histogram("vobee_invite_redemption_delay_seconds", "From issuing a code to redeeming it."),
    gauge("vobee_invites", "Invite codes, by state."),
    counter("vobee_referral_shares_total", "Referrals that were shared."),
    counter("vobee_referral_conversions_total", "Referrals whose recipient redeemed a code."),
    counter("vobee_referral_rejections_total", "Referrals that were refused, by reason."),
    gauge("vobee_referrals", "Referrals, by state."),
    gauge("vobee_referral_reviews_open", "People on whom a verdict is awaited."),
    gauge("vobee_trust_score_ratio", "Trust score, 0 to 1."),
    gauge("vobee_churn_ratio", "Members who left or went quiet, as a share of all."),
    gauge("vobee_fraud_ratio", "Flagged, as a share of joins, redemptions and shares."),
    gauge("vobee_engagement_ratio", "Members active in the last days, as a share of all."),
    gauge("vobee_system_load_ratio", "Mean use of processor, memory and disk, 0 to 1."),
    gauge("vobee_gate_state", "1 for the colour of the gate, 0 for the others."),
    gauge("vobee_drill_active", "1 while a drill stands for what is measured."),
    counter("vobee_gate_transitions_total", "Changes of the gate, by the new colour."),
    counter("vobee_gate_decisions_total", "What the gate said to issuing codes."),
    counter("vobee_alerts_raised_total", "Alerts raised, by metric and severity."),
    gauge("vobee_alerts_active", "Alerts that stand, by severity."),
    counter("vobee_actor_messages_total", "Messages that an actor has handled."),
    gauge("vobee_actor_in_flight", "Requests that an actor has accepted and not answered."),
    counter("vobee_actor_restarts_total", "Restarts of an actor, by reason."),
    counter("vobee_admission_rejections_total", "Requests refused because too many were waiting."),
    histogram("vobee_journal_commit_seconds", "How long a commit took, with its sync."),
    histogram("vobee_journal_batch_events", "Events that shared a commit."),
    counter("vobee_journal_events_total", "Events committed to the journal since the start."),
    counter("vobee_journal_bytes_total", "Bytes of events committed since the start."),
    counter("vobee_journal_failures_total", "Commits that failed; the node stops after the first."),
    gauge("vobee_journal_last_commit_timestamp_seconds", "When the last commit was done."),
    gauge("vobee_recovery_seconds", "How long the last start took to recover."),
    gauge("vobee_recovered_events", "Events that the last start replayed behind the snapshot."),
    gauge(
        "vobee_snapshot_last_success_timestamp_seconds",
        "When the last snapshot was done; the start of the process before the first.",
    ),
    histogram("vobee_snapshot_duration_seconds", "From the end of an epoch to its snapshot."),
    gauge("vobee_snapshot_size_bytes", "Size of the newest snapshot."),
    counter("vobee_snapshot_failures_total", "Snapshots that were not taken; the journal grows."),
    counter("vobee_postgres_export_rows_total", "Rows that went to PostgreSQL, by result."),
    gauge("vobee_postgres_export_lag_events", "Events that PostgreSQL has not got yet."),
    gauge(
        "vobee_postgres_export_last_success_timestamp_seconds",
        "When the export last reached PostgreSQL; the start of the process before the first time.",
    ),
    gauge("vobee_storage_free_bytes", "Bytes free where the data directory lies."),
    counter("vobee_http_requests_total", "Requests answered, by route, method and status."),
    histogram("vobee_http_request_duration_seconds", "From the head of a request to its answer."),
    gauge("vobee_http_connections", "Open connections, over all listeners."),
    counter("vobee_wrong_codes_total", "Invite codes that were looked up and were none."),
    counter("vobee_rate_limited_total", "Requests that a rate limit turned away, by scope."),
    gauge("vobee_build_info", "1; the labels say which program this is."),
    gauge("vobee_ready", "1 when the node takes writes."),
];

/// Counters with one label whose values are counted as they happen, here or in the engine.
const COUNTED: &[(&str, &str, &[&str])] = &[
    ("vobee_rate_limited_total", "scope", &["address", "key", "global", "wrong_codes"]),
    (
        "vobee_waitlist_join_rejections_total",
        "reason",
        &["already_waiting", "already_member", "unknown_referral_code", "list_full"],
    ),
    (
        "vobee_invite_redemption_attempts_total",
        "result",
        &[
            "redeemed",
            "unknown",
            "used",
            "expired",
            "revoked",
            "reserved",
            "bound",
            "already_member",
            "unknown_reservation",
            "reservation_over",
        ],
    ),
    (
        "vobee_referral_rejections_total",
        "reason",
        &["self_referral", "referral_cycle", "already_referred", "already_member", "graph_full"],
    ),
    ("vobee_postgres_export_rows_total", "result", &["written", "failed"]),
    ("vobee_gate_decisions_total", "decision", &["open", "halved", "paused", "forced"]),
];

const ACTORS: [&str; 6] = ["waitlist", "invites", "referrals", "quality", "people", "answers"];

/// Makes the series exist that are counted as things happen, so that a rate over them is 0 and not
/// absent. What is read from the engine is there with the first scrape.
pub(super) fn start_at_zero(start: StartTime) {
    for (name, label, values) in COUNTED {
        for value in *values {
            metrics::counter!(*name, *label => *value).absolute(0);
        }
    }
    for actor in ACTORS {
        metrics::counter!("vobee_actor_restarts_total", "actor" => actor, "reason" => "panic")
            .absolute(0);
    }
    let _ = metrics::histogram!("vobee_waitlist_wait_seconds");
    let _ = metrics::histogram!("vobee_invite_redemption_delay_seconds");
    let version = env!("CARGO_PKG_VERSION");
    metrics::gauge!("vobee_build_info", "version" => version).set(1.0);
    metrics::gauge!("vobee_journal_last_commit_timestamp_seconds").set(start.seconds());
}
