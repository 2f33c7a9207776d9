//! One connection, and a batch in one transaction.

use std::time::Duration;

use actors::Uuid;
use axum::body::Bytes;
use futures_util::SinkExt;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Transaction};

use super::address::Address;
use super::batch::Batch;
use super::copy::Rows;
use super::error::Error;
use super::schema::{self, Found};
use super::tls::Tls;
use super::{merge, stage};

/// From the first packet to a session.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// A batch of some thousand rows that takes longer than that is not on its way any more.
const BATCH_MAX: Duration = Duration::from_secs(60);
/// Bytes that are sent at once.
const CHUNK_BYTES: usize = 1 << 20;

/// What the server is told first. A commit that it loses in a crash takes its cursor with it, so
/// nobody has to wait for its disk.
const SETTINGS: &str = "
SET synchronous_commit = off;
SET TIME ZONE 'UTC';
SET lock_timeout = '20s';
SET statement_timeout = 0;
SET client_min_messages = warning;
SET jit = off;
";

/// A connection to PostgreSQL.
pub struct Session {
    client: Client,
    connection: JoinHandle<()>,
    prefix: String,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Session {
    /// Connects. Codes are written with `prefix`.
    ///
    /// # Errors
    /// When PostgreSQL does not answer, or does not want to.
    pub async fn open(address: &Address, prefix: &str) -> Result<Self, Error> {
        let opening = async {
            let (client, connection) = address.config.connect(Tls::of(address)?).await?;
            let connection = tokio::spawn(async move {
                // Whoever uses the connection gets the error too.
                let _ = connection.await;
            });
            let session = Self { client, connection, prefix: prefix.to_owned() };
            session.client.batch_execute(SETTINGS).await?;
            Ok(session)
        };
        within(CONNECT_MAX, opening).await
    }

    /// Makes the tables where they are missing; what they hold. With `again`, nothing.
    ///
    /// # Errors
    /// When they are somebody else's, or cannot be made.
    pub async fn prepare(&mut self, node: Uuid, again: bool) -> Result<Found, Error> {
        let preparing = async {
            let transaction = self.client.transaction().await?;
            let found = schema::prepare(&transaction, node, again).await?;
            transaction.commit().await?;
            self.client.batch_execute(stage::TABLES).await?;
            Ok(found)
        };
        within(BATCH_MAX, preparing).await
    }

    /// Looks at the tables without changing anything: what they hold and whose they are.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn look(&mut self) -> Result<Option<(Found, u128)>, Error> {
        let transaction = self.client.build_transaction().read_only(true).start().await?;
        schema::look(&transaction).await
    }

    /// The connection itself.
    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Writes a batch, and in the same transaction that the tables have come to `seq`; how many
    /// rows it had. They must have stood at `before`.
    pub(super) async fn write(
        &mut self,
        batch: &Batch,
        before: u64,
        seq: u64,
    ) -> Result<u64, Error> {
        let staged = stage::rows(batch, &self.prefix);
        let count = staged.iter().map(|(_, rows)| rows.count()).sum();
        let writing = async {
            let transaction = self.client.transaction().await?;
            hold(&transaction, Some(before)).await?;
            let names: Vec<&str> = staged.iter().map(|(table, _)| *table).collect();
            let merging = format!("{}{}", merge::BY_INDEX, merge::following(&names));
            for (table, rows) in staged {
                copy(&transaction, table, rows).await?;
            }
            transaction.batch_execute(&merging).await?;
            advance(&transaction, seq).await?;
            Ok(transaction.commit().await?)
        };
        within(BATCH_MAX, writing).await?;
        Ok(count)
    }

    /// Codes whose time is over are told so. The tables must have stood at `before`.
    pub(super) async fn look_after(&mut self, before: u64) -> Result<(), Error> {
        let looking = async {
            let transaction = self.client.transaction().await?;
            hold(&transaction, Some(before)).await?;
            transaction.batch_execute(merge::EXPIRE).await?;
            Ok(transaction.commit().await?)
        };
        within(BATCH_MAX, looking).await
    }

    /// Begins to write everything anew, in one transaction.
    pub(super) async fn begin_load(&mut self) -> Result<Load<'_>, Error> {
        let prefix = self.prefix.clone();
        let transaction = self.client.transaction().await?;
        hold_any(&transaction).await?;
        let fresh: bool = transaction.query_one(merge::IS_FRESH, &[]).await?.get(0);
        if fresh {
            transaction.batch_execute(merge::WITHOUT_INDEXES).await?;
        } else {
            transaction.batch_execute(merge::EMPTY).await?;
            transaction.batch_execute(merge::BY_INDEX).await?;
        }
        Ok(Load { transaction, prefix, fresh, rows: 0 })
    }
}

/// Everything on its way into the tables. Dropped, it leaves them as they were.
pub(super) struct Load<'a> {
    transaction: Transaction<'a>,
    prefix: String,
    /// Whether the tables were empty.
    fresh: bool,
    rows: u64,
}

impl Load<'_> {
    /// Writes a part of it.
    pub(super) async fn write(&mut self, batch: &Batch) -> Result<(), Error> {
        let staged = match self.fresh {
            true => stage::fresh(batch, &self.prefix),
            false => stage::rows(batch, &self.prefix),
        };
        self.rows += staged.iter().map(|(_, rows)| rows.count()).sum::<u64>();
        let writing = async {
            let names: Vec<&str> = staged.iter().map(|(table, _)| *table).collect();
            let merging =
                if self.fresh { merge::histories(&names) } else { merge::loading(&names) };
            for (table, rows) in staged {
                copy(&self.transaction, table, rows).await?;
            }
            Ok(self.transaction.batch_execute(&merging).await?)
        };
        within(BATCH_MAX, writing).await
    }

    /// Makes the tables that rest on others, and says that they have come to `seq`; how many rows
    /// there were.
    pub(super) async fn finish(self, seq: u64) -> Result<u64, Error> {
        if self.fresh {
            self.transaction.batch_execute(merge::FRESH).await?;
        }
        self.transaction.batch_execute(&merge::everything()).await?;
        advance(&self.transaction, seq).await?;
        self.transaction.commit().await?;
        Ok(self.rows)
    }
}

async fn copy(transaction: &Transaction<'_>, table: &str, rows: Rows) -> Result<(), Error> {
    let sql = format!("COPY {table} FROM STDIN (FORMAT binary)");
    let mut sink = Box::pin(transaction.copy_in::<_, Bytes>(&sql).await?);
    let mut bytes = Bytes::from(rows.finish());
    while !bytes.is_empty() {
        let chunk = bytes.split_to(bytes.len().min(CHUNK_BYTES));
        sink.as_mut().send(chunk).await?;
    }
    sink.as_mut().finish().await?;
    Ok(())
}

/// Keeps others from writing until the end of the transaction, when the tables stand at `before`.
async fn hold(transaction: &Transaction<'_>, before: Option<u64>) -> Result<(), Error> {
    let found = hold_any(transaction).await?;
    if found == before { Ok(()) } else { Err(Error::Moved) }
}

async fn hold_any(transaction: &Transaction<'_>) -> Result<Option<u64>, Error> {
    let sql = "SELECT seq FROM vobee_export FOR UPDATE";
    let row = transaction.query_opt(sql, &[]).await?.ok_or(Error::Moved)?;
    Ok(row.get::<_, Option<i64>>(0).map(i64::cast_unsigned))
}

async fn advance(transaction: &Transaction<'_>, seq: u64) -> Result<(), Error> {
    let sql = "UPDATE vobee_export SET seq = $1, exported_at = now() AT TIME ZONE 'UTC'";
    transaction.execute(sql, &[&seq.cast_signed()]).await?;
    Ok(())
}

async fn within<T>(
    time: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let seconds = time.as_secs();
    let late = |_| Error::Unreachable(format!("no answer within {seconds} s"));
    tokio::time::timeout(time, work).await.map_err(late)?
}
