/**
 * The people at the engine: they ask for downloads, ask again after a crash, pause, resume, cancel, and wait for the end.
 * They write down in the ledger what the engine told them. What comes after them is the business of Consumption.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { ConsumerBusy } from "../../src/domain/Consumer.js"
import { terminal, type Download } from "../../src/domain/Download.js"
import type { DownloadError } from "../../src/domain/DownloadError.js"
import type { DownloadId } from "../../src/domain/DownloadId.js"
import type { DownloadRequest } from "../../src/domain/DownloadRequest.js"
import type { StoreError } from "../../src/domain/StoreError.js"
import { Downloads } from "../../src/services/Downloads.js"
import { consume, type Consumption, register } from "./Consumption.js"
import type { Entry, Ledger } from "./Ledger.js"
import { demandsOf } from "./Demands.js"
import type { Order, Scenario } from "./Scenario.js"
import { dawn, type Simulator } from "./Simulator.js"
import type { Watch } from "./Watch.js"

/** What clients see of the world. */
export interface Surroundings {
  readonly sim: Simulator
  readonly scenario: Scenario
  readonly ledger: Ledger
  readonly consumptions: ReadonlyArray<Consumption>
  readonly watch: Watch
  /** Called when pause or cancel has returned: nothing of the download may be left running. */
  readonly halted: (entry: Entry, download: Download) => void
}

export const requestOf = (scenario: Scenario, order: Order): DownloadRequest => ({
  url: `http://${scenario.resources[order.resource]!.host}/r${order.resource}.bin?d=${order.key}`,
  directory: order.directory,
  output: order.output,
  headers: [["Authorization", `Bearer secret-${order.key}`]],
  priority: order.priority,
  options: { ...order.options, ...demandsOf(scenario.resources, order) }
})

/** Everything the clients do with one engine, until all downloads are finished. */
export const clients = ({ consumptions, halted, ledger, scenario, sim, watch }: Surroundings) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    const random = sim.random.fork(`clients ${sim.process}`)

    const until = (at: number) => Effect.suspend(() => Effect.sleep(Math.max(0, dawn + at - sim.now)))

    const enqueue = (entry: Entry) =>
      Effect.gen(function* () {
        entry.askedAt ??= sim.now
        const { id } = yield* downloads.enqueue(requestOf(scenario, entry.order))
        // an answer that a dead process gives nobody hears
        if (sim.burying) return yield* Effect.never
        sim.note(`acknowledged ${entry.order.key} as ${id}`)
        return id
      })

    /** Q4: the same request again is the same download, unless that has ended. */
    const again = (entry: Entry, known: DownloadId) =>
      Effect.gen(function* () {
        const id = yield* enqueue(entry)
        if (id === known) return
        const old = yield* downloads.get(known)
        if (old._tag === "None" || !terminal.has(old.value.status)) {
          watch.violation(
            "Q4",
            `asked again, order ${entry.order.key} became ${id} though ${known} is unfinished`
          )
        }
        entry.id = id
      })

    const interfere = (entry: Entry, id: DownloadId) =>
      Effect.gen(function* () {
        const { interference } = entry.order
        if (interference === undefined || entry.interfered) return
        yield* Effect.sleep(interference.after)
        if (sim.burying) return yield* Effect.never
        sim.note(`${interference.kind} ${id}`)
        entry.interfered = true
        const halt = interference.kind === "pause" ? downloads.pause(id) : downloads.cancel(id)
        // refused: it has ended meanwhile
        yield* halt.pipe(
          Effect.tap((download) => Effect.sync(() => halted(entry, download))),
          Effect.catchIf(
            (error) => error.reason === "Refused",
            () => Effect.void
          )
        )
      })

    const finish = (entry: Entry, id: DownloadId) =>
      Effect.gen(function* () {
        for (;;) {
          const download = yield* downloads.settled(id)
          if (sim.burying) return yield* Effect.never
          if (terminal.has(download.status)) {
            sim.note(`${id} is ${download.status} ${download.failure?.reason ?? ""}`)
            entry.finished = download
            return
          }
          if (download.status !== "paused") {
            watch.violation("Engine", `await returned for ${id} while it is ${download.status}`)
          }
          yield* Effect.sleep(1 + Math.floor(random.log(1, 10_000)))
          sim.note(`resume ${id}`)
          yield* downloads.resume(id).pipe(
            Effect.catchIf(
              (error) => error.reason === "Refused",
              () => Effect.void
            )
          )
        }
      })

    const client = (entry: Entry) =>
      Effect.gen(function* () {
        yield* until(entry.order.at)
        if (entry.finished !== undefined) return
        if (entry.id === undefined) entry.id = yield* enqueue(entry)
        else if (random.chance(0.5)) yield* again(entry, entry.id)
        const { id } = entry
        yield* together([finish(entry, id), interfere(entry, id)])
      })

    yield* Effect.forEach(consumptions, (consumption) => register(consumption, sim))
    const done = yield* Effect.makeLatch(false)
    const asking = Effect.zipRight(together(ledger.entries.map(client)), done.open)
    const consuming = consumptions.map((consumption) =>
      consume(consumption, { sim, watch, random: random.fork(consumption.kind), done: done.await })
    )
    yield* together<DownloadError | StoreError | ConsumerBusy, Downloads>([asking, ...consuming])
  })

/**
 * All of them, at the same time. Not by a concurrent `Effect.forEach`, which can't be interrupted any more if that is tried
 * in the instant between its start and that of its children; the simulation finds such instants.
 */
const together = <E, R>(effects: ReadonlyArray<Effect.Effect<unknown, E, R>>): Effect.Effect<void, E, R> =>
  Effect.forEach(effects, Effect.forkScoped).pipe(
    Effect.flatMap((fibers) => Effect.forEach(fibers, Fiber.join, { discard: true })),
    Effect.scoped
  )
