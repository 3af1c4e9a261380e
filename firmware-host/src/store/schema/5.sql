-- Whose task a charge is, for what a request allows its own task: not by the id, which may be given again once a task is
-- forgotten, and not by the time, which a clock may repeat. Tasks of earlier versions have no such limits.
CREATE TABLE charge_of (
    charge INTEGER PRIMARY KEY REFERENCES charge (number) ON DELETE CASCADE,
    task INTEGER NOT NULL REFERENCES task (number) ON DELETE CASCADE
) STRICT;
CREATE INDEX charge_of_task ON charge_of (task);
