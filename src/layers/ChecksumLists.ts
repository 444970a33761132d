/**
 * The checksum of a download whose request names a list at a URL: fetched when the bytes are there, through the same network
 * and by the same rules as the download itself (redirects, timeouts, credentials for their own origin only). It is bounded by
 * `Sums.maxBytes`, never stored, and read anew by each try.
 *
 * Whatever goes wrong is a failure of the try, with its reason; the part stays as it is, and the next try asks for the list
 * alone. A server that asks to wait is obeyed where it is the download's own; another one must not hold up that host's downloads.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Checksum, ChecksumList, Expected } from "../domain/Checksum.js"
import { isList } from "../domain/Checksum.js"
import type { Download } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import { single } from "../domain/Headers.js"
import * as Identity from "../domain/Identity.js"
import { printable } from "../domain/Redaction.js"
import * as Redirect from "../domain/Redirect.js"
import * as Sums from "../domain/Sums.js"
import { type Activity, type ByteSink, Wire } from "../services/Wire.js"
import { boundedSink } from "./BoundedSink.js"
import * as Watchdog from "./Watchdog.js"

/** Between two looks of the watchdog, in milliseconds; there is nothing to record. */
const interval = 60_000

const tooLong = () =>
  DownloadError.make(
    "ChecksumUnavailable",
    `it has more than ${Sums.maxBytes} bytes: no list of checksums is so long`
  )

export interface ChecksumLists {
  /**
   * The digest to compare with: what the row asks for, or what its list says of this file. `name` is the one the file is to
   * get.
   */
  readonly settle: (
    expected: Expected | null,
    download: Download,
    name: string
  ) => Effect.Effect<Checksum | null, DownloadError.DownloadError>
}

export const make: Effect.Effect<ChecksumLists, never, Wire | Scope.Scope> = Effect.gen(function* () {
  const wire = yield* Wire
  const watchdog = yield* Watchdog.make

  const fetch = (list: ChecksumList, download: Download, activity: Activity) =>
    Effect.gen(function* () {
      let url = new URL(list.url)
      url.hash = ""
      let given = Redirect.headersFor(new URL(download.url), url, Redacted.value(download.headers))
      const asked = Identity.ask(Identity.nothing)
      for (let count = 0; ; count++) {
        activity.phase = "connecting"
        const response = yield* wire.request({
          url: url.href,
          headers: [...given, ...asked.headers],
          activity
        })
        if (Redirect.isRedirect(response.status)) {
          yield* response.discard
          const next = yield* Redirect.next(url, single(response.headers, "location"), count)
          given = Redirect.headersFor(url, next, given)
          url = next
          continue
        }
        const now = yield* Clock.currentTimeMillis
        const verdict = Identity.judge(Identity.nothing, asked, response.status, response.headers, now)
        if (verdict._tag !== "Body") {
          yield* response.discard
          return yield* verdict._tag === "Failed"
            ? verdict.error
            : // of what was asked for as a whole, nothing else is said
              DownloadError.make("ProtocolViolation", `the server answered ${response.status}`)
        }
        const chunks: Array<Uint8Array> = []
        const memory: ByteSink = {
          write: (chunk) => chunks.push(chunk) > 0,
          onDrain: () => {},
          onFailure: () => {}
        }
        if ((verdict.bodyLength ?? 0) > Sums.maxBytes) {
          yield* response.discard
          return yield* tooLong()
        }
        const sink = boundedSink(memory, { bytes: Sums.maxBytes, excess: tooLong })
        yield* Effect.mapError(response.pipe(sink), (error) => sink.excess ?? error)
        if (sink.excess !== undefined) return yield* sink.excess
        const bytes = Buffer.concat(chunks)
        const fault = Identity.bodyFault(verdict.bodyLength, bytes.length)
        return fault === undefined ? new TextDecoder().decode(bytes) : yield* fault
      }
    }).pipe(Effect.scoped)

  /** Says that it is the list, and not the file, that can't be had. */
  const told = (list: ChecksumList, download: Download) => (error: DownloadError.DownloadError) => {
    const { detail, reason, retryAfter, status } = error
    const elsewhere = new URL(list.url).origin !== new URL(download.url).origin
    return DownloadError.make(
      elsewhere && reason === "HostCooling" ? "ServerError" : reason,
      `the list of checksums ${printable(list.url)}: ${detail}`,
      {
        ...(status === undefined ? {} : { status }),
        ...(elsewhere || retryAfter === undefined ? {} : { retryAfter })
      }
    )
  }

  const settle: ChecksumLists["settle"] = (expected, download, name) => {
    if (!isList(expected)) return Effect.succeed(expected)
    const { stallTimeout, timeout } = download.options
    const activity: Activity = { phase: "connecting", bytes: 0, held: false }
    return watchdog
      .watch(fetch(expected, download, activity), {
        activity,
        timeout,
        stallTimeout,
        interval,
        onTick: Effect.void
      })
      .pipe(
        Effect.mapError(told(expected, download)),
        Effect.flatMap((text) =>
          // what the server calls it comes last: it must not choose which entry its bytes are compared with
          Sums.find(
            text,
            [...Sums.namesOf(download.output, download.url), name],
            expected.algorithm,
            expected.url
          )
        ),
        Effect.map((found): Checksum => ({ ...found, from: expected.url }))
      )
  }

  return { settle }
})
