/**
 * One download whose bytes go to a sink: asked for only if the sink has not got it, verified, handed over, and completed when the
 * sink has it durably. Batches are the sink's destination's (BatchedSink), retries of the download the worker's.
 *
 * | step | durable after it | a restart |
 * |---|---|---|
 * | bytes verified, in memory (small) or in the part | nothing of a small one; of a part, its checkpoint | asks the sink, fetches the small one again, or the rest of the part |
 * | read into memory, waits for its batch | the same | the same: what waits in no batch yet is at most `size` and what `maxBytes` holds |
 * | the sink writes the batch | some of it, or nothing | asks the sink: what it has is completed without a byte; the rest as above |
 * | the write succeeded | the item, in the sink | asks the sink: completed without a byte, as `skipped` |
 * | Renounced committed (where there is a part) | that nothing of the part is claimed | the same |
 * | part removed | the item | the same |
 * | Succeeded committed | everything | nothing to do |
 *
 * Tricky interleavings: an item whose batch is being written when its download is interrupted is waited for: what the sink then
 * has counts, and the row says so, whatever was wished (a cancel that comes too late finds a completed download). One that waits
 * for its batch is withdrawn by a pause or a cancel, and is written at once where the engine stops, so that a stop in order
 * wastes nothing. A checksum that is added while the bytes are on their way is verified after the fact: a mismatch fails the
 * try, and the next one does not ask whether the sink has it, but replaces it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { join } from "node:path"
import type { Checksum, Expected } from "../domain/Checksum.js"
import type { Download } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import { Renounced, Succeeded } from "../domain/Message.js"
import type { Pieces } from "../domain/Pieces.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Interrupted, Shape as Destination, SinkDestination } from "../services/Destination.js"
import type { Handle } from "../services/PartFile.js"
import type { Shape as Store } from "../services/Store.js"
import type { Reporter, Shape as Transport, Transferred, Whole } from "../services/Transport.js"
import type { ChecksumLists } from "./ChecksumLists.js"
import type { Publisher } from "./Publisher.js"
import { faultOf, type Verifier } from "./Verifier.js"

type Failures = DownloadError.DownloadError | StoreError
type Fetched = Extract<Transferred, { readonly _tag: "Fetched" }>

interface Dependencies {
  readonly store: Store
  readonly transport: Transport
  readonly publisher: Publisher
  readonly verifier: Verifier
  readonly lists: ChecksumLists
  readonly destination: Destination
  readonly piecesOf: (download: Download) => Effect.Effect<Pieces, Failures>
}

/** Verified bytes of which the sink has nothing yet. */
interface Ready {
  readonly filename: string
  readonly size: number
  readonly read: Effect.Effect<Uint8Array, DownloadError.DownloadError>
  readonly verify: (checksum: Checksum | null) => Effect.Effect<void, Failures>
}

/** Its name in the sink. */
export const keyOf = ({ key, url }: Pick<Download, "key" | "url">): string => key ?? url

/** A mismatch means that what the sink has may be wrong, and `always` that it may be old. */
const mayBeThere = ({ options, strikes }: Download): boolean =>
  options.refetch !== "always" && !strikes.some(({ failure }) => failure.reason === "ChecksumMismatch")

export const make = ({
  destination,
  lists,
  piecesOf,
  publisher,
  store,
  transport,
  verifier
}: Dependencies) => {
  /** The row of a download whose part is not wanted any more; first the row: it must not claim what is about to go. */
  const withoutPart = (download: Download, reporter: Reporter) =>
    Effect.gen(function* () {
      const row = Option.getOrElse(yield* store.get(download.id), () => download)
      if (row.part === null) return
      if (row.checkpoint > 0) yield* reporter.tell(Renounced())
      yield* publisher.discard(row)
    })

  /** Of an engine that stops, what is here is written; what a person does not want is not. */
  const onInterrupt = (download: Download): Effect.Effect<Interrupted> =>
    store.get(download.id).pipe(
      Effect.map((row) => (Option.exists(row, ({ desired }) => desired === "run") ? "finish" : "withdraw")),
      Effect.orElseSucceed((): Interrupted => "withdraw")
    )

  /** In an uninterruptible region. */
  const hand = (
    sink: SinkDestination,
    download: Download,
    { filename, read, size, verify }: Ready,
    reporter: Reporter
  ): Effect.Effect<void, Failures> =>
    Effect.gen(function* () {
      let wanted: Expected | null = download.options.checksum
      let row = download
      for (;;) {
        const checksum = yield* Effect.interruptible(lists.settle(wanted, download, filename))
        yield* Effect.interruptible(verify(checksum))
        reporter.gauge.state = "storing"
        yield* sink.deliver({ key: keyOf(download), download: row, size, read }, onInterrupt(download))
        yield* withoutPart(download, reporter)
        row = yield* reporter.tell(
          Succeeded({ outcome: "fetched", record: { name: filename, size }, verified: checksum })
        )
        if (row.status !== "processing") return
        // a checksum was added while this went on
        wanted = row.options.checksum
      }
    })

  const whole = ({ chunks, filename, size, validator }: Whole, reporter: Reporter): Ready => ({
    filename,
    size,
    read: Effect.sync(() => {
      const bytes = new Uint8Array(size)
      let at = 0
      for (const chunk of chunks) {
        bytes.set(chunk, at)
        at += chunk.length
      }
      return bytes
    }),
    verify: (checksum) => {
      const { digest } = validator
      if (checksum === null && digest === undefined) return Effect.void
      reporter.gauge.state = "verifying"
      return Effect.flatMap(faultOf(chunks, { checksum, digest }), (fault) => fault ?? Effect.void)
    }
  })

  const fetched = (
    download: Download,
    { brought, digest, filename, part, partName, size }: Fetched,
    reporter: Reporter
  ): Ready => {
    // the part is removed before a checksum that came too late is looked at
    let kept: Uint8Array | undefined
    return {
      filename,
      size,
      read: Effect.suspend(() => (kept === undefined ? readAll(part, size) : Effect.succeed(kept))).pipe(
        Effect.tap((bytes) => Effect.sync(() => (kept = bytes)))
      ),
      verify: (checksum) =>
        kept === undefined
          ? verifier.verify(
              { handle: part, path: join(download.directory, partName), size },
              { checksum, digest },
              { download, brought, pieces: piecesOf(download) },
              reporter
            )
          : Effect.flatMap(faultOf([kept], { checksum, digest }), (fault) => fault ?? Effect.void)
    }
  }

  const bring = (
    sink: SinkDestination,
    download: Download,
    reporter: Reporter,
    transferred: Effect.Effect<void>
  ): Effect.Effect<void, Failures> => {
    const { maxSize } = download.options
    const bounded: Download = {
      ...download,
      // what has names in the directory is nothing to a sink
      options: {
        ...download.options,
        onConflict: "rename",
        maxSize: Math.min(maxSize ?? Infinity, sink.maxItem)
      }
    }
    return Effect.flatMap(transport.begin(bounded, reporter), (begun) => {
      if (begun._tag === "Whole")
        return begun.size > sink.maxItem
          ? tooLarge(sink, begun.size)
          : Effect.zipRight(transferred, hand(sink, download, whole(begun, reporter), reporter))
      return Effect.interruptible(begun.rest).pipe(
        Effect.flatMap((result) =>
          result._tag === "Skipped"
            ? Effect.dieMessage(`${result.filename} was left alone, though its bytes were for a sink`)
            : Effect.zipRight(
                transferred,
                hand(sink, download, fetched(download, result, reporter), reporter)
              )
        ),
        Effect.scoped,
        Effect.ensuring(begun.abandon)
      )
    })
  }

  const there = (download: Download, reporter: Reporter) =>
    Effect.gen(function* () {
      yield* withoutPart(download, reporter)
      const name = download.filename ?? download.output ?? keyOf(download)
      // what the sink has was not looked at: its size is not known
      yield* reporter.tell(Succeeded({ outcome: "skipped", record: { name, size: download.total ?? 0 } }))
    })

  /**
   * Brings the row to `completed`. For a region that can't be interrupted: what waits for long can be, all the same.
   * `transferred`: run when the network is not needed any more.
   */
  const deliver = (
    download: Download,
    name: string,
    reporter: Reporter,
    transferred: Effect.Effect<void>
  ): Effect.Effect<void, Failures> => {
    if (destination._tag !== "Sink" || destination.name !== name)
      return DownloadError.make(
        "SinkMissing",
        `its destination ${name} is not part of the program that works on this queue`
      )
    if (!mayBeThere(download)) return bring(destination, download, reporter, transferred)
    reporter.gauge.state = "asking"
    return Effect.flatMap(Effect.interruptible(destination.has(keyOf(download))), (isThere) =>
      isThere
        ? Effect.zipRight(transferred, there(download, reporter))
        : bring(destination, download, reporter, transferred)
    )
  }

  return { deliver }
}

const tooLarge = ({ maxItem, name }: SinkDestination, size: number) =>
  DownloadError.make("TooLarge", `it has ${size} bytes; ${name} takes ${maxItem} at most`)

const readAll = (part: Handle, size: number): Effect.Effect<Uint8Array, DownloadError.DownloadError> =>
  Effect.gen(function* () {
    const bytes = new Uint8Array(size)
    for (let at = 0; at < size;) {
      const count = yield* Effect.mapError(part.readAt(bytes.subarray(at), at), DownloadError.fromFile)
      if (count === 0)
        return yield* DownloadError.make("DiskFailed", `the part file has ${at} bytes instead of ${size}`)
      at += count
    }
    return bytes
  })
