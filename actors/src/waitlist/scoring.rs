//! The policy that puts people in order.

use serde::{Deserialize, Serialize};

use crate::fraud;

/// What a person says to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Persona {
    /// Alone.
    SoloFounder,
    /// With a few others.
    SmallTeam,
    /// Working for clients.
    Agency,
    /// Making content.
    ContentCreator,
    /// Anything else.
    Other,
}

impl Persona {
    /// All of them, in the order of their numbers on disk.
    pub const ALL: [Self; 5] =
        [Self::SoloFounder, Self::SmallTeam, Self::Agency, Self::ContentCreator, Self::Other];

    /// The name in requests and settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SoloFounder => "solo_founder",
            Self::SmallTeam => "small_team",
            Self::Agency => "agency",
            Self::ContentCreator => "content_creator",
            Self::Other => "other",
        }
    }

    /// The persona of that name; any other name is [`Persona::Other`].
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|persona| persona.as_str() == name).unwrap_or(Self::Other)
    }

    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    pub(crate) const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::SoloFounder,
            1 => Self::SmallTeam,
            2 => Self::Agency,
            3 => Self::ContentCreator,
            _ => Self::Other,
        }
    }
}

/// The numbers of the priority score, the size of the list, and when something about those who
/// join is a sign.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Points for each persona, in the order of [`Persona::ALL`].
    pub persona_points: [i32; 5],
    /// A use case of more words than this is a detailed one.
    pub words_over: u32,
    /// Points for a detailed use case.
    pub words_points: i32,
    /// Lower-case texts, any of which in the use case earns the points, once.
    pub keywords: Vec<String>,
    /// Points for a keyword.
    pub keyword_points: i32,
    /// Entries that the list takes, those that were invited or have left included.
    pub entries_max: u32,
    /// Signs of fraud. They change no score.
    pub fraud: fraud::Policy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            persona_points: [10, 15, 20, 8, 5],
            words_over: 20,
            words_points: 10,
            keywords: ["marketing", "content", "automation", "time"].map(str::to_owned).to_vec(),
            keyword_points: 5,
            entries_max: 100_000_000,
            fraud: fraud::Policy::default(),
        }
    }
}

/// A priority score and the terms that add up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Score {
    /// For the persona.
    pub persona: i32,
    /// For a detailed use case.
    pub words: i32,
    /// For a keyword.
    pub keyword: i32,
}

impl Score {
    /// The sum of the terms.
    #[must_use]
    pub const fn total(self) -> i32 {
        self.persona.saturating_add(self.words).saturating_add(self.keyword)
    }
}

impl Policy {
    /// The score of what a person said. Words are what Python's `str.split()` makes of the text,
    /// keywords are substrings of its lower-case form.
    #[must_use]
    pub fn score(&self, persona: Persona, use_case: &str) -> Score {
        let over = self.words_over as usize;
        // Most texts are too short to have so many words, with a space between each two.
        let detailed = use_case.len() / 2 >= over
            && use_case.split(is_space).filter(|word| !word.is_empty()).nth(over).is_some();
        let lower = use_case.to_lowercase();
        let keyword = self.keywords.iter().any(|keyword| lower.contains(keyword.as_str()));
        Score {
            persona: self.persona_points[usize::from(persona.number())],
            words: if detailed { self.words_points } else { 0 },
            keyword: if keyword { self.keyword_points } else { 0 },
        }
    }
}

/// White space as Python's `str.split()` sees it: Unicode's, and four separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(persona: &str, use_case: &str) -> i32 {
        Policy::default().score(Persona::named(persona), use_case).total()
    }

    #[test]
    fn a_persona_earns_its_points_and_an_unknown_one_those_of_other() {
        let personas =
            ["solo_founder", "small_team", "agency", "content_creator", "other", "Agency", ""];
        assert_eq!(personas.map(|persona| score(persona, "x")), [10, 15, 20, 8, 5, 5, 5]);
    }

    #[test]
    fn the_twenty_first_word_earns_the_points_for_detail() {
        assert_eq!(score("other", &"w ".repeat(20)), 5);
        assert_eq!(score("other", &"w ".repeat(21)), 15);
        assert_eq!(score("other", &["w"; 21].join(" ")), 15, "the shortest of them");
        assert_eq!(score("other", &"w\u{1f}\u{a0}\n".repeat(21)), 15);
    }

    #[test]
    fn any_keyword_anywhere_earns_its_points_once() {
        assert_eq!(score("other", "email MARKETING"), 10);
        assert_eq!(score("other", "sometimes discontented"), 10);
        assert_eq!(score("solo_founder", "Marketing automation for my startup"), 15);
        assert_eq!(score("other", "nothing of the kind"), 5);
    }
}
