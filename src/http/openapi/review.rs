//! `/api/quality/risk` and `/api/quality/review`.

use super::input::{flag, person, query, whole};
use super::operation::{Described, get, post};
use super::texts;
use crate::http::error::{ERASED, NOTHING_TO_REVIEW, UNKNOWN_PERSON};
use crate::http::routes::review::{Known, PAGE_DEFAULT, PAGE_MAX, Page, Reviewed};

/// A time in hex, and whom it is about.
const CURSOR: &str = "^[0-9a-f]{1,16}-[0-9a-f]{32}$";

pub(super) fn operations() -> Vec<Described> {
    let limit = whole(1..=PAGE_MAX).default(Some(PAGE_DEFAULT.into()));
    let after = texts::text().pattern(Some(CURSOR));
    vec![
        get("/api/quality/risk/{email}", "What is known against somebody")
            .answers::<Known>(200, "The signs that were noticed, and what they weigh together")
            .refuses([&UNKNOWN_PERSON, &ERASED]),
        get("/api/quality/review", "On whom a verdict is awaited, longest first, page by page")
            .asks([
                query("limit", limit, "People."),
                query("after", after, "The `next` of the page before."),
            ])
            .answers::<Page<'_>>(200, "A page"),
        verdict("/api/quality/review/{email}/accept", "Say that it is a person like others"),
        verdict("/api/quality/review/{email}/reject", "Undo what a false account has caused"),
    ]
}

fn verdict(path: &'static str, summary: &'static str) -> Described {
    post(path, summary)
        .names(person())
        .asks([query("dry_run", flag(), "Only tell what it would do.")])
        .takes_nothing()
        .repeatable()
        .answers::<Reviewed<'_>>(200, "What follows from it")
        .refuses([&NOTHING_TO_REVIEW])
}
