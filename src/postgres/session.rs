//! One connection, and a batch in one transaction.

use std::time::Duration;

use actors::Uuid;
use actors::export::Place;
use axum::body::Bytes;
use futures_util::SinkExt;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Transaction};

use super::address::Address;
use super::batch::Batch;
use super::copy::Rows;
use super::error::Error;
use super::portion::Portion;
use super::schema::{self, Found};
use super::tls::Tls;
use super::{merge, stage};

/// From the first packet to a session.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// A batch of some thousand rows that takes longer than that is not on its way any more.
const BATCH_MAX: Duration = Duration::from_secs(60);
/// Some statements go over everything; a million people take some seconds. Twice as long each time
/// that this was not enough.
const WHOLE_MAX: Duration = Duration::from_secs(600);
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
    deadlines: Deadlines,
}

/// How long to wait.
#[derive(Clone, Copy)]
struct Deadlines {
    batch: Duration,
    whole: Duration,
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
            let prefix = prefix.to_owned();
            let deadlines = Deadlines { batch: BATCH_MAX, whole: WHOLE_MAX };
            let session = Self { client, connection, prefix, deadlines };
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
        within(self.deadlines.batch, preparing).await
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

    /// Writes a batch, and in the same transaction how far the tables have come with it; how many
    /// rows it had. They must have stood at `before`.
    pub(super) async fn write(
        &mut self,
        batch: &Batch,
        before: u64,
        place: Place,
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
            advance(&transaction, place).await?;
            Ok(transaction.commit().await?)
        };
        within(self.deadlines.batch, writing).await?;
        Ok(count)
    }

    /// Codes whose time is over are told so, and it is noticed what was dropped. The tables must
    /// have stood at `before`.
    pub(super) async fn look_after(&mut self, before: u64) -> Result<(), Error> {
        let looking = async {
            let transaction = self.client.transaction().await?;
            hold(&transaction, Some(before)).await?;
            if schema::is_dropped(&transaction).await? {
                return Err(Error::Missing);
            }
            transaction.batch_execute(merge::EXPIRE).await?;
            Ok(transaction.commit().await?)
        };
        within(self.deadlines.batch, looking).await
    }

    /// Begins to write everything anew, in one transaction.
    pub(super) async fn begin_load(&mut self, portion: Portion) -> Result<Load<'_>, Error> {
        let prefix = self.prefix.clone();
        let Deadlines { batch, whole } = self.deadlines;
        let deadlines = Deadlines { batch, whole: portion.patience(whole) };
        let beginning = async {
            let transaction = self.client.transaction().await?;
            hold_any(&transaction).await?;
            let fresh: bool = transaction.query_one(merge::IS_FRESH, &[]).await?.get(0);
            if fresh {
                transaction.batch_execute(merge::WITHOUT_INDEXES).await?;
            } else {
                transaction.batch_execute(merge::EMPTY).await?;
                transaction.batch_execute(merge::BY_INDEX).await?;
            }
            Ok((transaction, fresh))
        };
        let (transaction, fresh) = within(deadlines.whole, beginning).await?;
        Ok(Load { transaction, prefix, deadlines, fresh, rows: 0 })
    }
}

/// Everything on its way into the tables. Dropped, it leaves them as they were.
pub(super) struct Load<'a> {
    transaction: Transaction<'a>,
    prefix: String,
    deadlines: Deadlines,
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
        within(self.deadlines.batch, writing).await
    }

    /// Makes the tables that rest on others, and says how far they have come; how many rows there
    /// were.
    pub(super) async fn finish(self, place: Place) -> Result<u64, Error> {
        let Self { transaction, deadlines, fresh, rows, .. } = self;
        let finishing = async {
            if fresh {
                transaction.batch_execute(merge::FRESH).await?;
            }
            transaction.batch_execute(&merge::everything()).await?;
            advance(&transaction, place).await?;
            Ok(transaction.commit().await?)
        };
        within(deadlines.whole, finishing).await?;
        Ok(rows)
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

async fn advance(transaction: &Transaction<'_>, place: Place) -> Result<(), Error> {
    let sql =
        "UPDATE vobee_export SET seq = $1, chain = $2, exported_at = now() AT TIME ZONE 'UTC'";
    let chain = place.chain.as_ref().map(|chain| chain.as_slice());
    transaction.execute(sql, &[&place.seq.cast_signed(), &chain]).await?;
    Ok(())
}

async fn within<T>(
    time: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let late = |_| Error::Late(time.as_secs());
    tokio::time::timeout(time, work).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio_postgres::NoTls;

    use super::*;

    /// How long a test waits for what should end by itself.
    const PATIENCE: Duration = Duration::from_secs(30);
    const SOON: Duration = Duration::from_millis(20);

    /// A PostgreSQL that lets somebody in, begins a transaction, and hangs.
    async fn hang(mut stream: DuplexStream) -> std::io::Result<()> {
        let length = stream.read_u32().await?;
        let mut hello = vec![0; length as usize - 4];
        stream.read_exact(&mut hello).await?;
        stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await?;
        assert_eq!(stream.read_u8().await?, b'Q');
        let length = stream.read_u32().await?;
        let mut begin = vec![0; length as usize - 4];
        stream.read_exact(&mut begin).await?;
        stream.write_all(b"C\0\0\0\x0aBEGIN\0Z\0\0\0\x05T").await?;
        let mut ignored = Vec::new();
        stream.read_to_end(&mut ignored).await?;
        Ok(())
    }

    async fn session_that_hangs() -> Session {
        let (ours, theirs) = duplex(1 << 16);
        tokio::spawn(hang(theirs));
        let mut config = tokio_postgres::Config::new();
        let connected = config.user("vobee").connect_raw(ours, NoTls).await;
        let (client, connection) = connected.expect("it lets us in");
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        let deadlines = Deadlines { batch: SOON, whole: SOON };
        Session { client, connection, prefix: String::new(), deadlines }
    }

    #[track_caller]
    fn assert_late<T>(ended: Result<Result<T, Error>, tokio::time::error::Elapsed>) {
        let ended = ended.expect("it does not wait for ever");
        assert!(matches!(ended, Err(Error::Late(_))), "{:?}", ended.err());
    }

    #[tokio::test]
    async fn a_load_does_not_wait_for_ever_for_a_postgresql_that_hangs_at_its_beginning() {
        let mut session = session_that_hangs().await;
        let beginning = session.begin_load(Portion::default());
        assert_late(tokio::time::timeout(PATIENCE, beginning).await);
    }

    #[tokio::test]
    async fn a_load_does_not_wait_for_ever_for_a_postgresql_that_hangs_at_its_end() {
        for fresh in [false, true] {
            let mut session = session_that_hangs().await;
            let deadlines = session.deadlines;
            let transaction = session.client.transaction().await.expect("it begins");
            let load = Load { transaction, prefix: String::new(), deadlines, fresh, rows: 0 };
            let finishing = load.finish(Place { seq: 1, chain: None });
            assert_late(tokio::time::timeout(PATIENCE, finishing).await);
        }
    }
}
