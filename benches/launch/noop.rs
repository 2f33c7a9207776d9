//! The server that does nothing: what HTTP and JSON alone cost on this machine.
//!
//! The same accept loop, the same routes, the same way from bytes to fields, and answers of the
//! same fields and size written the same way. No engine, no journal, no keys, no limits. A real
//! server can at best be as fast.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode};
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use vobee::http::accept::{Limits, serve};
use vobee::shutdown::Shutdown;

const CONNECTIONS_MAX: usize = 10_000;
const HEADER_READ: Duration = Duration::from_secs(10);
const WRITE: Duration = Duration::from_secs(60);
const DRAIN: Duration = Duration::from_secs(1);
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Serves until it is asked to stop; the error says why it could not.
pub(crate) fn run(port: u16) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(|error| format!("cannot listen on port {port}: {error}"))?;
        let limits = Limits::new(CONNECTIONS_MAX, HEADER_READ, WRITE, DRAIN);
        let mut asked = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
        let stop = Shutdown::new();
        let serving = serve(listener, router(), limits, stop.clone());
        let stopping = async {
            asked.recv().await;
            stop.request();
        };
        tokio::join!(serving, stopping);
        Ok(())
    })
}

fn router() -> Router {
    Router::new()
        .route("/readyz", get(async || StatusCode::OK))
        .route("/api/waitlist/join", post(join))
        .route("/api/waitlist/{email}", get(position))
        .route("/api/invites/redeem", post(redeem))
        .route("/api/invites/{code}/status", get(status))
}

const PERSON: &str = "6f9619ff-8b86-8011-b42d-00cf4fc964ff";
const PERSON_TOKEN: &str =
    "person_6f9619ff8b868011b42d00cf4fc964ff5dab8c1f09e34b7288aa01c2d3e4f506";
const TIME: &str = "2026-11-23T11:45:54.123456Z";
const REFERRAL_CODE: &str = "9K2M4PQ7";

#[derive(Serialize)]
struct Joined<'a> {
    status: &'a str,
    position: Option<u64>,
    total_waiting: u64,
    estimated_wait: Option<&'a str>,
    already_joined: bool,
    state: &'a str,
    id: &'a str,
    priority_score: i32,
    referral_code: &'a str,
    person_token: Option<&'a str>,
}

async fn join(request: Request) -> Response<Body> {
    let Some(mut body) = object(request).await else { return refusal() };
    let (Some(email), Some(use_case), Some(persona)) =
        (take(&mut body, "email"), take(&mut body, "use_case"), take(&mut body, "persona"))
    else {
        return refusal();
    };
    let points = email.len() + use_case.len() + persona.len();
    let joined = Joined {
        status: "success",
        position: Some(612_247),
        total_waiting: 1_001_853,
        estimated_wait: Some("4-6 weeks"),
        already_joined: false,
        state: "waiting",
        id: PERSON,
        priority_score: (points % 35) as i32,
        referral_code: REFERRAL_CODE,
        person_token: Some(PERSON_TOKEN),
    };
    answer(StatusCode::CREATED, &joined)
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    state: &'a str,
    position: Option<u64>,
    ahead: Option<u64>,
    total: u64,
    estimated_wait: Option<&'a str>,
    email: Option<&'a str>,
    persona: &'a str,
    use_case: Option<&'a str>,
    metadata: Option<BTreeMap<&'a str, &'a str>>,
    priority_score: i32,
    boost: i32,
    joined_at: &'a str,
    invited_at: Option<&'a str>,
    referral_code: &'a str,
}

async fn position(Path(email): Path<String>) -> Response<Body> {
    let entry = Entry {
        id: PERSON,
        state: "waiting",
        position: Some(612_247),
        ahead: Some(612_246),
        total: 1_001_853,
        estimated_wait: Some("4-6 weeks"),
        email: Some(&email),
        persona: "solo_founder",
        use_case: Some("Marketing automation for my startup"),
        metadata: Some(BTreeMap::new()),
        priority_score: 15,
        boost: 0,
        joined_at: TIME,
        invited_at: None,
        referral_code: REFERRAL_CODE,
    };
    answer(StatusCode::OK, &entry)
}

#[derive(Serialize)]
struct Redeemed<'a> {
    status: &'a str,
    message: &'a str,
    email: &'a str,
    redeemed_at: &'a str,
    already_redeemed: bool,
}

async fn redeem(request: Request) -> Response<Body> {
    let Some(mut body) = object(request).await else { return refusal() };
    let (Some(_code), Some(email)) = (take(&mut body, "code"), take(&mut body, "email")) else {
        return refusal();
    };
    let redeemed = Redeemed {
        status: "success",
        message: "Invite code redeemed successfully",
        email: &email,
        redeemed_at: TIME,
        already_redeemed: false,
    };
    answer(StatusCode::OK, &redeemed)
}

#[derive(Serialize)]
struct Status<'a> {
    valid: bool,
    expires_at: &'a str,
    used: bool,
    status: &'a str,
    created_at: &'a str,
    uses: u32,
    max_uses: u32,
    bound: bool,
}

async fn status(Path(code): Path<String>) -> Response<Body> {
    let status = Status {
        valid: !code.is_empty(),
        expires_at: TIME,
        used: false,
        status: "active",
        created_at: TIME,
        uses: 0,
        max_uses: 1,
        bound: false,
    };
    answer(StatusCode::OK, &status)
}

async fn object(request: Request) -> Option<Map<String, Value>> {
    let bytes = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await.ok()?;
    let Value::Object(object) = serde_json::from_slice(&bytes).ok()? else { return None };
    Some(object)
}

fn take(object: &mut Map<String, Value>, field: &str) -> Option<String> {
    let Value::String(text) = object.remove(field)? else { return None };
    Some(text)
}

fn answer<T: Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    let mut bytes = Vec::with_capacity(512);
    if serde_json::to_writer(&mut bytes, value).is_err() {
        return refusal();
    }
    let mut response = Response::new(Body::from(Bytes::from(bytes)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn refusal() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    response
}
