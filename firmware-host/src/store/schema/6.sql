-- What a caller's message gives along is the caller's, as its text is.
UPDATE task SET correlation = seal('task:' || id || ':correlation', correlation);
UPDATE outbox SET correlation = seal('outbox:' || topic || ':correlation', correlation);
-- What a person signed names the digest of the text, on which a short text could be guessed. A vote of an earlier version
-- has it in `proof`, since its link is over the row as it lies.
ALTER TABLE vote ADD COLUMN signed TEXT;
INSERT INTO setting (name, value) VALUES ('scrub', 'wanted') ON CONFLICT (name) DO NOTHING;
