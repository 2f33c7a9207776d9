//! A database of the original services, or one that VoBee exports to, read in the order in which
//! things happened.

use std::collections::VecDeque;

use actors::Timestamp;
use tokio_postgres::{IsolationLevel, Portal, Row, Transaction};

use super::error::Error;
use super::session::Session;

/// Rows that are fetched at once.
const FETCHED: i32 = 5_000;

/// What a row says has happened, in the order that holds at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// Somebody took a place.
    Joined,
    /// A code came into being.
    Issued,
    /// Somebody who waited was invited.
    Invited,
    /// Somebody was brought by somebody.
    Referred,
    /// A code was used.
    Redeemed,
}

/// A row, and when it happened; rows without a time come first.
pub(super) struct Happened {
    pub(super) what: What,
    pub(super) at: Option<Timestamp>,
    pub(super) row: Row,
}

/// What stands in angle brackets in a query is told in microseconds, and is nothing where it never
/// comes.
fn sql(what: What, ours: bool) -> String {
    let parts = query(what, ours).split(['<', '>']).enumerate();
    let written = |(at, part): (usize, &str)| match at % 2 {
        0 => part.to_owned(),
        _ => format!(
            "CASE WHEN isfinite({part}) THEN (extract(epoch FROM {part}) * 1000000)::bigint END"
        ),
    };
    parts.map(written).collect()
}

/// The first column of every query is the time.
const fn query(what: What, ours: bool) -> &'static str {
    match (what, ours) {
        (What::Joined, false) => {
            "SELECT <created_at>, id::text, email, use_case,
                persona, coalesce(priority_score, 0), '{}'
            FROM waitlist ORDER BY created_at NULLS FIRST, id"
        }
        (What::Joined, true) => {
            "SELECT <created_at>, w.id::text, w.email,
                w.use_case, coalesce(p.persona, w.persona), coalesce(priority_score, 0),
                coalesce(p.metadata, '{}')::text
            FROM waitlist w LEFT JOIN vobee_people p ON p.id = w.id
            ORDER BY created_at NULLS FIRST, w.id"
        }
        (What::Invited, _) => {
            "SELECT <invited_at>, id::text, email
            FROM waitlist WHERE invited_at IS NOT NULL ORDER BY invited_at, id"
        }
        (What::Issued, false) => {
            "SELECT <created_at>, code,
                coalesce(batch_id, ''), <expires_at>,
                coalesce(status, 'active'), 'batch', 1,
                CASE WHEN status = 'used' AND used_by IS NULL THEN 1 ELSE 0 END,
                NULL::text, issued_to
            FROM invite_codes
            ORDER BY created_at NULLS FIRST, batch_id, issued_to, expires_at, code"
        }
        (What::Issued, true) => {
            "SELECT <c.created_at>, c.code, c.batch,
                <c.expires_at>,
                CASE WHEN c.revoked THEN 'revoked' ELSE 'active' END, c.channel, c.max_uses,
                c.uses - (SELECT count(*) FROM vobee_members m WHERE m.code = c.code)::integer,
                coalesce(b.email, 'erased:' || c.bound), coalesce(h.email, 'erased:' || c.holder)
            FROM vobee_codes c
            LEFT JOIN vobee_people b ON b.id = c.bound
            LEFT JOIN vobee_people h ON h.id = c.holder
            ORDER BY c.created_at, c.batch, c.bound, c.holder, c.expires_at, c.code"
        }
        (What::Redeemed, false) => {
            // The original wrote the two in different time zones; nobody used a code before it was.
            "SELECT <greatest(used_at, created_at)>, code,
                used_by
            FROM invite_codes WHERE used_by IS NOT NULL
            ORDER BY greatest(used_at, created_at) NULLS FIRST, code"
        }
        (What::Redeemed, true) => {
            "SELECT <m.redeemed_at>, m.code, p.email
            FROM vobee_members m JOIN vobee_people p ON p.id = m.id
            ORDER BY m.redeemed_at, m.code"
        }
        (What::Referred, false) => {
            "SELECT <created_at>, id::text, inviter_email,
                invited_email, invite_code, ''
            FROM referrals ORDER BY created_at NULLS FIRST, id"
        }
        (What::Referred, true) => {
            "SELECT <r.created_at>, r.id::text,
                r.inviter_email, r.invited_email, NULL::text, n.state
            FROM referrals r JOIN vobee_referrals n ON n.id = r.id
            ORDER BY r.created_at NULLS FIRST, r.id"
        }
    }
}

/// One kind of row, a piece at a time.
struct Stream {
    what: What,
    portal: Portal,
    waiting: VecDeque<Row>,
    ended: bool,
}

/// All rows of a database, as they are at one moment.
pub(super) struct Source<'a> {
    transaction: Transaction<'a>,
    streams: Vec<Stream>,
    /// Whether VoBee has made the tables: then nothing is left open.
    pub(super) ours: bool,
    /// Rows in all.
    pub(super) rows: u64,
}

impl<'a> Source<'a> {
    pub(super) async fn open(session: &'a mut Session) -> Result<Self, Error> {
        let building = session.client().build_transaction().read_only(true);
        let building = building.isolation_level(IsolationLevel::RepeatableRead);
        let transaction = building.start().await?;
        let ours = "SELECT to_regclass('vobee_codes') IS NOT NULL
            AND to_regclass('vobee_people') IS NOT NULL";
        let ours: bool = transaction.query_one(ours, &[]).await?.get(0);
        let rows = "SELECT (SELECT count(*) FROM waitlist) + (SELECT count(*) FROM invite_codes)
            + (SELECT count(*) FROM referrals)";
        let rows = transaction.query_one(rows, &[]).await?.get::<_, i64>(0).cast_unsigned();
        let mut streams = Vec::new();
        let all = [What::Joined, What::Issued, What::Invited, What::Referred, What::Redeemed];
        for what in all {
            let statement = transaction.prepare(&sql(what, ours)).await?;
            let portal = transaction.bind(&statement, &[]).await?;
            streams.push(Stream { what, portal, waiting: VecDeque::new(), ended: false });
        }
        Ok(Self { transaction, streams, ours, rows })
    }

    /// What happened next; None at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Happened>, Error> {
        for stream in &mut self.streams {
            if stream.waiting.is_empty() && !stream.ended {
                let rows = self.transaction.query_portal(&stream.portal, FETCHED).await?;
                stream.ended = rows.is_empty();
                stream.waiting = rows.into();
            }
        }
        let time = |row: &Row| row.get::<_, Option<i64>>(0).map(Timestamp::from_micros);
        let first =
            |stream: &&mut Stream| stream.waiting.front().map(|row| (time(row), stream.what));
        let streams = self.streams.iter_mut().filter(|stream| !stream.waiting.is_empty());
        let Some(stream) = streams.min_by_key(|stream| first(stream)) else { return Ok(None) };
        let what = stream.what;
        Ok(stream.waiting.pop_front().map(|row| Happened { what, at: time(&row), row }))
    }
}
