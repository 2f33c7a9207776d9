//! What was probably meant by a name that nobody knows.

/// The known key that is nearest to a dotted key. The right name in the wrong section is nearer
/// than another name, so the last part counts by itself and a move between sections counts one.
pub(super) fn key<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    let (section, name) = split(given);
    let distance = |candidate: &&str| {
        let (other_section, other_name) = split(candidate);
        let moved = usize::from(section != other_section);
        let renamed = strsim::osa_distance(name, other_name);
        (moved + renamed).min(strsim::osa_distance(given, candidate))
    };
    known.min_by_key(distance).expect("there are known keys")
}

/// The known environment variable that is nearest to `given`, whatever its case.
pub(super) fn variable<'a>(given: &str, known: &'a [String]) -> &'a str {
    let dotted = |name: &str| name.to_ascii_uppercase().replace("__", ".");
    let keys: Vec<String> = known.iter().map(|name| dotted(name)).collect();
    let found = key(&dotted(given), keys.iter().map(String::as_str));
    let index = keys.iter().position(|name| name == found);
    &known[index.expect("the nearest is one of them")]
}

fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_a_swap_and_a_wrong_section_find_the_key_that_was_meant() {
        let known = ["server.host", "server.port", "limits.body_bytes", "log.level"];
        for (given, meant) in [
            ("server.prot", "server.port"),
            ("servre.host", "server.host"),
            ("server.body_bytes", "limits.body_bytes"),
            ("level", "log.level"),
        ] {
            assert_eq!(key(given, known.into_iter()), meant);
        }
    }

    #[test]
    fn a_variable_in_lower_case_is_near_to_its_own_name() {
        let known = ["VOBEE_SERVER__HOST".to_owned(), "VOBEE_SERVER__PORT".to_owned()];
        assert_eq!(variable("VOBEE_server__port", &known), "VOBEE_SERVER__PORT");
        assert_eq!(variable("VOBEE__SERVER__PORT", &known), "VOBEE_SERVER__PORT");
    }
}
