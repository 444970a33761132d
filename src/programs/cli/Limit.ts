/**
 * `sluice limit`: how fast bytes may come, for all downloads, for hosts, for single downloads. Sets it in the database, where
 * engines that run take it up by themselves, or shows what is set. What the options of an engine say is the engine's, and
 * is not seen here.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { DownloadId } from "../../domain/DownloadId.js"
import { adviceOf } from "../../domain/DownloadError.js"
import type { Limited, Limits } from "../../domain/Limits.js"
import { Downloads } from "../../services/Downloads.js"
import * as Events from "./Events.js"
import { UsageError } from "./Failures.js"
import * as Ids from "./Ids.js"
import { Output } from "./Output.js"
import * as Queue from "./Queue.js"

/** The arguments of `limit`, read. */
export interface Asked {
  readonly db: string | undefined
  /** Bytes per second; undefined to look only. */
  readonly rate: number | "off" | undefined
  readonly hosts: ReadonlyArray<string>
  readonly ids: ReadonlyArray<string>
  readonly json: boolean
}

/** What a limit is asked for: hosts and downloads where some are named, else all. */
const limitedBy = ({ hosts, ids }: Asked) =>
  Effect.map(Ids.resolve(ids), (rows): ReadonlyArray<Limited> => {
    const named: ReadonlyArray<Limited> = [
      ...hosts.map((origin) => ({ of: "host", origin }) as const),
      ...rows.map(({ id }) => ({ of: "download", id }) as const)
    ]
    return named.length === 0 ? [{ of: "all" }] : named
  })

/** Each limit that is set. */
const listOf = (limits: Limits): ReadonlyArray<{ readonly limited: Limited; readonly rate: number }> => [
  ...(limits.all === null ? [] : [{ limited: { of: "all" } as const, rate: limits.all }]),
  ...Array.from(limits.hosts, ([origin, rate]) => ({ limited: { of: "host", origin } as const, rate })),
  ...Array.from(limits.downloads, ([id, rate]: [DownloadId, number]) => ({
    limited: { of: "download", id } as const,
    rate
  }))
]

const show = (limits: Limits, { json }: Asked) =>
  Effect.gen(function* () {
    const output = yield* Output
    const list = listOf(limits)
    if (json) {
      const at = yield* Clock.currentTimeMillis
      yield* Effect.forEach(
        list,
        ({ limited, rate }) => output.out(Events.encode(Events.limit(limited, rate, at))),
        { discard: true }
      )
      return
    }
    // it measures text, and what does that takes a while to load
    const { page } = yield* Effect.promise(() => import("./LimitPage.js"))
    yield* output.out(page(list, output.outIsTerminal ? output.columns() : undefined))
  })

/** The program over a queue. */
export const limit = (asked: Asked) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    const { rate } = asked
    if (rate !== undefined) {
      const wanted = yield* limitedBy(asked)
      for (const limited of wanted) {
        yield* Effect.catchTag(
          downloads.limit(limited, rate === "off" ? null : rate),
          "DownloadError",
          (error) =>
            Effect.fail(
              new UsageError({ reason: error.reason, message: error.detail, advice: adviceOf(error.reason) })
            )
        )
      }
    }
    yield* show(yield* downloads.limits, asked)
  })

export const run = Effect.fn("sluice.limit")(function* (asked: Asked) {
  if (asked.rate === undefined && asked.hosts.length + asked.ids.length > 0) {
    return yield* new UsageError({
      reason: "NoRate",
      message: "it is not said how fast they may be",
      advice: "give --rate BYTES_PER_S, or --rate off"
    })
  }
  // a limit may be set before there is anything to limit
  const sets = asked.rate !== undefined && asked.rate !== "off"
  const queue = yield* sets ? Queue.openToAdd(asked.db) : Queue.open(asked.db)
  yield* Effect.provide(limit(asked), queue)
})
