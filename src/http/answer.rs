//! Success, as JSON.

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::error::Problem;

/// What a handler gives back.
pub(crate) type Answer = Result<Response<Body>, Problem>;

/// Room for the usual answer, so that writing it takes one allocation.
const USUAL_BYTES: usize = 512;

/// `value` as an `application/json` answer.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    let mut response = Response::new(Body::from(to_bytes(value)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// 200 with `value`.
pub(crate) fn ok<T: Serialize>(value: &T) -> Answer {
    json(StatusCode::OK, value)
}

/// `value` as JSON text.
pub(super) fn to_bytes<T: Serialize>(value: &T) -> Bytes {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut bytes, value)
        .expect("answers are structs of texts and numbers, which always have a JSON form");
    Bytes::from(bytes)
}
