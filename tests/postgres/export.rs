//! The tables have what the node has.

use serde_json::json;

use super::cluster::Cluster;
use super::tables::{assert_equal, wait_until_caught_up, wait_until_it_says};
use crate::support::{Answer, Client, Server};

/// A node that refuses nobody, however many come from one address and whatever they do.
pub(super) const LIBERAL: [(&str, &str); 2] =
    [("VOBEE_LIMITS__PER_ADDRESS", "0"), ("VOBEE_QUALITY__MEMBERS_MIN", "1000000")];

/// A node that exports to a cluster.
pub(crate) fn exporting(cluster: &Cluster, settings: &[(&str, &str)]) -> Server {
    let url_file = cluster.url_file();
    let settings = [settings, &LIBERAL, &[("VOBEE_POSTGRES__URL_FILE", &url_file)]].concat();
    Server::with(&settings)
}

pub(super) fn join(client: &mut Client, name: &str) -> serde_json::Value {
    let body = json!({
        "email": format!("{name}@example.com"),
        "use_case": format!("marketing for {name}, \"with\" ünïcode | and\\backslash"),
        "persona": "agency",
        "metadata": {"from": "a test"},
    });
    client.post("/api/waitlist/join", &body).expect(201)
}

/// The body of an answer of success.
#[track_caller]
fn done(answer: Answer) -> serde_json::Value {
    assert!((200..300).contains(&answer.status), "{answer:?}");
    answer.json()
}

/// A little of everything that changes a row.
pub(crate) fn live(admin: &mut Client, from: usize) {
    let name = |number: usize| format!("person{}", from + number);
    for number in 0..30 {
        join(admin, &name(number));
    }
    let boost = json!({"points": 7, "reason": "helped"});
    done(admin.post(&format!("/api/waitlist/{}@example.com/boost", name(20)), &boost));
    let wave = json!({"count": 5, "batch_id": format!("WAVE-{from}")});
    let sent = done(admin.post("/api/waitlist/invite", &wave));
    let invites = sent["invites"].as_array().expect("invites").clone();
    let redeem = |admin: &mut Client, code: &serde_json::Value, email: &str| {
        done(admin.post("/api/invites/redeem", &json!({"code": code, "email": email})));
    };
    let invited = invites[0]["email"].as_str().expect("an address");
    redeem(admin, &invites[0]["code"], invited);
    let batch = json!({"batch_size": 6, "max_uses": 2});
    let generated = done(admin.post("/api/invites/generate", &batch));
    let codes = generated["codes"].as_array().expect("codes").clone();
    redeem(admin, &codes[0], &format!("{}@example.com", name(25)));
    redeem(admin, &codes[0], &format!("stranger{from}@example.com"));
    redeem(admin, &codes[1], &format!("leaver{from}@example.com"));
    let code = |index: usize| codes[index].as_str().expect("a code").to_owned();
    done(admin.post(&format!("/api/invites/{}/revoke", code(2)), &json!({})));
    done(admin.post(&format!("/api/invites/{}/extend", code(3)), &json!({"days": 3})));
    let bound = json!({"batch_size": 1, "issued_to": format!("bound{from}@example.com")});
    done(admin.post("/api/invites/generate", &bound));
    for recipient in [name(26), format!("friend{from}"), name(27)] {
        let share = json!({
            "inviter_email": invited,
            "recipient_email": format!("{recipient}@example.com"),
        });
        done(admin.post("/api/referrals/share", &share));
    }
    redeem(admin, &codes[4], &format!("{}@example.com", name(26)));
    for leaver in [name(29), name(27), format!("leaver{from}")] {
        done(admin.delete(&format!("/api/waitlist/{leaver}@example.com")));
    }
}

#[test]
fn every_row_is_what_the_node_says() {
    let cluster = Cluster::start();
    let server = exporting(&cluster, &[]);
    wait_until_it_says(&server, "following");
    live(&mut server.admin(), 0);
    wait_until_caught_up(&server, &cluster);
    assert_equal(&server, &cluster);
    live(&mut server.admin(), 100);
    wait_until_caught_up(&server, &cluster);
    assert_equal(&server, &cluster);
}

#[test]
fn what_a_rejection_takes_back_is_taken_from_the_tables() {
    let cluster = Cluster::start();
    let server = exporting(&cluster, &[("VOBEE_REFERRALS__POINTS_PER_REDEEMED", "7")]);
    let mut admin = server.admin();
    let ada = join(&mut admin, "ada");
    for friend in ["bob", "cyd", "dan"] {
        let email = format!("{friend}@example.com");
        let body = json!({
            "email": email, "use_case": "time", "persona": "agency",
            "referral_code": ada["referral_code"],
        });
        done(admin.post("/api/waitlist/join", &body));
        let code = done(admin.post("/api/invites/generate", &json!({"batch_size": 1})));
        done(admin.post("/api/invites/redeem", &json!({"code": code["codes"][0], "email": email})));
    }
    done(admin.post("/api/referrals/earn", &json!({"user_email": "ada@example.com"})));
    let rewards = "SELECT count(*) FROM vobee_rewards";
    let revoked = "SELECT count(*) FROM invite_codes WHERE status = 'revoked'";
    wait_until_caught_up(&server, &cluster);
    assert_eq!((cluster.value(rewards), cluster.value(revoked)), ("1".into(), "0".into()));
    done(admin.post("/api/quality/review/dan%40example.com/reject", &json!({})));
    wait_until_caught_up(&server, &cluster);
    assert_eq!((cluster.value(rewards), cluster.value(revoked)), ("0".into(), "3".into()));
    assert_equal(&server, &cluster);
}

#[test]
fn an_export_that_is_switched_on_late_begins_with_the_snapshot_and_goes_on_behind_it() {
    let cluster = Cluster::start();
    let mut server = Server::with(&LIBERAL);
    live(&mut server.admin(), 0);
    assert!(server.stop().success());
    server.set("VOBEE_POSTGRES__URL_FILE", &cluster.url_file());
    server.start_again();
    live(&mut server.admin(), 100);
    wait_until_caught_up(&server, &cluster);
    assert_equal(&server, &cluster);
}

#[test]
fn the_three_tables_are_those_of_the_original_services_column_for_column() {
    let cluster = Cluster::start();
    let server = exporting(&cluster, &[]);
    wait_until_it_says(&server, "following");
    let columns = cluster.rows(
        "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable,
             column_default
         FROM information_schema.columns
         WHERE table_name IN ('waitlist', 'invite_codes', 'referrals')
         ORDER BY table_name, ordinal_position",
    );
    let now = "timestamp without time zone||YES|CURRENT_TIMESTAMP";
    let time = "timestamp without time zone||YES|";
    let expected = [
        "invite_codes|code|character varying|20|NO|".to_owned(),
        "invite_codes|issued_to|character varying|255|YES|".to_owned(),
        "invite_codes|batch_id|character varying|50|YES|".to_owned(),
        format!("invite_codes|created_at|{now}"),
        format!("invite_codes|expires_at|{time}"),
        "invite_codes|used_by|character varying|255|YES|".to_owned(),
        format!("invite_codes|used_at|{time}"),
        "invite_codes|status|character varying|20|YES|'active'::character varying".to_owned(),
        "referrals|id|uuid||NO|".to_owned(),
        "referrals|inviter_email|character varying|255|NO|".to_owned(),
        "referrals|invited_email|character varying|255|NO|".to_owned(),
        "referrals|invite_code|character varying|20|YES|".to_owned(),
        format!("referrals|created_at|{now}"),
        "waitlist|id|uuid||NO|".to_owned(),
        "waitlist|email|character varying|255|NO|".to_owned(),
        "waitlist|use_case|text||NO|".to_owned(),
        "waitlist|persona|character varying|50|NO|".to_owned(),
        "waitlist|priority_score|integer||YES|0".to_owned(),
        "waitlist|position|integer||YES|".to_owned(),
        format!("waitlist|created_at|{now}"),
        format!("waitlist|invited_at|{time}"),
    ];
    assert_eq!(columns, expected);
}
