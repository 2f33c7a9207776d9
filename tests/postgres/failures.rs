//! Whatever becomes of PostgreSQL, the node goes on, and the tables catch up by themselves.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::cluster::Cluster;
use super::export::{LIBERAL, exporting, join, live};
use super::tables::{
    assert_equal, durable, export_says, wait_until_caught_up, wait_until_it_is, wait_until_it_says,
};
use crate::support::{Client, Server};

#[test]
fn while_postgresql_is_away_people_join_and_afterwards_the_tables_have_them() {
    let mut cluster = Cluster::start();
    let server = exporting(&cluster, &[]);
    wait_until_it_says(&server, "following");
    cluster.stop();
    live(&mut server.admin(), 0);
    wait_until_it_says(&server, "trying again");
    assert_eq!(server.public().get("/readyz").status, 200, "the node takes writes");
    assert_eq!(server.public().get("/health").expect(200)["status"], "healthy");
    cluster.start_again();
    wait_until_caught_up(&server, &cluster);
    wait_until_it_says(&server, "following, 0 events behind");
    assert_equal(&server, &cluster);
    let lines = server.log().matches("waits and tries again").count();
    assert!((1..=3).contains(&lines), "a line a change, not a try: {}", server.log());
}

#[test]
fn a_postgresql_that_hangs_holds_up_neither_people_nor_a_stop() {
    let cluster = Cluster::start();
    let mut server = exporting(&cluster, &[]);
    wait_until_it_says(&server, "following");
    cluster.freeze(true);
    live(&mut server.admin(), 0);
    assert_eq!(server.public().get("/readyz").status, 200);
    assert!(server.stop().success());
    server.start_again();
    live(&mut server.admin(), 100);
    cluster.freeze(false);
    wait_until_caught_up(&server, &cluster);
    assert_equal(&server, &cluster);
}

#[test]
fn tables_that_are_ahead_of_a_node_that_was_restored_are_written_anew() {
    let cluster = Cluster::start();
    let mut server = exporting(&cluster, &[]);
    live(&mut server.admin(), 0);
    wait_until_caught_up(&server, &cluster);
    server.kill();
    // What the node has forgotten.
    cluster.run(
        "UPDATE vobee_export SET seq = seq + 1000000;
        INSERT INTO waitlist VALUES (gen_random_uuid(), 'gone@example.com', 'x', 'other')",
    );
    server.start_again();
    wait_until_it_says(&server, "following, 0 events behind");
    assert_eq!(cluster.value("SELECT seq < 1000000 FROM vobee_export"), "t");
    assert_equal(&server, &cluster);
}

/// A data directory as it is.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("room");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(&source, &target).expect("room");
        }
    }
}

#[test]
fn tables_of_a_history_that_was_taken_back_are_written_anew_though_the_node_has_gone_past_them() {
    let mut cluster = Cluster::start();
    let mut server = exporting(&cluster, &[]);
    live(&mut server.admin(), 0);
    assert!(server.stop().success());
    let scratch = tempfile::tempdir().expect("a directory");
    let earlier = scratch.path().join("data");
    copy(server.data(), &earlier);
    server.start_again();
    live(&mut server.admin(), 100);
    wait_until_caught_up(&server, &cluster);
    assert!(server.stop().success());
    let reached = "SELECT seq FROM vobee_export";
    let taken_back: u64 = cluster.value(reached).parse().expect("a number");
    let sampled = "INSERT INTO vobee_quality_history VALUES (now(), 1, 1, 1, 1, 'green', 'events')";
    cluster.run(sampled);
    server.replace_data(&earlier);
    cluster.stop();
    server.start_again();
    for from in [200, 300] {
        live(&mut server.admin(), from);
    }
    assert!(durable(&server) > taken_back);
    cluster.start_again();
    wait_until_caught_up(&server, &cluster);
    assert_equal(&server, &cluster);
    let told = |server: &Server, what: &str| server.log().matches(what).count();
    assert_eq!(told(&server, "holds events that this journal does not have"), 1);
    let history = "SELECT count(*) FROM vobee_quality_history WHERE trust = 1 AND churn = 1";
    assert_eq!(cluster.value(history), "0", "what the histories had of it is gone too");
    assert!(server.stop().success());
    server.start_again();
    live(&mut server.admin(), 400);
    wait_until_caught_up(&server, &cluster);
    assert_equal(&server, &cluster);
    assert_eq!(told(&server, "loads everything"), 0, "{}", server.log());
}

#[test]
fn tables_from_before_their_history_was_noted_are_gone_on_with_and_note_it_from_then_on() {
    let cluster = Cluster::start();
    let mut server = exporting(&cluster, &[]);
    live(&mut server.admin(), 0);
    wait_until_caught_up(&server, &cluster);
    assert!(server.stop().success());
    cluster.run(
        "ALTER TABLE vobee_export DROP COLUMN chain;
        DELETE FROM vobee_migrations WHERE version > 1",
    );
    server.start_again();
    live(&mut server.admin(), 100);
    wait_until_caught_up(&server, &cluster);
    assert_equal(&server, &cluster);
    assert_eq!(server.log().matches("loads everything").count(), 0, "{}", server.log());
    assert_eq!(cluster.value("SELECT octet_length(chain) FROM vobee_export"), "32");
}

#[test]
fn a_table_that_was_dropped_is_made_again_with_everything_in_it() {
    let cluster = Cluster::start();
    let server = exporting(&cluster, &[]);
    live(&mut server.admin(), 0);
    wait_until_caught_up(&server, &cluster);
    cluster.run("DROP TABLE referrals; DROP TABLE vobee_people");
    live(&mut server.admin(), 100);
    wait_until_caught_up(&server, &cluster);
    assert_equal(&server, &cluster);
}

#[test]
fn a_view_that_was_dropped_is_made_again_without_loading_anything() {
    let cluster = Cluster::start();
    let server = exporting(&cluster, &[]);
    live(&mut server.admin(), 0);
    wait_until_caught_up(&server, &cluster);
    cluster.run("DROP VIEW waitlist_positions");
    wait_until_it_is(&cluster, "SELECT to_regclass('waitlist_positions') IS NOT NULL", "t");
    live(&mut server.admin(), 100);
    wait_until_caught_up(&server, &cluster);
    assert_equal(&server, &cluster);
    assert_eq!(server.log().matches("loads everything").count(), 1, "{}", server.log());
}

#[test]
fn columns_that_were_removed_are_made_again_as_they_were_with_everything_in_them() {
    const COLUMNS: &str = "SELECT table_name, column_name, data_type, character_maximum_length,
            is_nullable, column_default
        FROM information_schema.columns WHERE table_schema = 'public'
        ORDER BY table_name, column_name";
    const KEYS: &str = "SELECT conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2";
    let cluster = Cluster::start();
    let server = exporting(&cluster, &[]);
    live(&mut server.admin(), 0);
    wait_until_caught_up(&server, &cluster);
    let (columns, keys) = (cluster.rows(COLUMNS), cluster.rows(KEYS));
    cluster.run(
        "ALTER TABLE waitlist DROP COLUMN id CASCADE;
        ALTER TABLE waitlist DROP COLUMN persona CASCADE;
        ALTER TABLE waitlist RENAME COLUMN position TO place;
        ALTER TABLE waitlist ADD COLUMN ours TEXT;
        ALTER TABLE invite_codes DROP COLUMN status CASCADE;
        ALTER TABLE vobee_rewards DROP COLUMN rule CASCADE, DROP COLUMN kind CASCADE;
        ALTER TABLE vobee_people DROP COLUMN metadata;
        ALTER TABLE vobee_export DROP COLUMN chain",
    );
    live(&mut server.admin(), 100);
    wait_until_caught_up(&server, &cluster);
    assert_equal(&server, &cluster);
    cluster.run("ALTER TABLE waitlist DROP COLUMN ours, DROP COLUMN place");
    assert_eq!(cluster.rows(COLUMNS), columns);
    assert_eq!(cluster.rows(KEYS), keys);
}

#[test]
fn a_grant_that_was_revoked_or_a_database_that_is_read_only_is_waited_for() {
    let cluster = Cluster::start();
    cluster.run("CREATE ROLE writer LOGIN; GRANT CREATE ON SCHEMA public TO writer");
    let url_file = cluster.url_file_of("writer");
    let settings = [&LIBERAL[..], &[("VOBEE_POSTGRES__URL_FILE", &url_file)]].concat();
    let server = Server::with(&settings);
    wait_until_it_says(&server, "following");
    cluster.run("REVOKE INSERT, UPDATE ON waitlist FROM writer");
    live(&mut server.admin(), 0);
    wait_until_it_says(&server, "trying again: PostgreSQL refuses (42501)");
    cluster.run("GRANT INSERT, UPDATE ON waitlist TO writer");
    wait_until_caught_up(&server, &cluster);
    assert_equal(&server, &cluster);

    cluster.run("ALTER DATABASE launch SET default_transaction_read_only = on");
    cluster.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'writer'");
    join(&mut server.admin(), "latecomer");
    wait_until_it_says(&server, "trying again: PostgreSQL refuses (25006)");
    cluster.run_outside("ALTER DATABASE launch RESET default_transaction_read_only");
    wait_until_caught_up(&server, &cluster);
    assert_equal(&server, &cluster);
}

#[test]
fn a_database_that_somebody_else_has_filled_is_left_alone() {
    let cluster = Cluster::start();
    cluster.run(
        "CREATE TABLE waitlist (id UUID PRIMARY KEY, email VARCHAR(255));
        INSERT INTO waitlist VALUES (gen_random_uuid(), 'ada@example.com')",
    );
    let server = exporting(&cluster, &[]);
    wait_until_it_says(&server, "rows that VoBee did not write");
    assert_eq!(cluster.value("SELECT count(*) FROM waitlist"), "1");
}

#[test]
fn what_a_person_typed_is_in_no_table_once_the_person_has_left() {
    let cluster = Cluster::start();
    let server = exporting(&cluster, &[]);
    live(&mut server.admin(), 0);
    wait_until_caught_up(&server, &cluster);
    let tables = cluster.rows(
        "SELECT table_name FROM information_schema.tables
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
    );
    assert!(tables.len() > 10, "{tables:?}");
    for table in &tables {
        for gone in ["person29", "person27", "leaver0"] {
            let sql = format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{gone}@%'");
            assert_eq!(cluster.value(&sql), "0", "{gone} in {table}");
            let sql = format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%for {gone}%'");
            assert_eq!(cluster.value(&sql), "0", "the text of {gone} in {table}");
        }
    }
    let erased = "SELECT count(*) FROM referrals WHERE invited_email LIKE 'erased:%'";
    assert_eq!(cluster.value(erased), "1", "the referral of a leaver stays");
}

/// People who join as long as the node is there.
fn load<T>(server: &mut Server, round: usize, meanwhile: impl FnOnce(&mut Server) -> T) -> T {
    let (port, stop) = (server.port(), AtomicBool::new(false));
    thread::scope(|scope| {
        for caller in 0..4 {
            let stop = &stop;
            scope.spawn(move || {
                let Ok(mut client) = Client::try_new(port) else { return };
                for number in 0.. {
                    let body = serde_json::json!({
                        "email": format!("r{round}c{caller}n{number}@example.com"),
                        "use_case": "time", "persona": "agency",
                    });
                    let sent = client.try_post("/api/waitlist/join", &body);
                    if sent.is_err() || stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        let done = meanwhile(server);
        stop.store(true, Ordering::Relaxed);
        done
    })
}

#[test]
fn kills_of_the_node_of_postgresql_and_of_both_lose_and_double_nothing() {
    let rounds = std::env::var("VOBEE_POSTGRES_KILLS").ok();
    let rounds = rounds.and_then(|text| text.parse().ok()).unwrap_or(3);
    let mut cluster = Cluster::start();
    let settings = [("VOBEE_SNAPSHOTS__EVENTS", "1000"), ("VOBEE_LIMITS__GLOBAL", "0")];
    let mut server = exporting(&cluster, &settings);
    for round in 0..rounds {
        live(&mut server.admin(), 1_000 * (round + 1));
        load(&mut server, round, |server| {
            // In the middle of the work, wherever that is.
            thread::sleep(std::time::Duration::from_millis(300 + 137 * (round as u64 % 7)));
            if round % 3 != 1 {
                server.kill();
            }
            if round % 3 != 0 {
                cluster.kill();
            }
        });
        if round % 3 != 0 {
            cluster.start_again();
        }
        if round % 3 != 1 {
            server.start_again();
        }
        wait_until_caught_up(&server, &cluster);
        assert_equal(&server, &cluster);
    }
    eprintln!(
        "postgres: {rounds} kills, {} rows equal",
        cluster.value("SELECT count(*) FROM waitlist")
    );
}

/// Snapshots without an archive, while PostgreSQL is away.
fn away_for_some_epochs(lag_max: &str) -> (Cluster, Server) {
    let mut cluster = Cluster::start();
    let settings = [("VOBEE_ARCHIVE__KEEP", "off"), ("VOBEE_POSTGRES__LAG_MAX_BYTES", lag_max)];
    let server = exporting(&cluster, &settings);
    live(&mut server.admin(), 0);
    wait_until_caught_up(&server, &cluster);
    cluster.stop();
    for epoch in 0..4 {
        live(&mut server.admin(), 100 * (epoch + 1));
        let taken = server.admin().try_send("POST", "/api/operations/snapshot", &[], b"");
        taken.expect("an answer").expect(200);
    }
    cluster.start_again();
    wait_until_caught_up(&server, &cluster);
    assert_equal(&server, &cluster);
    (cluster, server)
}

/// How many loads went through. One that begins on a connection which PostgreSQL has just closed is
/// said too, and then that it is tried again.
fn loads(log: &str) -> usize {
    let told = ["loads everything", "waits and tries again", "to PostgreSQL goes on"];
    let told: Vec<_> =
        log.lines().filter_map(|line| told.iter().position(|s| line.contains(s))).collect();
    told.windows(2).filter(|pair| pair == &[0, 2]).count()
}

#[test]
fn epochs_stay_for_an_export_that_is_behind() {
    let (_cluster, server) = away_for_some_epochs("1000000000");
    assert_eq!(loads(&server.log()), 1, "{}", server.log());
}

#[test]
fn an_export_that_is_too_far_behind_begins_again_with_a_snapshot() {
    let (_cluster, server) = away_for_some_epochs("0");
    assert_eq!(loads(&server.log()), 2, "{}", server.log());
    assert!(export_says(&server).starts_with("following"));
}
