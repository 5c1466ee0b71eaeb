-- What a step dumped of databases, or left out: a backup.DatabaseDump as JSON in each row.
CREATE TABLE dumps (
    step INTEGER NOT NULL REFERENCES steps ON DELETE CASCADE,
    dump TEXT NOT NULL
);
CREATE INDEX dumps_by_step ON dumps (step);
