/**
 * `sluice ls`: what is in the database, as a table or as lines of JSON, a page at a time. Reads only: nothing is started,
 * and a default database that was never made is an empty one.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Status } from "../../domain/Download.js"
import * as DownloadIds from "../../domain/DownloadId.js"
import type { DownloadId } from "../../domain/DownloadId.js"
import { Downloads } from "../../services/Downloads.js"
import * as Events from "./Events.js"
import * as Ids from "./Ids.js"
import * as Invocation from "./Invocation.js"
import * as LeftAlone from "./LeftAlone.js"
import { Output } from "./Output.js"
import * as Queue from "./Queue.js"
import { Surroundings } from "./Surroundings.js"
import * as Which from "./Which.js"

/** The arguments of `ls`, read. */
export interface Asked {
  readonly db: string | undefined
  /** Empty for all. */
  readonly status: ReadonlyArray<Status>
  readonly tag: string | undefined
  readonly group: string | undefined
  /** As typed. */
  readonly before: string | undefined
  readonly limit: number
  readonly json: boolean
}

/** Where a page ends. A download that has been removed since may still be named by its whole id. */
const begin = (text: string) =>
  Option.match(DownloadIds.parse(text), {
    onNone: () => Effect.map(Ids.resolve([text]), ([row]) => row?.id),
    onSome: (id) => Effect.succeed<DownloadId | undefined>(id)
  })

/** One more than wanted tells whether there are more. */
const page = ({ before, limit, status, ...marks }: Asked) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    const start = before === undefined ? undefined : yield* begin(before)
    const selection = yield* Which.select(marks)
    if (selection === undefined) return []
    return yield* downloads.list({
      ...selection,
      ...(status.length > 0 ? { status } : {}),
      ...(start === undefined ? {} : { before: start }),
      limit: limit + 1
    })
  })

/** The program over a queue. `older`: the command that shows the page before this download. */
export const list = (asked: Asked, older: (id: DownloadId) => string) =>
  Effect.gen(function* () {
    const output = yield* Output
    const found = yield* page(asked)
    const shown = found.slice(-asked.limit)
    const now = yield* Clock.currentTimeMillis
    const { hosts } = yield* Downloads
    const leftAlone = shown.length === 0 ? LeftAlone.nobody : LeftAlone.among(yield* hosts, now)
    if (asked.json)
      yield* output.out(
        shown.map((download) => Events.encode(Events.listed(download, leftAlone(download)))).join("")
      )
    else if (shown.length > 0) {
      // it measures text, and what does that takes a while to load
      const { table } = yield* Effect.promise(() => import("./Listing.js"))
      yield* output.out(table(shown, output.outIsTerminal ? output.columns() : undefined, { leftAlone, now }))
    }
    const [oldest] = shown
    if (found.length > shown.length && oldest !== undefined) {
      yield* output.err(
        `sluice: ${asked.before === undefined ? `only the newest ${shown.length} are shown` : "there are more"}; those before them:\n` +
          `        ${older(oldest.id)}\n`
      )
    }
  })

export const ls = Effect.fn("sluice.ls")(function* (asked: Asked) {
  const surroundings = yield* Surroundings
  // nothing was ever added: that is known without an engine
  if (!(yield* Queue.exists(asked.db)) && asked.before === undefined) return
  const queue = yield* Queue.open(asked.db)
  yield* Effect.provide(
    list(asked, (id) => Invocation.having(surroundings, "before", id)),
    queue
  )
})
