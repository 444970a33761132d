/**
 * Taking requests in, inside a transaction of the store actor: which are new, which attach to an unfinished download of the same
 * request (PROMISES Q4), and what a new one inherits from a failed one.
 *
 * What is new is written by one statement, whatever the number; what attaches is rare, and changed row by row.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import { hash } from "node:crypto"
import { isList, merge, same } from "../domain/Checksum.js"
import { type Download, type EngineId, noHeaders } from "../domain/Download.js"
import { DownloadError, make as makeError } from "../domain/DownloadError.js"
import { type DownloadId, fromKey, nextKey, toKey } from "../domain/DownloadId.js"
import { type Accepted, keyOf } from "../domain/DownloadRequest.js"
import { originOf } from "../domain/Host.js"
import { ResumeRequested } from "../domain/Message.js"
import * as Sources from "../domain/Source.js"
import type { Enqueued } from "../services/Store.js"
import type { Fresh } from "./SqlWrite.js"
import type { Failures, StoreBatch } from "./StoreBatch.js"
import * as StorePieces from "./StorePieces.js"

/** 80 bits tell a million requests apart (a chance of 10^-12 that two are taken for one), and are short enough to index. */
const hashOf = (request: Accepted): string => hash("sha256", keyOf(request), "hex").slice(0, 20)

interface Dependencies {
  readonly sql: SqlClient.SqlClient
  readonly engine: EngineId
}

export const make = ({ engine, sql }: Dependencies) => {
  const knownBy = (condition: string, keys: string) =>
    sql.unsafe<{ request: string; id: number }>(
      `SELECT lower(hex(request_key)) AS request, id FROM sluice_downloads
       WHERE request_key IN (SELECT unhex(value) FROM json_each(?)) AND ${condition} ORDER BY id`,
      [keys]
    )

  /** Of each request, the last download that has brought a file. */
  const completedBefore = (keys: string) =>
    sql.unsafe<{ request: string; id: number }>(
      `SELECT request, id FROM (
         SELECT value AS request,
           (SELECT d.standing FROM sluice_downloads AS d WHERE d.request_key = unhex(value) AND d.standing > 0
            ORDER BY d.standing DESC LIMIT 1) AS id
         FROM json_each(?)
       ) WHERE id IS NOT NULL`,
      [keys]
    )

  const hostsOf = (origins: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const parameter = JSON.stringify(origins)
      yield* sql.unsafe(
        `INSERT INTO sluice_hosts (origin) SELECT value FROM json_each(?) WHERE true ON CONFLICT DO NOTHING`,
        [parameter]
      )
      const rows = yield* sql.unsafe<{ id: number; origin: string }>(
        `SELECT id, origin FROM sluice_hosts WHERE origin IN (SELECT value FROM json_each(?))`,
        [parameter]
      )
      return new Map(rows.map(({ id, origin }) => [origin, id]))
    })

  const pieces = StorePieces.make(sql)

  /** What kind of pieces a request has, once their digests are where its row will look for them. */
  const withPieces = (id: DownloadId, request: Accepted) =>
    Effect.gen(function* () {
      if (request.pieces !== undefined) yield* pieces.keep(id, request.pieces)
      else if (request.options.pieces !== null) {
        const there = request.retries !== undefined && (yield* pieces.inherit(request.retries, id))
        if (!there) return { ...request, options: { ...request.options, pieces: null } }
      }
      return request
    })

  /** With `own`, new and unowned rows belong to this engine at once. */
  const enqueue = (requests: ReadonlyArray<Accepted>, own: boolean) =>
    Effect.fnUntraced(function* (batch: StoreBatch) {
      const now = Math.floor(yield* Clock.currentTimeMillis)
      yield* batch.flush
      const hashes = requests.map(hashOf)
      const parameter = JSON.stringify(hashes)
      const live = yield* knownBy("standing = 0", parameter)
      // the newest last, so that it is the one found by its key
      const leftBehind = yield* knownBy("status = 'failed' AND part IS NOT NULL", parameter)
      const heirlooms = new Map<string, Download>()
      for (const { id, request } of leftBehind) heirlooms.set(request, yield* batch.load(fromKey(id)))
      const origins = requests.map(({ url }) => originOf(url))
      const hosts = yield* hostsOf([...new Set(origins)])
      const earlier = new Map(
        (yield* completedBefore(parameter)).map(({ id, request }) => [request, fromKey(id)])
      )
      const known = new Map<string, DownloadId>(live.map(({ id, request }) => [request, fromKey(id)]))
      const last = yield* sql<{ last: number | null }>`SELECT max(id) AS last FROM sluice_downloads`
      let key = nextKey(last[0]!.last ?? 0, now, yield* Random.next) - 1
      const fresh: Array<Fresh> = []
      const tagged: Array<readonly [string, number]> = []
      const answers: Array<Enqueued> = []
      const attaching: Array<readonly [index: number, id: DownloadId]> = []
      for (const [i, request] of requests.entries()) {
        const requestKey = hashes[i]!
        const existing = known.get(requestKey)
        if (existing !== undefined) {
          attaching.push([i, existing])
          continue
        }
        const id = fromKey(++key)
        const settled = request.options.pieces === null ? request : yield* withPieces(id, request)
        const download = inheriting(
          initial(id, settled, own ? engine : null, now, earlier.get(requestKey) ?? null),
          heirlooms.get(requestKey),
          batch
        )
        known.set(requestKey, download.id)
        fresh.push({ download, requestKey, hostId: hosts.get(origins[i]!)! })
        for (const tag of request.tags) tagged.push([tag, key])
        answers[i] = { attached: false, download }
      }
      yield* batch.insert(fresh)
      for (const [i, id] of attaching) {
        const answer = yield* attach(batch, yield* batch.load(id), requests[i]!, own)
        answers[i] = answer
        if (answer.refused === undefined) {
          for (const tag of requests[i]!.tags) tagged.push([tag, toKey(id)])
        }
      }
      for (const [i, { retries }] of requests.entries()) {
        if (retries === undefined || answers[i]!.refused !== undefined) continue
        // it may have been forgotten meanwhile
        const [retried] = yield* batch.select("WHERE id = ?", [toKey(retries)])
        if (retried !== undefined) batch.put({ ...retried, retriedAs: answers[i]!.download.id })
      }
      if (tagged.length > 0) {
        yield* sql.unsafe(
          `INSERT INTO sluice_tags (tag, download_id)
           SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?) WHERE true
           ON CONFLICT DO NOTHING`,
          [JSON.stringify(tagged)]
        )
      }
      return answers
    })

  /**
   * What the later of two equal requests says of headers, limits and priority replaces what the earlier said; its tags are added.
   * Digests of pieces replace those of before, from the next try on. A checksum is added, but never changed or silently left out: then the later request is refused, and nothing is changed.
   */
  const attach = (
    batch: StoreBatch,
    download: Download,
    request: Accepted,
    own: boolean
  ): Effect.Effect<Enqueued, Failures> =>
    Effect.gen(function* () {
      const foreign = download.owner !== null && download.owner !== engine
      const refused = contradiction(download, request)
      if (refused !== undefined) return { attached: true, download, refused: about(request, refused) }
      const checksum = merge(download.options.checksum, request.options.checksum, closed(download, foreign))
      if (Either.isLeft(checksum)) return { attached: true, download, refused: about(request, checksum.left) }
      if (foreign) {
        // whoever asks wants it to go on: its owner is asked to, and what it was asked for before is overtaken
        yield* sql.unsafe(
          `UPDATE sluice_downloads SET intent = 'resume' WHERE id = ? AND owner <> ? AND finished_at IS NULL
             AND (status IN ('paused', 'waiting') OR intent IN ('pause', 'cancel'))`,
          [toKey(download.id), engine]
        )
        return { attached: true, download }
      }
      const adopted = own && download.owner === null
      // a try that has begun may have decided already how to go about it
      const renewed = request.pieces !== undefined && download.status !== "processing"
      if (renewed) yield* pieces.keep(download.id, request.pieces!)
      batch.put({
        ...download,
        // one more try of an old request, which has dropped its headers, says nothing of these
        headers:
          request.retries !== undefined && request.headers.length === 0
            ? download.headers
            : headersOf(request),
        options: {
          ...request.options,
          checksum: checksum.right,
          pieces: renewed ? request.options.pieces : download.options.pieces
        },
        priority: request.priority,
        tags: [...new Set([...download.tags, ...request.tags])],
        meta: request.meta ?? download.meta,
        // whoever asks again allows the time again
        begunAt: download.status === "processing" ? download.begunAt : null,
        sources: Sources.add(download, request.mirrors),
        owner: adopted ? engine : download.owner,
        epoch: adopted ? download.epoch + 1 : download.epoch
      })
      const current = yield* batch.load(download.id)
      // whoever asks wants it to go on, and to know soon where the server still says to wait; a backoff goes on where it was
      const held = current.status === "paused" || current.status === "waiting" || current.desired === "paused"
      return { attached: true, download: held ? yield* batch.apply(current, ResumeRequested()) : current }
    })

  return { enqueue }
}

type Request = Pick<Download, "url" | "directory" | "output">

const sameRequest = (one: Request, other: Request): boolean =>
  one.url === other.url && one.directory === other.directory && one.output === other.output

/** A caller's key names one request at a time. */
const contradiction = (download: Download, request: Accepted): DownloadError | undefined =>
  sameRequest(download, request)
    ? undefined
    : makeError(
        "InvalidRequest",
        `the key "${request.key}" belongs to the unfinished download ${download.id} of ${download.url}`
      )

/** It speaks of what was asked for; the unfinished download may be one of another URL. */
const about = ({ url }: Request, { detail, reason }: DownloadError): DownloadError =>
  new DownloadError({ reason, detail, url })

/** Why no checksum can be added to an unfinished download, if so. */
const closed = (download: Download, foreign: boolean): string | undefined => {
  if (foreign) return "another engine is working on it"
  return download.publishing === null ? undefined : "its file is about to get its name"
}

/**
 * A new try of a request that failed goes on with the part it left behind; that part has one owner again. Not where it
 * was about to get its name, unverified by the checksum that is asked for now: it may have the name already.
 */
const inheriting = (download: Download, failed: Download | undefined, batch: StoreBatch): Download => {
  // under a key, the failed one may have been another request
  if (failed === undefined || !sameRequest(failed, download)) return download
  if (failed.publishing !== null && !provedBefore(download, failed)) return download
  batch.put({ ...failed, part: null })
  const { checkpoint, filename, part, publishing, segments, total, validator } = failed
  const sources = Sources.inherit(download.sources, failed)
  return { ...download, sources, checkpoint, filename, part, publishing, segments, total, validator }
}

/** Whether what is asked for now was verified before the failed one was about to get its name. */
const provedBefore = ({ options: { checksum, pieces } }: Download, failed: Download): boolean =>
  checksum === null
    ? pieces === null || failed.options.pieces !== null
    : // what a list says today need not be what it said when this was verified
      failed.options.checksum !== null && !isList(checksum) && same(checksum, failed.options.checksum)

const headersOf = ({ headers }: Accepted): Download["headers"] =>
  headers.length === 0 ? noHeaders : Redacted.make(headers)

/** A row as it is recorded. */
export const initial = (
  id: DownloadId,
  request: Accepted,
  owner: EngineId | null,
  now: number,
  earlier: DownloadId | null
): Download => ({
  id,
  url: request.url,
  sources: Sources.begin(request.url, request.mirrors),
  directory: request.directory,
  root: request.root,
  output: request.output,
  key: request.key,
  headers: headersOf(request),
  options: request.options,
  priority: request.priority,
  tags: request.tags,
  meta: request.meta,
  status: "pending",
  desired: "run",
  owner,
  epoch: 0,
  filename: null,
  part: null,
  checkpoint: 0,
  segments: null,
  total: null,
  validator: null,
  publishing: null,
  outcome: null,
  attempt: 0,
  attemptStartedAt: null,
  attemptFrom: 0,
  strikes: [],
  crashes: 0,
  nextAttemptAt: null,
  waitingSince: null,
  begunAt: null,
  failure: null,
  earlier,
  retriedAs: null,
  pid: null,
  createdAt: now,
  updatedAt: now,
  finishedAt: null
})
