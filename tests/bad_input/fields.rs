//! Fields of every kind of wrongness.

use serde_json::{Value, json};

use crate::support::{Answer, Client};

use super::witness::{MARKER, Witness};

/// What is said of each wrong field, by field; the answer is a 422 that says nothing else.
#[track_caller]
fn complaints(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.problem(422), "invalid-field");
    let problem = answer.json();
    let errors = problem["errors"].as_array().expect("a list of errors");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut told: Vec<_> =
        errors.iter().map(|error| (text(&error["field"]), text(&error["message"]))).collect();
    told.sort();
    told
}

/// The body is refused, and exactly these fields are blamed, each with these words somewhere.
#[track_caller]
fn assert_blamed(client: &mut Client, path: &str, body: &Value, blamed: &[(&str, &str)]) {
    let told = complaints(&client.post(path, body));
    let mut blamed = blamed.to_vec();
    blamed.sort_unstable();
    let fields: Vec<&str> = told.iter().map(|(field, _)| field.as_str()).collect();
    let expected: Vec<&str> = blamed.iter().map(|(field, _)| *field).collect();
    assert_eq!(fields, expected, "{path} {body}: {told:?}");
    for ((field, message), (_, words)) in told.iter().zip(blamed) {
        assert!(message.contains(words), "{path} {field}: {message}");
    }
}

fn wants(field: &str, value: Value) -> Value {
    let mut body = json!({
        "email": format!("{MARKER}@example.com"), "use_case": MARKER, "persona": "agency",
    });
    body[field] = value;
    body
}

#[test]
fn fields_of_the_wrong_type_are_named_all_at_once() {
    let witness = Witness::start();
    let mut admin = witness.admin();
    let join = json!({
        "email": 7, "use_case": [MARKER], "persona": {MARKER: 1}, "referral_code": 5,
        "metadata": MARKER,
    });
    let not = [
        ("email", "must be a string, not a number"),
        ("use_case", "must be a string, not a list"),
        ("persona", "must be a string, not an object"),
        ("referral_code", "must be a string, not a number"),
        ("metadata", "must be an object of strings, not a string"),
    ];
    assert_blamed(&mut admin, "/api/waitlist/join", &join, &not);

    let generate = json!({
        "batch_size": "50", "batch_id": [MARKER], "issued_to": true, "expires_in_days": "7",
        "max_uses": {}, "force": MARKER,
    });
    let fields = ["batch_size", "batch_id", "issued_to", "expires_in_days", "max_uses", "force"];
    let not = fields.map(|field| (field, "must be "));
    assert_blamed(&mut admin, "/api/invites/generate", &generate, &not);

    let boost = json!({"points": MARKER, "reason": 5});
    let not = [("points", "a whole number from"), ("reason", "must be a string")];
    assert_blamed(&mut admin, "/api/waitlist/ada%40example.com/boost", &boost, &not);
    let redeem = json!({"code": 123_456_789_012_u64, "email": [MARKER]});
    let not = [("code", "must be a string"), ("email", "must be a string")];
    assert_blamed(&mut admin, "/api/invites/redeem", &redeem, &not);
    let share = json!({"inviter_email": {}, "recipient_email": 1, "invite_code": []});
    let not = [("inviter_email", ""), ("recipient_email", ""), ("invite_code", "")];
    assert_blamed(&mut admin, "/api/referrals/share", &share, &not);
    witness.saw_nothing();
}

#[test]
fn fields_that_are_missing_or_null_are_named_all_at_once() {
    let witness = Witness::start();
    let mut admin = witness.admin();
    let routes: [(&str, &[&str]); 7] = [
        ("/api/waitlist/join", &["email", "use_case", "persona"]),
        ("/api/waitlist/ada%40example.com/boost", &["points", "reason"]),
        ("/api/invites/generate", &["batch_size"]),
        ("/api/invites/redeem", &["code", "email"]),
        ("/api/referrals/share", &["inviter_email", "recipient_email"]),
        ("/api/quality/events", &["events"]),
        ("/api/quality/metrics", &["for_minutes", "churn_rate"]),
    ];
    for (path, fields) in routes {
        let blamed: Vec<_> = fields.iter().map(|field| (*field, "is required")).collect();
        assert_blamed(&mut admin, path, &json!({}), &blamed);
        let nulls = fields.iter().map(|field| ((*field).to_owned(), Value::Null)).collect();
        assert_blamed(&mut admin, path, &Value::Object(nulls), &blamed);
    }
    witness.saw_nothing();
}

#[test]
fn an_unknown_field_is_named_with_the_nearest_known_one() {
    let witness = Witness::start();
    let mut admin = witness.admin();
    let email = format!("{MARKER}@example.com");
    let join = json!({"emial": email, "usecase": MARKER, "persona": "agency", MARKER: 1});
    let blamed = [
        ("email", "is required"),
        ("use_case", "is required"),
        ("emial", "did you mean email?"),
        ("usecase", "did you mean use_case?"),
        (MARKER, "known are email, use_case, persona, referral_code, metadata"),
    ];
    assert_blamed(&mut admin, "/api/waitlist/join", &join, &blamed);

    let routes = [
        ("/api/invites/generate", "batch_sise", "batch_size"),
        ("/api/invites/redeem", "cod", "code"),
        ("/api/referrals/earn", "user_emial", "user_email"),
        ("/api/referrals/share", "invitecode", "invite_code"),
        ("/api/quality/events", "event", "events"),
        ("/api/quality/metrics", "churnrate", "churn_rate"),
        ("/api/waitlist/ada%40example.com/boost", "point", "points"),
    ];
    for (path, typed, meant) in routes {
        let told = complaints(&admin.post(path, &json!({typed: MARKER})));
        let message = told.iter().find(|(field, _)| field == typed).map(|(_, said)| said.as_str());
        let expected = format!("unknown field; did you mean {meant}?");
        assert_eq!(message, Some(expected.as_str()), "{path} {told:?}");
    }
    let blamed = [(MARKER, "this takes none")];
    assert_blamed(&mut admin, "/api/quality/evaluate-gate", &json!({MARKER: 1}), &blamed);
    witness.saw_nothing();
}

/// Texts that are no addresses.
fn malformed_addresses() -> Vec<String> {
    let long = format!("{MARKER}{}@{}.example", "a".repeat(53), "b.".repeat(114));
    assert_eq!(long.len(), 300, "longer than an address may be");
    let mut addresses = vec![long];
    for bad in ["", " ", "@", "{}", "{}@", "@{}.com", "{}@localhost", "{}@a@b.com", "a b@{}.com"] {
        addresses.push(bad.replace("{}", MARKER));
    }
    for bad in ["{}@.com", "{}@exa mple.com", "{}..x@example.com", "{} <a@b.com>", "{}@b.com\n"] {
        addresses.push(bad.replace("{}", &format!("{MARKER}\u{0}")));
    }
    addresses
}

#[test]
fn a_malformed_or_endless_address_is_refused_wherever_one_is_asked_for() {
    let witness = Witness::start();
    let mut admin = witness.admin();
    for address in malformed_addresses() {
        let blamed = [("email", "")];
        assert_blamed(&mut admin, "/api/waitlist/join", &wants("email", json!(address)), &blamed);
        let redeem = json!({"code": "VOBEE-000000000000", "email": address});
        assert_blamed(&mut admin, "/api/invites/redeem", &redeem, &blamed);
        let generate = json!({"batch_size": 1, "issued_to": address});
        assert_blamed(&mut admin, "/api/invites/generate", &generate, &[("issued_to", "")]);
        let earn = json!({"user_email": address});
        assert_blamed(&mut admin, "/api/referrals/earn", &earn, &[("user_email", "")]);
        let share = json!({"inviter_email": address, "recipient_email": address});
        let blamed = [("inviter_email", ""), ("recipient_email", "")];
        assert_blamed(&mut admin, "/api/referrals/share", &share, &blamed);
        let seen = json!({"events": [{"email": address, "type": "active"}]});
        assert_blamed(&mut admin, "/api/quality/events", &seen, &[("events[0].email", "")]);
    }
    let long = "a".repeat(300);
    assert_blamed(
        &mut admin,
        "/api/waitlist/join",
        &wants("email", json!(long)),
        &[("email", "at most 254 octets")],
    );
    for path in ["/api/waitlist/{}", "/api/referrals/{}/quality"] {
        for segment in [MARKER, "%40", "%20", "%FF%FE", long.as_str()] {
            let told = complaints(&admin.get(&path.replace("{}", segment)));
            assert_eq!(told[0].0, "email", "{path} {segment}");
        }
    }
    witness.saw_nothing();
}

#[test]
fn texts_that_are_empty_or_too_long_are_refused() {
    let witness = Witness::start();
    let mut admin = witness.admin();
    let long = |length: usize| json!(format!("{MARKER}{}", "é".repeat(length - MARKER.len())));
    let pairs: Vec<_> = (0..17).map(|n| (format!("{MARKER}{n}"), json!("x"))).collect();
    let cases = [
        ("use_case", json!(""), "must not be empty"),
        ("use_case", json!(" \t\n "), "must not be empty"),
        ("use_case", long(5000), "1 to 4000 characters long, not 5000"),
        ("persona", long(51), "at most 50 characters"),
        ("referral_code", json!(""), "must not be empty"),
        ("referral_code", long(65), "1 to 64 characters"),
        ("referral_code", json!(MARKER), "is not a referral code of anybody on the list"),
        ("metadata", pairs.into_iter().collect(), "at most 16 entries"),
        ("metadata", json!({"": "x"}), "keys must be 1 to 64 characters"),
    ];
    for (field, value, words) in cases {
        let body = wants(field, value);
        assert_blamed(&mut admin, "/api/waitlist/join", &body, &[(field, words)]);
    }
    let metadata = wants("metadata", json!({"a": 1, "b": {}, "c": "é".repeat(257), "d": MARKER}));
    let blamed = [
        ("metadata.a", "must be a string, not a number"),
        ("metadata.b", "must be a string, not an object"),
        ("metadata.c", "at most 256 characters"),
    ];
    assert_blamed(&mut admin, "/api/waitlist/join", &metadata, &blamed);
    let boost = json!({"points": 1, "reason": long(201)});
    let path = "/api/waitlist/ada%40example.com/boost";
    assert_blamed(&mut admin, path, &boost, &[("reason", "1 to 200 characters")]);
    witness.saw_nothing();
}

#[test]
fn numbers_out_of_range_are_refused() {
    let witness = Witness::start();
    let mut admin = witness.admin();
    let sizes =
        [json!(0), json!(-1), json!(10_001), json!("50"), json!(1.5), json!(1e30), json!(true)];
    for size in sizes {
        let body = json!({"batch_size": size, "batch_id": MARKER});
        let blamed = [("batch_size", "must be a whole number from 1 to 10000")];
        assert_blamed(&mut admin, "/api/invites/generate", &body, &blamed);
    }
    let all = json!({
        "batch_size": 10_001, "batch_id": format!("{MARKER} {MARKER}"), "issued_to": MARKER,
        "expires_in_days": 0, "max_uses": -1, "force": 1,
    });
    let blamed = [
        ("batch_size", "from 1 to 10000"),
        ("batch_id", "must be 1 to 50 of the characters"),
        ("issued_to", "is not an e-mail address"),
        ("expires_in_days", "a whole number from 1"),
        ("max_uses", "a whole number from 1"),
        ("force", "must be true or false, not a number"),
    ];
    assert_blamed(&mut admin, "/api/invites/generate", &all, &blamed);
    let boost = json!({"points": 1_000_001, "reason": MARKER});
    let path = "/api/waitlist/ada%40example.com/boost";
    assert_blamed(&mut admin, path, &boost, &[("points", "to 1000000")]);
    witness.saw_nothing();
}

#[test]
fn a_code_of_the_wrong_shape_is_refused_before_it_is_looked_for() {
    let witness = Witness::start();
    let mut admin = witness.admin();
    let email = format!("{MARKER}@example.com");
    let shapes = [
        "",
        "-",
        "VOBEE",
        "VOBEE-",
        "VOBEE-123",
        "VOBEE-00000000000G",
        "VOBEE 000000000000",
        "OTHER-000000000000",
        "VOBEE-0000-0000-0000",
        "VOBEE-００００００００００００",
        MARKER,
    ];
    for shape in shapes {
        let body = json!({"code": shape, "email": email});
        assert_blamed(&mut admin, "/api/invites/redeem", &body, &[("code", "")]);
        let share = json!({
            "inviter_email": "ada@example.com", "recipient_email": email, "invite_code": shape,
        });
        assert_blamed(&mut admin, "/api/referrals/share", &share, &[("invite_code", "")]);
    }
    let long = format!("VOBEE-{}", "0".repeat(5000));
    let body = json!({"code": long, "email": MARKER});
    assert_blamed(&mut admin, "/api/invites/redeem", &body, &[("code", ""), ("email", "")]);
    for segment in ["VOBEE-123", "VOBEE-00000000000G", MARKER, "%FF", long.as_str()] {
        let told = complaints(&admin.get(&format!("/api/invites/{segment}/status")));
        assert_eq!(told[0].0, "code", "{segment}");
    }
    witness.saw_nothing();
}

#[test]
fn one_bad_sighting_refuses_them_all_and_is_named_by_its_place() {
    let witness = Witness::start();
    let mut admin = witness.admin();
    let bob = |kind: &str| json!({"email": "bob@example.com", "type": kind});
    let path = "/api/quality/events";
    let sightings = json!({"events": [
        bob("active"),
        {"email": MARKER, "type": MARKER, "at": MARKER},
        MARKER,
        {"email": "bob@example.com", "typ": "churned"},
    ]});
    let blamed = [
        ("events[1].email", "is not an e-mail address"),
        ("events[1].type", "must be active, churned, fraud or cleared"),
        ("events[1].at", "RFC 3339"),
        ("events[2]", "must be an object"),
        ("events[3].type", "is required"),
        ("events[3].typ", "did you mean type?"),
    ];
    assert_blamed(&mut admin, path, &sightings, &blamed);
    let stranger = json!({"email": format!("{MARKER}@example.com"), "type": "active"});
    let strangers = json!({"events": [bob("churned"), stranger, bob("churned"), stranger]});
    let blamed = [("events[1].email", "is not a member"), ("events[3].email", "is not a member")];
    assert_blamed(&mut admin, path, &strangers, &blamed);
    for events in [json!([]), json!(vec![bob("churned"); 1001])] {
        let body = json!({ "events": events });
        assert_blamed(&mut admin, path, &body, &[("events", "1 to 1000 items")]);
    }
    witness.saw_nothing();
}

#[test]
fn a_list_takes_a_limit_and_a_cursor_of_its_own_and_nothing_else() {
    let witness = Witness::start();
    let mut admin = witness.admin();
    for limit in ["0", "-1", "1001", "ten", "", MARKER] {
        let told = complaints(&admin.get(&format!("/api/waitlist?limit={limit}&{MARKER}=1")));
        let fields: Vec<&str> = told.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["limit", MARKER]);
    }
    for path in ["/api/waitlist", "/api/invites"] {
        for after in [MARKER, "0", "%2B0", "00000000000000000000"] {
            let told = complaints(&admin.get(&format!("{path}?after={after}")));
            assert_eq!(told[0].0, "after", "{path} {after}");
        }
    }
    witness.saw_nothing();
}
