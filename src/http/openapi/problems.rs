//! What may go wrong with a request, as answers of the document.
//!
//! Each answer names the codes that it may carry. Those that many routes share in the same
//! composition are written once.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};

use super::texts::{text, words};
use crate::http::auth::Access;
use crate::http::error::{self, Document, Kind};

/// The media type of all of them.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

type Kinds = &'static [&'static Kind];

/// Answers that are written once, by name.
const SHARED: [(&str, Kinds); 12] = [
    ("MalformedBody", MALFORMED),
    ("Unauthorized", UNAUTHORIZED),
    ("Forbidden", FORBIDDEN),
    ("RequestTimeout", SLOW),
    ("InFlight", IN_FLIGHT),
    ("BodyTooLarge", TOO_LARGE),
    ("NotJson", MEDIA_TYPES),
    ("InvalidField", INVALID),
    ("InvalidFieldOrKey", INVALID_OR_KEY),
    ("TooManyRequests", RATE_LIMITED),
    ("InternalError", PANICKED),
    ("Unavailable", UNAVAILABLE),
];

const MALFORMED: Kinds = &[&error::MALFORMED, &error::BROKEN_BODY];
const UNAUTHORIZED: Kinds = &[&error::UNAUTHORIZED];
const FORBIDDEN: Kinds = &[&error::FORBIDDEN];
const SLOW: Kinds = &[&error::SLOW];
const IN_FLIGHT: Kinds = &[&error::IN_FLIGHT];
const TOO_LARGE: Kinds = &[&error::TOO_LARGE];
const MEDIA_TYPES: Kinds = &[&error::MEDIA_TYPE];
const INVALID: Kinds = &[&error::INVALID];
const INVALID_OR_KEY: Kinds = &[&error::INVALID, &error::KEY_REUSED];
const RATE_LIMITED: Kinds = &[&error::RATE_LIMITED];
const PANICKED: Kinds = &[&error::PANICKED];
const UNAVAILABLE: Kinds = &[
    &error::BUSY,
    &error::TIMED_OUT,
    &error::UNAVAILABLE,
    &error::STORAGE_LOW,
    &error::TOO_MANY_KEYS,
    &error::TOO_MANY_CONNECTIONS,
];

/// What a request brings along that can be wrong.
#[derive(Clone, Copy, Default)]
pub(super) struct Brings {
    /// A parameter, in the path or behind it.
    pub(super) parameters: bool,
    /// A body, which may be empty.
    pub(super) body: bool,
    /// A body of JSON, which has to be there.
    pub(super) json: bool,
    /// Perhaps an `Idempotency-Key`.
    pub(super) key: bool,
}

/// Everything that a route may answer but success.
pub(super) fn responses(
    access: Access,
    brings: Brings,
    own: &[&'static Kind],
) -> BTreeMap<u16, RefOr<Response>> {
    let mut kinds: Vec<&'static Kind> = [SLOW, PANICKED, UNAVAILABLE].concat();
    match access {
        Access::Probe => {}
        Access::Public | Access::Person => kinds.extend([UNAUTHORIZED, RATE_LIMITED].concat()),
        Access::App | Access::Admin | Access::Metrics => {
            kinds.extend([UNAUTHORIZED, FORBIDDEN, RATE_LIMITED].concat());
        }
    }
    let Brings { parameters, body, json, key } = brings;
    let brought = [
        (parameters || body, INVALID),
        (body, MALFORMED),
        (body, TOO_LARGE),
        (json, MEDIA_TYPES),
        (key, &[&error::KEY_REUSED]),
        (key, IN_FLIGHT),
    ];
    kinds.extend(brought.into_iter().filter(|(it, _)| *it).flat_map(|(_, kinds)| kinds));
    kinds.extend(own);
    let mut by_status: BTreeMap<u16, Vec<&'static Kind>> = BTreeMap::new();
    for kind in kinds {
        by_status.entry(kind.status.as_u16()).or_default().push(kind);
    }
    by_status.into_iter().map(|(status, kinds)| (status, shared_or_own(&kinds))).collect()
}

/// The answers that are written once.
pub(super) fn shared() -> impl Iterator<Item = (&'static str, Response)> {
    SHARED.into_iter().map(|(name, kinds)| (name, response(kinds)))
}

fn shared_or_own(kinds: &[&'static Kind]) -> RefOr<Response> {
    let same = |(_, shared): &&(&str, Kinds)| *shared == kinds;
    match SHARED.iter().find(same) {
        Some((name, _)) => Ref::from_response_name(*name).into(),
        None => RefOr::T(response(kinds)),
    }
}

/// A problem document with one of these codes, which all have the same status.
fn response(kinds: &[&'static Kind]) -> Response {
    let about = kinds.iter().map(|kind| format!("{}: `{}`", kind.title, kind.code));
    let about = about.collect::<Vec<_>>().join("; ");
    let status = kinds.iter().map(|kind| kind.status.as_u16()).next().unwrap_or_default();
    let codes = kinds.iter().map(|kind| Value::from(kind.code));
    let narrowed = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("code", text().enum_values(Some(codes)));
    let problem = AllOfBuilder::new().item(Ref::from_schema_name(Document::name())).item(narrowed);
    let content = ContentBuilder::new().schema(Some(RefOr::<Schema>::from(problem))).build();
    let response = ResponseBuilder::new().description(about).content(MEDIA_TYPE, content);
    match status {
        401 => {
            response.header("WWW-Authenticate", told(words(["Bearer"]), "How to say who one is."))
        }
        429 | 503 => {
            let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
            response.header("Retry-After", told(seconds, "Seconds until another try makes sense."))
        }
        _ => response,
    }
    .build()
}

fn told(schema: ObjectBuilder, about: &str) -> utoipa::openapi::header::Header {
    HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build()
}
