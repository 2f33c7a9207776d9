//! `/api/invites`.

use actors::CodeStatus;

use super::input::{
    choice, code, cursor, email, flag, label, moment, object, optional, query, required, whole,
};
use super::operation::{Described, get, post};
use crate::http::error::{
    ALREADY_MEMBER, CODE_BOUND, CODE_EXPIRED, CODE_RESERVED, CODE_REVOKED, CODE_USED, HISTORY_GONE,
    NO_HISTORY, PAUSED, REGISTRY_FULL, RESERVATION_CONFIRMED, RESERVATION_EXPIRED,
    RESERVATION_RELEASED, UNKNOWN_CODE, UNKNOWN_RESERVATION, WRONG_CODES,
};
use crate::http::routes::invites::{
    BATCH_ID_CHARACTERS_MAX, BATCH_SIZE_MAX, Confirmed, EXPIRES_IN_DAYS_MAX, Generated,
    HOLD_SECONDS, HOLD_SECONDS_DEFAULT, PAGE_DEFAULT, PAGE_MAX, Page, Redeemed, Released, Reserved,
    Status, USES_MAX,
};

pub(super) fn operations() -> Vec<Described> {
    [issuing(), using(), holding(), asking(), amending()].into_iter().flatten().collect()
}

fn issuing() -> Vec<Described> {
    let generate = object([
        required("batch_size", whole(1..=BATCH_SIZE_MAX), "How many codes."),
        optional("batch_id", label(1..=BATCH_ID_CHARACTERS_MAX), "Label; BATCH- and the time."),
        optional("issued_to", email(), "The only one who may use them."),
        optional("expires_in_days", whole(1..=EXPIRES_IN_DAYS_MAX), "For how long they are good."),
        optional("max_uses", whole(1..=USES_MAX), "How many people may use each."),
        optional("force", flag(), "Whatever the gate says; that is recorded."),
    ]);
    vec![
        post("/api/invites/generate", "Issue invite codes")
            .about("A red gate refuses, a yellow one halves the batch.")
            .takes(generate)
            .repeatable()
            .answers::<Generated<'_>>(201, "The codes")
            .refuses([&PAUSED, &REGISTRY_FULL]),
    ]
}

fn using() -> Vec<Described> {
    let redeem = object([
        required("code", code(), "The code as it was typed."),
        required("email", email(), "Who comes in."),
    ]);
    let about = "A code for n people is redeemed exactly n times, whatever happens at once. The \
                 same code and address again within a day is the same answer.";
    vec![
        post("/api/invites/redeem", "Use a code")
            .about(about)
            .takes(redeem)
            .repeatable()
            .answers::<Redeemed<'_>>(200, "The person is in")
            .refuses([
                &UNKNOWN_CODE,
                &CODE_RESERVED,
                &CODE_USED,
                &CODE_EXPIRED,
                &CODE_REVOKED,
                &CODE_BOUND,
                &ALREADY_MEMBER,
                &WRONG_CODES,
            ]),
    ]
}

fn holding() -> Vec<Described> {
    let seconds = HOLD_SECONDS_DEFAULT.into();
    let seconds = whole(HOLD_SECONDS).default(Some(seconds));
    let reserve = object([
        required("code", code(), "The code as it was typed."),
        required("email", email(), "Who is signing up."),
        optional("hold_seconds", seconds, "For how long; then the code is free again by itself."),
    ]);
    vec![
        post("/api/invites/reserve", "Hold a code while somebody signs up")
            .takes(reserve)
            .repeatable()
            .answers::<Reserved>(201, "The hold")
            .answers::<Reserved>(200, "The hold that this person has on this code since before")
            .refuses([
                &UNKNOWN_CODE,
                &CODE_RESERVED,
                &CODE_USED,
                &CODE_EXPIRED,
                &CODE_REVOKED,
                &CODE_BOUND,
                &ALREADY_MEMBER,
                &WRONG_CODES,
                &REGISTRY_FULL,
            ]),
        post("/api/invites/reservations/{id}/confirm", "Use the code that is held")
            .takes_nothing()
            .repeatable()
            .answers::<Confirmed>(200, "The person is in")
            .refuses([
                &UNKNOWN_RESERVATION,
                &RESERVATION_CONFIRMED,
                &RESERVATION_RELEASED,
                &RESERVATION_EXPIRED,
                &CODE_RESERVED,
                &CODE_USED,
                &CODE_EXPIRED,
                &CODE_REVOKED,
                &CODE_BOUND,
                &ALREADY_MEMBER,
            ]),
        post("/api/invites/reservations/{id}/release", "Give the code that is held back")
            .takes_nothing()
            .repeatable()
            .answers::<Released>(200, "The code is free")
            .refuses([&UNKNOWN_RESERVATION, &RESERVATION_CONFIRMED]),
    ]
}

fn asking() -> Vec<Described> {
    let past = "How it was: just behind the event of this number, or at this time.";
    vec![
        get("/api/invites", "The codes in the order of their issue, page by page")
            .asks([
                query("batch_id", label(1..=BATCH_ID_CHARACTERS_MAX), "Only of this batch."),
                query("issued_to", email(), "Only those that this person alone may use or holds."),
                query("status", choice(CodeStatus::ALL.map(CodeStatus::as_str)), "Only these."),
                query("limit", whole(1..=PAGE_MAX).default(Some(PAGE_DEFAULT.into())), "Codes."),
                query("after", cursor(8), "The `next` of the page before."),
            ])
            .answers::<Page>(200, "A page"),
        get("/api/invites/{code}/status", "What a code is good for")
            .about("Asking changes nothing, so that a mail scanner cannot use a code up.")
            .answers::<Status>(200, "The code")
            .refuses([&UNKNOWN_CODE, &WRONG_CODES]),
        get("/api/invites/{code}", "What a code is, or was, good for")
            .asks([query("as_of", moment(), past)])
            .answers::<Status>(200, "The code")
            .refuses([&UNKNOWN_CODE, &HISTORY_GONE, &NO_HISTORY]),
    ]
}

fn amending() -> Vec<Described> {
    let days = whole(1..=EXPIRES_IN_DAYS_MAX);
    let extend = object([required("days", days, "Added to what is left of its time.")]);
    vec![
        post("/api/invites/{code}/revoke", "Take a code back")
            .takes_nothing()
            .repeatable()
            .answers::<Status>(200, "The code")
            .refuses([&UNKNOWN_CODE, &CODE_USED]),
        post("/api/invites/{code}/restore", "Let a code that was taken back be used again")
            .takes_nothing()
            .repeatable()
            .answers::<Status>(200, "The code")
            .refuses([&UNKNOWN_CODE, &CODE_USED, &CODE_EXPIRED]),
        post("/api/invites/{code}/extend", "Give a code more time")
            .takes(extend)
            .repeatable()
            .answers::<Status>(200, "The code")
            .refuses([&UNKNOWN_CODE, &CODE_USED]),
    ]
}
