CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE task (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    content TEXT NOT NULL,
    client TEXT NOT NULL,
    state TEXT NOT NULL,
    outcome TEXT,
    accepted_at INTEGER NOT NULL,
    finished_at INTEGER,
    cancelled_at INTEGER,
    -- Where the result goes if not to the topic of the task; only a task that came by MQTT has a reply.
    by_mqtt INTEGER NOT NULL DEFAULT 0,
    reply_topic TEXT,
    correlation BLOB,
    -- SHA-256 of the message it came with, to know a redelivery that carries no id.
    fingerprint BLOB,
    CHECK ((outcome IS NULL) = (finished_at IS NULL))
) STRICT;
CREATE INDEX task_open ON task (number) WHERE finished_at IS NULL;
CREATE INDEX task_fingerprint ON task (fingerprint) WHERE fingerprint IS NOT NULL;

CREATE TABLE trace (
    task INTEGER NOT NULL REFERENCES task (number) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (task, seq)
) STRICT;

CREATE TABLE approval (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    task INTEGER NOT NULL REFERENCES task (number) ON DELETE CASCADE,
    step INTEGER NOT NULL,
    digest TEXT NOT NULL,
    question TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    decision TEXT CHECK (decision IN ('approved', 'denied', 'expired')),
    decided_by TEXT,
    decided_at INTEGER,
    UNIQUE (task, step, digest),
    CHECK ((decision IS NULL) = (decided_at IS NULL))
) STRICT;
CREATE INDEX approval_open ON approval (number) WHERE decision IS NULL;

CREATE TABLE charge (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    day INTEGER NOT NULL,
    at INTEGER NOT NULL,
    task TEXT NOT NULL,
    worker TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX charge_day ON charge (day, tokens, cost);

CREATE TABLE key (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    label TEXT NOT NULL,
    workers TEXT,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE UNIQUE INDEX key_name ON key (name) WHERE revoked_at IS NULL;

CREATE TABLE outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    class INTEGER NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    retain INTEGER NOT NULL,
    correlation BLOB,
    created_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_class ON outbox (class, number);

-- Kept by the triggers, so that a bound is checked without counting.
CREATE TABLE outbox_size (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    messages INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    dropped INTEGER NOT NULL
) STRICT;
INSERT INTO outbox_size VALUES (1, 0, 0, 0);
CREATE TRIGGER outbox_in AFTER INSERT ON outbox BEGIN
    UPDATE outbox_size SET messages = messages + 1, bytes = bytes + new.bytes;
END;
CREATE TRIGGER outbox_out AFTER DELETE ON outbox BEGIN
    UPDATE outbox_size SET messages = messages - 1, bytes = bytes - old.bytes;
END;
