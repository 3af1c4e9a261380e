-- What a list shows of a task, so that a list is read without the conversations. JSON: target, label, effort.
ALTER TABLE task ADD COLUMN head TEXT NOT NULL DEFAULT '{}';
UPDATE task SET head = json_object(
    'target', content ->> '$.target',
    'label', content ->> '$.label',
    'effort', content ->> '$.effort'
);
CREATE INDEX task_list ON task (number, id, client, state, head, accepted_at, finished_at);
CREATE INDEX task_standing ON task (id, state);

-- With the bytes, so that what cannot be dropped is summed without reading it.
DROP INDEX outbox_class;
CREATE INDEX outbox_class ON outbox (class, number, bytes);
