//! Who may call what.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, Client, PROGRAM, Server};

const PATIENCE: Duration = Duration::from_secs(60);

/// Scopes, from none to all.
const CALLERS: [&str; 5] = ["nobody", "public", "metrics", "app", "admin"];
const EVERYBODY: &[&str] = &CALLERS;
const APP: &[&str] = &["app", "admin"];
const ADMIN: &[&str] = &["admin"];
const NO_KEY: &[&str] = &[];

/// Every route, and who may call it; but the backup, whose answer is no document: see `backup.rs`.
const ROUTES: [(&str, &str, &[&str]); 44] = [
    ("POST", "/api/waitlist/join", EVERYBODY),
    ("GET", "/api/waitlist/stats", APP),
    ("GET", "/api/waitlist/me", NO_KEY),
    ("DELETE", "/api/waitlist/me", NO_KEY),
    ("GET", "/api/waitlist", ADMIN),
    ("GET", "/api/waitlist/ada%40example.com", APP),
    ("GET", "/api/waitlist/ada%40example.com/explain", APP),
    ("DELETE", "/api/waitlist/ada%40example.com", ADMIN),
    ("POST", "/api/waitlist/ada%40example.com/boost", ADMIN),
    ("POST", "/api/waitlist/invite", ADMIN),
    ("POST", "/api/waitlist/policies/simulate", ADMIN),
    ("POST", "/api/invites/generate", ADMIN),
    ("POST", "/api/invites/redeem", EVERYBODY),
    ("POST", "/api/invites/reserve", EVERYBODY),
    ("POST", "/api/invites/reservations/00000000-0000-7000-8000-000000000000/confirm", EVERYBODY),
    ("POST", "/api/invites/reservations/00000000-0000-7000-8000-000000000000/release", EVERYBODY),
    ("GET", "/api/invites", ADMIN),
    ("GET", "/api/invites/VOBEE-000000000000/status", EVERYBODY),
    ("GET", "/api/invites/VOBEE-000000000000", ADMIN),
    ("POST", "/api/invites/VOBEE-000000000000/revoke", ADMIN),
    ("POST", "/api/invites/VOBEE-000000000000/restore", ADMIN),
    ("POST", "/api/invites/VOBEE-000000000000/extend", ADMIN),
    ("POST", "/api/referrals/earn", APP),
    ("POST", "/api/referrals/share", APP),
    ("GET", "/api/referrals/top", APP),
    ("GET", "/api/referrals/network", APP),
    ("GET", "/api/referrals/ada%40example.com/quality", APP),
    ("GET", "/api/referrals/ada%40example.com/chain", APP),
    ("GET", "/api/referrals/ada%40example.com/analytics", APP),
    ("POST", "/api/quality/events", APP),
    ("GET", "/api/quality/trust-score", APP),
    ("POST", "/api/quality/evaluate-gate", APP),
    ("GET", "/api/quality/alerts", APP),
    ("GET", "/api/quality/history", APP),
    ("POST", "/api/quality/metrics", ADMIN),
    ("GET", "/api/quality/risk/ada%40example.com", APP),
    ("GET", "/api/quality/review", ADMIN),
    ("POST", "/api/quality/review/ada%40example.com/accept", ADMIN),
    ("POST", "/api/quality/review/ada%40example.com/reject", ADMIN),
    ("POST", "/api/operations/snapshot", ADMIN),
    ("POST", "/api/operations/compact", ADMIN),
    ("GET", "/health", EVERYBODY),
    ("GET", "/metrics", EVERYBODY),
    ("GET", "/openapi.json", EVERYBODY),
];

fn vobee(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).arg("--data-dir").arg(dir).output().expect("the program runs")
}

fn json_of(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    serde_json::from_slice(&output.stdout).expect("JSON on stdout")
}

/// A new key of that scope, with its id.
fn new_key(server: &Server, scope: &str) -> (String, String) {
    let made = vobee(server.data(), &["keys", "create", "--scope", scope, "--json"]);
    let made = json_of(&made);
    let text = |field: &str| made[field].as_str().expect("a text").to_owned();
    (text("id"), text("key"))
}

/// Asks until the answer has that status: the node looks at its keys now and then.
fn until(status: u16, mut ask: impl FnMut() -> Answer) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if answer.status == status {
            return;
        }
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(Instant::now() < deadline, "never {status}, but {}: {said}", answer.status);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_parameter_that_no_route_takes_is_refused_before_anything_is_done() {
    let server = Server::start();
    let mut admin = server.admin();
    let wants = json!({"email": "ada@example.com", "use_case": "time", "persona": "agency"});
    admin.post("/api/waitlist/join", &wants).expect(201);
    for (method, path, callers) in ROUTES {
        if !path.starts_with("/api/") || callers.is_empty() {
            continue;
        }
        let target = format!("{path}?dry_runs=true");
        let headers = [("content-type", "application/json")];
        let answer = admin.try_send(method, &target, &headers, b"{}").expect("an answer");
        assert_eq!(answer.wrong_fields(), ["dry_runs"], "{method} {target}");
    }
    admin.get("/api/waitlist/ada%40example.com").expect(200);
}

#[test]
fn each_scope_opens_what_it_should_and_nothing_else() {
    let server = Server::start();
    let keys: Vec<String> = ["public", "metrics", "app"]
        .map(|scope| new_key(&server, scope).1)
        .into_iter()
        .chain([server.admin_key().to_owned()])
        .collect();
    // The last one that was made, so that all are known.
    until(200, || Client::new(server.port()).with_key(&keys[2]).get("/api/waitlist/stats"));
    let clients = keys.iter().map(|key| Client::new(server.port()).with_key(key));
    let clients = [server.public()].into_iter().chain(clients);
    for (caller, mut client) in CALLERS.into_iter().zip(clients) {
        for (method, path, allowed) in ROUTES {
            let json = [("content-type", "application/json")];
            let answer = client.try_send(method, path, &json, b"").expect("an answer");
            if allowed.contains(&caller) {
                let refused = matches!(answer.status, 401 | 403);
                assert!(!refused, "{caller} {method} {path}: {}", answer.status);
            } else if caller == "nobody" || allowed.is_empty() {
                assert_eq!(answer.problem(401), "unauthorized", "{caller} {method} {path}");
            } else {
                assert_eq!(answer.problem(403), "forbidden", "{caller} {method} {path}");
            }
        }
    }
}

#[test]
fn a_key_that_is_made_beside_the_running_node_works_until_it_is_revoked() {
    let server = Server::start();
    let (id, key) = new_key(&server, "app");
    let stats = || Client::new(server.port()).with_key(&key).get("/api/waitlist/stats");
    until(200, stats);
    let list = json_of(&vobee(server.data(), &["keys", "list", "--json"]));
    let scopes: Vec<&str> = list
        .as_array()
        .expect("a list of keys")
        .iter()
        .filter(|entry| entry["id"] == id.as_str())
        .filter_map(|entry| entry["scope"].as_str())
        .collect();
    assert_eq!(scopes, ["app"]);
    let secret = key.rsplit('_').next().expect("a secret");
    assert!(!list.to_string().contains(secret), "a list shows no secret");

    assert!(vobee(server.data(), &["keys", "revoke", &id]).status.success());
    until(401, stats);
    server.admin().get("/api/waitlist/stats").expect(200);
}

#[test]
fn a_key_survives_a_restart_and_a_revoked_one_does_not_come_back() {
    let mut server = Server::start();
    let (_, kept) = new_key(&server, "app");
    let (id, revoked) = new_key(&server, "app");
    assert!(vobee(server.data(), &["keys", "revoke", &id]).status.success());
    server.kill_and_restart();
    let ask = |key: &str| Client::new(server.port()).with_key(key).get("/api/waitlist/stats");
    ask(&kept).expect(200);
    assert_eq!(ask(&revoked).problem(401), "unauthorized");
}

#[test]
fn the_admin_key_lies_in_a_file_for_its_owner_only_and_not_in_the_log() {
    use std::os::unix::fs::PermissionsExt;

    let server = Server::start();
    let file = server.data().join("keys").join("admin.key");
    let mode = std::fs::metadata(&file).expect("the file is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let log = server.log();
    assert!(log.contains(&file.display().to_string()), "says where: {log}");
    assert!(!log.contains(server.admin_key()), "does not say what: {log}");
}

#[test]
fn metrics_need_a_key_from_elsewhere_unless_they_are_public() {
    let trusted = ("VOBEE_SERVER__TRUSTED_PROXIES", "127.0.0.1");
    let from_afar = |client: &mut Client| {
        let far = [("x-forwarded-for", "198.51.100.1")];
        client.try_send("GET", "/metrics", &far, b"").expect("an answer")
    };
    let server = Server::with(&[trusted]);
    let key = |scope: &str| new_key(&server, scope).1;
    let (metrics, app) = (key("metrics"), key("app"));
    let caller = |key: &str| Client::new(server.port()).with_key(key);
    until(200, || from_afar(&mut caller(&metrics)));
    assert_eq!(from_afar(&mut server.admin()).status, 200);
    assert_eq!(from_afar(&mut server.public()).problem(401), "unauthorized");
    until(403, || from_afar(&mut caller(&app)));
    assert_eq!(server.public().get("/metrics").status, 200, "from this machine");
    let server = Server::with(&[trusted, ("VOBEE_METRICS__PUBLIC", "true")]);
    assert_eq!(from_afar(&mut server.public()).status, 200);
}

#[test]
fn an_open_node_asks_for_no_key() {
    let server = Server::with(&[("VOBEE_SERVER__OPEN", "true")]);
    let mut public = server.public();
    public.get("/api/waitlist").expect(200);
    public.post("/api/invites/generate", &json!({"batch_size": 1})).expect(201);
    assert_eq!(public.get("/api/waitlist/me").problem(401), "unauthorized", "whose entry?");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let refused = vobee(dir.path(), &["serve", "--open", "--host", "0.0.0.0", "--port", "0"]);
    assert_eq!(refused.status.code(), Some(3));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("loopback"), "{said}");
}
