-- What an engine of version 1 had left in its database: one finished download, one half done.
PRAGMA application_id = 0x736c7569;
CREATE TABLE "sluice_migrations" (
  migration_id integer PRIMARY KEY NOT NULL,
  created_at datetime NOT NULL DEFAULT current_timestamp,
  name VARCHAR(255) NOT NULL
);
CREATE TABLE downloads (
    id INTEGER PRIMARY KEY,
    request_key TEXT NOT NULL,
    url TEXT NOT NULL,
    origin TEXT NOT NULL,
    directory TEXT NOT NULL,
    output TEXT,
    headers TEXT,
    options TEXT NOT NULL,
    priority INTEGER NOT NULL,
    status TEXT NOT NULL,
    desired TEXT NOT NULL,
    owner TEXT,
    epoch INTEGER NOT NULL,
    filename TEXT,
    part TEXT,
    checkpoint INTEGER NOT NULL,
    total INTEGER,
    validator TEXT,
    publishing TEXT,
    outcome TEXT,
    attempt INTEGER NOT NULL,
    attempt_started_at INTEGER,
    attempt_from INTEGER NOT NULL,
    strikes TEXT NOT NULL,
    crashes INTEGER NOT NULL,
    next_attempt_at INTEGER,
    waiting_since INTEGER,
    failure TEXT,
    pid INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    finished_at INTEGER
  );
CREATE TABLE attempts (
    download_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    source TEXT NOT NULL,
    owner TEXT,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    from_bytes INTEGER NOT NULL,
    to_bytes INTEGER NOT NULL,
    failure TEXT,
    next_attempt_at INTEGER,
    PRIMARY KEY (download_id, attempt)
  );
CREATE TABLE engines (id TEXT PRIMARY KEY, pid INTEGER, started_at INTEGER NOT NULL);
CREATE UNIQUE INDEX downloads_live_request ON downloads (request_key)
    WHERE status NOT IN ('completed', 'failed', 'cancelled');
CREATE INDEX downloads_left_behind ON downloads (request_key) WHERE status = 'failed' AND part IS NOT NULL;
CREATE INDEX downloads_ready ON downloads (owner, priority DESC, id) WHERE status = 'pending';
CREATE INDEX downloads_due ON downloads (owner, next_attempt_at) WHERE status IN ('retrying', 'waiting');
CREATE INDEX downloads_owned ON downloads (owner) WHERE owner IS NOT NULL;
INSERT INTO sluice_migrations (migration_id, created_at, name) VALUES (1, '2026-11-22 15:39:06', 'initial');
INSERT INTO downloads (id, request_key, url, origin, directory, output, headers, options, priority, status, desired, owner, epoch, filename, part, checkpoint, total, validator, publishing, outcome, attempt, attempt_started_at, attempt_from, strikes, crashes, next_attempt_at, waiting_since, failure, pid, created_at, updated_at, finished_at) VALUES (890982998326342, '29640dc70acd2f39e4bdfbaf12727868', 'http://h/done', 'http://h', '/d', NULL, NULL, '{"maxRetries":3,"retryDelay":2000,"timeout":30000,"stallTimeout":30000,"giveUp":86400000,"onConflict":"rename"}', 0, 'completed', 'run', NULL, 1, 'done', NULL, 4, 4, '{"etag":"\"v\"","lastModifiedStrong":false}', '{"name":"done","dev":"1","ino":"6","size":4,"mtime":"5"}', 'fetched', 1, NULL, 0, '[]', 0, NULL, NULL, NULL, NULL, 1795361946075, 1795361946120, 1795361946120);
INSERT INTO downloads (id, request_key, url, origin, directory, output, headers, options, priority, status, desired, owner, epoch, filename, part, checkpoint, total, validator, publishing, outcome, attempt, attempt_started_at, attempt_from, strikes, crashes, next_attempt_at, waiting_since, failure, pid, created_at, updated_at, finished_at) VALUES (890982998326343, '2f0b46c225f19b9264be4f410ad7189f', 'http://h/half', 'http://h', '/d', NULL, NULL, '{"maxRetries":3,"retryDelay":2000,"timeout":30000,"stallTimeout":30000,"giveUp":86400000,"onConflict":"rename"}', 0, 'pending', 'run', NULL, 2, 'half', '{"name":"half.sluice-part","dev":"1","ino":"7"}', 2, 4, '{"etag":"\"v\"","lastModifiedStrong":false}', NULL, NULL, 1, NULL, 0, '[]', 0, NULL, NULL, NULL, NULL, 1795361946075, 1795361946136, NULL);
INSERT INTO attempts (download_id, attempt, source, owner, started_at, ended_at, status, from_bytes, to_bytes, failure, next_attempt_at) VALUES (890982998326342, 1, 'http://h/done', '00000000-0000-4000-8000-000000000001', 1795361946089, 1795361946120, 'completed', 0, 4, NULL, NULL);
INSERT INTO attempts (download_id, attempt, source, owner, started_at, ended_at, status, from_bytes, to_bytes, failure, next_attempt_at) VALUES (890982998326343, 1, 'http://h/half', '00000000-0000-4000-8000-000000000001', 1795361946089, 1795361946136, 'pending', 0, 2, NULL, NULL);
