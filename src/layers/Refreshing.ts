/**
 * A fresh URL for a download whose link has expired, asked of the program's own code (`EngineOptions.refresh`) before the download
 * fails: the URLs that have failed are set aside, the fresh one is added as a further source, and the next try begins at once, with
 * what is held, by the same proofs as with any mirror.
 *
 * Bounds: one question takes `patience` at most; `atMost` tries in a row without progress are granted, counted by the strikes in the
 * row, so that a restart does not begin anew. What the hook dies of, or takes too long for, is no fresh URL: the download fails as it
 * would have without it.
 *
 * Tricky interleavings: asked while the download is still at work, so that no one else takes it up meanwhile; a pause or a stop in between
 * interrupts the question, and the try is released as if it had been interrupted a moment earlier.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Download } from "../domain/Download.js"
import type { DownloadError, Reason } from "../domain/DownloadError.js"
import { acceptMirror } from "../domain/DownloadRequest.js"
import { SourceSetAside } from "../domain/Message.js"
import * as Sources from "../domain/Source.js"
import type { StoreError } from "../domain/StoreError.js"
import type { EngineOptionsShape } from "../services/EngineOptions.js"
import type { Shape as Store } from "../services/Store.js"
import { firstToEnd } from "./Race.js"

/** What expired links are answered with. */
const expired: ReadonlySet<Reason> = new Set<Reason>(["Unauthorized", "Forbidden", "NotFound", "Gone"])

/** Fresh URLs in a row that bring no progress. */
const atMost = 3

/** How long one question may take. */
const patience = Duration.seconds(30)

/** Whether the row has a fresh source now. Interruptible while it waits for the answer, also in an uninterruptible region. */
export const refreshed = (
  { refresh }: EngineOptionsShape,
  store: Store,
  row: Download,
  error: DownloadError
): Effect.Effect<boolean, StoreError> =>
  Effect.gen(function* () {
    if (refresh === undefined || !expired.has(error.reason)) return false
    if (row.strikes.filter(({ failure }) => expired.has(failure.reason)).length >= atMost) return false
    const late = Effect.as(
      Effect.zipRight(Effect.sleep(patience), Effect.logWarning("no fresh URL came within its time")),
      Option.none<string>()
    )
    // the program's own code
    const asking = Effect.suspend(() => refresh(row, error)).pipe(
      Effect.catchAllDefect((defect) =>
        Effect.as(Effect.logError("what was asked for a fresh URL died", defect), Option.none<string>())
      )
    )
    const answer = yield* Effect.interruptible(firstToEnd(asking, late))
    if (Option.isNone(answer)) return false
    const mirror = acceptMirror(answer.value)
    if (Either.isLeft(mirror)) {
      yield* Effect.logWarning(`the fresh URL can't be used: ${mirror.left.detail}`)
      return false
    }
    const { detail, reason, status } = error
    const failure = { reason, detail, ...(status === undefined ? {} : { status }) }
    for (const { url } of Sources.usable(row)) yield* store.tell(row.id, SourceSetAside({ url, failure }))
    yield* store.addSource(row.id, mirror.right, false)
    yield* Effect.logInfo(`goes on with a fresh URL, as the old one fails: ${detail}`)
    return true
  })
