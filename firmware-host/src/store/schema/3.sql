-- The highest label of anything in a task, from 0 (public) to 3 (restricted): how long it is kept follows from it.
ALTER TABLE task ADD COLUMN rank INTEGER NOT NULL DEFAULT 0;
UPDATE task SET rank = (
    SELECT max(CASE label WHEN 'internal' THEN 1 WHEN 'confidential' THEN 2 WHEN 'restricted' THEN 3 ELSE 0 END)
    FROM (
        SELECT task.content ->> '$.label' AS label
        UNION ALL SELECT task.outcome ->> '$.Ok.label'
        UNION ALL SELECT trace.event ->> '$.label' FROM trace WHERE trace.task = task.number
    )
);
CREATE INDEX task_kept ON task (rank, finished_at) WHERE finished_at IS NOT NULL;

-- From here on text is sealed. What is only compared is blinded, so that nobody tries guesses on it.
UPDATE task SET
    content = seal('task:' || id || ':content', content),
    outcome = seal('task:' || id || ':outcome', outcome),
    fingerprint = blind(fingerprint);
UPDATE trace SET event = seal('trace:' || task || ':' || seq, event);
UPDATE approval SET question = seal('approval:' || id, question), digest = hex(blind(digest));
UPDATE outbox SET payload = seal('outbox:' || topic, payload);
-- The old text is in pages that are free now; the file is written anew once this is committed.
INSERT INTO setting (name, value) VALUES ('scrub', 'wanted');

-- Who the charge's task came from, for budgets of one source.
ALTER TABLE charge ADD COLUMN source TEXT NOT NULL DEFAULT '';
CREATE INDEX charge_source ON charge (source, day, tokens, cost);

-- What people said to a question; it is decided when as many as it asks for have said yes, or one has said no.
CREATE TABLE vote (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    approval INTEGER NOT NULL REFERENCES approval (number) ON DELETE CASCADE,
    person TEXT NOT NULL,
    voter TEXT NOT NULL,
    reach TEXT NOT NULL,
    at INTEGER NOT NULL,
    proof TEXT,
    UNIQUE (approval, person)
) STRICT;

-- Approvals that hold for more than one question: for a task, or as a rule for all tasks of one origin.
CREATE TABLE standing (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    approval TEXT NOT NULL,
    task INTEGER REFERENCES task (number) ON DELETE CASCADE,
    source TEXT NOT NULL,
    worker TEXT NOT NULL,
    rank INTEGER NOT NULL,
    people INTEGER NOT NULL,
    made_by TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    revoked_by TEXT,
    revoked_at INTEGER
) STRICT;
CREATE INDEX standing_worker ON standing (worker) WHERE revoked_at IS NULL;

-- The chain: one link for everything that the record of a task consists of. See chain.rs.
CREATE TABLE link (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    task INTEGER NOT NULL,
    item INTEGER NOT NULL,
    detail TEXT,
    digest BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX link_item ON link (task, kind, item);

CREATE TABLE chain_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL,
    hash BLOB NOT NULL,
    -- The first link that is kept, and the hash before it.
    first INTEGER NOT NULL,
    before BLOB NOT NULL,
    proof BLOB NOT NULL
) STRICT;
