//! schemathesis, which makes requests of the OpenAPI document, good ones and bad ones, at the edges
//! and at random, the same in each run, and holds the answers to it.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::shipped::root;
use crate::support::{Client, Server};

fn join(client: &mut Client, name: &str) -> Value {
    let email = format!("{name}@example.com");
    let body = json!({"email": email, "use_case": "a launch", "persona": "agency"});
    client.post("/api/waitlist/join", &body).expect(201)
}

#[test]
#[ignore = "needs schemathesis, which scripts/test installs"]
fn generated_requests_get_answers_that_are_in_the_document() {
    let server = Server::start();
    let mut admin = server.admin();
    let token = join(&mut admin, "eve")["person_token"].clone();
    for name in ["ada", "bob", "cyd", "dan", "gus"] {
        join(&mut admin, name);
    }
    let generated = admin.post("/api/invites/generate", &json!({"batch_size": 4})).expect(201);
    let code = |at: usize| generated["codes"][at].as_str().expect("a code").to_owned();
    let hold = json!({"code": code(3), "email": "fay@example.com"});
    let held = admin.post("/api/invites/reserve", &hold).expect(201);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    // It leaves files behind where it runs.
    let dir = TempDir::new().expect("a temporary directory");
    let found = Command::new("schemathesis")
        .arg("--config-file")
        .arg(root().join("tests/schemathesis.toml"))
        .args(["run", &format!("{}/openapi.json", server.base_url())])
        .env("PYTHONPATH", root().join("tests"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("VOBEE_KEY", server.admin_key())
        .env("PERSON_TOKEN", text(&token))
        .env("CODE_1", code(0))
        .env("CODE_2", code(1))
        .env("CODE_3", code(2))
        .env("RESERVATION", text(&held["reservation"]))
        .current_dir(dir.path())
        .status()
        .expect("schemathesis runs");
    assert!(found.success(), "schemathesis has found something");
}
