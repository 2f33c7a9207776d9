//! `/api/waitlist`.

use actors::waitlist::{Order, Persona};
use utoipa::openapi::schema::ObjectBuilder;

use super::input::{
    choice, cursor, email, label, list, moment, object, optional, pairs, query, required, text,
    text_of, whole,
};
use super::operation::{Described, delete, get, post};
use crate::config;
use crate::http::error::{
    ALREADY_MEMBER, ERASED, HISTORY_GONE, LIST_FULL, NO_HISTORY, NOBODY_WAITS, NOT_WAITING, PAUSED,
    REGISTRY_FULL, UNKNOWN_BATCH, UNKNOWN_PERSON,
};
use crate::http::routes::invites::{BATCH_ID_CHARACTERS_MAX, EXPIRES_IN_DAYS_MAX};
use crate::http::routes::past::Explained;
use crate::http::routes::waitlist::{
    Entry, Joined, Left, METADATA_KEY_CHARACTERS_MAX, METADATA_PAIRS_MAX,
    METADATA_VALUE_CHARACTERS_MAX, PAGE_DEFAULT, PAGE_MAX, PERSONA_CHARACTERS_MAX, POINTS_MAX,
    Page, REASON_CHARACTERS_MAX, REFERRAL_CODE_CHARACTERS_MAX, Stats, USE_CASE_CHARACTERS_MAX,
    WAVE_MAX, Wave,
};
use crate::policies::{COUNT_MAX, LIMIT_DEFAULT, Report, TOP_DEFAULT};

const PAST: &str = "How it was: just behind the event of this number, or at this time.";

pub(super) fn operations() -> Vec<Described> {
    [joining(), reading(), leaving(), operating()].into_iter().flatten().collect()
}

fn joining() -> Vec<Described> {
    let persona = "One of solo_founder, small_team, agency, content_creator, other; anything else \
                   counts as other and is kept as written.";
    let metadata =
        pairs(METADATA_PAIRS_MAX, METADATA_KEY_CHARACTERS_MAX, METADATA_VALUE_CHARACTERS_MAX);
    let join = object([
        required("email", email(), "Who joins."),
        required("use_case", text(1..=USE_CASE_CHARACTERS_MAX), "What the product is wanted for."),
        required("persona", text_of(0..=PERSONA_CHARACTERS_MAX), persona),
        optional(
            "referral_code",
            text(1..=REFERRAL_CODE_CHARACTERS_MAX),
            "Of somebody on the list, through whom this person comes.",
        ),
        optional("metadata", metadata, "Pairs of the caller's own."),
    ]);
    vec![
        post("/api/waitlist/join", "Join the waitlist")
            .about("Whoever is on the list gets the same answer again, and nothing is overwritten.")
            .takes(join)
            .repeatable()
            .answers::<Joined<'_>>(201, "On the list")
            .answers::<Joined<'_>>(200, "On the list since before")
            .refuses([&ALREADY_MEMBER, &LIST_FULL]),
    ]
}

fn reading() -> Vec<Described> {
    let as_of = || query("as_of", moment(), PAST);
    let since = query("since", moment(), "Since when the changes are told; absent, since joining.");
    vec![
        get("/api/waitlist/stats", "Figures of the whole list")
            .asks([as_of()])
            .answers::<Stats>(200, "The figures")
            .refuses([&HISTORY_GONE, &NO_HISTORY]),
        get("/api/waitlist/me", "One's own entry")
            .answers::<Entry<'_>>(200, "The entry")
            .refuses([&UNKNOWN_PERSON, &ERASED]),
        get("/api/waitlist", "The list in the order of the queue, page by page")
            .asks([
                query("limit", whole(1..=PAGE_MAX).default(Some(PAGE_DEFAULT.into())), "Entries."),
                query("after", cursor(16), "The `next` of the page before."),
            ])
            .answers::<Page<'_>>(200, "A page"),
        get("/api/waitlist/{email}", "Somebody's entry")
            .asks([as_of()])
            .answers::<Entry<'_>>(200, "The entry")
            .refuses([&UNKNOWN_PERSON, &ERASED, &HISTORY_GONE, &NO_HISTORY]),
        get("/api/waitlist/{email}/explain", "Why somebody has that place")
            .about("The terms add up to the score, the places of the changes to what has moved.")
            .asks([since])
            .answers::<Explained>(200, "The explanation")
            .refuses([&UNKNOWN_PERSON, &ERASED, &HISTORY_GONE, &NO_HISTORY]),
    ]
}

fn leaving() -> Vec<Described> {
    let erased = "Off the list and erased; the receipt proves it";
    vec![
        delete("/api/waitlist/me", "Leave the list and be erased")
            .answers::<Left>(200, erased)
            .refuses([&UNKNOWN_PERSON, &ERASED]),
        delete("/api/waitlist/{email}", "Take somebody off the list and erase them")
            .about("Somebody who is on no list, and of whom others have told, is erased as well.")
            .answers::<Left>(200, erased)
            .refuses([&UNKNOWN_PERSON, &ERASED]),
    ]
}

fn operating() -> Vec<Described> {
    let days = whole(1..=EXPIRES_IN_DAYS_MAX);
    let wave = object([
        required("count", whole(1..=WAVE_MAX), "How many people."),
        optional(
            "batch_id",
            label(1..=BATCH_ID_CHARACTERS_MAX),
            "Label; the same one again is the same wave.",
        ),
        optional("order", choice(Order::ALL.map(Order::as_str)), "How they are picked: priority."),
        optional("expires_in_days", days, "For how long their codes are good."),
    ]);
    let boost = object([
        required("points", whole(-POINTS_MAX..=POINTS_MAX), "Added to the priority score."),
        required("reason", text(1..=REASON_CHARACTERS_MAX), "Why."),
    ]);
    let count = || whole(1..=COUNT_MAX);
    let simulate = object([
        required("policy", policy(), "What is different from the configured policy."),
        optional("top", count().default(Some(TOP_DEFAULT.into())), "Places that the top has."),
        optional("limit", count().default(Some(LIMIT_DEFAULT.into())), "People in each list."),
    ]);
    vec![
        post("/api/waitlist/invite", "Invite the next people")
            .about("All or nothing. A red gate refuses, a yellow one halves the wave.")
            .takes(wave)
            .repeatable()
            .answers::<Wave<'_>>(201, "The wave was sent")
            .answers::<Wave<'_>>(200, "The wave of that label was sent before")
            .refuses([&PAUSED, &NOBODY_WAITS, &UNKNOWN_BATCH, &REGISTRY_FULL]),
        post("/api/waitlist/{email}/boost", "Move somebody up or down")
            .takes(boost)
            .repeatable()
            .answers::<Entry<'_>>(200, "The entry at its new place")
            .refuses([&UNKNOWN_PERSON, &ERASED, &NOT_WAITING]),
        post("/api/waitlist/policies/simulate", "Tell what another scoring policy would change")
            .about("Replays the list beside the live one, which it leaves as it is.")
            .takes(simulate)
            .answers::<Report<'_>>(200, "Who would stand where"),
    ]
}

/// The keys of `[waitlist.scoring]`.
fn policy() -> ObjectBuilder {
    let points = || whole(-config::POINTS..=config::POINTS);
    let personas = Persona::ALL
        .map(|persona| optional(persona.as_str(), points(), "Points for this persona."));
    object([
        optional("personas", object(personas), "Points for each persona."),
        optional("words_over", whole(0..=config::WORDS_MAX), "Words that are not detailed yet."),
        optional("words_points", points(), "Points for a detailed use case."),
        optional("keywords", list(0..=config::KEYWORDS_MAX, text_of(1..=64)), "In lower case."),
        optional("keyword_points", points(), "Points for any of the keywords."),
    ])
}
