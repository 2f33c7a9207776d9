//! `[waitlist]`: how long the list may grow and what puts somebody ahead.

use serde::{Deserialize, Serialize};

use super::rule::{Allowed, Rule, Syntax};

/// The waitlist's bound and its scoring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waitlist {
    /// Entries on the list, those who were invited or have left included; past it joining is
    /// refused.
    pub entries_max: u32,
    /// What puts somebody ahead.
    pub scoring: Scoring,
}

/// The terms of the priority score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scoring {
    /// Points for each persona.
    pub personas: Personas,
    /// A use case of more words than this is a detailed one.
    pub words_over: u32,
    /// Points for a detailed use case.
    pub words_points: i32,
    /// Words looked for in the use case, as substrings, in lower case.
    pub keywords: Vec<String>,
    /// Points when any of them is found, once.
    pub keyword_points: i32,
}

/// Points for each persona.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personas {
    /// `solo_founder`.
    pub solo_founder: i32,
    /// `small_team`.
    pub small_team: i32,
    /// `agency`.
    pub agency: i32,
    /// `content_creator`.
    pub content_creator: i32,
    /// `other`, and every persona that has no name here.
    pub other: i32,
}

impl Default for Waitlist {
    fn default() -> Self {
        Self { entries_max: 100_000_000, scoring: Scoring::default() }
    }
}

impl Default for Scoring {
    fn default() -> Self {
        let keywords = ["marketing", "content", "automation", "time"];
        Self {
            personas: Personas::default(),
            words_over: 20,
            words_points: 10,
            keywords: keywords.map(str::to_owned).to_vec(),
            keyword_points: 5,
        }
    }
}

impl Default for Personas {
    fn default() -> Self {
        Self { solo_founder: 10, small_team: 15, agency: 20, content_creator: 8, other: 5 }
    }
}

/// Points stay far from where a sum of them could overflow.
pub(crate) const POINTS: i64 = 1_000_000;
/// The longest use case has so many characters.
pub(crate) const WORDS_MAX: i64 = 4_000;
pub(crate) const KEYWORDS_MAX: usize = 64;
pub(crate) const KEYWORD: &str = "a text of 1 to 64 lower-case characters";

pub(super) const RULES: &[Rule] = &[
    Rule::whole("waitlist.entries_max", 1, 1_000_000_000),
    Rule::whole("waitlist.scoring.personas.solo_founder", -POINTS, POINTS),
    Rule::whole("waitlist.scoring.personas.small_team", -POINTS, POINTS),
    Rule::whole("waitlist.scoring.personas.agency", -POINTS, POINTS),
    Rule::whole("waitlist.scoring.personas.content_creator", -POINTS, POINTS),
    Rule::whole("waitlist.scoring.personas.other", -POINTS, POINTS),
    Rule::whole("waitlist.scoring.words_over", 0, WORDS_MAX),
    Rule::whole("waitlist.scoring.words_points", -POINTS, POINTS),
    Rule {
        key: "waitlist.scoring.keywords",
        allowed: Allowed::Texts {
            each: Syntax { what: KEYWORD, holds: is_keyword },
            count_max: KEYWORDS_MAX,
        },
    },
    Rule::whole("waitlist.scoring.keyword_points", -POINTS, POINTS),
];

/// The use case is lowercased before the search, so a keyword with a capital would never be found.
pub(crate) fn is_keyword(text: &str) -> bool {
    (1..=64).contains(&text.chars().count()) && text.to_lowercase() == text
}
