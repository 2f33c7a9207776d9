//! `/api/referrals`.

use super::input::{code, email, object, optional, query, required, whole};
use super::operation::{Described, get, post};
use crate::http::error::{
    ALREADY_MEMBER, ALREADY_REFERRED, ERASED, GRAPH_FULL, NOT_HOLDER, REFERRAL_CYCLE,
    SELF_REFERRAL, UNKNOWN_CODE, UNKNOWN_PERSON,
};
use crate::http::routes::referrals::{
    Analytics, Chain, Earned, Network, Quality, Shared, TOP_DEFAULT, TOP_MAX, Top,
};

pub(super) fn operations() -> Vec<Described> {
    let mut all = telling();
    all.extend(reading());
    all
}

fn telling() -> Vec<Described> {
    let share = object([
        required("inviter_email", email(), "Who tells of the product."),
        required("recipient_email", email(), "Who is told. A person has one inviter, the first."),
        optional("invite_code", code(), "One that the inviter holds; absent, the oldest free one."),
    ]);
    let earn = object([required("user_email", email(), "Whose rewards.")]);
    vec![
        post("/api/referrals/share", "Note that somebody told somebody")
            .takes(share)
            .repeatable()
            .answers::<Shared>(201, "The referral, and the code that is the recipient's now")
            .answers::<Shared>(200, "The referral of the same two from before")
            .refuses([
                &SELF_REFERRAL,
                &REFERRAL_CYCLE,
                &ALREADY_REFERRED,
                &ALREADY_MEMBER,
                &NOT_HOLDER,
                &UNKNOWN_CODE,
                &ERASED,
                &GRAPH_FULL,
            ]),
        post("/api/referrals/earn", "Grant what somebody has earned")
            .about("Each reward once. Codes that a red gate holds back come when it opens.")
            .takes(earn)
            .repeatable()
            .answers::<Earned<'_>>(200, "What is new, and what there is"),
    ]
}

fn reading() -> Vec<Described> {
    let limit = whole(1..=TOP_MAX).default(Some(TOP_DEFAULT.into()));
    vec![
        get("/api/referrals/top", "The best inviters")
            .asks([query("limit", limit, "How many.")])
            .answers::<Top<'_>>(200, "The best, the first first"),
        get("/api/referrals/network", "The referral graph in figures")
            .answers::<Network>(200, "The figures"),
        get("/api/referrals/{email}/quality", "How well somebody's referrals turn out")
            .answers::<Quality<'_>>(200, "The score, its parts, and what was granted"),
        get("/api/referrals/{email}/chain", "Through whom somebody came, and who through them")
            .answers::<Chain<'_>>(200, "The way up, and the tree below")
            .refuses([&UNKNOWN_PERSON, &ERASED]),
        get("/api/referrals/{email}/analytics", "What became of somebody's referrals")
            .answers::<Analytics<'_>>(200, "The referrals and the rewards")
            .refuses([&UNKNOWN_PERSON, &ERASED]),
    ]
}
