//! One value for each setting, laid over by one source after the other.

use std::ffi::OsString;
use std::path::Path;

use toml::Value;
use toml::de::{DeTable, DeValue};

use super::load::{Entry, Flag};
use super::rule::{Allowed, Checker, Rule};
use super::settings::rules;
use super::{Config, Origin, Problem, nearest};

/// The values so far and everything found wrong so far.
pub(super) struct Layers {
    entries: Vec<(&'static Rule, Entry)>,
    pub(super) problems: Vec<Problem>,
}

impl Layers {
    /// The lowest layer: what the code says.
    pub(super) fn defaults() -> Self {
        let defaults =
            Value::try_from(Config::default()).expect("every default has a form in TOML");
        let entry = |rule: &'static Rule| {
            let step = |value: Option<Value>, name| value?.get(name).cloned();
            let value = rule.key.split('.').fold(Some(defaults.clone()), step);
            let value = value.expect("every rule names a field of the configuration");
            (rule, Entry { key: rule.key, value, origin: Origin::Default })
        };
        Self { entries: rules().map(entry).collect(), problems: Vec::new() }
    }

    /// A configuration that was loaded before, to lay more over it.
    pub(super) fn over(entries: &[Entry]) -> Self {
        let entries = rules().zip(entries.iter().cloned()).collect();
        Self { entries, problems: Vec::new() }
    }

    /// Lays a file over what is there.
    pub(super) fn file(&mut self, path: &Path, text: &str) {
        let place = |offset: usize| Origin::File {
            path: path.to_owned(),
            line: 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count(),
        };
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return self.table("", table.get_ref(), &place);
        }
        for error in errors {
            let offset = error.span().map_or(0, |span| span.start);
            let message = format!("is not TOML: {}", error.message().trim().replace('\n', "; "));
            self.problems.push(Problem { origin: place(offset), key: String::new(), message });
        }
    }

    fn table(&mut self, section: &str, table: &DeTable<'_>, place: &dyn Fn(usize) -> Origin) {
        for (name, value) in table {
            let offset = name.span().start;
            let key = match section {
                "" => name.get_ref().to_string(),
                _ => format!("{section}.{}", name.get_ref()),
            };
            if let Some(index) = self.index(&key) {
                self.set(index, place, offset, value.get_ref());
                continue;
            }
            let is_section = sections().any(|section| section == key);
            if let (DeValue::Table(inner), true) = (value.get_ref(), is_section) {
                self.table(&key, inner, place);
                continue;
            }
            let message = if is_section {
                format!("{key} is a section and cannot have a value of its own")
            } else if value.get_ref().is_table() {
                let nearest = nearest::key(&key, sections());
                format!("unknown section \"{key}\"; the nearest known section is \"{nearest}\"")
            } else {
                let nearest = nearest::key(&key, rules().map(|rule| rule.key));
                format!("unknown key \"{key}\"; the nearest known key is \"{nearest}\"")
            };
            self.problems.push(Problem { origin: place(offset), key, message });
        }
    }

    /// Lays the environment over what is there. Only names with a double underscore are ours:
    /// Kubernetes announces a service called `vobee` as `VOBEE_PORT=tcp://...`.
    pub(super) fn environment(&mut self, variables: &[(OsString, OsString)]) {
        for (name, value) in variables {
            let name = name.to_string_lossy();
            if !name.strip_prefix("VOBEE_").is_some_and(|rest| rest.contains("__")) {
                continue;
            }
            let origin = Origin::Environment { name: name.clone().into_owned() };
            let found = self.entries.iter().position(|(rule, _)| rule.variable() == name);
            let Some(index) = found else {
                let known: Vec<String> = rules().map(Rule::variable).collect();
                let nearest = nearest::variable(&name, &known);
                let message = format!("unknown variable; the nearest known one is {nearest}");
                self.problems.push(Problem { origin, key: String::new(), message });
                continue;
            };
            match value.to_str() {
                Some(text) => self.text(index, &origin, text),
                None => {
                    let key = self.entries[index].0.key.to_owned();
                    let message = format!("{key} is not UTF-8");
                    self.problems.push(Problem { origin, key, message });
                }
            }
        }
    }

    /// Lays flags over what is there.
    pub(super) fn flags(&mut self, flags: &[Flag]) {
        for flag in flags {
            let index = self.index(flag.key).expect("a flag sets a known key");
            self.text(index, &Origin::Flag { name: flag.name }, &flag.text);
        }
    }

    /// The values, in the order of the rules.
    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries.into_iter().map(|(_, entry)| entry).collect()
    }

    fn index(&self, key: &str) -> Option<usize> {
        self.entries.iter().position(|(rule, _)| rule.key == key)
    }

    /// A value that came as bare text: a text is taken as it is, a list of texts may leave out
    /// TOML's brackets and quotes, and everything else is written as in the file.
    fn text(&mut self, index: usize, origin: &Origin, text: &str) {
        let bare = || DeValue::String(text.into());
        let written = || DeValue::parse(text).map_or_else(|_| bare(), |value| value.into_inner());
        let value = match &self.entries[index].0.allowed {
            Allowed::Text(_) | Allowed::OneOf(_) => bare(),
            Allowed::Texts { .. } if !text.trim_start().starts_with('[') => separated(text),
            Allowed::Texts { .. }
            | Allowed::Tables { .. }
            | Allowed::Flag
            | Allowed::Whole { .. }
            | Allowed::Number { .. } => written(),
        };
        self.set(index, &|_| origin.clone(), 0, &value);
    }

    fn set(
        &mut self,
        index: usize,
        place: &dyn Fn(usize) -> Origin,
        offset: usize,
        given: &DeValue<'_>,
    ) {
        let (rule, entry) = &mut self.entries[index];
        let mut checker = Checker { place, problems: &mut self.problems };
        if let Some(value) = checker.check(rule.key, &rule.allowed, offset, given) {
            *entry = Entry { key: rule.key, value, origin: place(offset) };
        }
    }
}

/// `a, b` as a list.
fn separated(text: &str) -> DeValue<'_> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let items = items.map(|item| toml::Spanned::new(0..0, DeValue::String(item.into())));
    DeValue::Array(items.collect())
}

/// Every table that the rules name, from the outside in.
fn sections() -> impl Iterator<Item = &'static str> {
    rules().flat_map(|rule| rule.key.match_indices('.').map(|(end, _)| &rule.key[..end]))
}
