-- A report has a name of its own, the same however often it is sent; user properties of MQTT, sealed, as a JSON array of
-- pairs; and the seconds that the broker keeps it for those who come later, where that ends by itself.
ALTER TABLE outbox ADD COLUMN id TEXT NOT NULL DEFAULT '';
UPDATE outbox SET id = lower(hex(randomblob(8)));
ALTER TABLE outbox ADD COLUMN properties TEXT;
ALTER TABLE outbox ADD COLUMN keep INTEGER;
-- What a topic is to hold last: one at a time, newest first after an outage.
CREATE INDEX outbox_held ON outbox (topic) WHERE retain = 1;
CREATE INDEX outbox_held_number ON outbox (number) WHERE retain = 1;
CREATE INDEX outbox_age ON outbox (class, created_at);

-- The last message of the backlog. On a retained topic a new message takes the place of those up to it; while nobody is
-- connected to the broker, of all.
ALTER TABLE outbox_size ADD COLUMN backlog INTEGER NOT NULL DEFAULT 9223372036854775807;

-- What was dropped since this version, by class and reason; outbox_size has the sum since the store was made.
CREATE TABLE outbox_dropped (
    class INTEGER NOT NULL,
    why TEXT NOT NULL,
    messages INTEGER NOT NULL,
    PRIMARY KEY (class, why)
) STRICT;

-- Until when a task is worth beginning, and the user properties of its message, sealed, that its result gives back.
ALTER TABLE task ADD COLUMN expires_at INTEGER;
ALTER TABLE task ADD COLUMN properties TEXT;
