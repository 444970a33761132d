/**
 * The schema, one numbered step per change, from the first on. A step that has been released is never edited, but for the
 * names of its tables: they carry a prefix since version 2, as the database may be a user's own, and a new one must not
 * make a table `downloads` in it, not even for an instant.
 *
 * SQL is kept portable where it costs nothing; what is SQLite's own (partial indexes are not) stands here and in
 * SqlRow alone.
 */
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as SqlSecrets from "./SqlSecrets.js"

/** Those of versions 1 and 2. */
const firstIndexes = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // one unfinished download per request (PROMISES Q4)
  yield* sql`CREATE UNIQUE INDEX sluice_downloads_live_request ON sluice_downloads (request_key)
    WHERE status NOT IN ('completed', 'failed', 'cancelled')`
  // what a failed download has left behind, for the same request to go on with
  yield* sql`CREATE INDEX sluice_downloads_left_behind ON sluice_downloads (request_key)
    WHERE status = 'failed' AND part IS NOT NULL`
  // admission: highest priority first, then oldest
  yield* sql`CREATE INDEX sluice_downloads_ready ON sluice_downloads (owner, priority DESC, id) WHERE status = 'pending'`
  yield* sql`CREATE INDEX sluice_downloads_due ON sluice_downloads (owner, next_attempt_at)
    WHERE status IN ('retrying', 'waiting')`
  yield* sql`CREATE INDEX sluice_downloads_owned ON sluice_downloads (owner) WHERE owner IS NOT NULL`
})

/** Version 1 made these under names without a prefix; a new database gets them under the names they have since. */
const initial = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE sluice_downloads (
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
  )`
  yield* firstIndexes
  yield* sql`CREATE TABLE sluice_attempts (
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
  )`
  // an engine is listed before it owns its first row, so that heirs know whose lock to try
  yield* sql`CREATE TABLE sluice_engines (id TEXT PRIMARY KEY, pid INTEGER, started_at INTEGER NOT NULL)`
})

/** Prefixed names (for a database of version 1), what callers attach to a request, and groups. */
const groups = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const prefixed = yield* sql`SELECT 1 FROM sqlite_master WHERE name = 'sluice_downloads'`
  if (prefixed.length === 0) {
    for (const table of ["downloads", "attempts", "engines"]) {
      yield* sql`ALTER TABLE ${sql(table)} RENAME TO ${sql(`sluice_${table}`)}`
    }
    for (const index of ["live_request", "left_behind", "ready", "due", "owned"]) {
      yield* sql`DROP INDEX ${sql(`downloads_${index}`)}`
    }
    yield* firstIndexes
  }
  yield* sql`ALTER TABLE sluice_downloads ADD COLUMN meta TEXT`
  // the counters are kept in the transaction that changes a member: nobody ever counts members
  yield* sql`CREATE TABLE sluice_groups (
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE,
    sealed INTEGER NOT NULL,
    enqueued INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  )`
  yield* sql`CREATE TABLE sluice_members (
    download_id INTEGER NOT NULL,
    group_id INTEGER NOT NULL,
    PRIMARY KEY (download_id, group_id)
  ) WITHOUT ROWID`
  yield* sql`CREATE INDEX sluice_members_group ON sluice_members (group_id)`
})

/**
 * The queue at scale: hosts, tags, keys and what other processes ask for; rows of which the defaults say most, and whose
 * statements touch few indexes.
 */
const queue = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE sluice_hosts (
    id INTEGER PRIMARY KEY,
    origin TEXT NOT NULL UNIQUE,
    cooling_until INTEGER,
    cooling_why TEXT
  )`
  yield* sql`CREATE INDEX sluice_hosts_cooling ON sluice_hosts (cooling_until) WHERE cooling_until IS NOT NULL`
  yield* sql`INSERT INTO sluice_hosts (origin) SELECT DISTINCT origin FROM sluice_downloads`
  yield* sql`CREATE TABLE sluice_tags (
    tag TEXT NOT NULL,
    download_id INTEGER NOT NULL,
    PRIMARY KEY (tag, download_id)
  ) WITHOUT ROWID`
  yield* sql`CREATE INDEX sluice_tags_download ON sluice_tags (download_id)`
  yield* sql`CREATE TABLE sluice_rows (
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
  )`
  const kept = `id, url, directory, output, headers, options, priority, meta, status, desired, owner, epoch,
    filename, part, checkpoint, total, validator, publishing, outcome, attempt, attempt_started_at, attempt_from, strikes,
    crashes, next_attempt_at, waiting_since, failure, pid, created_at, updated_at, finished_at`
  yield* sql.unsafe(`INSERT INTO sluice_rows (request_key, host_id, ${kept})
    SELECT unhex(substr(request_key, 1, 20)),
      (SELECT h.id FROM sluice_hosts AS h WHERE h.origin = sluice_downloads.origin), ${kept} FROM sluice_downloads`)
  yield* sql`DROP TABLE sluice_downloads`
  yield* sql`ALTER TABLE sluice_rows RENAME TO sluice_downloads`
  // one unfinished download per request (PROMISES Q4); by a column that only the end changes, so that nothing in between
  // touches the index
  yield* sql`CREATE UNIQUE INDEX sluice_downloads_live_request ON sluice_downloads (request_key) WHERE finished_at IS NULL`
  // what a failed download has left behind, for the same request to go on with
  yield* sql`CREATE INDEX sluice_downloads_left_behind ON sluice_downloads (request_key)
    WHERE status = 'failed' AND part IS NOT NULL`
  // admission: highest priority first, then host by host, oldest first
  yield* sql`CREATE INDEX sluice_downloads_ready ON sluice_downloads (owner, priority DESC, host_id, id)
    WHERE status = 'pending'`
  yield* sql`CREATE INDEX sluice_downloads_due ON sluice_downloads (owner, next_attempt_at)
    WHERE status IN ('retrying', 'waiting')`
  // what else an engine can own
  yield* sql`CREATE INDEX sluice_downloads_held ON sluice_downloads (owner)
    WHERE status IN ('processing', 'paused')`
  // what other processes have asked the owner for
  yield* sql`CREATE INDEX sluice_downloads_intents ON sluice_downloads (owner) WHERE intent IS NOT NULL`
  // cancelled, and something of it may still be on disk
  yield* sql`CREATE INDEX sluice_downloads_spoiled ON sluice_downloads (id)
    WHERE status = 'cancelled' AND (part IS NOT NULL OR crashes > 0)`
  yield* sql`CREATE TABLE sluice_tries (
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
  ) WITHOUT ROWID`
  yield* sql`INSERT INTO sluice_tries
    SELECT download_id, attempt, source, owner, NULL, started_at, ended_at, status, from_bytes, to_bytes, failure, next_attempt_at
    FROM sluice_attempts`
  yield* sql`DROP TABLE sluice_attempts`
  yield* sql`ALTER TABLE sluice_tries RENAME TO sluice_attempts`
})

/** The log of endings, and who has acknowledged how much of it (StoreOutbox). What has ended before is in the log too. */
const consumers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // AUTOINCREMENT: a number is never given twice, also after the highest was deleted
  yield* sql`CREATE TABLE sluice_endings (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    download_id INTEGER NOT NULL UNIQUE,
    removed TEXT
  )`
  yield* sql`CREATE INDEX sluice_endings_removed ON sluice_endings (seq) WHERE removed IS NOT NULL`
  yield* sql`INSERT INTO sluice_endings (download_id) SELECT id FROM sluice_downloads
    WHERE status IN ('completed', 'failed', 'cancelled') ORDER BY finished_at, id`
  yield* sql`CREATE TABLE sluice_consumers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    position INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    reader TEXT,
    created_at INTEGER NOT NULL
  )`
  yield* sql`CREATE TABLE sluice_acks (
    consumer_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (consumer_id, seq)
  ) WITHOUT ROWID`
})

/** Where the bytes of a part lie that several connections fetch. */
const segments = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`ALTER TABLE sluice_downloads ADD COLUMN segments TEXT`
)
/**
 * The directory chosen, where a name leads below it (`root`). And completed requests asked for again: which earlier download of the same request has a file (`earlier`), found through the
 * index that already tells live requests, so that the end of a download touches no page more than before. `standing` is 0 for
 * a live row, its id for one that has brought a file, less than 0 for any other ending; like the index before it, it
 * depends on columns that only the end changes.
 */
const refetch = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE sluice_downloads ADD COLUMN root TEXT`
  yield* sql`ALTER TABLE sluice_downloads ADD COLUMN earlier INTEGER`
  yield* sql`ALTER TABLE sluice_downloads ADD COLUMN standing INTEGER GENERATED ALWAYS AS (
    CASE WHEN finished_at IS NULL THEN 0 WHEN outcome IN ('fetched', 'unchanged') THEN id ELSE -id END
  ) VIRTUAL`
  yield* sql`DROP INDEX sluice_downloads_live_request`
  // one unfinished download per request (PROMISES Q4)
  yield* sql`CREATE UNIQUE INDEX sluice_downloads_request ON sluice_downloads (request_key, standing)`
})
/** How fast bytes may come: `kind` is all, host (`name` is its origin) or download (`name` is its key). */
const limits = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`CREATE TABLE sluice_limits (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    rate INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
  ) WITHOUT ROWID`
)

/** When work on a download began that may take a limited time as a whole. */
const maxTime = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`ALTER TABLE sluice_downloads ADD COLUMN begun_at INTEGER`
)

/** The breaker of each host: failures in a row, and since when there has been nothing else. */
const hostGates = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE sluice_hosts ADD COLUMN failures INTEGER NOT NULL DEFAULT 0`
  yield* sql`ALTER TABLE sluice_hosts ADD COLUMN troubled_since INTEGER`
})

/** Whether an engine takes up what is nobody's. */
const adopters = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`ALTER TABLE sluice_engines ADD COLUMN adopts INTEGER NOT NULL DEFAULT 0`
)

/** Other URLs of the same file, and what is known against each. */
const sources = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`ALTER TABLE sluice_downloads ADD COLUMN sources TEXT`
)

/** Digests of pieces, packed; most downloads have none. */
const pieces = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`CREATE TABLE sluice_pieces (
    download_id INTEGER PRIMARY KEY,
    hashes BLOB NOT NULL
  )`
)

const steps = {
  "1_initial": initial,
  "2_groups": groups,
  "3_queue": queue,
  "4_consumers": consumers,
  "5_segments": segments,
  "7_refetch": refetch,
  "8_host_gates": hostGates,
  "9_limits": limits,
  "10_max_time": maxTime,
  "12_secrets": SqlSecrets.migration,
  "13_adopters": adopters,
  "14_sources": sources,
  "15_pieces": pieces
}

/** The version this code knows. */
export const latest = Math.max(...Object.keys(steps).map((name) => Number.parseInt(name, 10)))

export const table = "sluice_migrations"

/** Brings the schema up to `latest`. To be run inside one immediate transaction. */
export const migrate = Migrator.make({})({ loader: Migrator.fromRecord(steps), table })
