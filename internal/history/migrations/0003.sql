-- What a create selected (backup.Job.Fingerprint): only figures of the same selection can be compared.
ALTER TABLE steps ADD COLUMN selection TEXT NOT NULL DEFAULT '';

CREATE INDEX runs_by_job ON runs (job, started);
CREATE INDEX runs_by_repository ON runs (repository, started);
CREATE INDEX runs_by_job_and_repository ON runs (job, repository, started);
