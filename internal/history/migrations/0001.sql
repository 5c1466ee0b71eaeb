-- Times are microseconds since 1970 (UTC), sizes bytes. A run or step without an outcome was begun and is
-- not known to have ended.

CREATE TABLE runs (
    id              TEXT PRIMARY KEY,
    job             TEXT NOT NULL,
    repository      TEXT NOT NULL,      -- the name it is called by
    repository_key  TEXT NOT NULL,      -- what it is: its cleaned location
    outcome         TEXT,
    started         INTEGER NOT NULL,
    ended           INTEGER,
    heard           INTEGER NOT NULL,   -- when it last gave a sign of life
    problem         TEXT NOT NULL DEFAULT '',
    notes           TEXT NOT NULL DEFAULT '[]'
) STRICT;

CREATE INDEX runs_by_start ON runs (started);
CREATE INDEX runs_by_target ON runs (job, repository_key, started);
CREATE INDEX runs_open ON runs (job) WHERE outcome IS NULL;

CREATE TABLE steps (
    id                INTEGER PRIMARY KEY,
    run               TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
    step              TEXT NOT NULL,
    outcome           TEXT,
    started           INTEGER NOT NULL,
    ended             INTEGER,
    attempts          INTEGER NOT NULL DEFAULT 0,
    reason            TEXT NOT NULL DEFAULT '',
    problem           TEXT NOT NULL DEFAULT '',
    breached          INTEGER NOT NULL DEFAULT 0,
    alarm             INTEGER NOT NULL DEFAULT 0,
    notes             TEXT NOT NULL DEFAULT '[]',
    archive           TEXT NOT NULL DEFAULT '',
    archive_id        TEXT NOT NULL DEFAULT '',
    archive_time      INTEGER,
    repository_id     TEXT NOT NULL DEFAULT '',
    files             INTEGER NOT NULL DEFAULT 0,
    original_size     INTEGER NOT NULL DEFAULT 0,
    deduplicated_size INTEGER NOT NULL DEFAULT 0,
    repository_size   INTEGER NOT NULL DEFAULT 0,
    checked           INTEGER NOT NULL DEFAULT 0,   -- a check covered the repository part as a whole
    deleted           TEXT NOT NULL DEFAULT '[]',   -- the archives that prune deleted
    tail              TEXT NOT NULL DEFAULT ''      -- the end of the log; falls away before the rest
) STRICT;

CREATE INDEX steps_by_run ON steps (run);
CREATE INDEX steps_with_tail ON steps (started) WHERE tail <> '';

CREATE TABLE attempts (
    step      INTEGER NOT NULL REFERENCES steps ON DELETE CASCADE,
    number    INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    message   TEXT NOT NULL,
    temporary INTEGER NOT NULL,
    wait      INTEGER NOT NULL,   -- until the next attempt, in microseconds
    tail      TEXT NOT NULL,
    PRIMARY KEY (step, number)
) STRICT;

CREATE TABLE warnings (
    step    INTEGER NOT NULL REFERENCES steps ON DELETE CASCADE,
    kind    TEXT NOT NULL,
    message TEXT NOT NULL,
    path    TEXT NOT NULL
) STRICT;

CREATE INDEX warnings_by_step ON warnings (step);

CREATE TABLE counts (
    step  INTEGER NOT NULL REFERENCES steps ON DELETE CASCADE,
    kind  TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (step, kind)
) STRICT;

-- What is known of a job on a repository, and of a repository whichever job learned it, as JSON.
CREATE TABLE targets (
    job            TEXT NOT NULL,
    repository_key TEXT NOT NULL,
    last           TEXT NOT NULL,
    PRIMARY KEY (job, repository_key)
) STRICT;

CREATE TABLE repositories (
    repository_key TEXT PRIMARY KEY,
    shared         TEXT NOT NULL
) STRICT;

CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
