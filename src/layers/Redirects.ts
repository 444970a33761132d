/**
 * One question to a server, asked on where redirects lead, by the rules of `domain/Redirect`. What the last answer means is left
 * to whoever asked.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { DownloadError } from "../domain/DownloadError.js"
import { single } from "../domain/Headers.js"
import { saysOfHost } from "../domain/Host.js"
import * as Redirect from "../domain/Redirect.js"
import type { Activity, Shape as Wire, WireRequest, WireResponse } from "../services/Wire.js"

type Fields = ReadonlyArray<readonly [name: string, value: string]>

export interface Question {
  readonly url: URL
  /** The caller's: what may identify him goes to this URL's origin only. */
  readonly given: Fields
  /** The download's own: what may identify the caller beside `given` is for this origin only. */
  readonly home: URL
  /** Ours: they go everywhere. */
  readonly fields: Fields
  readonly activity: Activity
  /** As those of a WireRequest. */
  readonly yields?: WireRequest["yields"]
  readonly onWait?: WireRequest["onWait"]
  readonly onProcess?: WireRequest["onProcess"]
  /** The answer of `url`, where that is there already. */
  readonly first?: WireResponse | undefined
}

/** An answer that is no redirect, and whose it is. */
export interface Followed {
  readonly response: WireResponse
  readonly url: URL
}

/** Says where it happened, if that was not where it began. */
export const happenedAt =
  (at: URL, asked: URL) =>
  (error: DownloadError): DownloadError =>
    at.origin === asked.origin || error.origin !== undefined
      ? error
      : new DownloadError({ ...error, origin: at.origin })

/** The same for what becomes of a body, where it is not this machine that failed. */
const brokenAt =
  (at: URL, asked: URL) =>
  (error: DownloadError): DownloadError =>
    saysOfHost(error.reason) === "nothing" ? error : happenedAt(at, asked)(error)

export const follow = (
  wire: Wire,
  { activity, fields, first, given, home, onProcess, onWait, url, yields }: Question
): Effect.Effect<Followed, DownloadError, Scope.Scope> =>
  Effect.gen(function* () {
    let at = url
    let allowed = given
    let personal = url.origin === home.origin
    let response = first
    for (let count = 0; ; count++) {
      if (response === undefined) {
        activity.phase = "connecting"
        const headers = [...allowed, ...fields]
        response = yield* Effect.mapError(
          wire.request({ url: at.href, headers, activity, onProcess, onWait, personal, yields }),
          happenedAt(at, url)
        )
      }
      if (!Redirect.isRedirect(response.status)) {
        const arrived = response
        const broken = brokenAt(at, url)
        return {
          response: { ...arrived, pipe: (sink) => Effect.mapError(arrived.pipe(sink), broken) },
          url: at
        }
      }
      yield* response.discard
      const next = yield* Redirect.next(at, single(response.headers, "location"), count)
      // what was dropped on the way to another origin stays dropped: that origin may choose where on ours we return to
      allowed = Redirect.headersFor(at, next, allowed)
      personal &&= at.origin === next.origin
      at = next
      response = undefined
    }
  })
