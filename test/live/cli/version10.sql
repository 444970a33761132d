-- A database as version 10 of the schema left it, with two downloads that wait, the second one with a header field. Never to be edited.
PRAGMA application_id = 1936487785;
CREATE TABLE sluice_acks (
    consumer_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (consumer_id, seq)
  ) WITHOUT ROWID;
CREATE TABLE "sluice_attempts" (
    download_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    source TEXT NOT NULL,
    owner TEXT,
    pid INTEGER,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    from_bytes INTEGER NOT NULL,
    to_bytes INTEGER NOT NULL,
    failure TEXT,
    next_attempt_at INTEGER,
    PRIMARY KEY (download_id, attempt)
  ) WITHOUT ROWID;
CREATE TABLE sluice_consumers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    position INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    reader TEXT,
    created_at INTEGER NOT NULL
  );
CREATE TABLE "sluice_downloads" (
    id INTEGER PRIMARY KEY,
    request_key BLOB NOT NULL,
    url TEXT NOT NULL,
    host_id INTEGER NOT NULL,
    directory TEXT NOT NULL,
    output TEXT,
    key TEXT,
    headers TEXT,
    options TEXT NOT NULL,
    priority INTEGER NOT NULL,
    tags TEXT,
    meta TEXT,
    status TEXT NOT NULL DEFAULT 'pending',
    desired TEXT NOT NULL DEFAULT 'run',
    intent TEXT,
    owner TEXT,
    epoch INTEGER NOT NULL DEFAULT 0,
    filename TEXT,
    part TEXT,
    checkpoint INTEGER NOT NULL DEFAULT 0,
    total INTEGER,
    validator TEXT,
    publishing TEXT,
    outcome TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    attempt_started_at INTEGER,
    attempt_from INTEGER NOT NULL DEFAULT 0,
    strikes TEXT,
    crashes INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER,
    waiting_since INTEGER,
    failure TEXT,
    retried_as INTEGER,
    pid INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    finished_at INTEGER
  , segments TEXT, root TEXT, earlier INTEGER, standing INTEGER GENERATED ALWAYS AS (
    CASE WHEN finished_at IS NULL THEN 0 WHEN outcome IN ('fetched', 'unchanged') THEN id ELSE -id END
  ) VIRTUAL, begun_at INTEGER);
INSERT INTO "sluice_downloads" VALUES(891232152784341,X'8FBB998084C795F039B5','{origin}/bytes/10/a',1,'{directory}',NULL,NULL,NULL,'{}',0,NULL,NULL,'pending','run',NULL,NULL,0,NULL,NULL,0,NULL,NULL,NULL,NULL,0,NULL,0,NULL,0,NULL,NULL,NULL,NULL,NULL,1795422774800,1795422774800,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "sluice_downloads" VALUES(891232152784342,X'FC733F7174E06CED10F1','{origin}/bytes/10/b',1,'{directory}',NULL,NULL,'[["X-Api-Key","{secret}"]]','{}',0,NULL,NULL,'pending','run',NULL,NULL,0,NULL,NULL,0,NULL,NULL,NULL,NULL,0,NULL,0,NULL,0,NULL,NULL,NULL,NULL,NULL,1795422774800,1795422774800,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE sluice_endings (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    download_id INTEGER NOT NULL UNIQUE,
    removed TEXT
  );
CREATE TABLE sluice_engines (id TEXT PRIMARY KEY, pid INTEGER, started_at INTEGER NOT NULL);
CREATE TABLE sluice_groups (
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE,
    sealed INTEGER NOT NULL,
    enqueued INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  );
CREATE TABLE sluice_hosts (
    id INTEGER PRIMARY KEY,
    origin TEXT NOT NULL UNIQUE,
    cooling_until INTEGER,
    cooling_why TEXT
  , failures INTEGER NOT NULL DEFAULT 0, troubled_since INTEGER);
INSERT INTO "sluice_hosts" VALUES(1,'{origin}',NULL,NULL,0,NULL);
CREATE TABLE sluice_limits (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    rate INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
  ) WITHOUT ROWID;
CREATE TABLE sluice_members (
    download_id INTEGER NOT NULL,
    group_id INTEGER NOT NULL,
    PRIMARY KEY (download_id, group_id)
  ) WITHOUT ROWID;
CREATE TABLE "sluice_migrations" (
  migration_id integer PRIMARY KEY NOT NULL,
  created_at datetime NOT NULL DEFAULT current_timestamp,
  name VARCHAR(255) NOT NULL
);
INSERT INTO "sluice_migrations" VALUES(1,'2026-11-23 08:32:54','initial');
INSERT INTO "sluice_migrations" VALUES(2,'2026-11-23 08:32:54','groups');
INSERT INTO "sluice_migrations" VALUES(3,'2026-11-23 08:32:54','queue');
INSERT INTO "sluice_migrations" VALUES(4,'2026-11-23 08:32:54','consumers');
INSERT INTO "sluice_migrations" VALUES(5,'2026-11-23 08:32:54','segments');
INSERT INTO "sluice_migrations" VALUES(7,'2026-11-23 08:32:54','refetch');
INSERT INTO "sluice_migrations" VALUES(8,'2026-11-23 08:32:54','host_gates');
INSERT INTO "sluice_migrations" VALUES(9,'2026-11-23 08:32:54','limits');
INSERT INTO "sluice_migrations" VALUES(10,'2026-11-23 08:32:54','max_time');
CREATE TABLE sluice_tags (
    tag TEXT NOT NULL,
    download_id INTEGER NOT NULL,
    PRIMARY KEY (tag, download_id)
  ) WITHOUT ROWID;
CREATE INDEX sluice_members_group ON sluice_members (group_id);
CREATE INDEX sluice_hosts_cooling ON sluice_hosts (cooling_until) WHERE cooling_until IS NOT NULL;
CREATE INDEX sluice_tags_download ON sluice_tags (download_id);
CREATE INDEX sluice_downloads_left_behind ON sluice_downloads (request_key)
    WHERE status = 'failed' AND part IS NOT NULL;
CREATE INDEX sluice_downloads_ready ON sluice_downloads (owner, priority DESC, host_id, id)
    WHERE status = 'pending';
CREATE INDEX sluice_downloads_due ON sluice_downloads (owner, next_attempt_at)
    WHERE status IN ('retrying', 'waiting');
CREATE INDEX sluice_downloads_held ON sluice_downloads (owner)
    WHERE status IN ('processing', 'paused');
CREATE INDEX sluice_downloads_intents ON sluice_downloads (owner) WHERE intent IS NOT NULL;
CREATE INDEX sluice_downloads_spoiled ON sluice_downloads (id)
    WHERE status = 'cancelled' AND (part IS NOT NULL OR crashes > 0);
CREATE INDEX sluice_endings_removed ON sluice_endings (seq) WHERE removed IS NOT NULL;
CREATE UNIQUE INDEX sluice_downloads_request ON sluice_downloads (request_key, standing);
DELETE FROM sqlite_sequence;
INSERT INTO "sqlite_sequence" VALUES('sluice_endings',0);
