//! What an answer has to look like: every field of a pattern, each with its type. More fields are
//! allowed, fewer are not.

use chrono::DateTime;
use serde_json::Value;

/// Holds `value` to `pattern`: an object of fields, a list of one pattern for each of its items, of
/// which there must be some, or the name of a type, with `?` when it may be null.
#[track_caller]
pub(crate) fn assert_shape(value: &Value, pattern: &Value) {
    let faults = faults(value, pattern, "");
    assert!(faults.is_empty(), "{}\nin {value}", faults.join("\n"));
}

fn faults(value: &Value, pattern: &Value, at: &str) -> Vec<String> {
    match pattern {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, pattern)| match value.get(name) {
                None => vec![format!("{at}.{name} is missing")],
                Some(value) => faults(value, pattern, &format!("{at}.{name}")),
            })
            .collect(),
        Value::Array(items) => match value.as_array() {
            Some(values) if !values.is_empty() => {
                values.iter().flat_map(|value| faults(value, &items[0], at)).collect()
            }
            _ => vec![format!("{at} is no list with something in it")],
        },
        Value::String(name) => {
            let nullable = name.strip_suffix('?');
            let fits =
                nullable.is_some() && value.is_null() || is_a(nullable.unwrap_or(name), value);
            if fits { Vec::new() } else { vec![format!("{at} is no {name}: {value}")] }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => panic!("{pattern} is no pattern"),
    }
}

fn is_a(name: &str, value: &Value) -> bool {
    let text = |holds: fn(&str) -> bool| value.as_str().is_some_and(holds);
    match name {
        "text" => text(|text| !text.is_empty()),
        "time" => text(is_time),
        "uuid" => text(is_uuid),
        "code" => text(is_code),
        "whole" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "flag" => value.is_boolean(),
        "list" => value.is_array(),
        _ => panic!("{name} is no type"),
    }
}

/// RFC 3339 in UTC with `Z`.
fn is_time(text: &str) -> bool {
    text.ends_with('Z') && DateTime::parse_from_rfc3339(text).is_ok()
}

pub(super) fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(digit)
}

/// `VOBEE-` and 12 hex digits in upper case.
pub(crate) fn is_code(text: &str) -> bool {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    let digits = text.strip_prefix("VOBEE-");
    digits.is_some_and(|digits| digits.len() == 12 && digits.bytes().all(digit))
}

#[test]
fn an_answer_that_lacks_a_field_or_has_another_type_is_found_out() {
    let pattern = serde_json::json!({"at": "time", "in": [{"id": "uuid"}], "by": "whole?"});
    let found = |value: Value| faults(&value, &pattern, "").len();
    let id = "3735294c-6387-8ebf-9f35-7373e7bf5580";
    let time = "2026-11-23T12:00:00Z";
    let one = |value: &str| serde_json::json!([{ "id": value }]);
    assert_eq!(found(serde_json::json!({"at": time, "in": one(id), "by": null, "on": 1})), 0);
    assert_eq!(found(serde_json::json!({"at": time, "in": one(id)})), 1);
    assert_eq!(found(serde_json::json!({"at": time, "in": [], "by": 1})), 1);
    assert_eq!(found(serde_json::json!({"at": "today", "in": one("x"), "by": 1.5})), 3);
}

#[test]
fn a_code_has_its_prefix_and_twelve_digits_in_upper_case() {
    assert!(is_code("VOBEE-A7F3E9D2B1C4"));
    for bad in ["VOBEE-A7F3E9D2B1C", "VOBEE-a7f3e9d2b1c4", "VOBEE-A7F3E9D2B1C45", "A7F3E9D2B1C4"] {
        assert!(!is_code(bad), "{bad}");
    }
}
