//! What a setting may be, and the check of a given value against it.

use std::fmt;

use toml::Value;
use toml::de::DeValue;

use super::{Origin, Problem, nearest};

/// One setting: its dotted key and what it may be. The default stands in the struct.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) key: &'static str,
    pub(super) allowed: Allowed,
}

/// What a setting may be. The `Display` form completes "is not ...".
#[derive(Debug)]
pub(super) enum Allowed {
    Flag,
    Whole { min: i64, max: i64 },
    Number { min: f64, max: f64 },
    OneOf(&'static [&'static str]),
    Text(Syntax),
    Texts { each: Syntax, count_max: usize },
    Tables { fields: &'static [Rule], required: &'static [&'static str], count_max: usize },
}

/// The form of a text.
#[derive(Debug)]
pub(super) struct Syntax {
    /// Completes "is not ...".
    pub(super) what: &'static str,
    pub(super) holds: fn(&str) -> bool,
}

impl Rule {
    pub(super) const fn flag(key: &'static str) -> Self {
        Self { key, allowed: Allowed::Flag }
    }

    pub(super) const fn whole(key: &'static str, min: i64, max: i64) -> Self {
        Self { key, allowed: Allowed::Whole { min, max } }
    }

    pub(super) const fn number(key: &'static str, min: f64, max: f64) -> Self {
        Self { key, allowed: Allowed::Number { min, max } }
    }

    pub(super) const fn one_of(key: &'static str, names: &'static [&'static str]) -> Self {
        Self { key, allowed: Allowed::OneOf(names) }
    }

    pub(super) const fn text(
        key: &'static str,
        what: &'static str,
        holds: fn(&str) -> bool,
    ) -> Self {
        Self { key, allowed: Allowed::Text(Syntax { what, holds }) }
    }

    /// The name of the environment variable that sets it.
    pub(super) fn variable(&self) -> String {
        format!("VOBEE_{}", self.key.to_ascii_uppercase().replace('.', "__"))
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("true or false"),
            Self::Whole { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Number { min, max } => write!(f, "a number from {min} to {max}"),
            Self::OneOf(names) => write!(f, "one of \"{}\"", names.join("\", \"")),
            Self::Text(syntax) => f.write_str(syntax.what),
            Self::Texts { each, count_max } => {
                write!(f, "a list of at most {count_max}, each {}", each.what)
            }
            Self::Tables { fields, count_max, .. } => {
                let names: Vec<&str> = fields.iter().map(|field| field.key).collect();
                write!(f, "a list of at most {count_max} tables of {}", names.join(", "))
            }
        }
    }
}

/// Checks values of one source and gathers what is wrong with them.
pub(super) struct Checker<'a> {
    /// The place of a byte offset in the source.
    pub(super) place: &'a dyn Fn(usize) -> Origin,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Checker<'_> {
    /// The value in the type of the setting; none, and a problem noted, when it is not allowed.
    pub(super) fn check(
        &mut self,
        key: &str,
        allowed: &Allowed,
        offset: usize,
        given: &DeValue<'_>,
    ) -> Option<Value> {
        let value = match (allowed, given) {
            (Allowed::Texts { each, count_max }, DeValue::Array(items))
                if items.len() <= *count_max =>
            {
                return self.texts(key, each, items);
            }
            (Allowed::Tables { fields, required, count_max }, DeValue::Array(items))
                if items.len() <= *count_max =>
            {
                return self.tables(key, fields, required, items);
            }
            _ => scalar(allowed, given),
        };
        if value.is_none() {
            self.note(offset, key, format!("{key} = {} is not {allowed}", shown(given)));
        }
        value
    }

    fn texts(&mut self, key: &str, each: &Syntax, items: &toml::de::DeArray<'_>) -> Option<Value> {
        let count = self.problems.len();
        let mut texts = Vec::with_capacity(items.len());
        for item in items.iter() {
            let given = item.get_ref();
            match given.as_str().filter(|text| (each.holds)(text)) {
                Some(text) => texts.push(Value::String(text.to_owned())),
                None => {
                    let message =
                        format!("{key} holds {}, which is not {}", shown(given), each.what);
                    self.note(item.span().start, key, message);
                }
            }
        }
        (self.problems.len() == count).then_some(Value::Array(texts))
    }

    fn tables(
        &mut self,
        key: &str,
        fields: &[Rule],
        required: &[&str],
        items: &toml::de::DeArray<'_>,
    ) -> Option<Value> {
        let count = self.problems.len();
        let mut tables = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let key = format!("{key}[{index}]");
            let DeValue::Table(given) = item.get_ref() else {
                let message = format!("{key} = {} is not a table", shown(item.get_ref()));
                self.note(item.span().start, &key, message);
                continue;
            };
            tables.push(Value::Table(self.fields(&key, fields, given)));
            for name in required.iter().filter(|name| !given.contains_key(**name)) {
                self.note(item.span().start, &key, format!("{key} has no {name}"));
            }
        }
        (self.problems.len() == count).then_some(Value::Array(tables))
    }

    fn fields(&mut self, key: &str, fields: &[Rule], given: &toml::de::DeTable<'_>) -> toml::Table {
        let mut table = toml::Table::new();
        for (name, value) in given {
            let (offset, name) = (name.span().start, name.get_ref().as_ref());
            let path = format!("{key}.{name}");
            if let Some(field) = fields.iter().find(|field| field.key == name) {
                if let Some(value) = self.check(&path, &field.allowed, offset, value.get_ref()) {
                    table.insert(name.to_owned(), value);
                }
            } else {
                let nearest = nearest::key(name, fields.iter().map(|field| field.key));
                let message =
                    format!("unknown key \"{path}\"; the nearest known key is \"{nearest}\"");
                self.note(offset, &path, message);
            }
        }
        table
    }

    pub(super) fn note(&mut self, offset: usize, key: &str, message: String) {
        let origin = (self.place)(offset);
        self.problems.push(Problem { origin, key: key.to_owned(), message });
    }
}

fn scalar(allowed: &Allowed, given: &DeValue<'_>) -> Option<Value> {
    match (allowed, given) {
        (Allowed::Flag, DeValue::Boolean(flag)) => Some(Value::Boolean(*flag)),
        (Allowed::Whole { min, max }, DeValue::Integer(number)) => {
            let number = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
            (*min <= number && number <= *max).then_some(Value::Integer(number))
        }
        (Allowed::Number { min, max }, DeValue::Integer(_) | DeValue::Float(_)) => {
            let number: f64 = number_text(given)?.parse().ok()?;
            (*min <= number && number <= *max).then_some(Value::Float(number))
        }
        (Allowed::OneOf(names), DeValue::String(text)) => {
            names.contains(&text.as_ref()).then(|| Value::String(text.to_string()))
        }
        (Allowed::Text(syntax), DeValue::String(text)) => {
            (syntax.holds)(text).then(|| Value::String(text.to_string()))
        }
        _ => None,
    }
}

/// A whole number is a number too: `critical = 1` means 1.0.
fn number_text<'a>(given: &'a DeValue<'_>) -> Option<&'a str> {
    given
        .as_float()
        .map(toml::de::DeFloat::as_str)
        .or_else(|| given.as_integer().filter(|number| number.radix() == 10).map(|n| n.as_str()))
}

/// The value as the file has it, short enough for one line.
fn shown(given: &DeValue<'_>) -> String {
    const CHARS_MAX: usize = 60;
    let text = match given {
        DeValue::String(text) => Value::String(text.to_string()).to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(items) => format!("[a list of {}]", items.len()),
        DeValue::Table(_) => "{a table}".to_owned(),
    };
    if text.chars().count() <= CHARS_MAX {
        return text;
    }
    let start: String = text.chars().take(CHARS_MAX).collect();
    format!("{start}...")
}
