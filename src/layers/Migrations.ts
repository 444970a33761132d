/**
 * The schema, one numbered step per change, from the first on. A step that has been released is never edited.
 *
 * SQL is kept portable where it costs nothing; what is SQLite's own (partial indexes are not) stands here and in
 * SqlRow alone.
 */
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

const initial = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE downloads (
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
  // one unfinished download per request (PROMISES Q4)
  yield* sql`CREATE UNIQUE INDEX downloads_live_request ON downloads (request_key)
    WHERE status NOT IN ('completed', 'failed', 'cancelled')`
  // what a failed download has left behind, for the same request to go on with
  yield* sql`CREATE INDEX downloads_left_behind ON downloads (request_key) WHERE status = 'failed' AND part IS NOT NULL`
  // admission: highest priority first, then oldest
  yield* sql`CREATE INDEX downloads_ready ON downloads (owner, priority DESC, id) WHERE status = 'pending'`
  yield* sql`CREATE INDEX downloads_due ON downloads (owner, next_attempt_at) WHERE status IN ('retrying', 'waiting')`
  yield* sql`CREATE INDEX downloads_owned ON downloads (owner) WHERE owner IS NOT NULL`
  yield* sql`CREATE TABLE attempts (
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
  yield* sql`CREATE TABLE engines (id TEXT PRIMARY KEY, pid INTEGER, started_at INTEGER NOT NULL)`
})

const steps = { "1_initial": initial }

/** The version this code knows. */
export const latest = Object.keys(steps).length

export const table = "sluice_migrations"

/** Brings the schema up to `latest`. To be run inside one immediate transaction. */
export const migrate = Migrator.make({})({ loader: Migrator.fromRecord(steps), table })
