//! The tables: made, brought up to date, and held to their node.

use actors::Uuid;
use tokio_postgres::Transaction;

use super::error::Error;

/// In order; the number of each is its place, from 1. What was released is never changed.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001_tables.sql")];

/// Every table that a row goes to.
const TABLES: [&str; 12] = [
    "waitlist",
    "invite_codes",
    "referrals",
    "vobee_people",
    "vobee_codes",
    "vobee_members",
    "vobee_referrals",
    "vobee_rewards",
    "vobee_waves",
    "vobee_quality_history",
    "vobee_gate_changes",
    "vobee_export",
];

/// Any number that nobody else is likely to lock.
const LOCK: i64 = 0x0076_6f62_6565_0001;

/// What the database holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The newest record that is in the tables; None while there is nothing.
    pub seq: Option<u64>,
    /// The newest migration.
    pub version: i32,
}

/// Makes what is missing and says how far the tables have come. With `again` they are taken for
/// empty, whoever's they were.
pub(super) async fn prepare(
    transaction: &Transaction<'_>,
    node: Uuid,
    again: bool,
) -> Result<Found, Error> {
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let version = version(transaction).await?;
    let known = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
    if version > known {
        return Err(Error::Foreign(format!(
            "the tables are of version {version} and this program knows {known}; use the newer one"
        )));
    }
    if version == 0 && !again {
        refuse_others(transaction).await?;
    }
    let missing = missing(transaction).await?;
    // What was dropped is made again; what is there already is left alone by its statement.
    let first = if missing { 0 } else { usize::try_from(version).unwrap_or(0) };
    for migration in &MIGRATIONS[first..] {
        transaction.batch_execute(migration).await?;
    }
    for done in version + 1..=known {
        let sql = "INSERT INTO vobee_migrations (version) VALUES ($1)";
        transaction.execute(sql, &[&done]).await?;
    }
    let seq = claim(transaction, node, again).await?;
    if missing && version > 0 && seq.is_some() {
        // Of what was made again the rows are missing too.
        transaction.execute("UPDATE vobee_export SET seq = NULL", &[]).await?;
        return Ok(Found { seq: None, version: known });
    }
    Ok(Found { seq, version: known })
}

/// Looks without changing anything; None where VoBee has no tables.
pub(super) async fn look(transaction: &Transaction<'_>) -> Result<Option<(Found, u128)>, Error> {
    if missing(transaction).await? {
        return Ok(None);
    }
    let version = transaction.query_one("SELECT max(version) FROM vobee_migrations", &[]).await?;
    let version = version.get::<_, Option<i32>>(0).unwrap_or(0);
    let sql = "SELECT seq, node::text FROM vobee_export";
    let Some(row) = transaction.query_opt(sql, &[]).await? else { return Ok(None) };
    let seq = row.get::<_, Option<i64>>(0).map(i64::cast_unsigned);
    let node = Uuid::parse(row.get(1)).map_err(|why| Error::Foreign(why.to_owned()))?;
    Ok(Some((Found { seq, version }, node.0)))
}

async fn version(transaction: &Transaction<'_>) -> Result<i32, Error> {
    let sql = "CREATE TABLE IF NOT EXISTS vobee_migrations (
        version INTEGER PRIMARY KEY,
        applied_at TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'))";
    transaction.batch_execute(sql).await?;
    let newest = "SELECT coalesce(max(version), 0) FROM vobee_migrations";
    Ok(transaction.query_one(newest, &[]).await?.get(0))
}

async fn missing(transaction: &Transaction<'_>) -> Result<bool, Error> {
    let sql = "SELECT bool_or(to_regclass(name) IS NULL) FROM unnest($1::text[]) AS name";
    Ok(transaction.query_one(sql, &[&TABLES.as_slice()]).await?.get(0))
}

/// Rows that somebody else has put there are not written over.
async fn refuse_others(transaction: &Transaction<'_>) -> Result<(), Error> {
    for table in &TABLES[..3] {
        let sql = "SELECT to_regclass($1) IS NOT NULL";
        if !transaction.query_one(sql, &[table]).await?.get::<_, bool>(0) {
            continue;
        }
        let sql = format!("SELECT EXISTS (SELECT FROM {table})");
        if transaction.query_one(&sql, &[]).await?.get(0) {
            return Err(Error::Foreign(format!(
                "the table {table} has rows that VoBee did not write; name another database, or \
                 take them over with vobee import"
            )));
        }
    }
    Ok(())
}

/// The one row of `vobee_export`, made where it is missing; the newest record in the tables.
async fn claim(
    transaction: &Transaction<'_>,
    node: Uuid,
    again: bool,
) -> Result<Option<u64>, Error> {
    let node = node.to_string();
    if again {
        let sql = "INSERT INTO vobee_export (node) VALUES ($1::text::uuid)
            ON CONFLICT (only_row) DO UPDATE SET node = excluded.node, seq = NULL";
        transaction.execute(sql, &[&node]).await?;
        return Ok(None);
    }
    let sql = "INSERT INTO vobee_export (node) VALUES ($1::text::uuid)
        ON CONFLICT (only_row) DO NOTHING";
    transaction.execute(sql, &[&node]).await?;
    let sql = "SELECT seq, node = $1::text::uuid FROM vobee_export FOR UPDATE";
    let row = transaction.query_one(sql, &[&node]).await?;
    if !row.get::<_, bool>(1) {
        return Err(Error::Foreign(
            "the tables are another node's; name another database, or write over them with \
             vobee postgres init --again"
                .to_owned(),
        ));
    }
    Ok(row.get::<_, Option<i64>>(0).map(i64::cast_unsigned))
}
