//! Ports, health and readiness.

use std::collections::BTreeSet;
use std::thread;

use serde_json::json;

use crate::support::{Client, Server, assert_shape};

/// A route of each service, and routes of none of them.
const ROUTES: [(&str, &str); 13] = [
    ("waitlist", "/api/waitlist/join"),
    ("waitlist", "/api/waitlist/stats"),
    ("waitlist", "/api/waitlist/me"),
    ("waitlist", "/api/waitlist"),
    ("waitlist", "/api/waitlist/ada%40example.com"),
    ("invites", "/api/invites/generate"),
    ("invites", "/api/invites/VOBEE-000000000000/status"),
    ("referrals", "/api/referrals/share"),
    ("referrals", "/api/referrals/ada%40example.com/quality"),
    ("quality-gates", "/api/quality/trust-score"),
    ("quality-gates", "/api/quality/evaluate-gate"),
    ("vobee", "/metrics"),
    ("vobee", "/"),
];

fn services(server: &Server) -> [(&'static str, u16); 5] {
    let [waitlist, invites, referrals, quality] = server.service_ports();
    [
        ("vobee", server.port()),
        ("waitlist", waitlist),
        ("invites", invites),
        ("referrals", referrals),
        ("quality-gates", quality),
    ]
}

#[test]
fn every_port_has_a_health_of_its_own() {
    let server = Server::start();
    for (name, port) in services(&server) {
        let mut client = Client::new(port);
        let health = client.get("/health").expect(200);
        assert_shape(&health, &json!({"status": "text", "service": "text", "timestamp": "time"}));
        assert_eq!(health["status"], "healthy");
        assert_eq!(health["service"], name);
        client.get("/livez").expect(200);
        client.get("/readyz").expect(200);
    }
    let ready = server.public().get("/readyz?verbose").expect(200);
    assert_shape(&ready, &json!({"checks": [{"name": "text", "ok": "flag"}]}));
}

#[test]
fn keeping_takes_no_input_and_says_what_is_too_much() {
    let server = Server::start();
    let mut admin = server.admin();
    for path in ["snapshot", "compact", "backup"].map(|name| format!("/api/operations/{name}")) {
        let refused = admin.post(&path, &json!({"deep": true}));
        assert_eq!((refused.status, refused.wrong_fields()), (422, vec!["deep".to_owned()]));
    }
}

#[test]
fn a_port_serves_the_routes_of_its_service_and_no_others() {
    let server = Server::start();
    for (name, port) in services(&server) {
        let mut client = Client::new(port);
        for (owner, path) in ROUTES {
            let answer = client.get(path);
            let served = !(answer.status == 404 && answer.problem(404) == "not-found");
            assert_eq!(served, name == "vobee" || name == owner, "{path} on {name}");
        }
    }
}

#[test]
fn a_write_on_one_port_is_seen_on_the_others() {
    let server = Server::start();
    let [waitlist, invites, referrals, quality] = server.service_ports();
    let client = |port| Client::new(port).with_key(server.admin_key());
    let join = json!({"email": "ada@example.com", "use_case": "x", "persona": "other"});
    client(waitlist).post("/api/waitlist/join", &join).expect(201);
    let batch =
        client(invites).post("/api/invites/generate", &json!({"batch_size": 1})).expect(201);
    let share = json!({"inviter_email": "eve@example.com", "recipient_email": "ada@example.com"});
    client(referrals).post("/api/referrals/share", &share).expect(201);
    let redeem = json!({"code": batch["codes"][0], "email": "ada@example.com"});
    client(invites).post("/api/invites/redeem", &redeem).expect(200);
    let trust = client(quality).get("/api/quality/trust-score").expect(200);
    assert_eq!(trust["sample_size"]["members"], 1);
    let all = server.admin().get("/api/waitlist/ada%40example.com").expect(200);
    assert_eq!(all["state"], "member");
}

#[test]
fn a_service_port_of_0_is_off() {
    let server = Server::with(&[("VOBEE_SERVER__PORTS__INVITES", "0")]);
    let [waitlist, invites, ..] = server.service_ports();
    Client::new(waitlist).get("/health").expect(200);
    assert!(Client::try_new(invites).is_err(), "somebody listens");
    let unknown = server.public().get("/api/invites/VOBEE-000000000000/status");
    assert_eq!(unknown.problem(404), "unknown-code", "the port for all serves them still");
}

#[test]
fn a_node_that_stops_says_so_before_it_hangs_up() {
    let mut server = Server::start();
    let port = server.port();
    let said: BTreeSet<u16> = thread::scope(|scope| {
        let watcher = scope.spawn(move || {
            let mut said = BTreeSet::new();
            // On a connection of its own each time, as a load balancer looks.
            while let Ok(mut client) = Client::try_new(port) {
                match client.try_send("GET", "/readyz", &[], b"") {
                    Ok(answer) if said.insert(answer.status) && answer.status == 503 => {
                        assert_eq!(answer.problem(503), "not-ready");
                        assert!(answer.header("retry-after").is_some());
                    }
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
            said
        });
        assert_eq!(server.stop().code(), Some(0));
        watcher.join().expect("the watcher ends")
    });
    assert!(said.contains(&503), "only {said:?} before the end");
}
