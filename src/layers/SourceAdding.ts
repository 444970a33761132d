/**
 * A further source for a download that is there, whoever owns it: its link has expired, or its server is gone for good. What is held is
 * kept as with any mirror: where it is proved to be of the same version.
 *
 * Tricky interleavings: a try asks the sources that it has begun with, so one at work is interrupted and goes on with the new one. What
 * another engine owns is asked of it, and waited for within a bound; if it dies meanwhile, its heir has the wish.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Download, EngineId } from "../domain/Download.js"
import { make as makeError } from "../domain/DownloadError.js"
import type { DownloadId } from "../domain/DownloadId.js"
import { acceptMirror, type Mirror, maxMirrors } from "../domain/DownloadRequest.js"
import * as Sources from "../domain/Source.js"
import { StoreError } from "../domain/StoreError.js"
import type { Shape as Downloads } from "../services/Downloads.js"
import type { EngineOptionsShape } from "../services/EngineOptions.js"
import type { Shape as Store } from "../services/Store.js"
import type { Shape as Supervisor } from "../services/Supervisor.js"
import type * as Inheritance from "./Inheritance.js"

interface Dependencies {
  readonly engine: EngineId
  readonly store: Store
  readonly supervisor: Supervisor
  readonly inheritance: ReturnType<typeof Inheritance.make>
  readonly options: EngineOptionsShape
  readonly row: (id: DownloadId) => Effect.Effect<Download, StoreError>
}

type Addition = Required<Mirror> & { readonly replace: boolean }

/** How often an engine that was asked is looked after, in milliseconds. */
const lookInterval = 50

const refuse = (detail: string) => new StoreError({ reason: "Refused", path: "of this engine", detail })

/** Why it can have no further source; undefined if it can. */
const refusalOf = ({ id, retriedAs, status }: Download): StoreError | undefined => {
  switch (status) {
    case "completed":
      return refuse(`${id} is completed, and needs no further source`)
    case "cancelled":
      return refuse(`${id} was cancelled; what is to be fetched after all is enqueued anew, with its mirrors`)
    default:
      return retriedAs === null
        ? undefined
        : refuse(`${id} was tried again as ${retriedAs}, which is the one to add it to`)
  }
}

export const make = ({ engine, inheritance, options, row, store, supervisor }: Dependencies) => {
  const has = (download: Download, { replace, url }: Addition): boolean => {
    const usable = Sources.usable(download)
    return usable.some((source) => source.url === url) && (!replace || usable.length === 1)
  }

  /** Its owner has been asked: until that has followed, or is gone. */
  const until = (id: DownloadId, mirror: Addition): Effect.Effect<Download, StoreError> =>
    Effect.gen(function* () {
      const deadline = (yield* Clock.currentTimeMillis) + options.shutdownTimeout
      for (;;) {
        // before the row: what is not asked any more has been taken up by the time the row is read, or replaced
        const asked = Option.isSome(yield* store.asked(id))
        const current = yield* row(id)
        if (has(current, mirror)) return current
        if (current.owner === null || current.owner === engine) return yield* add(id, mirror)
        if (!asked) return yield* refuse(`another command was given since: ${id} is ${current.status}`)
        if (yield* inheritance.from(current.owner)) return yield* add(id, mirror)
        if ((yield* Clock.currentTimeMillis) >= deadline)
          return yield* new StoreError({ reason: "Unanswered", path: "of this engine", detail: id })
        yield* Effect.sleep(lookInterval)
      }
    })

  const add = (id: DownloadId, mirror: Addition): Effect.Effect<Download, StoreError> =>
    Effect.gen(function* () {
      const download = yield* row(id)
      const refused = refusalOf(download)
      if (refused !== undefined) return yield* refused
      if (has(download, mirror)) return download
      if (!mirror.replace && Sources.isFull(download))
        return yield* refuse(`${id} has ${maxMirrors} mirrors already, which is all it can have`)
      const foreign = download.owner !== null && download.owner !== engine
      const theirs = foreign && !(yield* inheritance.from(download.owner))
      const told = yield* Effect.either(store.addSource(id, mirror, mirror.replace))
      if (Either.isLeft(told)) return yield* told.left.reason === "Fenced" ? add(id, mirror) : told.left
      if (theirs) return yield* until(id, mirror)
      if (told.right.status === "processing") yield* supervisor.interrupt(id)
      return yield* row(id)
    })

  const addSource: Downloads["addSource"] = Effect.fn("Downloads.addSource")(function* (
    id,
    source,
    { replace = false } = {}
  ) {
    const mirror = yield* Either.mapLeft(acceptMirror(source), ({ detail, reason }) =>
      makeError(reason, detail)
    )
    // also for a caller who stops waiting: what it has asked for is done all the same
    return yield* Effect.ensuring(add(id, { ...mirror, replace }), supervisor.ring)
  })

  return { addSource }
}
