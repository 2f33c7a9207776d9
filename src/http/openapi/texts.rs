//! Texts of a certain form: times, names, codes, and words of a closed set.
//!
//! Answers carry them as plain strings. A field that holds one says so with `value_type`, and these
//! types, of which there are never any values, are what it names.

use actors::fraud::Signal;
use actors::past;
use actors::quality::{self, Source};
use actors::referrals::{ReferralState, Standing, Verdict};
use actors::waitlist::{self, Order};
use actors::{CodeStatus, RewardKind};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::policies;

macro_rules! texts {
    ($($(#[doc = $about:literal])+ $name:ident = $schema:expr;)+) => {$(
        $(#[doc = $about])+
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let about = concat!($($about),+).trim();
                $schema.description(Some(about)).into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

texts! {
    /// A time, RFC 3339 in UTC with `Z`.
    Time = formed("date-time", "2026-01-05T12:00:00.000000Z");
    /// A UUID.
    Id = formed("uuid", "3735294c-6387-8ebf-9f35-7373e7bf5580");
    /// An invite code: the node's prefix, and 12 to 32 hex digits.
    Code = text().pattern(Some(CODE)).examples(["VOBEE-A7F3E9D2B1C4"]);
    /// What somebody on the list hands on so that others join through them.
    ReferralCode = text().min_length(Some(1)).examples(["Q4CVD5RE"]);
    /// Opens its holder's own entry, and nothing else.
    PersonToken = text().pattern(Some("^person_[0-9a-f]+$"));
    /// Says that it was done.
    Success = words(["success"]);
    /// Where somebody is.
    EntryState = words(
        [waitlist::EntryState::Waiting, waitlist::EntryState::Invited,
         waitlist::EntryState::Member].map(waitlist::EntryState::as_str)
    );
    /// How a wave picks its people.
    OrderName = words(Order::ALL.map(Order::as_str));
    /// What a code is good for.
    CodeState = words(CodeStatus::ALL.map(CodeStatus::as_str));
    /// The gate: open, halved or closed.
    GateColour = words(quality::Colour::ALL.map(quality::Colour::as_str));
    /// How it is going.
    HealthStatus = words(
        [quality::Health::Healthy, quality::Health::Warning, quality::Health::Critical]
            .map(quality::Health::as_str)
    );
    /// Measured, or set by a drill.
    SourceName = words([Source::Measured, Source::Drill].map(Source::as_str));
    /// How bad it is.
    Severity = words(["warning", "critical"]);
    /// What an alert is about.
    AlertMetric = words(quality::METRICS);
    /// What has moved a place.
    Cause = words(past::Cause::ALL.map(past::Cause::as_str));
    /// What a score of referrals comes to.
    StandingName = words(Standing::ALL.map(Standing::as_str));
    /// How far a referral has come.
    ReferralStateName = words(ReferralState::ALL.map(ReferralState::as_str));
    /// A sign that somebody is not who they seem to be.
    SignalName = words(Signal::ALL.map(Signal::id));
    /// What somebody who looked into it has said.
    VerdictName =
        words([Verdict::Open, Verdict::Accepted, Verdict::Rejected].map(Verdict::as_str));
    /// What was granted.
    RewardName = words(RewardKind::ALL.map(RewardKind::as_str));
    /// Whose health it is.
    ServiceName = words(["vobee", "waitlist", "invites", "referrals", "quality-gates"]);
    /// A share of a whole.
    Probability = ObjectBuilder::new()
        .schema_type(Type::Number)
        .minimum(Some(0))
        .maximum(Some(1));
    /// A term of a score.
    TermName = words([
        "persona", "detailed-use-case", "keywords", "boosts", "referrals", "recorded-otherwise",
    ]);
    /// A part of the quality of referrals.
    PartName = words(["recency", "conversion", "activity", "retention"]);
    /// Which rank correlation.
    CorrelationName = words([policies::CORRELATION]);
    /// `urn:vobee:problem:` and the code of the problem.
    ProblemType = formed("uri", "urn:vobee:problem:code-used");
    /// How the node does.
    HealthWord = words(["healthy", "unhealthy"]);
    /// The process runs.
    AliveWord = words(["alive"]);
    /// The node takes writes.
    ReadyWord = words(["ready"]);
    /// What is looked at: the first three have to be in order for the node to take writes.
    CheckName = words(["running", "journal", "disk", "postgres"]);
}

/// Whatever prefix is configured, and the digits.
pub(super) const CODE: &str = "^[A-Z0-9-]{0,16}[0-9A-F]{12,32}$";

pub(super) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

pub(super) fn words<const N: usize>(words: [&'static str; N]) -> ObjectBuilder {
    text().enum_values(Some(words))
}

pub(super) fn formed(format: &str, example: &str) -> ObjectBuilder {
    let format = match format {
        "date-time" => SchemaFormat::KnownFormat(KnownFormat::DateTime),
        other => SchemaFormat::Custom(other.to_owned()),
    };
    text().format(Some(format)).examples([example])
}
