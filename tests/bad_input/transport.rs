//! Bytes that are no JSON, requests that are none, and clients that do not finish.

use std::io;

use serde_json::json;

use crate::support::document::assert_documented;
use crate::support::{Answer, Client, Server};

use super::witness::{MARKER, Witness};

const JSON: (&str, &str) = ("content-type", "application/json");
const JOIN: &str = "/api/waitlist/join";

/// Every place that reads a body.
const READERS: [&str; 9] = [
    JOIN,
    "/api/waitlist/ada%40example.com/boost",
    "/api/invites/generate",
    "/api/invites/redeem",
    "/api/referrals/earn",
    "/api/referrals/share",
    "/api/quality/events",
    "/api/quality/evaluate-gate",
    "/api/quality/metrics",
];

fn post(client: &mut Client, path: &str, body: &[u8]) -> Answer {
    client.try_send("POST", path, &[JSON], body).expect("an answer")
}

#[test]
fn what_is_no_json_is_malformed_and_what_is_no_object_is_invalid() {
    let witness = Witness::start();
    let mut admin = witness.admin();
    let cut = format!("{{\"email\": \"{MARKER}@example.com\", \"use_case\": \"{MARKER}");
    let twice = format!("{{}} \"{MARKER}\"");
    let bare = format!("{{{MARKER}: 1}}");
    for path in READERS {
        for body in ["{", "{]", "nul", "{\"a\":1,}", "\u{feff}{}", &cut, &twice, &bare] {
            let answer = post(&mut admin, path, body.as_bytes());
            assert_eq!(answer.problem(400), "malformed-json", "{path} {body}");
        }
        for body in ["null", "true", "7", "[]", &format!("\"{MARKER}\"")] {
            let answer = post(&mut admin, path, body.as_bytes());
            assert_eq!(answer.problem(422), "invalid-field", "{path} {body}");
            assert_eq!(answer.wrong_fields(), [""]);
        }
    }
    assert_eq!(post(&mut admin, JOIN, b"").problem(400), "malformed-json");
    witness.saw_nothing();
}

#[test]
fn bytes_that_are_no_utf8_are_malformed_wherever_they_stand() {
    let witness = Witness::start();
    let mut admin = witness.admin();
    for bytes in [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"] {
        let mut text = format!("{{\"email\": \"{MARKER}").into_bytes();
        text.extend_from_slice(bytes);
        text.extend_from_slice(b"@example.com\", \"use_case\": \"x\", \"persona\": \"other\"}");
        assert_eq!(post(&mut admin, JOIN, &text).problem(400), "malformed-json");
        let name = [&b"{\""[..], bytes, b"\": 1}"].concat();
        assert_eq!(post(&mut admin, JOIN, &name).problem(400), "malformed-json");
    }
    witness.saw_nothing();
}

#[test]
fn nesting_is_refused_by_its_depth_or_by_its_size() {
    let witness = Witness::start();
    let field = format!("{{\"{MARKER}\": ");
    for path in READERS {
        for opening in ["[", "{\"a\":"] {
            let deep = opening.repeat(60_000 / opening.len());
            let below = format!("{field}{deep}");
            for body in [&deep, &below] {
                let answer = post(&mut witness.admin(), path, body.as_bytes());
                assert_eq!(answer.problem(400), "malformed-json", "{path}");
            }
            let mebibyte = opening.repeat((1 << 20) / opening.len());
            let answer = post(&mut witness.admin(), path, mebibyte.as_bytes());
            assert_eq!(answer.problem(413), "body-too-large", "{path}");
        }
    }
    witness.saw_nothing();
}

#[test]
fn a_body_that_hides_its_size_is_cut_off_at_the_limit() {
    let witness = Witness::start();
    let mut client = witness.server.public();
    let chunk = format!("1000\r\n{}\r\n", "[".repeat(0x1000));
    let head = format!(
        "POST {JOIN} HTTP/1.1\r\nhost: {MARKER}\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    let whole = format!("{head}{}0\r\n\r\n", chunk.repeat(256));
    // The node may have said all it has to say before everything is written.
    let _ = client.write(whole.as_bytes());
    assert_eq!(client.read_answer().expect("an answer").problem(413), "body-too-large");
    let mut client = witness.server.public();
    let head = head.replace("transfer-encoding: chunked", "content-length: 9999999999999999999");
    client.write(head.as_bytes()).expect("a head is taken");
    assert_eq!(client.read_answer().expect("an answer").problem(413), "body-too-large");
    witness.saw_nothing();
}

#[test]
fn a_lower_limit_holds_also_for_a_body_that_comes_in_one_piece() {
    let witness = Witness::with(&[("VOBEE_LIMITS__BODY_BYTES", "1024")]);
    for (length, status) in [(1024, 422), (1025, 413)] {
        let body = format!("{{{}\"{MARKER}\":1}}", " ".repeat(length - MARKER.len() - 6));
        assert_eq!(body.len(), length);
        let mut client = witness.server.public();
        assert_eq!(post(&mut client, JOIN, body.as_bytes()).status, status, "announced");
        let chunked = format!(
            "POST {JOIN} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
             transfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
        );
        let mut client = witness.server.public();
        client.write(chunked.as_bytes()).expect("the node takes a small request");
        assert_eq!(client.read_answer().expect("an answer").status, status, "in one chunk");
    }
    witness.saw_nothing();
}

#[test]
fn only_json_is_taken_for_json() {
    let witness = Witness::start();
    let mut admin = witness.admin();
    let body = json!({"email": format!("{MARKER}@example.com"), "use_case": "x", "persona": "x"});
    let body = body.to_string();
    let marked = format!("text/{MARKER}");
    let types = ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", &marked];
    for path in READERS.iter().filter(|path| !path.ends_with("evaluate-gate")) {
        for given in types {
            let headers = [("content-type", given)];
            let answer = admin.try_send("POST", path, &headers, body.as_bytes());
            let answer = answer.expect("an answer");
            assert_eq!(answer.problem(415), "unsupported-media-type", "{path} {given}");
        }
        let answer = admin.try_send("POST", path, &[], body.as_bytes()).expect("an answer");
        assert_eq!(answer.problem(415), "unsupported-media-type", "{path}");
    }
    witness.saw_nothing();
}

#[test]
fn an_idempotency_key_of_the_wrong_shape_is_refused() {
    let witness = Witness::start();
    let mut admin = witness.admin();
    let body = json!({"batch_size": 1}).to_string();
    let long = MARKER.repeat(26);
    for key in ["", "a b", "é", &long] {
        let headers = [JSON, ("idempotency-key", key)];
        let path = "/api/invites/generate";
        let answer = admin.try_send("POST", path, &headers, body.as_bytes()).expect("an answer");
        assert_eq!(answer.problem(422), "invalid-field", "{key}");
        assert_eq!(answer.wrong_fields(), ["Idempotency-Key"]);
    }
    witness.saw_nothing();
}

#[test]
fn a_path_that_is_not_there_is_not_found_and_a_wrong_method_is_told_the_right_ones() {
    let witness = Witness::start();
    let mut admin = witness.admin();
    let marked = format!("/api/{MARKER}");
    for path in ["/api", "/api/waitlist/", "/api/waitlist/join/now", "/admin", "/..", &marked] {
        assert_eq!(admin.get(path).problem(404), "not-found", "{path}");
        assert_eq!(post(&mut admin, path, b"{}").problem(404), "not-found", "{path}");
    }
    let routes = [
        ("GET", "/api/waitlist/join", "POST"),
        ("DELETE", "/api/waitlist/join", "POST"),
        ("POST", "/api/waitlist/stats", "GET"),
        ("PUT", "/api/waitlist/me", "DELETE,GET"),
        ("PATCH", "/api/waitlist/ada%40example.com", "DELETE,GET"),
        ("GET", "/api/waitlist/ada%40example.com/boost", "POST"),
        ("GET", "/api/invites/generate", "POST"),
        ("POST", "/api/invites/VOBEE-000000000000/status", "GET"),
        ("GET", "/api/quality/evaluate-gate", "POST"),
        ("POST", "/health", "GET"),
    ];
    for (method, path, allowed) in routes {
        let answer = admin.try_send(method, path, &[JSON], b"{}").expect("an answer");
        assert_eq!(answer.problem(405), "method-not-allowed", "{method} {path}");
        let mut told: Vec<&str> = answer.header("allow").unwrap_or("").split(',').collect();
        // Whoever may GET may ask for the head alone.
        told.retain(|method| *method != "HEAD");
        told.sort_unstable();
        assert_eq!(told.join(","), allowed, "{method} {path}");
    }
    witness.saw_nothing();
}

#[test]
fn an_unknown_key_opens_nothing() {
    let witness = Witness::start();
    let known = witness.server.admin_key();
    let forged = format!("{}{}", &known[..known.len() - 4], "0000");
    let strange = format!("vobee_00000000_{}", "0".repeat(40));
    let keys = [MARKER, "vobee_", &format!("vobee_{MARKER}_{MARKER}"), &strange, &forged];
    for key in keys {
        let client = || Client::new(witness.server.port()).with_key(key);
        let answers = [
            client().get("/api/waitlist/stats"),
            client().get("/api/waitlist/me"),
            client().delete("/api/waitlist/ada%40example.com"),
            client().post("/api/invites/generate", &json!({"batch_size": 1})),
            client().post("/api/quality/evaluate-gate", &json!({})),
        ];
        for answer in answers {
            assert_eq!(answer.problem(401), "unauthorized");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    let mut public = witness.server.public();
    for scheme in ["Basic", "Token", MARKER] {
        let header = ("authorization", &*format!("{scheme} {known}"));
        let answer = public.try_send("GET", "/api/waitlist/stats", &[header], b"");
        assert_eq!(answer.expect("an answer").problem(401), "unauthorized", "{scheme}");
    }
    let join = json!({"email": "eve@example.com", "use_case": MARKER, "persona": "other"});
    let mut forger = Client::new(witness.server.port()).with_key(&forged);
    assert_eq!(forger.post(JOIN, &join).problem(401), "unauthorized", "on a public route too");
    witness.saw_nothing();
}

#[test]
fn what_is_no_http_is_refused_and_let_go() {
    let witness = Witness::start();
    let long = MARKER.repeat(10_000);
    let requests = [
        format!("{MARKER}\r\n\r\n"),
        format!("GET /{MARKER} HTTP/9.9\r\n\r\n"),
        format!("GET /health HTTP/1.1\r\n{MARKER}\r\n\r\n"),
        format!("GET /health HTTP/1.1\r\nhost: a\r\n{MARKER}: {long}\r\n\r\n"),
        format!("POST {JOIN} HTTP/1.1\r\nhost: a\r\ncontent-length: {MARKER}\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"),
    ];
    for request in requests {
        let mut client = witness.server.public();
        // The node may have hung up before everything is written.
        let _ = client.write(request.as_bytes());
        let answer = client.read_answer().expect("an answer");
        assert!(matches!(answer.status, 400 | 414 | 431), "{} {request:.60}", answer.status);
        assert_closed(&mut client);
    }
    witness.saw_nothing();
}

#[track_caller]
fn assert_closed(client: &mut Client) {
    let after = client.read_answer().expect_err("nothing comes after the last answer");
    assert_ne!(after.kind(), io::ErrorKind::WouldBlock, "the connection stays open");
}

#[test]
fn a_client_that_closes_its_half_behind_a_request_gets_the_answer() {
    let server = Server::start();
    let body = json!({"email": "user@example.com", "use_case": "x", "persona": "x"}).to_string();
    let request = format!(
        "POST {JOIN} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut client = server.public();
    client.write(request.as_bytes()).expect("the node takes a small request");
    client.finish_writing().expect("half a connection can be closed");
    assert_eq!(client.read_answer().expect("an answer").status, 201);
    assert_closed(&mut client);
}

#[test]
fn a_client_that_does_not_finish_is_cut_off_and_keeps_nobody_waiting() {
    let witness = Witness::with(&[
        ("VOBEE_SERVER__HEADER_TIMEOUT_SECONDS", "1"),
        ("VOBEE_SERVER__BODY_TIMEOUT_SECONDS", "1"),
    ]);
    let half_head = format!("POST {JOIN} HTTP/1.1\r\nhost: {MARKER}");
    let half_body = format!(
        "{half_head}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n\
         {{\"email\": \"{MARKER}@example.com\""
    );
    let begin = |bytes: &str| {
        let mut client = witness.server.public();
        client.write(bytes.as_bytes()).expect("the beginning is taken");
        client
    };
    let slow: Vec<Client> = (0..20).flat_map(|_| [begin(&half_head), begin(&half_body)]).collect();
    let silent: Vec<Client> = (0..5).map(|_| begin("")).collect();
    drop(begin(&half_body));

    let mut other = witness.admin();
    other.get("/api/waitlist/ada%40example.com").expect(200);
    assert_eq!(post(&mut other, JOIN, b"{}").problem(422), "invalid-field");

    for mut client in slow {
        let answer = client.read_answer().expect("an answer");
        assert_eq!(answer.problem(408), "request-timeout");
        assert_documented("POST", JOIN, &answer);
        assert_closed(&mut client);
    }
    for mut client in silent {
        assert_closed(&mut client);
    }
    witness.saw_nothing();
}

#[test]
fn a_client_that_drips_does_not_gain_time() {
    let witness = Witness::with(&[
        ("VOBEE_SERVER__HEADER_TIMEOUT_SECONDS", "1"),
        ("VOBEE_SERVER__BODY_TIMEOUT_SECONDS", "1"),
    ]);
    let head = format!("POST {JOIN} HTTP/1.1\r\nhost: a\r\n{MARKER}: ");
    let body = format!(
        "POST {JOIN} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: 60000\r\n\r\n"
    );
    for beginning in [head, body] {
        let mut client = witness.server.public();
        client.write(beginning.as_bytes()).expect("the beginning is taken");
        let answer = client.drip(b' ').expect("an answer");
        assert_eq!(answer.problem(408), "request-timeout");
        assert_documented("POST", JOIN, &answer);
    }
    witness.saw_nothing();
}
