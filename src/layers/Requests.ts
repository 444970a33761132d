/**
 * Taking requests in: checks them in the engine's terms, and records them a portion at a time.
 *
 * Tricky interleavings: whoever stops waiting for the answer does not take the request back; it is recorded, and the engine
 * has to see it. A request that finds its download just being cancelled waits until that has let go, and is then a new one.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as path from "node:path"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { type Download, terminal } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import type { DownloadId } from "../domain/DownloadId.js"
import { acceptOptions, defined } from "../domain/DownloadOptions.js"
import { accept, type Accepted, type DownloadRequest, type Header } from "../domain/DownloadRequest.js"
import type { GroupId } from "../domain/Group.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Enqueued, Shape } from "../services/Downloads.js"
import type { Shape as Destination } from "../services/Destination.js"
import type { EngineOptionsShape } from "../services/EngineOptions.js"
import type { Shape as Disk } from "../services/PartFile.js"
import type { Enqueued as Recorded, Shape as Store } from "../services/Store.js"
import type { Shape as Supervisor } from "../services/Supervisor.js"
import * as ChecksumFiles from "./ChecksumFiles.js"

/** Requests recorded by one transaction, so that none takes long. */
const bulk = 500

interface Dependencies {
  readonly store: Store
  readonly supervisor: Supervisor
  readonly disk: Disk
  readonly options: EngineOptionsShape
  readonly destination: Destination
}

export const make = ({ destination, disk, options, store, supervisor }: Dependencies) => {
  /** Where the engine's own go, which its options or a request may say otherwise. */
  const usual = destination._tag === "Sink" ? { destination: destination.name } : {}
  const { adopt, downloadDefaults } = options
  const defaultsOf = (request: DownloadRequest) =>
    typeof downloadDefaults === "function" ? downloadDefaults(request) : downloadDefaults

  const checkName = ({ directory, output }: Accepted) =>
    Effect.gen(function* () {
      if (output === null) return
      const taken = yield* disk.facts(path.join(directory, output))
      if (Option.exists(taken, (facts) => facts.kind === "directory")) {
        return yield* DownloadError.make(
          "DestinationUnusable",
          `${path.join(directory, output)} is a directory`
        )
      }
    })

  /** Each directory is there and can be written to (once, however many files go there), and no name asked for is a directory. */
  const checkDestinations = (accepted: ReadonlyArray<Accepted>) =>
    Effect.gen(function* () {
      const seen = new Set<string>()
      for (const one of accepted) {
        const { directory, root } = one
        const place = `${root ?? ""}\u0000${directory}`
        if (!seen.has(place)) {
          yield* root === null ? disk.ensureDirectory(directory) : disk.ensureBelow(root, directory)
          seen.add(place)
        }
        yield* checkName(one)
      }
    }).pipe(Effect.catchTag("FileError", (error) => Effect.fail(DownloadError.fromFile(error))))

  /** Checks all of them, in the engine's terms. */
  const acceptAll = (requests: Iterable<DownloadRequest>) =>
    Effect.gen(function* () {
      const accepted: Array<Accepted> = []
      const directories = new Map<string | undefined, string>()
      const known = new Map<DownloadRequest["options"], ReturnType<typeof acceptOptions>>()
      const files = ChecksumFiles.reader()
      for (const asked of requests) {
        const request = yield* files.settle(asked)
        const directory =
          directories.get(request.directory) ?? path.resolve(request.directory ?? options.directory)
        directories.set(request.directory, directory)
        const wanted =
          known.get(request.options) ??
          acceptOptions({ ...usual, ...defaultsOf(request), ...defined(request.options ?? {}) })
        // what a function answers depends on more of the request
        if (typeof downloadDefaults !== "function") known.set(request.options, wanted)
        accepted.push(yield* accept({ ...request, directory }, wanted))
      }
      yield* checkDestinations(accepted)
      return accepted
    })

  /** Records them, a portion at a time. */
  const record = <E>(
    accepted: ReadonlyArray<Accepted>,
    store: (portion: ReadonlyArray<Accepted>) => Effect.Effect<ReadonlyArray<Recorded>, E>
  ) =>
    Effect.gen(function* () {
      const seen = (portion: ReadonlyArray<Accepted>) => Effect.ensuring(store(portion), supervisor.ring)
      const enqueued: Array<Enqueued> = []
      for (let i = 0; i < accepted.length; i += bulk) {
        for (const first of yield* seen(accepted.slice(i, i + bulk))) {
          let answer = first
          if (isEnding(first)) {
            yield* supervisor.interrupt(first.download.id)
            answer = (yield* seen([accepted[enqueued.length]!]))[0]!
          }
          enqueued.push({ id: answer.download.id, ...answer })
        }
      }
      return enqueued
    })

  const own = (portion: ReadonlyArray<Accepted>) => store.enqueue(portion, { own: !adopt })

  const enqueueAll: Shape["enqueueAll"] = Effect.fn("Downloads.enqueueAll")(function* (requests) {
    return yield* record(yield* acceptAll(requests), own)
  })

  const enqueueInto = Effect.fn("Group.enqueueAll")(function* (
    group: GroupId,
    requests: Iterable<DownloadRequest>
  ) {
    return yield* record(yield* acceptAll(requests), (portion) =>
      store.enqueueInto(group, portion, { own: !adopt })
    )
  })

  const enqueueStream: Shape["enqueueStream"] = (requests) =>
    requests.pipe(
      Stream.rechunk(bulk),
      Stream.chunks,
      // the next portion is checked while one is committed
      Stream.mapEffect((portion) => Effect.map(enqueueAll(portion), Chunk.unsafeFromArray), {
        concurrency: 2
      }),
      Stream.flattenChunks
    )

  /** One more try for rows that have ended (or a change of headers for one that has not). */
  const again = (
    rows: ReadonlyArray<Download>,
    headers: ReadonlyArray<Header> | undefined
  ): Effect.Effect<ReadonlyArray<Enqueued>, DownloadError.DownloadError | StoreError> =>
    Effect.gen(function* () {
      const accepted = yield* acceptAll(rows.map((row) => requestOf(row, headers)))
      const retries = accepted.map((request, i) => ({ ...request, ...tryOf(rows[i]!) }))
      return yield* record(retries, own)
    })

  return {
    again,
    enqueue: (request: DownloadRequest) => Effect.flatMap(enqueueAll([request]), orRefused),
    enqueueAll,
    enqueueInto,
    enqueueStream
  }
}

const isEnding = ({ attached, download, refused }: Recorded): boolean =>
  attached && refused === undefined && download.desired === "cancelled"

/** Of one that was enqueued alone. */
export const orRefused = ([enqueued]: ReadonlyArray<Enqueued>): Effect.Effect<
  Enqueued,
  DownloadError.DownloadError
> => (enqueued!.refused === undefined ? Effect.succeed(enqueued!) : Effect.fail(enqueued!.refused))

/** What an unfinished download was sent with stays as it is, where nothing else is asked for. */
const requestOf = (row: Download, headers: ReadonlyArray<Header> | undefined): DownloadRequest => ({
  url: row.url,
  mirrors: (row.sources ?? []).filter(({ named = false, url }) => url !== row.url && !named),
  ...(row.root === null
    ? { directory: row.directory, output: row.output ?? undefined }
    : { directory: row.root, output: path.relative(row.root, path.join(row.directory, row.output ?? "")) }),
  key: row.key ?? undefined,
  headers: headers ?? Redacted.value(row.headers),
  priority: row.priority,
  tags: row.tags,
  options: row.options,
  meta: row.meta
})

const tryOf = ({ id, status }: Download): { readonly retries?: DownloadId } =>
  terminal.has(status) ? { retries: id } : {}
