//! Holds every answer that a test gets to the OpenAPI document: its status, its media type and its
//! body, in which nothing may stand that the document does not know.
//!
//! The document lets later versions add fields to answers; here that is not allowed. It uses few of
//! the keywords of JSON Schema, and one that is not read here is a fault of either.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex};

use chrono::DateTime;
use serde_json::{Map, Value};

use super::Answer;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../docs/openapi.json");
    serde_json::from_str(text).expect("the document is JSON")
});

/// Answers that have been seen: method, path of the document, status.
static SEEN: Mutex<BTreeSet<Seen>> = Mutex::new(BTreeSet::new());

/// An answer of the document: method, path, status.
pub(crate) type Seen = (String, String, u16);

/// Keywords that say nothing about a value, or nothing that is looked at here. Patterns are left to
/// a validator that has regular expressions.
const SILENT: [&str; 6] =
    ["description", "examples", "default", "pattern", "propertyNames", "multipleOf"];

/// The document itself.
pub(crate) fn document() -> &'static Value {
    &DOCUMENT
}

/// What this process has seen so far.
pub(crate) fn seen() -> BTreeSet<Seen> {
    SEEN.lock().expect("nobody panics with the list").clone()
}

/// Complains of an answer that is not in the document.
#[track_caller]
pub(crate) fn assert_documented(method: &str, target: &str, answer: &Answer) {
    let path = target.split('?').next().unwrap_or_default();
    let operation = |found| (found, &DOCUMENT["paths"][found][method.to_ascii_lowercase()]);
    let faults = match template(path).map(operation) {
        Some((found, operation)) if operation.is_object() && !is_elsewhere(answer) => {
            let seen = (method.to_owned(), found.to_owned(), answer.status);
            SEEN.lock().expect("nobody panics with the list").insert(seen);
            answer_faults(&operation["responses"][answer.status.to_string()], answer)
        }
        // No path, or no method of it: nothing but a problem may come back.
        _ => body_faults(&DOCUMENT["components"]["schemas"]["Problem"], answer),
    };
    let said = String::from_utf8_lossy(&answer.body);
    let said: String = said.chars().take(2000).collect();
    let (status, faults) = (answer.status, faults.join("\n"));
    assert!(faults.is_empty(), "{method} {target} answers {status}: {faults}\nin {said}");
}

/// The path of the document with the fewest parameters that `path` fits.
fn template(path: &str) -> Option<&'static str> {
    let fits = |template: &str| {
        let (given, known) = (path.split('/'), template.split('/'));
        given.clone().count() == known.clone().count()
            && given
                .zip(known)
                .all(|(given, known)| given == known || known.starts_with('{') && !given.is_empty())
    };
    let paths = DOCUMENT["paths"].as_object().expect("paths").keys().map(String::as_str);
    paths.filter(|template| fits(template)).min_by_key(|template| template.matches('{').count())
}

/// Whether the port that was asked does not have the path: it has the routes of one service only.
fn is_elsewhere(answer: &Answer) -> bool {
    let problem = || serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
    answer.status == 404 && problem()["code"] == "not-found"
}

fn answer_faults(documented: &Value, answer: &Answer) -> Vec<String> {
    let documented = follow(documented);
    if documented.is_null() {
        return vec!["this status is not in the document".to_owned()];
    }
    let media_type = answer.header("content-type").unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default();
    let Some(content) = documented["content"].get(media_type) else {
        return vec![format!("the media type {media_type:?} is not in the document")];
    };
    if media_type.ends_with("json") { body_faults(&content["schema"], answer) } else { Vec::new() }
}

fn body_faults(schema: &Value, answer: &Answer) -> Vec<String> {
    match serde_json::from_slice(&answer.body) {
        Ok(body) => faults(&body, schema, ""),
        Err(error) => vec![format!("the body is no JSON: {error}")],
    }
}

/// What is wrong with `value`, which stands at `at`.
fn faults(value: &Value, schema: &Value, at: &str) -> Vec<String> {
    let mut faults = open_faults(value, schema, at);
    if let Value::Object(fields) = value {
        let (mut known, mut any) = (BTreeSet::new(), false);
        known_fields(schema, value, &mut known, &mut any);
        let unknown = fields.keys().filter(|name| !any && !known.contains(name.as_str()));
        faults.extend(unknown.map(|name| format!("{at}.{name} is not in the document")));
    }
    faults
}

/// The names that a schema has for the fields of `value`, also those of its parts; whether others
/// may be there too.
fn known_fields<'a>(
    schema: &'a Value,
    value: &Value,
    known: &mut BTreeSet<&'a str>,
    any: &mut bool,
) {
    let schema = follow(schema);
    let fields = schema["properties"].as_object().into_iter().flat_map(Map::keys);
    known.extend(fields.map(String::as_str));
    *any |= schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
    for part in items(&schema["allOf"]) {
        known_fields(part, value, known, any);
    }
    let fitting = items(&schema["oneOf"]);
    for part in fitting.filter(|part| open_faults(value, part, "").is_empty()) {
        known_fields(part, value, known, any);
    }
}

/// The same as [`faults`], but for the fields that `schema` does not know.
fn open_faults(value: &Value, schema: &Value, at: &str) -> Vec<String> {
    let schema = follow(schema);
    let Value::Object(keywords) = schema else {
        return vec![format!("{at} is not in the document")];
    };
    let mut found = Vec::new();
    for (keyword, wanted) in keywords {
        if let Some(inside) = inner_faults(keyword, wanted, schema, value, at) {
            found.extend(inside);
        } else if !holds(keyword, wanted, value, at) {
            found.push(format!("{at} is not of {keyword} {wanted}: {value}"));
        }
    }
    found
}

/// What a keyword says about the value as a whole.
fn holds(keyword: &str, wanted: &Value, value: &Value, at: &str) -> bool {
    match keyword {
        "type" => types(wanted).any(|name| is_a(name, value)),
        "enum" => items(wanted).any(|word| word == value),
        "format" => value.as_str().is_none_or(|text| has_form(wanted, text)),
        "minimum" => value.as_f64().is_none_or(|number| Some(number) >= wanted.as_f64()),
        "maximum" => value.as_f64().is_none_or(|number| Some(number) <= wanted.as_f64()),
        "minLength" => length(value).is_none_or(|length| Some(length) >= wanted.as_u64()),
        "maxLength" => length(value).is_none_or(|length| Some(length) <= wanted.as_u64()),
        "oneOf" => items(wanted).filter(|one| faults(value, one, at).is_empty()).count() == 1,
        silent => SILENT.contains(&silent) || panic!("{silent} is not read here"),
    }
}

/// What a keyword says about the parts of the value; none if it says nothing about those.
fn inner_faults(
    keyword: &str,
    wanted: &Value,
    schema: &Value,
    value: &Value,
    at: &str,
) -> Option<Vec<String>> {
    let fields = || wanted.as_object().into_iter().flatten();
    let inside = |name: &str| format!("{at}.{name}");
    Some(match keyword {
        "allOf" => items(wanted).flat_map(|part| open_faults(value, part, at)).collect(),
        "required" => {
            let names = items(wanted).filter_map(Value::as_str);
            let missing = names.filter(|name| value.get(name).is_none());
            missing.map(|name| format!("{} is missing", inside(name))).collect()
        }
        "properties" => {
            let given = fields().filter_map(|(name, field)| Some((name, value.get(name)?, field)));
            given.flat_map(|(name, one, field)| faults(one, field, &inside(name))).collect()
        }
        "additionalProperties" => {
            let named = &schema["properties"];
            let others = value.as_object().into_iter().flatten();
            let others = others.filter(|(name, _)| named.get(name).is_none());
            let others = others.filter(|_| fields().next().is_some());
            others.flat_map(|(name, one)| faults(one, wanted, &inside(name))).collect()
        }
        "items" => {
            let all = items(value).enumerate();
            all.flat_map(|(n, one)| faults(one, wanted, &format!("{at}[{n}]"))).collect()
        }
        _ => return None,
    })
}

fn follow(schema: &Value) -> &Value {
    match schema["$ref"].as_str() {
        Some(place) => DOCUMENT.pointer(&place[1..]).expect("a reference leads somewhere"),
        None => schema,
    }
}

fn items(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().map_or(&[][..], Vec::as_slice).iter()
}

fn types(wanted: &Value) -> impl Iterator<Item = &str> {
    wanted.as_str().into_iter().chain(items(wanted).filter_map(Value::as_str))
}

fn length(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}

fn is_a(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("{name} is no type"),
    }
}

fn has_form(format: &Value, text: &str) -> bool {
    match format.as_str().unwrap_or_default() {
        "date-time" => text.ends_with('Z') && DateTime::parse_from_rfc3339(text).is_ok(),
        "uuid" => super::shape::is_uuid(text),
        "uri" => text.starts_with("urn:"),
        format => panic!("{format} is not read here"),
    }
}

#[test]
fn an_answer_that_differs_from_its_schema_is_found_out() {
    let schema = serde_json::json!({
        "allOf": [
            {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
            {"type": "object", "properties": {
                "b": {"oneOf": [{"type": "null"}, {"type": "string", "enum": ["x", "y"]}]},
                "c": {"type": "array", "items": {"type": "string", "format": "date-time"}},
            }},
        ],
    });
    let found = |value: Value| faults(&value, &schema, "").len();
    let time = "2026-11-23T12:00:00Z";
    assert_eq!(found(serde_json::json!({"a": 1, "b": null, "c": [time]})), 0);
    assert_eq!(found(serde_json::json!({"a": 1, "b": "x"})), 0);
    for wrong in [
        serde_json::json!({"b": "x"}),
        serde_json::json!({"a": 1.5}),
        serde_json::json!({"a": null}),
        serde_json::json!({"a": 1, "d": 1}),
        serde_json::json!({"a": 1, "c": [time, "today"]}),
        serde_json::json!([1]),
    ] {
        assert!(found(wrong.clone()) > 0, "{wrong}");
    }
    assert!(found(serde_json::json!({"a": 1, "b": "z"})) > 0);
}
