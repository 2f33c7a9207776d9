//! A batch as rows for the temporary tables that it is merged from.

use super::batch::Batch;
use super::copy::Rows;

/// The temporary tables, in which nothing is left at the end of a transaction.
pub(super) const TABLES: &str = "
CREATE TEMPORARY TABLE IF NOT EXISTS stage_people (id uuid, forget boolean, email text,
    use_case text, persona text, metadata text, whole boolean) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS stage_entries (id uuid, forget boolean, score integer,
    points bigint, position integer, created_at timestamp, invited_at timestamp)
    ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS stage_codes (code text, batch text, channel text,
    created_at timestamp, expires_at timestamp, max_uses integer, uses integer, revoked boolean,
    bound uuid, holder uuid) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS stage_members (id uuid, gone boolean, code text,
    redeemed_at timestamp) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS stage_referrals (id uuid, inviter uuid, recipient uuid,
    state text, created_at timestamp) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS stage_progress (recipient uuid, state text)
    ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS stage_rewards (person uuid, rule text, kind text,
    amount integer, reason text, granted_at timestamp) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS stage_waves (batch text, requested integer, invited integer,
    drawn_by text, gate text, sent_at timestamp) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS stage_points (at timestamp, trust double precision,
    churn double precision, fraud double precision, engagement double precision, gate text,
    source text) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS stage_gates (at timestamp, gate text, reason text)
    ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS touched_codes (code text) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS touched_referrals (id uuid) ON COMMIT DELETE ROWS;
";

/// The amount of a reward that is none any more.
const TAKEN_BACK: i32 = -1;

/// The rows of one batch, each with the temporary table that it goes to.
pub(super) fn rows(batch: &Batch, prefix: &str) -> Vec<(&'static str, Rows)> {
    let mut staged = vec![
        ("stage_people", people(batch)),
        ("stage_entries", entries(batch)),
        ("stage_codes", codes(batch, prefix)),
        ("stage_members", members(batch, prefix)),
        ("stage_referrals", referrals(batch)),
        ("stage_progress", progress(batch)),
    ];
    staged.extend(histories(batch));
    staged.retain(|(_, rows)| rows.count() > 0);
    staged
}

/// The rows of one batch of everything, for tables that are empty: each goes where it stays, but
/// those of the waitlist, which lack the address, and the few of the histories. Columns are named:
/// one that was made again is the last of its table.
pub(super) fn fresh(batch: &Batch, prefix: &str) -> Vec<(&'static str, Rows)> {
    let mut people = Rows::of(5);
    for (id, person) in &batch.people {
        let Some((profile, _)) = &person.profile else { continue };
        people.row().uuid(id.get());
        people.text(&profile.email).text(&profile.use_case).text(&profile.persona);
        people.jsonb(&json(&profile.metadata));
    }
    let mut members = Rows::of(3);
    for (id, member) in &batch.members {
        let Some((code, at)) = member.came else { continue };
        members.row().uuid(id.get()).text(&code.print(prefix)).time(at);
    }
    let mut staged = vec![
        ("vobee_people (id, email, use_case, persona, metadata)", people),
        ("stage_entries", entries(batch)),
        (
            "vobee_codes (code, batch, channel, created_at, expires_at, max_uses, uses, revoked, \
             bound, holder)",
            codes(batch, prefix),
        ),
        ("vobee_members (id, code, redeemed_at)", members),
        ("vobee_referrals (id, inviter, recipient, state, created_at)", referrals(batch)),
    ];
    staged.extend(histories(batch));
    staged.retain(|(_, rows)| rows.count() > 0);
    staged
}

fn people(batch: &Batch) -> Rows {
    let mut rows = Rows::of(7);
    for (id, person) in &batch.people {
        rows.row().uuid(id.get()).flag(person.forget);
        match &person.profile {
            Some((profile, whole)) => {
                rows.text(&profile.email).text(&profile.use_case).text(&profile.persona);
                rows.text(&json(&profile.metadata)).flag(*whole);
            }
            None => {
                rows.null().null().null().null().null();
            }
        }
    }
    rows
}

/// JSON without the zero, which PostgreSQL's JSON cannot hold either.
fn json(pairs: &[(String, String)]) -> String {
    let clean = |text: &String| text.replace('\0', "\u{fffd}").into();
    let object = pairs.iter().map(|(key, value)| (key.replace('\0', "\u{fffd}"), clean(value)));
    serde_json::Value::Object(object.collect()).to_string()
}

fn entries(batch: &Batch) -> Rows {
    let mut rows = Rows::of(7);
    for (id, entry) in &batch.entries {
        let joined = entry.joined.as_ref();
        rows.row().uuid(id.get()).flag(entry.forget);
        rows.int4_or_null(joined.map(|joined| joined.score)).int8(entry.points);
        rows.int4_or_null(entry.place.and_then(|place| i32::try_from(place).ok()));
        rows.time_or_null(joined.map(|joined| joined.at)).time_or_null(entry.invited_at);
    }
    rows
}

fn codes(batch: &Batch, prefix: &str) -> Rows {
    let mut rows = Rows::of(10);
    for (code, change) in &batch.codes {
        let issue = change.issue.as_ref();
        let uses = change.uses + issue.map_or(0, |issue| issue.uses);
        let revoked = change.revoked.or(issue.map(|issue| issue.revoked));
        let expires_at = change.expires_at.or(issue.map(|issue| issue.expires_at));
        let bound = change.bound.or(issue.and_then(|issue| issue.bound));
        rows.row().text(&code.print(prefix)).text_or_null(issue.map(|issue| &*issue.batch));
        rows.text_or_null(issue.map(|issue| issue.channel.as_str()));
        rows.time_or_null(issue.map(|issue| issue.created_at)).time_or_null(expires_at);
        rows.int4_or_null(issue.map(|issue| whole(issue.max_uses))).int4(whole(uses));
        rows.flag_or_null(revoked).uuid_or_null(bound.map(|person| person.get()));
        rows.uuid_or_null(issue.and_then(|issue| issue.holder).map(|person| person.get()));
    }
    rows
}

fn members(batch: &Batch, prefix: &str) -> Rows {
    let mut rows = Rows::of(4);
    for (id, member) in &batch.members {
        rows.row().uuid(id.get()).flag(member.gone);
        match member.came {
            Some((code, at)) => rows.text(&code.print(prefix)).time(at),
            None => rows.null().null(),
        };
    }
    rows
}

fn referrals(batch: &Batch) -> Rows {
    let mut rows = Rows::of(5);
    for (id, referred) in &batch.referrals {
        let (inviter, recipient) = (referred.inviter.get(), referred.recipient.get());
        rows.row().uuid(id.0).uuid(inviter).uuid(recipient);
        rows.text(referred.state.as_str()).time(referred.at);
    }
    rows
}

fn progress(batch: &Batch) -> Rows {
    let mut rows = Rows::of(2);
    for (id, state) in &batch.progress {
        rows.row().uuid(id.get()).text(state.as_str());
    }
    rows
}

fn histories(batch: &Batch) -> [(&'static str, Rows); 4] {
    let mut rewards = Rows::of(6);
    for ((person, rule, kind), reward) in &batch.rewards {
        let (amount, reason, at) = match reward {
            Some(reward) => (whole(reward.amount), reward.reason.as_str(), reward.at),
            None => (TAKEN_BACK, "", actors::Timestamp::default()),
        };
        rewards.row().uuid(person.get()).text(rule).text(kind).int4(amount);
        rewards.text(reason).time(at);
    }
    let mut waves = Rows::of(6);
    for (label, wave) in &batch.waves {
        waves.row().text(label).int4(whole(wave.requested)).int4(whole(wave.invited));
        waves.text(wave.order.as_str()).text(wave.gate.as_str()).time(wave.at);
    }
    let mut points = Rows::of(7);
    for point in batch.points.values() {
        points.row().time(point.at()).float8(point.trust).float8(point.churn);
        points.float8(point.fraud).float8(point.engagement);
        points.text(point.colour.as_str()).text(point.source.as_str());
    }
    let mut gates = Rows::of(3);
    for (at, (colour, reason)) in &batch.gates {
        gates.row().time(actors::Timestamp::from_micros(*at)).text(colour.as_str()).text(reason);
    }
    [
        ("stage_rewards", rewards),
        ("stage_waves", waves),
        ("stage_points", points),
        ("stage_gates", gates),
    ]
}

fn whole(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
