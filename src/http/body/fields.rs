//! Reads a JSON object field by field and notes everything that is wrong with it.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Map, Number, Value};

use super::nearest;
use crate::http::error::{FieldError, MALFORMED, Problem};

/// Fields that one object may be asked for.
const KNOWN_MAX: usize = 8;

/// Characters of an unknown field's name that are repeated to its sender.
const NAME_SHOWN_MAX: usize = 64;

/// A JSON object that is being read. Ask for every field there is, then [`Fields::finish`].
///
/// A reader returns `None` for a field that is absent or wrong; if that is not allowed, it has been
/// noted. `null` counts as absent.
pub(crate) struct Fields {
    object: Map<String, Value>,
    place: Place,
    known: [&'static str; KNOWN_MAX],
    asked: usize,
    errors: Vec<FieldError>,
}

/// Where the object stands in the body.
enum Place {
    Top,
    Item(&'static str, usize),
    In(String),
}

impl Fields {
    /// The object in `body`.
    ///
    /// 400 if the body is not JSON (with the position), 422 if it is JSON but no object.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let value: Value = serde_json::from_slice(body).map_err(|error| {
            Problem::new(&MALFORMED, format!("the body is not valid JSON: {error}"))
        })?;
        let Value::Object(object) = value else {
            return Err(Problem::field("", not("a JSON object", &value)));
        };
        Ok(Self::new(object, Place::Top, Vec::new()))
    }

    fn new(object: Map<String, Value>, place: Place, errors: Vec<FieldError>) -> Self {
        Self { object, place, known: [""; KNOWN_MAX], asked: 0, errors }
    }

    /// A text of `length` characters, not counting white space around it.
    pub(crate) fn text(
        &mut self,
        name: &'static str,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        let text = self.required(name).and_then(|value| self.a_text(name, value))?;
        self.within(name, text, length)
    }

    /// The same, or absent.
    pub(crate) fn optional_text(
        &mut self,
        name: &'static str,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        let text = self.take(name).and_then(|value| self.a_text(name, value))?;
        self.within(name, text, length)
    }

    /// A text that `parse` understands; its error says what to send instead.
    pub(crate) fn parsed<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.required(name).and_then(|value| self.a_text(name, value))?;
        self.understood(name, parse(&text))
    }

    /// The same, or absent.
    pub(crate) fn optional_parsed<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.take(name).and_then(|value| self.a_text(name, value))?;
        self.understood(name, parse(&text))
    }

    /// A whole number within `range`.
    pub(crate) fn integer<T: TryFrom<i64>>(
        &mut self,
        name: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<T> {
        let value = self.required(name)?;
        self.an_integer(name, &value, range)
    }

    /// The same, or absent.
    pub(crate) fn optional_integer<T: TryFrom<i64>>(
        &mut self,
        name: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<T> {
        let value = self.take(name)?;
        self.an_integer(name, &value, range)
    }

    /// A number within `range`, or absent.
    pub(crate) fn optional_number(
        &mut self,
        name: &'static str,
        range: RangeInclusive<f64>,
    ) -> Option<f64> {
        let value = self.take(name)?;
        let wanted = || format!("a number from {} to {}", range.start(), range.end());
        let Value::Number(number) = value else {
            self.note(name, not(&wanted(), &value));
            return None;
        };
        let number = number.as_f64().filter(|number| range.contains(number));
        if number.is_none() {
            self.note(name, format!("must be {}", wanted()));
        }
        number
    }

    /// Asks for at least one of these fields, before they are read.
    pub(crate) fn any_of(&mut self, names: &[&'static str]) {
        let given = |name: &&str| self.object.get(*name).is_some_and(|value| !value.is_null());
        if let [first, others @ ..] = names
            && !names.iter().any(given)
        {
            self.note(first, format!("is required, or {}", others.join(" or ")));
        }
    }

    /// `true` or `false`; absent is `false`.
    pub(crate) fn flag(&mut self, name: &'static str) -> bool {
        match self.take(name) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(other) => {
                self.note(name, not("true or false", &other));
                false
            }
        }
    }

    /// An object of at most `pairs_max` texts, in the order of their keys; absent is empty.
    pub(crate) fn pairs(
        &mut self,
        name: &'static str,
        pairs_max: usize,
        key_max: usize,
        value_max: usize,
    ) -> Vec<(String, String)> {
        let Some(value) = self.take(name) else { return Vec::new() };
        let Value::Object(object) = value else {
            self.note(name, not("an object of strings", &value));
            return Vec::new();
        };
        if object.len() > pairs_max {
            self.note(name, format!("must have at most {pairs_max} entries"));
            return Vec::new();
        }
        let mut pairs = Vec::with_capacity(object.len());
        for (key, value) in object {
            if !(1..=key_max).contains(&key.chars().count()) {
                self.note(name, format!("keys must be 1 to {key_max} characters long"));
                continue;
            }
            let Value::String(text) = value else {
                self.note(&format!("{name}.{key}"), not("a string", &value));
                continue;
            };
            if text.chars().count() > value_max {
                let message = format!("must be at most {value_max} characters long");
                self.note(&format!("{name}.{key}"), message);
                continue;
            }
            pairs.push((key, text));
        }
        pairs
    }

    /// A list of 1 to `items_max` objects, each read by `read`, which is to ask for every field.
    pub(crate) fn items<T>(
        &mut self,
        name: &'static str,
        items_max: usize,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.required(name)?;
        let Value::Array(list) = value else {
            self.note(name, not("a list of objects", &value));
            return None;
        };
        if !(1..=items_max).contains(&list.len()) {
            self.note(name, format!("must have 1 to {items_max} items, not {}", list.len()));
            return None;
        }
        let mut items = Vec::with_capacity(list.len());
        for (index, value) in list.into_iter().enumerate() {
            let place = Place::Item(name, index);
            let Value::Object(object) = value else {
                self.errors.push(FieldError {
                    field: place.of(""),
                    message: not("an object", &value).into(),
                });
                continue;
            };
            let mut item = Self::new(object, place, std::mem::take(&mut self.errors));
            items.extend(read(&mut item));
            item.note_unknown();
            self.errors = item.errors;
        }
        Some(items)
    }

    /// An object, read by `read`, which is to ask for every field.
    pub(crate) fn object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let value = self.required(name)?;
        self.an_object(name, value, read)
    }

    /// The same, or absent.
    pub(crate) fn optional_object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(name)?;
        self.an_object(name, value, read)
    }

    /// A list of at most `items_max` texts, each of which `holds`, or absent. `wanted` says what
    /// each has to be.
    pub(crate) fn optional_texts(
        &mut self,
        name: &'static str,
        items_max: usize,
        wanted: &str,
        holds: fn(&str) -> bool,
    ) -> Option<Vec<String>> {
        let value = self.take(name)?;
        let Value::Array(list) = value else {
            self.note(name, not("a list of strings", &value));
            return None;
        };
        if list.len() > items_max {
            self.note(name, format!("must have at most {items_max} items, not {}", list.len()));
            return None;
        }
        let (mut texts, before) = (Vec::with_capacity(list.len()), self.errors.len());
        for (index, value) in list.into_iter().enumerate() {
            let item = format!("{name}[{index}]");
            match value.as_str() {
                Some(text) if holds(text) => texts.push(text.to_owned()),
                Some(_) => self.note(&item, format!("must be {wanted}")),
                None => self.note(&item, not("a string", &value)),
            }
        }
        (self.errors.len() == before).then_some(texts)
    }

    /// `whole` if nothing was wrong; otherwise 422 with everything that was.
    ///
    /// `whole` is `None` when a required field was, which has been noted then.
    pub(crate) fn finish<T>(mut self, whole: Option<T>) -> Result<T, Problem> {
        self.note_unknown();
        match whole {
            Some(whole) if self.errors.is_empty() => Ok(whole),
            _ => Err(Problem::invalid(self.errors)),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        debug_assert!(self.asked < KNOWN_MAX, "an object has at most {KNOWN_MAX} fields");
        if let Some(slot) = self.known.get_mut(self.asked) {
            *slot = name;
            self.asked += 1;
        }
        self.object.remove(name).filter(|value| !value.is_null())
    }

    fn required(&mut self, name: &'static str) -> Option<Value> {
        let value = self.take(name);
        if value.is_none() {
            self.note(name, "is required");
        }
        value
    }

    fn an_object<T>(
        &mut self,
        name: &'static str,
        value: Value,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let Value::Object(object) = value else {
            self.note(name, not("an object", &value));
            return None;
        };
        let place = Place::In(self.place.of(name));
        let mut inner = Self::new(object, place, std::mem::take(&mut self.errors));
        let whole = read(&mut inner);
        inner.note_unknown();
        self.errors = inner.errors;
        whole
    }

    fn a_text(&mut self, name: &'static str, value: Value) -> Option<String> {
        let Value::String(text) = value else {
            self.note(name, not("a string", &value));
            return None;
        };
        Some(text)
    }

    fn within(
        &mut self,
        name: &'static str,
        text: String,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        let trimmed = text.trim();
        let characters = trimmed.chars().count();
        let (min, max) = (*length.start(), *length.end());
        if characters == 0 && min > 0 {
            self.note(name, "must not be empty");
            None
        } else if !length.contains(&characters) {
            let message = match min {
                0 => format!("must be at most {max} characters long, not {characters}"),
                _ => format!("must be {min} to {max} characters long, not {characters}"),
            };
            self.note(name, message);
            None
        } else if trimmed.len() == text.len() {
            Some(text)
        } else {
            Some(trimmed.to_owned())
        }
    }

    fn understood<T, E: Display>(&mut self, name: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.note(name, error.to_string())).ok()
    }

    fn an_integer<T: TryFrom<i64>>(
        &mut self,
        name: &str,
        value: &Value,
        range: RangeInclusive<i64>,
    ) -> Option<T> {
        let (min, max) = (*range.start(), *range.end());
        let wanted = || format!("a whole number from {min} to {max}");
        let Value::Number(number) = value else {
            self.note(name, not(&wanted(), value));
            return None;
        };
        let number = whole(number).filter(|number| range.contains(number));
        let fitting = number.and_then(|number| T::try_from(number).ok());
        if fitting.is_none() {
            self.note(name, format!("must be {}", wanted()));
        }
        fitting
    }

    fn note(&mut self, name: &str, message: impl Into<Cow<'static, str>>) {
        self.errors.push(FieldError { field: self.place.of(name), message: message.into() });
    }

    fn note_unknown(&mut self) {
        for (name, _) in std::mem::take(&mut self.object) {
            let known = &self.known[..self.asked];
            let message: Cow<'static, str> = match nearest(&name, known) {
                Some(meant) => format!("unknown field; did you mean {meant}?").into(),
                None if known.is_empty() => "unknown field; this takes none".into(),
                None => format!("unknown field; known are {}", known.join(", ")).into(),
            };
            let shown: String = name.chars().take(NAME_SHOWN_MAX).collect();
            self.note(&shown, message);
        }
    }
}

impl Place {
    fn of(&self, name: &str) -> String {
        match (self, name) {
            (Self::Top, _) => name.to_owned(),
            (Self::Item(list, index), "") => format!("{list}[{index}]"),
            (Self::Item(list, index), _) => format!("{list}[{index}].{name}"),
            (Self::In(object), _) => format!("{object}.{name}"),
        }
    }
}

/// JSON has one kind of numbers: 7.0 is a whole one too. Beyond 2^53 a float says nothing exactly.
fn whole(number: &Number) -> Option<i64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        (float.fract() == 0.0 && float.abs() <= EXACT_MAX).then_some(float as i64)
    })
}

fn not(wanted: &str, given: &Value) -> String {
    let given = match given {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("must be {wanted}, not {given}")
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    fn fields(body: &str) -> Fields {
        Fields::parse(body.as_bytes()).expect("an object")
    }

    fn errors<T>(read: Result<T, Problem>) -> Vec<(String, String)> {
        let problem = read.err().expect("something is wrong");
        problem.errors().iter().map(|e| (e.field.clone(), e.message.clone().into_owned())).collect()
    }

    #[test]
    fn every_wrong_field_is_told_at_once_also_the_unknown_one() {
        let mut fields = fields(r#"{"use_case": 5, "persona": "agency", "emial": "a@b.example"}"#);
        let email = fields.text("email", 1..=254);
        let use_case = fields.text("use_case", 1..=4000);
        let persona = fields.text("persona", 0..=50);
        let told = errors(fields.finish(email.zip(use_case).zip(persona)));
        let told: Vec<_> = told.iter().map(|(f, m)| (f.as_str(), m.as_str())).collect();
        assert_eq!(
            told,
            [
                ("email", "is required"),
                ("use_case", "must be a string, not a number"),
                ("emial", "unknown field; did you mean email?"),
            ]
        );
    }

    #[test]
    fn a_number_is_whole_in_range_and_no_text() {
        for (body, taken) in [
            ("1", true),
            ("10000", true),
            ("0", false),
            ("-1", false),
            ("10001", false),
            ("1.5", false),
            ("1e30", false),
            ("18446744073709551615", false),
            (r#""50""#, false),
            ("true", false),
            ("null", false),
        ] {
            let mut fields = fields(&format!(r#"{{"batch_size": {body}}}"#));
            let size = fields.integer::<u32>("batch_size", 1..=10_000);
            assert_eq!(fields.finish(size).is_ok(), taken, "{body}");
        }
    }

    #[test]
    fn a_fraction_is_a_number_in_range_and_one_of_several_fields_is_asked_for() {
        for (body, taken) in [
            (r#"{"a": 0}"#, true),
            (r#"{"a": 1.0, "b": 0.5}"#, true),
            (r#"{"b": 1e-9, "a": null}"#, true),
            (r#"{"a": 7}"#, false),
            (r#"{"a": -1}"#, false),
            (r#"{"a": 1.0000001, "b": 0.5}"#, false),
            (r#"{"a": "x"}"#, false),
            (r#"{"a": [0.5]}"#, false),
            (r#"{"a": null}"#, false),
            ("{}", false),
        ] {
            let mut fields = fields(body);
            fields.any_of(&["a", "b"]);
            let read =
                (fields.optional_number("a", 0.0..=1.0), fields.optional_number("b", 0.0..=1.0));
            assert_eq!(fields.finish(Some(read)).is_ok(), taken, "{body}");
        }
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_fraction_of_nothing() {
        for (number, read) in
            [("7", Some(7)), ("7.0", Some(7)), ("-0.0", Some(0)), ("7e1", Some(70))]
        {
            let mut good = fields(&format!(r#"{{"a": {number}}}"#));
            assert_eq!(good.integer::<i64>("a", -9..=99), read, "{number}");
        }
        for number in ["7.5", "1e30", "-1e30", "100.0", "9007199254740993.5"] {
            let mut bad = fields(&format!(r#"{{"a": {number}}}"#));
            assert_eq!(bad.integer::<i64>("a", -9..=99), None, "{number}");
        }
    }

    #[test]
    fn length_is_counted_in_characters_after_trimming() {
        let body = format!(r#"{{"use_case": "  {}  "}}"#, "ü".repeat(4000));
        let mut good = fields(&body);
        let text = good.text("use_case", 1..=4000);
        assert_eq!(good.finish(text).expect("4000 characters fit").chars().count(), 4000);

        for text in ["   ".to_owned(), "ü".repeat(4001)] {
            let mut bad = fields(&format!(r#"{{"use_case": "{text}"}}"#));
            let text = bad.text("use_case", 1..=4000);
            assert_eq!(errors(bad.finish(text)).len(), 1);
        }
    }

    #[test]
    fn items_are_named_by_their_index() {
        let mut fields = fields(r#"{"events": [{"type": "a"}, 7, {"typ": "b"}]}"#);
        let events = fields.items("events", 3, |event| event.text("type", 1..=9));
        let told = errors(fields.finish(events));
        let told: Vec<_> = told.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(told, ["events[1]", "events[2].type", "events[2].typ"]);
    }

    #[test]
    fn fields_of_an_object_in_an_object_are_named_by_their_path() {
        let body = r#"{"a": {"b": {"c": "x", "cc": 1}, "list": ["ok", "NO", 3]}, "d": 5}"#;
        let mut fields = fields(body);
        let lower = |text: &str| text.to_lowercase() == text;
        let whole = fields.object("a", |a| {
            let c = a.optional_object("b", |b| b.integer::<u8>("c", 0..=9));
            a.optional_texts("list", 3, "in lower case", lower).zip(c)
        });
        let d = fields.optional_object("d", |_| Some(()));
        let told = errors(fields.finish(whole.zip(d)));
        let told: Vec<_> = told.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(told, ["a.b.c", "a.b.cc", "a.list[1]", "a.list[2]", "d"]);
    }

    #[test]
    fn pairs_are_texts_within_their_bounds() {
        let mut good = fields(r#"{"metadata": {"source": "ad", "empty": ""}}"#);
        assert_eq!(good.pairs("metadata", 2, 6, 2).len(), 2);
        let mut bad = fields(r#"{"metadata": {"a": 1, "b": "long", "longest": ""}}"#);
        let pairs = bad.pairs("metadata", 3, 6, 2);
        assert_eq!(errors(bad.finish(Some(pairs))).len(), 3);
        let mut many = fields(r#"{"metadata": {"a": "", "b": ""}}"#);
        let pairs = many.pairs("metadata", 1, 6, 2);
        assert_eq!(errors(many.finish(Some(pairs))).len(), 1);
    }

    #[test]
    fn what_is_no_json_is_malformed_and_what_is_no_object_is_invalid() {
        let deep = "[".repeat(60_000);
        for body in [&b"{"[..], b"", b"{\"a\":\"\xff\"}", b"{} x", deep.as_bytes()] {
            let problem = Fields::parse(body).err().expect("not JSON");
            assert_eq!(problem.kind.status, StatusCode::BAD_REQUEST);
        }
        for body in ["[]", "null", "5", "\"x\""] {
            let problem = Fields::parse(body.as_bytes()).err().expect("not an object");
            assert_eq!(problem.kind.status, StatusCode::UNPROCESSABLE_ENTITY);
        }
    }
}
