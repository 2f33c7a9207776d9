-- The three tables of the original services, column for column.
CREATE TABLE IF NOT EXISTS waitlist (
    id UUID PRIMARY KEY,
    email VARCHAR(255) UNIQUE NOT NULL,
    use_case TEXT NOT NULL,
    persona VARCHAR(50) NOT NULL,
    priority_score INTEGER DEFAULT 0,
    position INTEGER,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    invited_at TIMESTAMP
);

CREATE TABLE IF NOT EXISTS invite_codes (
    code VARCHAR(20) PRIMARY KEY,
    issued_to VARCHAR(255),
    batch_id VARCHAR(50),
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    expires_at TIMESTAMP,
    used_by VARCHAR(255),
    used_at TIMESTAMP,
    status VARCHAR(20) DEFAULT 'active'
);

CREATE TABLE IF NOT EXISTS referrals (
    id UUID PRIMARY KEY,
    inviter_email VARCHAR(255) NOT NULL,
    invited_email VARCHAR(255) NOT NULL,
    invite_code VARCHAR(20),
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

-- What they are made of. People have the id that the API gives them.
CREATE TABLE IF NOT EXISTS vobee_people (
    id UUID PRIMARY KEY,
    email TEXT NOT NULL,
    use_case TEXT NOT NULL,
    persona TEXT NOT NULL,
    metadata JSONB NOT NULL
);

CREATE TABLE IF NOT EXISTS vobee_codes (
    code TEXT PRIMARY KEY,
    batch TEXT NOT NULL,
    channel TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    max_uses INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    revoked BOOLEAN NOT NULL,
    bound UUID,
    holder UUID
);
CREATE INDEX IF NOT EXISTS vobee_codes_bound ON vobee_codes (bound) WHERE bound IS NOT NULL;
CREATE INDEX IF NOT EXISTS vobee_codes_holder ON vobee_codes (holder) WHERE holder IS NOT NULL;
CREATE INDEX IF NOT EXISTS vobee_codes_open ON invite_codes (expires_at) WHERE status = 'active';

CREATE TABLE IF NOT EXISTS vobee_members (
    id UUID PRIMARY KEY,
    code TEXT NOT NULL,
    redeemed_at TIMESTAMP NOT NULL
);
CREATE INDEX IF NOT EXISTS vobee_members_code ON vobee_members (code);

CREATE TABLE IF NOT EXISTS vobee_referrals (
    id UUID PRIMARY KEY,
    inviter UUID NOT NULL,
    recipient UUID NOT NULL,
    state TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX IF NOT EXISTS vobee_referrals_inviter ON vobee_referrals (inviter);
CREATE INDEX IF NOT EXISTS vobee_referrals_recipient ON vobee_referrals (recipient);

-- What the three tables cannot hold.
CREATE TABLE IF NOT EXISTS vobee_rewards (
    person UUID NOT NULL,
    rule TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount INTEGER NOT NULL,
    reason TEXT NOT NULL,
    granted_at TIMESTAMP NOT NULL,
    PRIMARY KEY (person, rule, kind)
);

CREATE TABLE IF NOT EXISTS vobee_waves (
    batch TEXT PRIMARY KEY,
    requested INTEGER NOT NULL,
    invited INTEGER NOT NULL,
    drawn_by TEXT NOT NULL,
    gate TEXT NOT NULL,
    sent_at TIMESTAMP NOT NULL
);

CREATE TABLE IF NOT EXISTS vobee_quality_history (
    at TIMESTAMP PRIMARY KEY,
    trust DOUBLE PRECISION NOT NULL,
    churn DOUBLE PRECISION NOT NULL,
    fraud DOUBLE PRECISION NOT NULL,
    engagement DOUBLE PRECISION NOT NULL,
    gate TEXT NOT NULL,
    source TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS vobee_gate_changes (
    at TIMESTAMP PRIMARY KEY,
    gate TEXT NOT NULL,
    reason TEXT NOT NULL
);

-- One row: whose copy this is, and the last record in it; NULL while there is none.
CREATE TABLE IF NOT EXISTS vobee_export (
    only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    node UUID NOT NULL,
    seq BIGINT,
    exported_at TIMESTAMP
);

-- The place that everybody has who waits, by the order of the engine.
CREATE OR REPLACE VIEW waitlist_positions AS
SELECT
    id,
    email,
    persona,
    priority_score,
    created_at,
    row_number() OVER (ORDER BY priority_score DESC, created_at, id) AS position
FROM waitlist
WHERE invited_at IS NULL;
