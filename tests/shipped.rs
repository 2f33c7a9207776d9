//! Reads what the project ships for Prometheus and Grafana, for the tests that hold it to account.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A query, and where it stands.
pub(crate) struct Query {
    pub(crate) origin: String,
    pub(crate) text: String,
}

/// The paths of the files in a folder of the repository that end in `suffix`, in order.
pub(crate) fn paths(folder: &str, suffix: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root().join(folder))
        .expect("a folder that is shipped is there")
        .map(|entry| entry.expect("a file that is shipped can be listed").path())
        .filter(|path| path.to_string_lossy().ends_with(suffix))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "nothing in {folder} ends in {suffix}");
    paths
}

/// A YAML file as the value that it stands for.
pub(crate) fn yaml(path: impl AsRef<Path>) -> Value {
    let path = root().join(path);
    let text = fs::read_to_string(&path).expect("a file that is shipped can be read");
    serde_yaml_ng::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every dashboard, with its file name.
pub(crate) fn dashboards() -> Vec<(String, Value)> {
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("a dashboard can be read");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths("config/grafana/dashboards", ".json").iter().map(|p| (file_name(p), read(p))).collect()
}

/// The panels of a dashboard that show something: rows are headings.
pub(crate) fn panels(dashboard: &Value) -> Vec<&Value> {
    list(&dashboard["panels"]).iter().filter(|panel| panel["type"] != "row").collect()
}

/// The queries of all panels as they are written, variables of Grafana included.
pub(crate) fn dashboard_queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for (file, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            queries.extend(list(&panel["targets"]).iter().map(|target| Query {
                origin: format!("{file}, {}", text(&panel["title"])),
                text: text(&target["expr"]).to_owned(),
            }));
        }
    }
    queries
}

/// All rules, recording and alerting, as they are written.
pub(crate) fn rules() -> Vec<Value> {
    paths("config/prometheus/rules", ".yml")
        .iter()
        .flat_map(|path| list(&yaml(path)["groups"]).to_vec())
        .flat_map(|group| list(&group["rules"]).to_vec())
        .collect()
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The selectors of a PromQL expression: `a` and `b{c="d"}` in `sum by (e) (a) / b{c="d"}`.
pub(crate) fn selectors(query: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let word_len = rest.find(|letter| !is_name(letter)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_len);
        let next = after.trim_start();
        if word.is_empty() {
            rest = match first {
                '[' => &rest[rest.find(']').map_or(rest.len(), |end| end + 1)..],
                '"' => &rest[quoted_len(rest)..],
                other => &rest[other.len_utf8()..],
            };
        } else if ["by", "without", "on", "ignoring", "group_left", "group_right"].contains(&word) {
            // The list in brackets holds labels.
            let labels =
                if next.starts_with('(') { next.find(')').map_or(0, |end| end + 1) } else { 0 };
            rest = &next[labels..];
        } else if first.is_ascii_digit() || is_operator(word, next) {
            rest = after;
        } else if next.starts_with('{') {
            let matchers = braced_len(next);
            found.push(format!("{word}{}", &next[..matchers]));
            rest = &next[matchers..];
        } else {
            found.push(word.to_owned());
            rest = after;
        }
    }
    found
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'
}

/// Whether a word is a function, an aggregation or an operator, by itself or by what follows it.
fn is_operator(word: &str, next: &str) -> bool {
    let labels_follow = ["by", "without"]
        .iter()
        .any(|list| next.strip_prefix(list).is_some_and(|rest| rest.trim_start().starts_with('(')));
    let is_keyword = ["and", "or", "unless", "offset", "bool", "atan2"].contains(&word);
    is_keyword || labels_follow || next.starts_with('(')
}

/// The length of the string that a text begins with, its quotes included.
fn quoted_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            '"' if !escaped => return at + 1,
            _ => escaped = letter == '\\' && !escaped,
        }
    }
    text.len()
}

/// The length of the matchers that a text begins with, their braces included.
fn braced_len(text: &str) -> usize {
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        match letter {
            '"' => at += quoted_len(&text[at..]),
            '}' => return at + 1,
            other => at += other.len_utf8(),
        }
    }
    text.len()
}

#[test]
fn selectors_are_told_from_functions_labels_and_words() {
    let query = r#"sum by (job, le) (rate(a_total{b="}", c=~"d|e"} [5m] offset 1d)) / on (job)
        group_left (team) (level:f:rate5m > 1e6) and 0 * count(up) unless time() - g"#;
    let want = [r#"a_total{b="}", c=~"d|e"}"#, "level:f:rate5m", "up", "g"];
    assert_eq!(selectors(query), want);
}
