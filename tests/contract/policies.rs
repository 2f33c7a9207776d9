//! Simulating another scoring policy, over HTTP and from the shell.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::{Client, PROGRAM, Server, assert_shape};

const SIMULATE: &str = "/api/waitlist/policies/simulate";

fn join(client: &mut Client, name: &str, persona: &str, use_case: &str) {
    let email = format!("{name}@example.com");
    let body = json!({"email": email, "use_case": use_case, "persona": persona});
    client.post("/api/waitlist/join", &body).expect(201);
}

/// Ada, Bob and Cid wait in this order; Dan was invited before them.
fn given() -> Server {
    let server = Server::start();
    fill(&server);
    server
}

fn fill(server: &Server) {
    let mut admin = server.admin();
    join(&mut admin, "dan", "agency", "time");
    let invite = json!({"batch_size": 1, "issued_to": "dan@example.com", "force": true});
    admin.post("/api/invites/generate", &invite).expect(201);
    join(&mut admin, "ada", "agency", "nothing");
    join(&mut admin, "bob", "small_team", "nothing");
    join(&mut admin, "cid", "other", "we sell cheese");
}

fn vobee(arguments: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).arg("--data-dir").arg(dir).output().expect("the program runs")
}

#[test]
fn a_simulation_tells_who_would_stand_where() {
    let server = given();
    let policy = json!({"keywords": ["cheese"], "keyword_points": 100});
    let body = json!({"policy": policy, "top": 1, "limit": 2});
    let told = server.admin().post(SIMULATE, &body).expect(200);
    let moved = json!({"id": "uuid", "email": "text", "from": "whole", "to": "whole"});
    let shape = json!({
        "people": "whole", "moved": "whole", "mean_places": "number", "largest_moves": [moved],
        "top": {"n": "whole", "changed": "whole", "enters": [moved], "leaves": [moved]},
        "processed": "whole", "invited_earlier_count": "whole", "invited_earlier": [moved],
        "rank_correlation": "number", "rank_correlation_kind": "text",
        "scores_recorded_otherwise": "whole", "scores_kept_without_text": "whole",
        "events_replayed": "whole", "milliseconds": "whole",
    });
    assert_shape(&told, &shape);
    assert_eq!((&told["people"], &told["moved"]), (&json!(3), &json!(3)));
    let far = &told["largest_moves"];
    assert_eq!(far.as_array().map(Vec::len), Some(2), "cut to the limit: {told}");
    assert_eq!((&far[0]["email"], &far[0]["from"]), (&json!("cid@example.com"), &json!(3)));
    assert_eq!(far[0]["to"], 1);
    assert_eq!(told["top"]["enters"][0]["email"], "cid@example.com");
    assert_eq!(told["top"]["leaves"][0]["email"], "ada@example.com");
    assert_eq!(told["invited_earlier"][0]["email"], "cid@example.com");
    assert_eq!((&told["processed"], &told["invited_earlier_count"]), (&json!(1), &json!(1)));
}

#[test]
fn a_policy_of_no_keys_and_the_active_one_written_out_move_nobody() {
    let data = tempfile::TempDir::new().expect("a directory");
    let mut before = Server::at(data.path(), &[]);
    fill(&before);
    before.stop();
    let other = ("VOBEE_WAITLIST__SCORING__PERSONAS__OTHER", "50");
    let server = Server::at(data.path(), &[other]);
    let mut admin = server.admin();
    join(&mut admin, "eve", "other", "nothing");
    admin.post("/api/waitlist/bob%40example.com/boost", &json!({"points": 30, "reason": "x"}));
    let personas = json!({
        "solo_founder": 10, "small_team": 15, "agency": 20, "content_creator": 8, "other": 50,
    });
    let written_out = json!({
        "personas": personas, "words_over": 20, "words_points": 10, "keyword_points": 5,
        "keywords": ["marketing", "content", "automation", "time"],
    });
    for policy in [json!({}), json!({"personas": {}}), written_out] {
        let told = admin.post(SIMULATE, &json!({"policy": policy})).expect(200);
        assert_eq!((&told["people"], &told["moved"]), (&json!(4), &json!(0)), "{told}");
        assert_eq!(told["rank_correlation"], 1.0);
        assert_eq!(told["invited_earlier"], json!([]));
        assert_eq!(told["scores_recorded_otherwise"], 1, "Cid joined before the change: {told}");
    }
}

#[test]
fn everything_that_is_wrong_with_a_policy_is_told_at_once() {
    let server = Server::start();
    let mut admin = server.admin();
    let policy = json!({
        "words_ovr": 3, "words_points": "ten", "keyword_points": 1_000_001,
        "keywords": ["time", "Money", 3], "personas": {"agncy": 1, "other": 1.5},
    });
    let refused = admin.post(SIMULATE, &json!({"policy": policy, "top": 0, "limt": 1}));
    assert_eq!(refused.problem(422), "invalid-field");
    let mut fields = refused.wrong_fields();
    fields.sort();
    let expected = [
        "limt",
        "policy.keyword_points",
        "policy.keywords[1]",
        "policy.keywords[2]",
        "policy.personas.agncy",
        "policy.personas.other",
        "policy.words_ovr",
        "policy.words_points",
        "top",
    ];
    assert_eq!(fields, expected);
    let text = refused.json().to_string();
    for meant in ["did you mean words_over?", "did you mean agency?", "did you mean limit?"] {
        assert!(text.contains(meant), "{text}");
    }
    assert_eq!(admin.post(SIMULATE, &json!({})).wrong_fields(), ["policy"]);
    assert_eq!(admin.post(SIMULATE, &json!({"policy": []})).wrong_fields(), ["policy"]);
}

#[test]
fn the_command_tells_the_same_of_the_directory_and_leaves_it_as_it_was() {
    let mut server = given();
    let policy = json!({"keywords": ["cheese"], "keyword_points": 100});
    let mut live = server.admin().post(SIMULATE, &json!({"policy": policy})).expect(200);
    let scratch = tempfile::TempDir::new().expect("a directory");
    let file = scratch.path().join("tried.toml");
    let text = "[waitlist.scoring]\nkeywords = [\"cheese\"]\nkeyword_points = 100\n";
    std::fs::write(&file, text).expect("room");
    let path = file.to_str().expect("a plain path").to_owned();
    let command = ["simulate", "--policy", &path, "--json"];
    assert_eq!(vobee(&command, server.data()).status.code(), Some(4), "a node runs");
    server.stop();
    for _ in 0..2 {
        let told = vobee(&command, server.data());
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        let mut told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
        // A reaction that nobody waited for may have been committed at the stop.
        for counted in ["milliseconds", "events_replayed"] {
            live[counted] = told[counted].take();
            told[counted] = live[counted].clone();
        }
        assert_eq!(told, live);
    }
    let told = vobee(&command[..3], server.data());
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("3 of 3 people who wait have another place"), "{told}");
    assert!(told.contains("3 to 1: cid@example.com"), "{told}");
    std::fs::write(&file, "[waitlist.scoring]\nkeyword_point = 100\n").expect("room");
    let refused = vobee(&command, server.data());
    assert_eq!(refused.status.code(), Some(3));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("waitlist.scoring.keyword_points"), "{said}");
    server.start_again();
}
