//! How long a place at the list's pace means.

use serde::{Deserialize, Serialize};

use super::daily::DAYS;

/// An estimate, in words and, when it rests on history, in days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// For people to read.
    pub text: String,
    /// At least and at most so many days; None while nobody has been invited in the last 14 days.
    pub days: Option<(u32, u32)>,
}

impl Wait {
    /// The wait of whoever is at `position`, when `invited` people were invited in the last 14
    /// days: the position over the daily mean, give or take a quarter. Without history, a table by
    /// position.
    #[must_use]
    pub fn at(position: u64, invited: u64) -> Self {
        if invited == 0 {
            return Self { text: by_table(position).to_owned(), days: None };
        }
        let days = position as f64 * DAYS as f64 / invited as f64;
        // Saturating casts: past four billion days the answer is "long".
        let low = ((days * 0.75).floor() as u32).max(1);
        let high = ((days * 1.25).ceil() as u32).max(low);
        Self { text: in_words(low, high), days: Some((low, high)) }
    }
}

fn by_table(position: u64) -> &'static str {
    match position {
        0..=50 => "1-2 days",
        51..=200 => "1 week",
        201..=500 => "2-3 weeks",
        501..=1_000 => "1 month",
        _ => "4-6 weeks",
    }
}

fn in_words(low: u32, high: u32) -> String {
    let (per_unit, unit) = match high {
        0..=13 => (1, "day"),
        14..=59 => (7, "week"),
        60..=729 => (30, "month"),
        _ => (365, "year"),
    };
    let (low, high) = ((low / per_unit).max(1), high.div_ceil(per_unit));
    match (low == high, high) {
        (true, 1) => format!("1 {unit}"),
        (true, _) => format!("{high} {unit}s"),
        (false, _) => format!("{low}-{high} {unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_history_the_table_answers() {
        let texts = [1, 50, 51, 200, 201, 247, 500, 501, 1_000, 1_001].map(|p| Wait::at(p, 0).text);
        let expected =
            ["1-2 days", "1-2 days", "1 week", "1 week", "2-3 weeks", "2-3 weeks", "2-3 weeks"];
        assert_eq!(texts[..7], expected);
        assert_eq!(texts[7..], ["1 month", "1 month", "4-6 weeks"]);
        assert_eq!(Wait::at(1, 0).days, None);
    }

    #[test]
    fn with_history_the_pace_of_two_weeks_answers() {
        assert_eq!(Wait::at(100, 140), Wait { text: "7-13 days".to_owned(), days: Some((7, 13)) });
        assert_eq!(Wait::at(1, 1_400), Wait { text: "1 day".to_owned(), days: Some((1, 1)) });
        assert_eq!(Wait::at(200, 140).text, "2-4 weeks");
        assert_eq!(Wait::at(1_000, 140).text, "2-5 months");
        assert_eq!(Wait::at(u64::MAX, 1).days, Some((u32::MAX, u32::MAX)));
    }
}
