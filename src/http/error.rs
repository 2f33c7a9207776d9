//! The one status table: which refusal becomes which status, and the document that explains it.
//!
//! Every answer that is not a success is a problem document (RFC 9457). `code` is the stable name
//! that programs look at, `error` the one line that a plain web form shows. The table matches every
//! rejection by name and has no wildcard arm, so a new one does not compile until it has a status.

use std::borrow::Cow;

use actors::{
    Failure, Rejection, invites, past, quality, referrals, request, snapshotter, waitlist,
};
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi;

/// Field errors that are told one by one; more are only counted.
pub(crate) const FIELD_ERRORS_MAX: usize = 20;

const RETRY_AFTER_SECONDS: u64 = 1;

/// A kind of problem: what is the same each time it occurs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(super) title: &'static str,
}

const fn kind(status: StatusCode, code: &'static str, title: &'static str) -> Kind {
    Kind { status, code, title }
}

use StatusCode as S;

pub(crate) static MALFORMED: Kind = kind(S::BAD_REQUEST, "malformed-json", "Malformed JSON");
pub(super) static BROKEN_BODY: Kind = kind(S::BAD_REQUEST, "incomplete-body", "Incomplete body");
pub(super) static UNAUTHORIZED: Kind = kind(S::UNAUTHORIZED, "unauthorized", "Not authorised");
pub(super) static FORBIDDEN: Kind = kind(S::FORBIDDEN, "forbidden", "Not allowed");
pub(super) static NOT_FOUND: Kind = kind(S::NOT_FOUND, "not-found", "Nothing here");
pub(super) static METHOD: Kind =
    kind(S::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed");
pub(super) static SLOW: Kind = kind(S::REQUEST_TIMEOUT, "request-timeout", "Request timeout");
pub(super) static TOO_LARGE: Kind = kind(S::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large");
pub(super) static MEDIA_TYPE: Kind =
    kind(S::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type");
pub(super) static INVALID: Kind = kind(S::UNPROCESSABLE_ENTITY, "invalid-field", "Invalid input");
pub(super) static RATE_LIMITED: Kind =
    kind(S::TOO_MANY_REQUESTS, "rate-limited", "Too many requests");
pub(super) static WRONG_CODES: Kind =
    kind(S::TOO_MANY_REQUESTS, "too-many-wrong-codes", "Too many wrong codes");
pub(super) static PANICKED: Kind =
    kind(S::INTERNAL_SERVER_ERROR, "internal-error", "Internal error");

pub(super) static BUSY: Kind = kind(S::SERVICE_UNAVAILABLE, "busy", "Busy");
pub(super) static TIMED_OUT: Kind = kind(S::SERVICE_UNAVAILABLE, "timed-out", "No answer in time");
/// What the accept loop says, as a constant of its own, when every connection is taken.
pub(super) static TOO_MANY_CONNECTIONS: Kind =
    kind(S::SERVICE_UNAVAILABLE, "too-many-connections", "Too many connections");
pub(super) static NOT_READY: Kind = kind(S::SERVICE_UNAVAILABLE, "not-ready", "Not ready");
pub(super) static NO_SNAPSHOT: Kind = kind(S::SERVICE_UNAVAILABLE, "no-snapshot", "No snapshot");
pub(super) static NO_HISTORY: Kind =
    kind(S::SERVICE_UNAVAILABLE, "no-history", "History is unreadable");
pub(super) static HISTORY_GONE: Kind = kind(S::GONE, "history-gone", "History is not kept");
pub(super) static STORAGE_LOW: Kind =
    kind(S::SERVICE_UNAVAILABLE, "storage-low", "Disk almost full");
pub(super) static UNAVAILABLE: Kind = kind(S::SERVICE_UNAVAILABLE, "unavailable", "Unavailable");

pub(super) static ALREADY_MEMBER: Kind = kind(S::CONFLICT, "already-member", "Already a member");
pub(super) static UNKNOWN_PERSON: Kind = kind(S::NOT_FOUND, "unknown-person", "Unknown person");
pub(super) static ERASED: Kind = kind(S::GONE, "erased", "Left and erased");
pub(super) static NOT_WAITING: Kind = kind(S::CONFLICT, "not-waiting", "Not waiting");
pub(super) static NOBODY_WAITS: Kind = kind(S::CONFLICT, "nobody-waits", "Nobody waits");
pub(super) static LIST_FULL: Kind = kind(S::SERVICE_UNAVAILABLE, "list-full", "The list is full");

pub(super) static UNKNOWN_CODE: Kind = kind(S::NOT_FOUND, "unknown-code", "Unknown code");
pub(super) static CODE_USED: Kind = kind(S::CONFLICT, "code-used", "Code already used");
pub(super) static CODE_EXPIRED: Kind = kind(S::GONE, "code-expired", "Code expired");
pub(super) static CODE_REVOKED: Kind = kind(S::GONE, "code-revoked", "Code revoked");
pub(super) static CODE_BOUND: Kind =
    kind(S::FORBIDDEN, "code-bound", "Code issued to somebody else");
pub(super) static CODE_RESERVED: Kind = kind(S::CONFLICT, "code-reserved", "Code reserved");
pub(super) static UNKNOWN_RESERVATION: Kind =
    kind(S::NOT_FOUND, "unknown-reservation", "Unknown reservation");
pub(super) static RESERVATION_EXPIRED: Kind =
    kind(S::GONE, "reservation-expired", "Reservation expired");
pub(super) static RESERVATION_RELEASED: Kind =
    kind(S::CONFLICT, "reservation-released", "Reservation released");
pub(super) static RESERVATION_CONFIRMED: Kind =
    kind(S::CONFLICT, "reservation-confirmed", "Reservation confirmed");
pub(super) static UNKNOWN_BATCH: Kind = kind(S::NOT_FOUND, "unknown-batch", "Unknown batch");
pub(super) static PAUSED: Kind = kind(S::CONFLICT, "invites-paused", "Invites are paused");
pub(super) static REGISTRY_FULL: Kind =
    kind(S::SERVICE_UNAVAILABLE, "registry-full", "Registry full");
pub(super) static NOT_HOLDER: Kind = kind(S::CONFLICT, "not-holder", "Not the holder of this code");

pub(super) static SELF_REFERRAL: Kind =
    kind(S::UNPROCESSABLE_ENTITY, "self-referral", "Self-referral");
pub(super) static REFERRAL_CYCLE: Kind = kind(S::CONFLICT, "referral-cycle", "Referral cycle");
pub(super) static ALREADY_REFERRED: Kind =
    kind(S::CONFLICT, "already-referred", "Already referred");
pub(super) static GRAPH_FULL: Kind =
    kind(S::SERVICE_UNAVAILABLE, "graph-full", "Referral graph full");

pub(super) static NOTHING_TO_REVIEW: Kind =
    kind(S::NOT_FOUND, "nothing-to-review", "Nothing to review");

pub(super) static IN_FLIGHT: Kind =
    kind(S::CONFLICT, "request-in-flight", "Request still in flight");
pub(super) static KEY_REUSED: Kind =
    kind(S::UNPROCESSABLE_ENTITY, "idempotency-key-reused", "Idempotency key reused");
pub(super) static TOO_MANY_KEYS: Kind =
    kind(S::SERVICE_UNAVAILABLE, "too-many-keys", "Too many keys");

/// One field that is wrong, and how to put it right. Holds a field's name, never its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Its path in the input; empty for the input as a whole.
    pub(crate) field: String,
    pub(crate) message: Cow<'static, str>,
}

/// Why a request is not answered with success.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: &'static Kind,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    hint: Hint,
}

/// What a problem tells the caller's program in a header.
#[derive(Debug, PartialEq, Eq)]
enum Hint {
    Nothing,
    /// Seconds until another try makes sense.
    RetryAfter(u64),
    /// How to say who one is.
    Authenticate,
}

impl Problem {
    pub(crate) fn new(kind: &'static Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), hint: Hint::Nothing }
    }

    fn retry_after(self, seconds: u64) -> Self {
        Self { hint: Hint::RetryAfter(seconds), ..self }
    }

    /// 422: what is wrong with the input, all of it.
    pub(crate) fn invalid(mut errors: Vec<FieldError>) -> Self {
        let more = errors.len().saturating_sub(FIELD_ERRORS_MAX);
        let detail = match errors.as_slice() {
            [] => Cow::Borrowed("the input is not valid"),
            [one] => Cow::Owned(one_line(one)),
            [first, ..] => {
                Cow::Owned(format!("{} (and {} more)", one_line(first), errors.len() - 1))
            }
        };
        if more > 0 {
            errors.truncate(FIELD_ERRORS_MAX);
            let message = Cow::Owned(format!("and {more} more that are wrong"));
            errors.push(FieldError { field: String::new(), message });
        }
        Self { errors, ..Self::new(&INVALID, detail) }
    }

    /// 422 about a single field.
    pub(crate) fn field(field: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::invalid(vec![FieldError { field: field.to_owned(), message: message.into() }])
    }

    #[cfg(test)]
    pub(crate) fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    pub(crate) fn unauthorized(detail: &'static str) -> Self {
        Self { hint: Hint::Authenticate, ..Self::new(&UNAUTHORIZED, detail) }
    }

    pub(crate) fn forbidden(needed: &'static str) -> Self {
        Self::new(&FORBIDDEN, format!("this needs a key of scope {needed}"))
    }

    pub(crate) fn not_found() -> Self {
        Self::new(&NOT_FOUND, "there is no such path")
    }

    /// 405; the router adds `Allow`, since it alone knows the path's methods.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(&METHOD, "this path does not take this method; see the Allow header")
    }

    pub(crate) fn slow_body() -> Self {
        Self::new(&SLOW, "the body did not arrive in time")
    }

    pub(crate) fn broken_body() -> Self {
        Self::new(&BROKEN_BODY, "the body ended before it was complete")
    }

    pub(crate) fn too_large(bytes_max: usize) -> Self {
        Self::new(&TOO_LARGE, format!("a body may be at most {bytes_max} bytes"))
    }

    pub(crate) fn media_type() -> Self {
        Self::new(&MEDIA_TYPE, "send JSON with the header content-type: application/json")
    }

    pub(crate) fn rate_limited(seconds: u64) -> Self {
        let seconds = seconds.max(1);
        Self::new(&RATE_LIMITED, format!("too many requests, try again in {seconds} s"))
            .retry_after(seconds)
    }

    /// 429: too many of the codes from there, or of all codes, were none.
    pub(crate) fn wrong_codes(seconds: u64) -> Self {
        let detail = format!("too many wrong invite codes; codes are taken again in {seconds} s");
        Self::new(&WRONG_CODES, detail).retry_after(seconds)
    }

    /// 503 at `/readyz`: which checks failed, and why.
    pub(crate) fn not_ready(wrong: Vec<FieldError>) -> Self {
        let detail = wrong.iter().map(one_line).collect::<Vec<_>>().join("; ");
        Self { errors: wrong, ..Self::new(&NOT_READY, detail).retry_after(RETRY_AFTER_SECONDS) }
    }

    pub(crate) fn panicked() -> Self {
        Self::new(&PANICKED, "this is a defect of the server; whether it happened is unknown")
    }
}

fn one_line(error: &FieldError) -> String {
    match error.field.as_str() {
        "" => error.message.clone().into_owned(),
        field => format!("{field}: {}", error.message),
    }
}

/// A problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document<'a> {
    /// `urn:vobee:problem:` and the code.
    #[schema(value_type = openapi::ProblemType)]
    r#type: Type,
    /// What is the same each time it occurs.
    title: &'a str,
    status: u16,
    /// What happened this time, and what to do about it.
    detail: &'a str,
    /// The stable name that programs look at.
    code: &'a str,
    /// What is wrong with the input, all of it.
    errors: &'a [FieldError],
    /// The detail once more, where plain web forms look for it.
    error: &'a str,
}

/// `urn:vobee:problem:<code>`: an identifier that needs no host to be the same everywhere.
struct Type(&'static str);

impl Serialize for Type {
    fn serialize<T: serde::Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        serializer.collect_str(&format_args!("urn:vobee:problem:{}", self.0))
    }
}

impl From<Problem> for Response<Body> {
    fn from(problem: Problem) -> Self {
        let Problem { kind, detail, errors, hint } = problem;
        let document = Document {
            r#type: Type(kind.code),
            title: kind.title,
            status: kind.status.as_u16(),
            detail: &detail,
            code: kind.code,
            errors: &errors,
            error: &detail,
        };
        let body = super::answer::to_bytes(&document);
        let mut response = Self::new(Body::from(body));
        *response.status_mut() = kind.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match hint {
            Hint::Nothing => {}
            Hint::RetryAfter(seconds) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            Hint::Authenticate => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
        }
        response
    }
}

impl From<actors::Error> for Problem {
    fn from(error: actors::Error) -> Self {
        match error {
            actors::Error::Rejected(rejection) => rejection.into(),
            actors::Error::Failed(failure) => failure.into(),
        }
    }
}

impl From<snapshotter::Error> for Problem {
    fn from(error: snapshotter::Error) -> Self {
        use snapshotter::Error as E;
        let kind = match error {
            E::NoRoom { .. } => &STORAGE_LOW,
            E::Failed(_) | E::Differs { .. } | E::Held | E::Stopping => &NO_SNAPSHOT,
        };
        Self::new(kind, error.to_string()).retry_after(RETRY_AFTER_SECONDS)
    }
}

impl From<past::Error> for Problem {
    fn from(error: past::Error) -> Self {
        match error {
            past::Error::Asked(error) => error.into(),
            past::Error::NotKept(_) => Self::new(&HISTORY_GONE, error.to_string()),
            past::Error::Failed(_) => {
                Self::new(&NO_HISTORY, error.to_string()).retry_after(RETRY_AFTER_SECONDS)
            }
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let kind = match failure {
            Failure::Busy => &BUSY,
            Failure::TimedOut => &TIMED_OUT,
            Failure::Unavailable => &UNAVAILABLE,
            Failure::StorageLow => &STORAGE_LOW,
        };
        let detail = match failure {
            Failure::Busy => "too many requests are waiting, try again shortly",
            Failure::TimedOut => {
                "no answer in time: whether it happened is unknown, repeat it with its \
                 Idempotency-Key"
            }
            Failure::StorageLow => {
                "the disk is almost full, so nothing is written: nothing changed, reads go on; \
                 make room, or lower storage.free_min_bytes"
            }
            Failure::Unavailable => {
                "this part is restarting: whether it happened is unknown, repeat it with its \
                 Idempotency-Key"
            }
        };
        Self::new(kind, detail).retry_after(RETRY_AFTER_SECONDS)
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Waitlist(rejection) => waitlist(rejection),
            Rejection::Invites(rejection) => invites(rejection),
            Rejection::Referrals(rejection) => referrals(rejection),
            Rejection::Quality(rejection) => quality(rejection),
            Rejection::Request(rejection) => request(rejection),
        }
    }
}

fn waitlist(rejection: waitlist::Rejection) -> Problem {
    use waitlist::Rejection as R;
    match rejection {
        R::AlreadyMember => Problem::new(&ALREADY_MEMBER, "this address is already a member"),
        R::UnknownPerson => Problem::new(&UNKNOWN_PERSON, "this address is not on the list"),
        R::HasLeft { at } => Problem::new(
            &ERASED,
            format!("whoever had this address left at {at} and was erased; write to them no more"),
        ),
        R::UnknownReferralCode => {
            Problem::field("referral_code", "is not a referral code of anybody on the list")
        }
        R::UnknownCursor => {
            Problem::field("after", "is not a cursor of this list; start again without it")
        }
        R::NotWaiting => Problem::new(&NOT_WAITING, "this person is no longer waiting"),
        R::InvitesPaused { reasons } => paused(&reasons),
        R::NobodyWaits => Problem::new(&NOBODY_WAITS, "nobody is waiting"),
        R::NoRoomForCodes => full(
            &REGISTRY_FULL,
            "there is no room for so many codes; ask for fewer, or raise invites.codes_max",
        ),
        R::ListFull => {
            full(&LIST_FULL, "the list takes no more people; raise waitlist.entries_max")
        }
    }
}

fn paused(reasons: &[String]) -> Problem {
    let reasons = reasons.join("; ");
    let colon = if reasons.is_empty() { "" } else { ": " };
    Problem::new(&PAUSED, format!("invites are paused{colon}{reasons}"))
}

fn invites(rejection: invites::Rejection) -> Problem {
    use invites::Rejection as R;
    match rejection {
        R::UnknownCode => Problem::new(&UNKNOWN_CODE, "there is no such invite code"),
        R::CodeUsed => Problem::new(&CODE_USED, "this code has been used"),
        R::CodeExpired => {
            Problem::new(&CODE_EXPIRED, "this code has expired; an operator can extend it")
        }
        R::CodeRevoked => Problem::new(&CODE_REVOKED, "this code has been revoked"),
        R::CodeBound => Problem::new(&CODE_BOUND, "this code was issued to another address"),
        R::AlreadyMember => Problem::new(&ALREADY_MEMBER, "this address is already a member"),
        R::InvitesPaused { reasons } => paused(&reasons),
        R::RegistryFull => full(&REGISTRY_FULL, "there is no room for more codes"),
        R::CodeReserved => Problem::new(
            &CODE_RESERVED,
            "somebody is signing up with this code; try again when that has ended",
        ),
        R::UnknownReservation => {
            Problem::new(&UNKNOWN_RESERVATION, "there is no such reservation, or it is long over")
        }
        R::ReservationExpired => Problem::new(
            &RESERVATION_EXPIRED,
            "the time of this reservation is over; reserve again",
        ),
        R::ReservationReleased => {
            Problem::new(&RESERVATION_RELEASED, "this reservation was released; reserve again")
        }
        R::ReservationConfirmed => {
            Problem::new(&RESERVATION_CONFIRMED, "this reservation was confirmed")
        }
        R::UnknownBatch => Problem::new(&UNKNOWN_BATCH, "there is no such batch"),
        R::UnknownCursor => {
            Problem::field("after", "is not a cursor of this list; start again without it")
        }
        R::NotHolder => Problem::new(&NOT_HOLDER, "the inviter does not hold this code"),
    }
}

fn referrals(rejection: referrals::Rejection) -> Problem {
    use referrals::Rejection as R;
    match rejection {
        R::SelfReferral => Problem::new(&SELF_REFERRAL, "nobody can refer themselves"),
        R::ReferralCycle => Problem::new(
            &REFERRAL_CYCLE,
            "the inviter was referred by the recipient, perhaps \
                over others",
        ),
        R::AlreadyReferred => Problem::new(&ALREADY_REFERRED, "somebody else was first"),
        R::AlreadyMember => Problem::new(&ALREADY_MEMBER, "the recipient is already a member"),
        R::GraphFull => full(&GRAPH_FULL, "there is no room for more referrals"),
        R::UnknownCursor => {
            Problem::field("after", "is not a cursor of this list; start again without it")
        }
        R::NothingToReview => Problem::new(
            &NOTHING_TO_REVIEW,
            "nothing was noticed about this address, and nobody has brought it",
        ),
    }
}

fn quality(rejection: quality::Rejection) -> Problem {
    match rejection {
        quality::Rejection::UnknownMembers { indexes } => Problem::invalid(
            indexes
                .into_iter()
                .map(|index| FieldError {
                    field: format!("events[{index}].email"),
                    message: "is not a member; only members can be observed".into(),
                })
                .collect(),
        ),
    }
}

fn request(rejection: request::Rejection) -> Problem {
    use request::Rejection as R;
    match rejection {
        R::InFlight => Problem::new(
            &IN_FLIGHT,
            "the first request with this Idempotency-Key has not been answered yet",
        ),
        R::OtherBody => Problem::new(
            &KEY_REUSED,
            "this Idempotency-Key was used for another request; take a new one",
        ),
        R::TooMany => full(&TOO_MANY_KEYS, "too many Idempotency-Keys are remembered"),
    }
}

fn full(kind: &'static Kind, detail: &'static str) -> Problem {
    // What makes room is an operator or the passing of time, neither of them a matter of seconds.
    Problem::new(kind, detail).retry_after(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(count: usize) -> Vec<FieldError> {
        (0..count)
            .map(|n| FieldError { field: format!("f{n}"), message: "is wrong".into() })
            .collect()
    }

    #[test]
    fn a_single_wrong_field_is_named_in_the_one_line() {
        assert_eq!(Problem::invalid(errors(1)).detail, "f0: is wrong");
        assert_eq!(Problem::invalid(errors(3)).detail, "f0: is wrong (and 2 more)");
    }

    #[test]
    fn wrong_fields_beyond_the_most_that_are_told_are_counted() {
        let problem = Problem::invalid(errors(FIELD_ERRORS_MAX + 5));
        assert_eq!(problem.errors.len(), FIELD_ERRORS_MAX + 1);
        assert_eq!(problem.errors[FIELD_ERRORS_MAX].message, "and 5 more that are wrong");
    }

    #[test]
    fn a_failure_says_when_to_come_back() {
        let response = Response::<Body>::from(Problem::from(Failure::Busy));
        assert_eq!(response.status(), S::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
    }
}
