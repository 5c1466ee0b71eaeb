-- What was told of a job on a repository (backup.Told), as JSON, and the messages that are on their way.

CREATE TABLE told (
    job            TEXT NOT NULL,
    repository_key TEXT NOT NULL,
    told           TEXT NOT NULL,
    PRIMARY KEY (job, repository_key)
) STRICT;

CREATE TABLE letters (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    channel TEXT NOT NULL,
    topic   TEXT NOT NULL,                  -- what it is about: a newer one may take its place
    made    INTEGER NOT NULL,
    claimed INTEGER NOT NULL DEFAULT 0,     -- until then a process is delivering it
    tries   INTEGER NOT NULL DEFAULT 0,
    problem TEXT NOT NULL DEFAULT '',       -- why it could not be delivered the last time
    body    TEXT NOT NULL
) STRICT;

CREATE INDEX letters_by_channel ON letters (channel, id);
