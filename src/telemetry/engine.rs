//! What the engine and the edge know of themselves, put into their metrics when somebody scrapes.

use actors::quality::{Colour, Level, METRICS};
use actors::referrals::ReferralState;
use actors::waitlist::EntryState;
use actors::{CodeStatus, Stats, invites, quality, referrals, waitlist};
use metrics::{counter, gauge};

/// Sets every family that the engine's domains and actors fill. Those of a domain that is being
/// restarted keep their last values.
pub(crate) fn fill(stats: &Stats) {
    stats.waitlist.as_ref().map(fill_waitlist);
    stats.invites.as_ref().map(fill_invites);
    stats.referrals.as_ref().map(fill_referrals);
    stats.quality.as_ref().map(fill_quality);
    let mut refused = 0;
    for actor in &stats.actors {
        counter!("vobee_actor_messages_total", "actor" => actor.name).absolute(actor.messages);
        gauge!("vobee_actor_in_flight", "actor" => actor.name).set(actor.in_flight as f64);
        refused += actor.refused;
    }
    counter!("vobee_admission_rejections_total").absolute(refused);
}

fn fill_waitlist(stats: &waitlist::Stats) {
    let [direct, referral] = stats.joins;
    counter!("vobee_waitlist_joins_total", "source" => "direct").absolute(direct);
    counter!("vobee_waitlist_joins_total", "source" => "referral").absolute(referral);
    for (state, count) in [
        (EntryState::Waiting, stats.waiting),
        (EntryState::Invited, stats.invited),
        (EntryState::Member, stats.members),
    ] {
        gauge!("vobee_waitlist_entries", "state" => state.as_str()).set(count as f64);
    }
}

fn fill_invites(stats: &invites::Stats) {
    let [batch, reward, wave] = stats.issued;
    counter!("vobee_invites_issued_total", "channel" => "batch").absolute(batch);
    counter!("vobee_invites_issued_total", "channel" => "reward").absolute(reward);
    counter!("vobee_invites_issued_total", "channel" => "wave").absolute(wave);
    for (state, count) in [
        (CodeStatus::Active, stats.active),
        (CodeStatus::Reserved, stats.reserved),
        (CodeStatus::Used, stats.used),
        (CodeStatus::Expired, stats.expired),
        (CodeStatus::Revoked, stats.revoked),
    ] {
        gauge!("vobee_invites", "state" => state.as_str()).set(count as f64);
    }
}

fn fill_referrals(stats: &referrals::Stats) {
    counter!("vobee_referral_shares_total").absolute(stats.shares);
    counter!("vobee_referral_conversions_total").absolute(stats.conversions);
    gauge!("vobee_referral_reviews_open").set(stats.reviews as f64);
    for (state, count) in ReferralState::ALL.into_iter().zip(stats.by_state) {
        gauge!("vobee_referrals", "state" => state.as_str()).set(count as f64);
    }
}

fn fill_quality(stats: &quality::Stats) {
    let trust = &stats.trust;
    gauge!("vobee_trust_score_ratio").set(trust.score);
    gauge!("vobee_churn_ratio").set(trust.churn);
    gauge!("vobee_fraud_ratio").set(trust.fraud);
    gauge!("vobee_engagement_ratio").set(trust.engagement);
    for (colour, transitions) in Colour::ALL.into_iter().zip(stats.transitions) {
        let name = colour.as_str();
        gauge!("vobee_gate_state", "state" => name).set(u8::from(trust.colour == colour));
        counter!("vobee_gate_transitions_total", "to" => name).absolute(transitions);
    }
    gauge!("vobee_drill_active").set(u8::from(trust.drill.is_some()));
    for severity in [Level::Warning, Level::Critical] {
        let active = trust.alerts.iter().filter(|alert| alert.severity == severity).count();
        gauge!("vobee_alerts_active", "severity" => severity.as_str()).set(active as f64);
    }
    for (metric, raised) in METRICS.into_iter().zip(stats.raised) {
        for (severity, count) in [Level::Warning, Level::Critical].into_iter().zip(raised) {
            let severity = severity.as_str();
            counter!("vobee_alerts_raised_total", "metric" => metric, "severity" => severity)
                .absolute(count);
        }
    }
}

/// Sets the families of the edge that are states and not happenings.
pub(crate) fn fill_edge(ready: bool, connections: usize, free_bytes: Option<u64>) {
    metrics::gauge!("vobee_ready").set(u8::from(ready));
    metrics::gauge!("vobee_http_connections").set(connections as f64);
    if let Some(free_bytes) = free_bytes {
        metrics::gauge!("vobee_storage_free_bytes").set(free_bytes as f64);
    }
}
