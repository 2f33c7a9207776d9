//! Which known name a mistyped one was probably meant to be.

/// The known name with the fewest edits to `name`, if it is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let near_max = name.chars().count().max(3) / 3;
    let edits = known.iter().map(|known| (strsim::osa_distance(name, known), *known));
    edits.min_by_key(|(edits, _)| *edits).filter(|(edits, _)| *edits <= near_max).map(|(_, it)| it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_name_and_a_stranger_finds_none() {
        let known = ["email", "use_case", "persona", "referral_code"];
        assert_eq!(nearest("emial", &known), Some("email"));
        assert_eq!(nearest("usecase", &known), Some("use_case"));
        assert_eq!(nearest("zzzzzzzz", &known), None);
        assert_eq!(nearest("email", &[]), None);
    }
}
