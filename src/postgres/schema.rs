//! The tables: made, brought up to date, and held to their node.

use actors::Uuid;
use actors::export::Place;
use tokio_postgres::Transaction;

use super::columns;
use super::error::Error;
use super::merge;

/// In order; the number of each is its place, from 1. What was released is never changed.
const MIGRATIONS: [&str; 2] =
    [include_str!("migrations/0001_tables.sql"), include_str!("migrations/0002_chain.sql")];

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

/// What others read that no row goes to.
const VIEWS: [&str; 1] = ["waitlist_positions"];

/// Any number that nobody else is likely to lock.
const LOCK: i64 = 0x0076_6f62_6565_0001;

/// What the database holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// How far they have come; None while there is nothing in them.
    pub place: Option<Place>,
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
    let missing = are_missing(transaction, &TABLES).await?;
    let altered = columns::mend(transaction, &MIGRATIONS[..migrated(version)]).await?;
    // What was dropped is made again; what is there already is left alone by its statement.
    let whole = !missing && !altered && !are_missing(transaction, &VIEWS).await?;
    let first = if whole { migrated(version) } else { 0 };
    for migration in &MIGRATIONS[first..] {
        transaction.batch_execute(migration).await?;
    }
    for done in version + 1..=known {
        let sql = "INSERT INTO vobee_migrations (version) VALUES ($1)";
        transaction.execute(sql, &[&done]).await?;
    }
    let place = claim(transaction, node, again).await?;
    if (missing || altered) && version > 0 && place.is_some() {
        // Of what was made again the rows are missing too.
        transaction.execute("UPDATE vobee_export SET seq = NULL", &[]).await?;
        return Ok(Found { place: None, version: known });
    }
    Ok(Found { place, version: known })
}

/// Looks without changing anything; None where VoBee has no tables.
pub(super) async fn look(transaction: &Transaction<'_>) -> Result<Option<(Found, u128)>, Error> {
    if are_missing(transaction, &TABLES).await? {
        return Ok(None);
    }
    let version = transaction.query_one("SELECT max(version) FROM vobee_migrations", &[]).await?;
    let version = version.get::<_, Option<i32>>(0).unwrap_or(0);
    // Tables of an earlier version have no chain.
    let sql = "SELECT seq, node::text FROM vobee_export";
    let Some(row) = transaction.query_opt(sql, &[]).await? else { return Ok(None) };
    let seq = row.get::<_, Option<i64>>(0).map(i64::cast_unsigned);
    let place = seq.map(|seq| Place { seq, chain: None });
    let node = Uuid::parse(row.get(1)).map_err(|why| Error::Foreign(why.to_owned()))?;
    Ok(Some((Found { place, version }, node.0)))
}

async fn version(transaction: &Transaction<'_>) -> Result<i32, Error> {
    let sql = "CREATE TABLE IF NOT EXISTS vobee_migrations (
        version INTEGER PRIMARY KEY,
        applied_at TIMESTAMP NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'))";
    transaction.batch_execute(sql).await?;
    let newest = "SELECT coalesce(max(version), 0) FROM vobee_migrations";
    Ok(transaction.query_one(newest, &[]).await?.get(0))
}

/// How many migrations have been run by a version of the tables.
fn migrated(version: i32) -> usize {
    usize::try_from(version).unwrap_or(0)
}

/// Whether anything that the tables consist of was dropped.
pub(super) async fn is_dropped(transaction: &Transaction<'_>) -> Result<bool, Error> {
    are_missing(transaction, &[&TABLES[..], &VIEWS].concat()).await
}

async fn are_missing(transaction: &Transaction<'_>, names: &[&str]) -> Result<bool, Error> {
    let sql = "SELECT bool_or(to_regclass(name) IS NULL) FROM unnest($1::text[]) AS name";
    Ok(transaction.query_one(sql, &[&names]).await?.get(0))
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

/// The one row of `vobee_export`, made where it is missing; how far the tables have come.
async fn claim(
    transaction: &Transaction<'_>,
    node: Uuid,
    again: bool,
) -> Result<Option<Place>, Error> {
    let node = node.to_string();
    if again {
        let sql = "INSERT INTO vobee_export (node) VALUES ($1::text::uuid)
            ON CONFLICT (only_row) DO UPDATE SET node = excluded.node, seq = NULL, chain = NULL";
        transaction.execute(sql, &[&node]).await?;
        transaction.batch_execute(merge::EMPTY_HISTORIES).await?;
        return Ok(None);
    }
    let sql = "INSERT INTO vobee_export (node) VALUES ($1::text::uuid)
        ON CONFLICT (only_row) DO NOTHING";
    transaction.execute(sql, &[&node]).await?;
    let sql = "SELECT seq, chain, node = $1::text::uuid FROM vobee_export FOR UPDATE";
    let row = transaction.query_one(sql, &[&node]).await?;
    if !row.get::<_, bool>(2) {
        return Err(Error::Foreign(
            "the tables are another node's; name another database, or write over them with \
             vobee postgres init --again"
                .to_owned(),
        ));
    }
    let chain = row.get::<_, Option<&[u8]>>(1).and_then(|chain| chain.try_into().ok());
    let seq = row.get::<_, Option<i64>>(0).map(i64::cast_unsigned);
    Ok(seq.map(|seq| Place { seq, chain }))
}
