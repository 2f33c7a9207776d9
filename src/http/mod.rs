//! The HTTP edge: parse, call the engine, map its answer.
//!
//! A request passes one function of ours, `endpoint::attend`, around a plain axum router: it
//! finds out who calls, holds them to the limits, asks for the key that the route demands, runs the
//! handler, and counts. Handlers know one another's order of steps and nothing of invites: read the
//! input, call the engine, turn the result into JSON. Whatever goes wrong becomes a problem
//! document in `error`, the only place that knows statuses.
//!
//! What is absent: rules about people, codes or gates, which are the engine's, and any trace of a
//! request's content in the log.

pub mod accept;

mod admission;
mod answer;
mod auth;
mod body;
mod call;
mod client;
mod endpoint;
mod error;
mod guesses;
mod metrics;
mod node;
pub(crate) mod openapi;
mod query;
mod routes;
mod stalled;

use std::sync::Arc;

use axum::Router;

use auth::Access::{Admin, App, Metrics, Person, Probe, Public};
use endpoint::Routes;
use routes::{invites, operations, past, policies, quality, referrals, review, waitlist};

pub(crate) use admission::Admission;
pub(crate) use auth::Doorkeeper;
pub(crate) use client::Proxies;
pub(crate) use endpoint::Service;
pub(crate) use guesses::Guesses;
pub(crate) use node::{Complaints, DiskGuard, Node};

/// The routes that `service` serves.
pub(crate) fn router(node: &Arc<Node>, service: Service) -> Router {
    routes().router(node, service)
}

/// Every route there is, with what it asks of its caller. `openapi` says the rest of each.
fn routes() -> Routes {
    Routes::default()
        .post("/api/waitlist/join", Public, waitlist::join)
        .get("/api/waitlist/stats", App, waitlist::stats)
        .with_query()
        .get("/api/waitlist/me", Person, waitlist::me)
        .delete("/api/waitlist/me", Person, waitlist::leave)
        .get("/api/waitlist", Admin, waitlist::page)
        .with_query()
        .get("/api/waitlist/{email}", App, waitlist::entry)
        .with_query()
        .get("/api/waitlist/{email}/explain", App, past::explain)
        .with_query()
        .delete("/api/waitlist/{email}", Admin, waitlist::remove)
        .post("/api/waitlist/invite", Admin, waitlist::invite)
        .post("/api/waitlist/{email}/boost", Admin, waitlist::boost)
        .post("/api/waitlist/policies/simulate", Admin, policies::simulate)
        .post("/api/invites/generate", Admin, invites::generate)
        .post("/api/invites/redeem", Public, invites::redeem)
        .post("/api/invites/reserve", Public, invites::reserve)
        .post("/api/invites/reservations/{id}/confirm", Public, invites::confirm)
        .post("/api/invites/reservations/{id}/release", Public, invites::release)
        .get("/api/invites", Admin, invites::page)
        .with_query()
        .get("/api/invites/{code}/status", Public, invites::status)
        .get("/api/invites/{code}", Admin, invites::history)
        .with_query()
        .post("/api/invites/{code}/revoke", Admin, invites::revoke)
        .post("/api/invites/{code}/restore", Admin, invites::restore)
        .post("/api/invites/{code}/extend", Admin, invites::extend)
        .post("/api/referrals/earn", App, referrals::earn)
        .post("/api/referrals/share", App, referrals::share)
        .get("/api/referrals/top", App, referrals::top)
        .with_query()
        .get("/api/referrals/network", App, referrals::network)
        .get("/api/referrals/{email}/quality", App, referrals::quality)
        .get("/api/referrals/{email}/chain", App, referrals::chain)
        .get("/api/referrals/{email}/analytics", App, referrals::analytics)
        .post("/api/quality/events", App, quality::observe)
        .get("/api/quality/trust-score", App, quality::trust_score)
        .with_query()
        .post("/api/quality/evaluate-gate", App, quality::evaluate_gate)
        .get("/api/quality/alerts", App, quality::alerts)
        .get("/api/quality/history", App, quality::history)
        .with_query()
        .post("/api/quality/metrics", Admin, quality::drill)
        .get("/api/quality/risk/{email}", App, review::risk)
        .get("/api/quality/review", Admin, review::page)
        .with_query()
        .post("/api/quality/review/{email}/accept", Admin, review::accept)
        .with_query()
        .post("/api/quality/review/{email}/reject", Admin, review::reject)
        .with_query()
        .post("/api/operations/backup", Admin, operations::backup)
        .post("/api/operations/snapshot", Admin, operations::snapshot)
        .post("/api/operations/compact", Admin, operations::compact)
        .get("/health", Probe, operations::health)
        .with_query()
        .get("/livez", Probe, operations::livez)
        .with_query()
        .get("/readyz", Probe, operations::readyz)
        .with_query()
        .get("/metrics", Metrics, operations::metrics)
        .with_query()
        .get("/openapi.json", Public, operations::openapi)
        .with_query()
        .get("/", Probe, operations::index)
        .with_query()
}
