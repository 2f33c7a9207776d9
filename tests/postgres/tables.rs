//! The tables held against the node, row by row.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cluster::Cluster;
use crate::support::{Client, Server};

const PATIENCE: Duration = Duration::from_secs(90);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// What the node says of its export.
pub(super) fn export_says(server: &Server) -> String {
    let ready = server.public().get("/readyz?verbose").expect(200);
    let checks = ready["checks"].as_array().cloned().unwrap_or_default();
    let export = checks.iter().find(|check| check["name"] == "postgres");
    export.map(|check| check["says"].as_str().unwrap_or("").to_owned()).unwrap_or_default()
}

/// Waits until the export says something.
#[track_caller]
pub(crate) fn wait_until_it_says(server: &Server, wanted: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let says = export_says(server);
        if says.contains(wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "{says:?} instead of {wanted:?}\n{}", server.log());
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// Waits until a query has a value.
#[track_caller]
pub(super) fn wait_until_it_is(cluster: &Cluster, sql: &str, wanted: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let value = cluster.value(sql);
        if value == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{value:?} instead of {wanted:?}: {sql}");
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// Waits until everything that the node has answered is in the tables.
#[track_caller]
pub(crate) fn wait_until_caught_up(server: &Server, cluster: &Cluster) {
    // Before that the tables may not be there.
    wait_until_it_says(server, "following");
    let deadline = Instant::now() + PATIENCE;
    let durable = durable(server);
    loop {
        let reached = cluster.value("SELECT coalesce(max(seq), 0) FROM vobee_export");
        if reached.parse::<u64>().is_ok_and(|reached| reached >= durable) {
            return;
        }
        assert!(Instant::now() < deadline, "stands at {reached} of {durable}: {}", server.log());
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// The newest record that is durable, by a snapshot that is taken for it.
pub(super) fn durable(server: &Server) -> u64 {
    let taken = server.admin().try_send("POST", "/api/operations/snapshot", &[], b"");
    taken.expect("an answer").expect(200)["seq"].as_u64().expect("a number")
}

/// Holds the three tables against what the API says.
#[track_caller]
pub(crate) fn assert_equal(server: &Server, cluster: &Cluster) {
    let mut admin = server.admin();
    assert_waitlist(&mut admin, cluster);
    assert_codes(&mut admin, cluster);
    assert_referrals(&mut admin, cluster);
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// A time as the API prints it.
const TIME: &str = "to_char(%, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')";

fn time(column: &str) -> String {
    TIME.replace('%', column)
}

/// The same precision for both.
fn micros(value: &Value) -> String {
    let Some(text) = value.as_str() else { return String::new() };
    let text = text.trim_end_matches('Z');
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{seconds}.{fraction:0<6}")
}

fn assert_waitlist(admin: &mut Client, cluster: &Cluster) {
    let list = admin.whole_list();
    let expected: Vec<String> = list
        .iter()
        .map(|entry| {
            let [id, email, use_case, persona, score, position] =
                ["id", "email", "use_case", "persona", "priority_score", "position"]
                    .map(|field| text(&entry[field]));
            let joined = micros(&entry["joined_at"]);
            format!("{position}|{id}|{email}|{use_case}|{persona}|{score}|{joined}")
        })
        .collect();
    let sql = format!(
        "SELECT p.position, w.id, w.email, w.use_case, w.persona, w.priority_score, {}
         FROM waitlist_positions p JOIN waitlist w USING (id) ORDER BY p.position",
        time("w.created_at")
    );
    let found = cluster.rows(&sql);
    assert_eq!(found.len(), expected.len(), "people who wait");
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    let invited = cluster.rows(&format!(
        "SELECT email, id, priority_score, {} FROM waitlist WHERE invited_at IS NOT NULL",
        time("invited_at")
    ));
    for row in &invited {
        let email = row.split('|').next().expect("an address");
        let entry = admin.get(&format!("/api/waitlist/{email}")).expect(200);
        let [id, score] = ["id", "priority_score"].map(|field| text(&entry[field]));
        assert_eq!(*row, format!("{email}|{id}|{score}|{}", micros(&entry["invited_at"])));
    }
    let stats = admin.get("/api/waitlist/stats").expect(200);
    let off_list = cluster.value(
        "SELECT count(*) FROM vobee_members m WHERE NOT EXISTS
        (SELECT FROM waitlist w WHERE w.id = m.id)",
    );
    let listed = invited.len() as u64 + off_list.parse::<u64>().expect("a number");
    assert_eq!(
        stats["invited"].as_u64().zip(stats["members"].as_u64()).map(|(a, b)| a + b),
        Some(listed)
    );
}

fn assert_codes(admin: &mut Client, cluster: &Cluster) {
    let mut expected = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page = admin.get(&format!("/api/invites?limit=1000{after}")).expect(200);
        for item in page["items"].as_array().expect("items") {
            let status = match item["status"].as_str() {
                Some("reserved") => "active".to_owned(),
                _ => text(&item["status"]),
            };
            let issued_to = Some(text(&item["issued_to"]))
                .filter(|to| !to.is_empty())
                .unwrap_or_else(|| text(&item["holder"]));
            let row = format!(
                "{issued_to}|{}|{}|{status}|{}|{}",
                text(&item["batch_id"]),
                micros(&item["expires_at"]),
                text(&item["uses"]),
                text(&item["max_uses"]),
            );
            expected.insert(text(&item["code"]), row);
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let sql = format!(
        "SELECT i.code, i.issued_to, i.batch_id, {}, i.status, c.uses, c.max_uses
         FROM invite_codes i JOIN vobee_codes c USING (code)",
        time("i.expires_at")
    );
    let found: BTreeMap<String, String> = cluster
        .rows(&sql)
        .iter()
        .map(|row| row.split_once('|').expect("columns"))
        .map(|(code, rest)| (code.to_owned(), rest.to_owned()))
        .collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (code, row) in &expected {
        assert_eq!(found[code], *row, "{code}");
    }
}

fn assert_referrals(admin: &mut Client, cluster: &Cluster) {
    let rows = cluster.rows(
        "SELECT r.inviter_email, r.invited_email, n.state, r.id = n.id
         FROM referrals r JOIN vobee_referrals n USING (id)",
    );
    let network = admin.get("/api/referrals/network").expect(200);
    assert_eq!(network["edges"].as_u64(), Some(rows.len() as u64), "{network}");
    let inviters: BTreeSet<&str> = rows.iter().filter_map(|row| row.split('|').next()).collect();
    for inviter in inviters.into_iter().filter(|inviter| !inviter.starts_with("erased:")) {
        let answer = admin.get(&format!("/api/referrals/{inviter}/analytics")).expect(200);
        let history = answer["history"].as_array().expect("a history");
        let mut expected: Vec<String> = history
            .iter()
            .map(|edge| format!("{}|{}", text(&edge["email"]), text(&edge["state"])))
            .collect();
        let mut found: Vec<String> = rows
            .iter()
            .filter(|row| row.split('|').next() == Some(inviter))
            .map(|row| {
                let fields: Vec<&str> = row.split('|').collect();
                let email = if fields[1].starts_with("erased:") { "" } else { fields[1] };
                format!("{email}|{}", fields[2])
            })
            .collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{inviter}");
    }
}
