//! Who stands by while bad input comes in, and says what it has changed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Server};

/// Stands in all that is sent, so that it can be looked for afterwards.
pub(super) const MARKER: &str = "qzmarkerzq";

const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// The last thing that a node says before it ends.
const LAST_WORDS: &str = "asked to stop";

/// A node with somebody on its list and a code, and how all that stood at first.
pub(super) struct Witness {
    pub(super) server: Server,
    code: String,
    before: Value,
}

impl Witness {
    pub(super) fn start() -> Self {
        Self::with(&[])
    }

    /// A node that says all it can say, with some settings more.
    pub(super) fn with(settings: &[(&str, &str)]) -> Self {
        let settings: Vec<_> =
            settings.iter().copied().chain([("VOBEE_LOG__LEVEL", "trace")]).collect();
        let server = Server::with(&settings);
        let mut admin = server.admin();
        let ada = json!({"email": "ada@example.com", "use_case": "x", "persona": "agency"});
        admin.post("/api/waitlist/join", &ada).expect(201);
        let batch = admin.post("/api/invites/generate", &json!({"batch_size": 2})).expect(201);
        let [code, used] = [0, 1].map(|at| batch["codes"][at].as_str().unwrap_or("?").to_owned());
        let bob = json!({"code": used, "email": "bob@example.com"});
        admin.post("/api/invites/redeem", &bob).expect(200);
        let before = state(&mut admin, &code);
        Self { server, code, before }
    }

    pub(super) fn admin(&self) -> Client {
        self.server.admin()
    }

    /// Nothing has come of it. Ends the node, because only then its log is whole.
    #[track_caller]
    pub(super) fn saw_nothing(mut self) {
        let after = state(&mut self.server.admin(), &self.code);
        assert_eq!(after, self.before);
        assert_eq!(self.server.stop().code(), Some(0));
        let deadline = Instant::now() + PATIENCE;
        while !self.server.log().contains(LAST_WORDS) {
            assert!(Instant::now() < deadline, "no last words in {}", self.server.log());
            std::thread::sleep(BETWEEN_LOOKS);
        }
        let log = self.server.log();
        let lower = log.to_lowercase();
        assert!(!lower.contains(MARKER), "repeats what was sent: {log}");
        assert!(!log.contains(self.server.admin_key()), "repeats a key: {log}");
        assert!(!lower.contains("panicked"), "{log}");
    }
}

/// The metrics, and how many points the history had then: the node writes one every five minutes,
/// whoever sends what.
fn metrics_and_points(admin: &mut Client) -> (String, usize) {
    let before = points(admin);
    let metrics = admin.get("/metrics");
    if points(admin) != before {
        return metrics_and_points(admin);
    }
    (String::from_utf8_lossy(&metrics.body).into_owned(), before)
}

fn points(admin: &mut Client) -> usize {
    let history = admin.get("/api/quality/history?step=5").expect(200);
    history["items"].as_array().map_or(0, Vec::len)
}

/// All that bad input could have changed, down to the number of events in the journal.
fn state(admin: &mut Client, code: &str) -> Value {
    let (metrics, points) = metrics_and_points(admin);
    let metric = |name: &str| {
        let line = metrics.lines().filter(|line| line.starts_with(name));
        let mut found: Vec<_> = line.map(str::to_owned).collect();
        found.sort();
        assert!(!found.is_empty(), "{name} is in no line of {metrics}");
        found
    };
    let events = metric("vobee_journal_events_total");
    let events = events[0].split(' ').nth(1).and_then(|count| count.parse::<usize>().ok());
    let events = events.expect("a count behind the name");
    json!({
        "stats": admin.get("/api/waitlist/stats").expect(200),
        "list": admin.get("/api/waitlist").expect(200),
        "code": admin.get(&format!("/api/invites/{code}/status")).expect(200),
        "trust": admin.get("/api/quality/trust-score").expect(200),
        "referrals": admin.get("/api/referrals/ada%40example.com/quality").expect(200),
        "events": events - points,
        "restarts": metric("vobee_actor_restarts_total"),
    })
}
