//! The OpenAPI 3.1 document: what can be asked, with which bounds, and every answer.
//!
//! It is put together from three sources that cannot drift from the code. The list of routes says
//! which operations there are and what each asks of its caller; the answers are the structs that
//! the handlers serialise, which derive their schemas; the bounds of what may be sent are the
//! constants that the handlers read it with. What those do not know stands here, one file a
//! service: a sentence about each operation, its parameters and body, and what it may refuse.
//!
//! To describe a new route: derive `ToSchema` for its answer, add a line or two to its service's
//! file, and write the document with `vobee openapi > docs/openapi.json`. A route that is missing
//! here, or one that is gone, fails a test; so does an answer of any other test that has a field,
//! a status or a refusal which is not in the document.
//!
//! What is absent: anything of one node's configuration. The document is the same on every node of
//! a version.

mod document;
mod input;
mod invites;
mod node;
mod operation;
mod problems;
mod quality;
mod referrals;
mod review;
mod texts;
mod waitlist;

pub(crate) use document::text;
pub(crate) use texts::{
    AlertMetric, AliveWord, Cause, CheckName, Code, CodeState, CorrelationName, EntryState,
    GateColour, HealthStatus, HealthWord, Id, OrderName, PartName, PersonToken, Probability,
    ProblemType, ReadyWord, ReferralCode, ReferralStateName, RewardName, ServiceName, Severity,
    SignalName, SourceName, StandingName, Success, TermName, Time, VerdictName,
};
