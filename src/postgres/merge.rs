//! The statements that merge the temporary tables into those that stay, in the order in which they
//! rest on one another. Each does nothing where its temporary table is empty.

/// Statements that make sense when one of these temporary tables has rows.
struct Merge {
    when: &'static [&'static str],
    sql: &'static str,
}

/// The tables may have any size and a batch is small, so that a look-up by index is always right,
/// whatever the statistics say.
pub(super) const BY_INDEX: &str = "
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SET LOCAL enable_seqscan = off;
";

const PEOPLE: &str = "
DELETE FROM vobee_people p USING stage_people s WHERE p.id = s.id AND s.forget;
INSERT INTO vobee_people (id, email, use_case, persona, metadata)
SELECT s.id, s.email, s.use_case, s.persona, s.metadata::jsonb
FROM stage_people s
WHERE s.email IS NOT NULL
    AND (s.whole OR NOT EXISTS (SELECT FROM vobee_people p WHERE p.id = s.id))
ON CONFLICT (id) DO UPDATE SET email = excluded.email, use_case = excluded.use_case,
    persona = excluded.persona, metadata = excluded.metadata;
";

/// Where a row is already, what the batch does not say stays; somebody whose text was erased has no
/// row.
const ENTRIES: &str = "
DELETE FROM waitlist w USING stage_entries s WHERE w.id = s.id AND s.forget;
INSERT INTO waitlist (id, email, use_case, persona, priority_score, position, created_at,
    invited_at)
SELECT s.id, p.email, p.use_case, left(p.persona, 50),
    greatest(least(coalesce(s.score, w.priority_score)::bigint + s.points, 2147483647),
        -2147483648)::integer,
    CASE WHEN coalesce(w.invited_at, s.invited_at) IS NULL
        THEN coalesce(s.position, w.position) END,
    coalesce(s.created_at, w.created_at), coalesce(w.invited_at, s.invited_at)
FROM stage_entries s
JOIN vobee_people p ON p.id = s.id
LEFT JOIN waitlist w ON w.id = s.id
WHERE s.created_at IS NOT NULL OR w.id IS NOT NULL
ON CONFLICT (id) DO UPDATE SET email = excluded.email, use_case = excluded.use_case,
    persona = excluded.persona, priority_score = excluded.priority_score,
    position = excluded.position, created_at = excluded.created_at,
    invited_at = excluded.invited_at;
";

const CODES: &str = "
INSERT INTO vobee_codes (code, batch, channel, created_at, expires_at, max_uses, uses, revoked,
    bound, holder)
SELECT s.code, coalesce(s.batch, c.batch), coalesce(s.channel, c.channel),
    coalesce(s.created_at, c.created_at), coalesce(s.expires_at, c.expires_at),
    coalesce(s.max_uses, c.max_uses), coalesce(c.uses, 0) + s.uses,
    coalesce(s.revoked, c.revoked), coalesce(s.bound, c.bound), coalesce(s.holder, c.holder)
FROM stage_codes s
LEFT JOIN vobee_codes c ON c.code = s.code
WHERE s.created_at IS NOT NULL OR c.code IS NOT NULL
ON CONFLICT (code) DO UPDATE SET expires_at = excluded.expires_at, uses = excluded.uses,
    revoked = excluded.revoked, bound = excluded.bound;
";

/// Before the members change: the codes that they had change too.
const TOUCHED_CODES: &str = "
INSERT INTO touched_codes
SELECT code FROM stage_codes
UNION SELECT m.code FROM stage_members s JOIN vobee_members m ON m.id = s.id
UNION SELECT s.code FROM stage_members s WHERE s.code IS NOT NULL
UNION SELECT c.code FROM stage_people s JOIN vobee_codes c ON c.bound = s.id
UNION SELECT c.code FROM stage_people s JOIN vobee_codes c ON c.holder = s.id
UNION SELECT m.code FROM stage_people s JOIN vobee_members m ON m.id = s.id;
";

const MEMBERS: &str = "
DELETE FROM vobee_members m USING stage_members s WHERE m.id = s.id AND s.gone;
INSERT INTO vobee_members (id, code, redeemed_at)
SELECT id, code, redeemed_at FROM stage_members WHERE code IS NOT NULL
ON CONFLICT (id) DO UPDATE SET code = excluded.code, redeemed_at = excluded.redeemed_at;
";

const REFERRALS: &str = "
INSERT INTO vobee_referrals (id, inviter, recipient, state, created_at)
SELECT id, inviter, recipient, state, created_at FROM stage_referrals
ON CONFLICT (id) DO UPDATE SET state = excluded.state;
UPDATE vobee_referrals r SET state = s.state FROM stage_progress s WHERE r.recipient = s.recipient;
";

const TOUCHED_REFERRALS: &str = "
INSERT INTO touched_referrals
SELECT id FROM stage_referrals
UNION SELECT r.id FROM stage_people s JOIN vobee_referrals r ON r.inviter = s.id
UNION SELECT r.id FROM stage_people s JOIN vobee_referrals r ON r.recipient = s.id
UNION SELECT r.id FROM stage_members s JOIN vobee_referrals r ON r.recipient = s.id
UNION SELECT r.id FROM stage_codes s JOIN vobee_referrals r ON r.recipient = s.bound;
";

/// A code as the original services have it. `TOUCHED` stands for the ones to look at.
const INVITE_CODES: &str = "
INSERT INTO invite_codes (code, issued_to, batch_id, created_at, expires_at, used_by, used_at,
    status)
SELECT c.code, p.email, left(c.batch, 50), c.created_at, c.expires_at, u.email, m.redeemed_at,
    CASE WHEN c.uses >= c.max_uses THEN 'used' WHEN c.revoked THEN 'revoked'
        WHEN c.expires_at <= now() AT TIME ZONE 'UTC' THEN 'expired' ELSE 'active' END
FROM TOUCHED vobee_codes c
LEFT JOIN vobee_people p ON p.id = coalesce(c.bound, c.holder)
LEFT JOIN LATERAL (SELECT id, redeemed_at FROM vobee_members WHERE code = c.code
    ORDER BY redeemed_at DESC LIMIT 1) m ON TRUE
LEFT JOIN vobee_people u ON u.id = m.id
ON CONFLICT (code) DO UPDATE SET issued_to = excluded.issued_to, batch_id = excluded.batch_id,
    created_at = excluded.created_at, expires_at = excluded.expires_at,
    used_by = excluded.used_by, used_at = excluded.used_at, status = excluded.status;
";

/// Somebody who was erased keeps the referral and has no address. The code is the one that the
/// inviter gave to the recipient, or that the recipient came in with.
const REFERRED: &str = "
INSERT INTO referrals (id, inviter_email, invited_email, invite_code, created_at)
SELECT r.id, coalesce(i.email, 'erased:' || r.inviter), coalesce(g.email, 'erased:' || r.recipient),
    coalesce(
        (SELECT c.code FROM vobee_codes c WHERE c.bound = r.recipient AND c.holder = r.inviter
            ORDER BY c.created_at DESC, c.code LIMIT 1),
        (SELECT m.code FROM vobee_members m JOIN vobee_codes c ON c.code = m.code
            WHERE m.id = r.recipient AND c.holder = r.inviter)),
    r.created_at
FROM TOUCHED vobee_referrals r
LEFT JOIN vobee_people i ON i.id = r.inviter
LEFT JOIN vobee_people g ON g.id = r.recipient
ON CONFLICT (id) DO UPDATE SET inviter_email = excluded.inviter_email,
    invited_email = excluded.invited_email, invite_code = excluded.invite_code,
    created_at = excluded.created_at;
";

const HISTORIES: [Merge; 4] = [
    Merge {
        when: &["stage_rewards"],
        sql: "
DELETE FROM vobee_rewards r USING stage_rewards s
WHERE s.amount < 0 AND r.person = s.person AND r.rule = s.rule AND r.kind = s.kind;
INSERT INTO vobee_rewards (person, rule, kind, amount, reason, granted_at)
SELECT person, rule, kind, amount, reason, granted_at FROM stage_rewards WHERE amount >= 0
ON CONFLICT (person, rule, kind) DO UPDATE SET amount = excluded.amount,
    reason = excluded.reason, granted_at = excluded.granted_at;
",
    },
    Merge {
        when: &["stage_waves"],
        sql: "
INSERT INTO vobee_waves (batch, requested, invited, drawn_by, gate, sent_at)
SELECT batch, requested, invited, drawn_by, gate, sent_at FROM stage_waves
ON CONFLICT (batch) DO UPDATE SET requested = excluded.requested, invited = excluded.invited,
    drawn_by = excluded.drawn_by, gate = excluded.gate, sent_at = excluded.sent_at;
",
    },
    Merge {
        when: &["stage_points"],
        sql: "
INSERT INTO vobee_quality_history (at, trust, churn, fraud, engagement, gate, source)
SELECT at, trust, churn, fraud, engagement, gate, source FROM stage_points
ON CONFLICT (at) DO UPDATE SET trust = excluded.trust, churn = excluded.churn,
    fraud = excluded.fraud, engagement = excluded.engagement, gate = excluded.gate,
    source = excluded.source;
",
    },
    // What a snapshot says of the gate has no reason, which may be known from before.
    Merge {
        when: &["stage_gates"],
        sql: "
INSERT INTO vobee_gate_changes (at, gate, reason) SELECT at, gate, reason FROM stage_gates
ON CONFLICT (at) DO UPDATE SET gate = excluded.gate,
    reason = coalesce(nullif(excluded.reason, ''), vobee_gate_changes.reason);
",
    },
];

/// The tables of ids, without what is made of them.
const NORMAL: [Merge; 5] = [
    Merge { when: &["stage_people"], sql: PEOPLE },
    Merge { when: &["stage_entries"], sql: ENTRIES },
    Merge { when: &["stage_codes"], sql: CODES },
    Merge { when: &["stage_members"], sql: MEMBERS },
    Merge { when: &["stage_referrals", "stage_progress"], sql: REFERRALS },
];

/// What merges a batch whose rows are in the temporary tables `staged`, into tables that hold what
/// came before it.
pub(super) fn following(staged: &[&str]) -> String {
    let touching = &["stage_people", "stage_codes", "stage_members", "stage_referrals"];
    let [people, entries, codes, members, referrals] = NORMAL;
    let touched_codes = Merge { when: touching, sql: TOUCHED_CODES };
    let touched_referrals = Merge { when: touching, sql: TOUCHED_REFERRALS };
    let order = [people, entries, codes, touched_codes, members, referrals, touched_referrals];
    let mut sql = chosen(&order, staged);
    if touching.iter().any(|table| staged.contains(table)) {
        let touched = "touched_codes t CROSS JOIN LATERAL \
                       (SELECT * FROM vobee_codes WHERE code = t.code) c";
        sql += &INVITE_CODES.replace("TOUCHED vobee_codes c", touched);
        let touched = "touched_referrals t CROSS JOIN LATERAL \
                       (SELECT * FROM vobee_referrals WHERE id = t.id) r";
        sql += &REFERRED.replace("TOUCHED vobee_referrals r", touched);
    }
    sql + &chosen(&HISTORIES, staged)
}

/// What merges a batch that is a part of everything. What is made of the normal tables is made at
/// the end, by [`everything`].
pub(super) fn loading(staged: &[&str]) -> String {
    let emptied = staged.iter().map(|table| format!("TRUNCATE {table};\n"));
    chosen(&NORMAL, staged) + &chosen(&HISTORIES, staged) + &emptied.collect::<String>()
}

/// Whether the tables are empty, and may be filled without their indexes: nothing of somebody
/// else's rests on them, and they are ours.
pub(super) const IS_FRESH: &str = "
SELECT NOT EXISTS (SELECT FROM waitlist) AND NOT EXISTS (SELECT FROM vobee_people)
    AND NOT EXISTS (SELECT FROM vobee_codes) AND NOT EXISTS (SELECT FROM vobee_members)
    AND NOT EXISTS (SELECT FROM vobee_referrals) AND NOT EXISTS (SELECT FROM invite_codes)
    AND NOT EXISTS (SELECT FROM referrals) AND NOT EXISTS (SELECT FROM vobee_rewards)
    AND NOT EXISTS (SELECT FROM vobee_waves)
    AND NOT EXISTS (SELECT FROM pg_constraint
        WHERE contype = 'f' AND confrelid IN ('waitlist'::regclass, 'vobee_people'::regclass))
    AND 3 = (SELECT count(*) FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
        WHERE conrelid IN ('waitlist'::regclass, 'vobee_people'::regclass)
            AND conname IN ('waitlist_pkey', 'waitlist_email_key', 'vobee_people_pkey')
            AND pg_has_role(r.relowner, 'USAGE'))
";

/// Filling the large tables costs a third of the time when their indexes are made afterwards.
pub(super) const WITHOUT_INDEXES: &str = "
ALTER TABLE waitlist DROP CONSTRAINT waitlist_pkey, DROP CONSTRAINT waitlist_email_key;
ALTER TABLE vobee_people DROP CONSTRAINT vobee_people_pkey;
";

/// The waitlist of everything that is in its temporary table, and the indexes.
pub(super) const FRESH: &str = "
SET LOCAL work_mem = '128MB';
SET LOCAL maintenance_work_mem = '256MB';
SET LOCAL enable_nestloop = off;
INSERT INTO waitlist (id, email, use_case, persona, priority_score, position, created_at,
    invited_at)
SELECT s.id, p.email, p.use_case, left(p.persona, 50), s.score,
    CASE WHEN s.invited_at IS NULL THEN s.position END, s.created_at, s.invited_at
FROM stage_entries s
JOIN vobee_people p ON p.id = s.id;
SET LOCAL enable_nestloop = on;
ALTER TABLE waitlist ADD CONSTRAINT waitlist_pkey PRIMARY KEY (id),
    ADD CONSTRAINT waitlist_email_key UNIQUE (email);
ALTER TABLE vobee_people ADD CONSTRAINT vobee_people_pkey PRIMARY KEY (id);
";

/// What merges the histories of a batch that is a part of everything, into empty tables.
pub(super) fn histories(staged: &[&str]) -> String {
    let histories =
        staged.iter().filter(|table| HISTORIES.iter().any(|merge| merge.when.contains(table)));
    let emptied = histories.map(|table| format!("TRUNCATE {table};\n"));
    chosen(&HISTORIES, staged) + &emptied.collect::<String>()
}

/// What makes the two tables that rest on others, of all of them.
pub(super) fn everything() -> String {
    let hinted = "SET LOCAL enable_hashjoin = on;\nSET LOCAL enable_seqscan = on;\n";
    let codes = INVITE_CODES.replace("TOUCHED ", "");
    let referrals = REFERRED.replace("TOUCHED ", "");
    format!("{hinted}{codes}{referrals}")
}

/// Empties what is kept for longer than the engine keeps it, which may be of another history.
pub(super) const EMPTY_HISTORIES: &str = "
DELETE FROM vobee_quality_history;
DELETE FROM vobee_gate_changes;
";

/// Empties what is loaded anew. What is kept for longer than the engine keeps it stays.
pub(super) const EMPTY: &str = "
DELETE FROM waitlist;
DELETE FROM invite_codes;
DELETE FROM referrals;
DELETE FROM vobee_people;
DELETE FROM vobee_codes;
DELETE FROM vobee_members;
DELETE FROM vobee_referrals;
DELETE FROM vobee_rewards;
DELETE FROM vobee_waves;
";

/// Codes expire without any event.
pub(super) const EXPIRE: &str = "
UPDATE invite_codes SET status = 'expired'
WHERE code IN (SELECT code FROM invite_codes
    WHERE status = 'active' AND expires_at <= now() AT TIME ZONE 'UTC' LIMIT 20000);
";

fn chosen(merges: &[Merge], staged: &[&str]) -> String {
    let wanted = |merge: &&Merge| merge.when.iter().any(|table| staged.contains(table));
    merges.iter().filter(wanted).map(|merge| merge.sql).collect()
}
