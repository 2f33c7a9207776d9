//! Whether the three tables hold what the node has: counts and checksums of ranges of keys on both
//! sides, and where they differ, the keys.

use std::collections::BTreeMap;

use actors::export::Fold;
use sha2::{Digest, Sha256};
use tokio_postgres::{IsolationLevel, Transaction};

use super::error::Error;
use super::expected::{Expected, Table};
use super::schema;
use super::session::Session;

/// Differing keys that are named, at most.
const KEYS_MAX: usize = 100;

/// How a key differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is in the node only.
    Missing,
    /// It is in the table only.
    Extra,
    /// Its row is another one.
    Other,
}

/// One table, compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Its name.
    pub table: &'static str,
    /// Rows by the node, and in the table.
    pub rows: (u64, u64),
    /// Ranges of keys with another count or checksum.
    pub ranges: usize,
    /// The first keys that differ.
    pub keys: Vec<(String, Difference)>,
}

/// The name, the column with the key, and the text of a row as [`Expected`] has it.
const TABLES: [(&str, &str, &str); 3] = [
    (
        "waitlist",
        "id::text",
        "ARRAY[email, use_case, persona, priority_score::text, @created_at@, @invited_at@]",
    ),
    (
        "invite_codes",
        "code",
        "ARRAY[issued_to, batch_id, @created_at@, @expires_at@, used_by, @used_at@,
            CASE WHEN status IN ('active', 'expired') THEN 'open' ELSE status END]",
    ),
    ("referrals", "id::text", "ARRAY[inviter_email, invited_email, invite_code, @created_at@]"),
];

/// The tables at one moment, while others go on writing.
pub struct Tables<'a> {
    transaction: Transaction<'a>,
    /// The newest record that is in them.
    pub seq: u64,
}

impl<'a> Tables<'a> {
    /// Looks at the tables of the node `node` from now on.
    ///
    /// # Errors
    /// When there are none, or another node's.
    pub async fn of(session: &'a mut Session, node: u128) -> Result<Self, Error> {
        let building = session.client().build_transaction().read_only(true);
        let building = building.isolation_level(IsolationLevel::RepeatableRead);
        let transaction = building.start().await?;
        let foreign = |why: &str| Error::Foreign(why.to_owned());
        let looked = schema::look(&transaction).await?;
        let (found, owner) = looked.ok_or_else(|| foreign("there are no tables of VoBee"))?;
        if owner != node {
            return Err(foreign("the tables are another node's"));
        }
        let place = found.place.ok_or_else(|| foreign("nothing has been exported yet"))?;
        Ok(Self { transaction, seq: place.seq })
    }

    /// Compares the tables with a state at the same record.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn compare(&self, fold: &Fold, prefix: &str) -> Result<Vec<Compared>, Error> {
        let mut expected = Expected::default();
        fold.visit(&mut |change| {
            expected.add(change);
            true
        });
        let mut compared = Vec::new();
        for (table, key, row) in TABLES {
            let rows = match table {
                "waitlist" => expected.waitlist(),
                "invite_codes" => expected.invite_codes(prefix),
                _ => expected.referrals(prefix),
            };
            compared.push(self.table(table, key, &row_text(row), rows).await?);
        }
        Ok(compared)
    }

    async fn table(
        &self,
        table: &'static str,
        key: &str,
        row: &str,
        expected: Table,
    ) -> Result<Compared, Error> {
        let hashed = format!(
            "SELECT {key} AS key, left({}, 2) AS range,
                ('x' || left({}, 16))::bit(64)::bigint AS sum
             FROM {table}",
            sha256(key),
            sha256(&format!("{key} || chr(31) || {row}")),
        );
        let sql = format!(
            "SELECT range, count(*), sum(sum)::text FROM ({hashed}) AS hashed GROUP BY range"
        );
        let mut there: BTreeMap<String, (u64, i128)> = BTreeMap::new();
        for found in self.transaction.query(&sql, &[]).await? {
            let sum = found.get::<_, &str>(2).parse().unwrap_or(0);
            there.insert(found.get(0), (found.get::<_, i64>(1).cast_unsigned(), sum));
        }
        let mut here: BTreeMap<String, (u64, i128)> = BTreeMap::new();
        let mut by_range: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
        for (key, row) in expected {
            let (range, sum) = (range(&key), checksum(&key, &row));
            let of = here.entry(range.clone()).or_default();
            *of = (of.0 + 1, of.1 + i128::from(sum));
            by_range.entry(range).or_default().insert(key, sum);
        }
        let count = |side: &BTreeMap<String, (u64, i128)>| side.values().map(|of| of.0).sum();
        let rows = (count(&here), count(&there));
        let mut ranges: Vec<&String> = here.keys().chain(there.keys()).collect();
        ranges.sort_unstable();
        ranges.dedup();
        ranges.retain(|range| here.get(*range) != there.get(*range));
        let mut keys = Vec::new();
        for range in &ranges {
            if keys.len() >= KEYS_MAX {
                break;
            }
            let sql = format!("SELECT key, sum FROM ({hashed}) AS hashed WHERE range = $1");
            let found = self.transaction.query(&sql, &[range]).await?;
            let found = found.iter().map(|found| (found.get(0), found.get(1))).collect();
            let expected = by_range.remove(*range).unwrap_or_default();
            keys.extend(differences(&expected, &found));
        }
        keys.truncate(KEYS_MAX);
        Ok(Compared { table, rows, ranges: ranges.len(), keys })
    }
}

fn differences(
    expected: &BTreeMap<String, i64>,
    found: &BTreeMap<String, i64>,
) -> Vec<(String, Difference)> {
    let mut differing = Vec::new();
    for (key, sum) in expected {
        match found.get(key) {
            None => differing.push((key.clone(), Difference::Missing)),
            Some(other) if other != sum => differing.push((key.clone(), Difference::Other)),
            Some(_) => {}
        }
    }
    let extra = found.keys().filter(|key| !expected.contains_key(*key));
    differing.extend(extra.map(|key| (key.clone(), Difference::Extra)));
    differing
}

/// The SQL of a row's text: `@column@` is a time in microseconds.
fn row_text(columns: &str) -> String {
    let mut text = String::new();
    for (index, part) in columns.split('@').enumerate() {
        if index % 2 == 0 {
            text += part;
        } else {
            text += &format!("(extract(epoch FROM {part}) * 1000000)::bigint::text");
        }
    }
    format!("array_to_string({text}, chr(31), '')")
}

fn sha256(text: &str) -> String {
    format!("encode(sha256(convert_to({text}, 'UTF8')), 'hex')")
}

fn range(key: &str) -> String {
    format!("{:02x}", Sha256::digest(key.as_bytes())[0])
}

fn checksum(key: &str, row: &str) -> i64 {
    let hash = Sha256::new_with_prefix(key).chain_update([31]).chain_update(row).finalize();
    let mut head = [0; 8];
    head.copy_from_slice(&hash[..8]);
    i64::from_be_bytes(head)
}
