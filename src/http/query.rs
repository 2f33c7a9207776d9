//! The parameters behind the `?` of a request.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;

use percent_encoding::percent_decode_str;

use super::error::{FieldError, Problem};

/// Parameters that have not been asked for yet, and what was wrong with those that have.
pub(crate) struct Query {
    left: Vec<(String, String)>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let mut errors = Vec::new();
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let left = pairs.filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = decode(name).zip(decode(value));
            if decoded.is_none() {
                let message = "must be percent-encoded UTF-8".into();
                errors.push(FieldError { field: shown(name), message });
            }
            decoded
        });
        let left = left.collect();
        Self { left, known: Vec::new(), errors }
    }

    /// A parameter's value, when it is there and `parse` takes it.
    pub(crate) fn parsed<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.known.push(name);
        let at = self.left.iter().position(|(found, _)| found == name)?;
        let (_, value) = self.left.remove(at);
        match parse(&value) {
            Ok(value) => Some(value),
            Err(error) => {
                let message = Cow::Owned(error.to_string());
                self.errors.push(FieldError { field: name.to_owned(), message });
                None
            }
        }
    }

    /// A whole number within bounds, when it is there.
    pub(crate) fn integer<T: TryFrom<i64>>(
        &mut self,
        name: &'static str,
        bounds: RangeInclusive<i64>,
    ) -> Option<T> {
        let (low, high) = (*bounds.start(), *bounds.end());
        self.parsed(name, |text| {
            let number = text.parse().ok().filter(|number| bounds.contains(number));
            number
                .and_then(|number| T::try_from(number).ok())
                .ok_or_else(|| format!("must be a whole number from {low} to {high}"))
        })
    }

    /// Something else is wrong with a parameter.
    pub(crate) fn wrong(&mut self, name: &'static str, message: String) {
        self.errors.push(FieldError { field: name.to_owned(), message: message.into() });
    }

    /// Complains of everything that was wrong, and of parameters that nobody asked for.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        let known = self.known.join(", ");
        for (name, _) in &self.left {
            let message = if self.known.contains(&name.as_str()) {
                "is given more than once".into()
            } else if known.is_empty() {
                "unknown parameter; none is known here".into()
            } else {
                format!("unknown parameter; known are {known}").into()
            };
            self.errors.push(FieldError { field: shown(name), message });
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }
}

/// A plus stands for itself: times have one in front of their offset, addresses one in front of
/// their tag, and nothing that is asked for here has spaces.
fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned)
}

/// As much of a name as is safe to repeat.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(problem: &Problem) -> Vec<&str> {
        problem.errors().iter().map(|error| error.field.as_str()).collect()
    }

    #[test]
    fn parameters_are_decoded_and_bounded() {
        let mut query = Query::parse(Some("email=a+b%40x.org&limit=7"));
        let email = query.parsed("email", |text| Ok::<_, String>(text.to_owned()));
        assert_eq!(email.as_deref(), Some("a+b@x.org"));
        assert_eq!(query.integer::<usize>("limit", 1..=10), Some(7));
        assert_eq!(query.integer::<usize>("absent", 1..=10), None);
        assert!(query.finish().is_ok());
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let mut query = Query::parse(Some("limit=11&x=1&bad=%ff&limit=3"));
        assert_eq!(query.integer::<usize>("limit", 1..=10), None);
        let problem = query.finish().expect_err("wrong");
        assert_eq!(fields(&problem), ["bad", "limit", "x", "limit"]);
    }
}
