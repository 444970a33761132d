/**
 * The first request of a download that holds nothing. A small body is taken in its head's wake and brought in memory, with
 * no file, no row and no fiber of its own; any other answer is handed on, its body still on the wire.
 *
 * What it may not cost: a small body that was cut, and that a later try could continue, is put into a part and recorded as that of
 * a large one is; what a crash can lose is less than what lies between two checkpoints (PROMISES Q3). Redirects, policies
 * that look at names first, and everything that has a part already are the transfer program's.
 *
 * Tricky interleavings: the wait can be interrupted, whatever the region around it, and nothing else can. An answer that came
 * in the instant of the interruption is lost with it, so the exchange is aborted however it failed.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Download } from "../domain/Download.js"
import type { DownloadError } from "../domain/DownloadError.js"
import * as FileName from "../domain/FileName.js"
import { single } from "../domain/Headers.js"
import * as Identity from "../domain/Identity.js"
import * as Validators from "../domain/Validator.js"
import type { Shape as Disk } from "../services/PartFile.js"
import type { Reporter, Whole } from "../services/Transport.js"
import type { Activity, ByteSink, ResponseHead, Shape as Wire, WireResponse } from "../services/Wire.js"
import { boundedSink, type BoundedSink } from "./BoundedSink.js"
import * as PartSession from "./PartSession.js"
import type { Watchdog } from "./Watchdog.js"

/** The largest body that is taken into memory, in bytes. */
export const maxWhole = 64 * 1024

type Body = Extract<Identity.Verdict, { readonly _tag: "Body" }>

/** An answer whose body is still on the wire; `abort` lets go of it. */
export interface Answered {
  readonly _tag: "Answered"
  readonly response: WireResponse
  readonly url: URL
  readonly activity: Activity
  readonly abort: () => void
}

interface Dependencies {
  readonly wire: Wire
  readonly disk: Disk
  readonly watchdog: Watchdog
  readonly clock: Clock.Clock
  /** Between two looks at how it is going, in milliseconds. */
  readonly interval: number
}

/** Whether the download's whole file may be brought in memory, as far as its row can tell. */
export const mayComeWhole = ({ options, part, publishing }: Download): boolean =>
  part === null &&
  publishing === null &&
  (options.onConflict === "rename" || options.onConflict === "overwrite")

/** Takes a body that is small, as announced. */
class Gathering implements ByteSink {
  readonly chunks: Array<Uint8Array> = []
  size = 0
  body: Body | undefined
  bounded: BoundedSink | undefined
  onDrain: () => void = () => {}
  onFailure: (error: DownloadError) => void = () => {}

  constructor(private readonly gauge: Reporter["gauge"]) {}

  readonly write = (chunk: Uint8Array): boolean => {
    this.chunks.push(chunk)
    this.size += chunk.length
    this.gauge.received = this.size
    return true
  }

  /** The sink for this body, if it is wanted. */
  take(verdict: Identity.Verdict, maxSize: number | null): ByteSink | undefined {
    if (verdict._tag !== "Body" || verdict.bodyLength === undefined || verdict.bodyLength > maxWhole)
      return undefined
    if (Identity.sizeFault(maxSize, verdict.total) !== undefined) return undefined
    this.body = verdict
    this.gauge.received = 0
    this.gauge.total = verdict.total
    this.gauge.state = "downloading"
    this.bounded = boundedSink(this, Identity.bodyLimit(verdict.bodyLength, 0, maxSize))
    return this.bounded
  }
}

export const make =
  ({ clock, disk, interval, watchdog, wire }: Dependencies) =>
  (download: Download, reporter: Reporter): Effect.Effect<Whole | Answered, DownloadError> =>
    Effect.suspend(() => {
      const { maxSize, stallTimeout, timeout } = download.options
      const url = new URL(download.url)
      const asked = Identity.ask(Identity.nothing)
      const activity: Activity = { phase: "connecting", bytes: 0, held: false }
      const gathering = new Gathering(reporter.gauge)
      let head: ResponseHead | undefined
      const exchange = wire.exchange(
        { url: url.href, headers: [...Redacted.value(download.headers), ...asked.headers], activity },
        (response) => {
          head = response
          const now = clock.unsafeCurrentTimeMillis()
          return response.status === 200
            ? gathering.take(Identity.judge(Identity.nothing, asked, 200, response.headers, now), maxSize)
            : undefined
        }
      )
      const leave = watchdog.attend({ activity, timeout, stallTimeout, interval }, exchange.abort)

      const proposed = () => FileName.propose(head && single(head.headers, "content-disposition"), url.href)

      /** What a later try can continue is kept as that of a large file is. */
      const keep = ({ total, validator }: Body) =>
        Effect.gen(function* () {
          const session = yield* PartSession.open(disk, download, reporter)
          yield* session.begin({ proposedName: proposed, total, validator })
          const writer = session.write(total)
          for (const chunk of gathering.chunks) writer.write(chunk)
          yield* session.keep
        }).pipe(Effect.scoped, Effect.ignore)

      const whole = (body: Body): Effect.Effect<Whole, DownloadError> => {
        const { chunks, size } = gathering
        const fault = Identity.bodyFault(body.bodyLength, size)
        if (fault !== undefined) return fault
        const filename = download.filename ?? download.output ?? proposed()
        return Effect.succeed({ _tag: "Whole", chunks, size, filename, validator: body.validator })
      }

      return Effect.matchCauseEffect(Effect.interruptible(exchange.run), {
        onSuccess: (response): Effect.Effect<Whole | Answered, DownloadError> => {
          leave()
          if (response === undefined) return whole(gathering.body!)
          return Effect.succeed({ _tag: "Answered", response, url, activity, abort: exchange.abort })
        },
        onFailure: (cause) => {
          leave()
          exchange.abort()
          const { body, bounded, size } = gathering
          const lost =
            body === undefined ||
            size === 0 ||
            bounded?.excess !== undefined ||
            !Validators.canProve(body.validator)
          return lost ? Effect.failCause(cause) : Effect.zipRight(keep(body), Effect.failCause(cause))
        }
      })
    })
