-- What a restore drill did: a backup.Drill as JSON.
CREATE TABLE drills (
    step INTEGER PRIMARY KEY REFERENCES steps ON DELETE CASCADE,
    drill TEXT NOT NULL
);
-- When a file was last read back: the first 16 bytes of the SHA-256 of its path.
CREATE TABLE read_back (
    job TEXT NOT NULL,
    repository_key TEXT NOT NULL,
    path BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (job, repository_key, path)
) WITHOUT ROWID;
