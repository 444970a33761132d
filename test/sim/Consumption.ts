/**
 * The consumers of a run (PROMISES Q6): one that is slow, one that acknowledges in whatever order and leaves some of it for later,
 * one that stops reading for good. They write down what they were given, and what they were told is acknowledged.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { DownloadId } from "../../src/domain/DownloadId.js"
import { terminal } from "../../src/domain/Download.js"
import type { Delivery } from "../../src/services/Consumers.js"
import { Downloads } from "../../src/services/Downloads.js"
import type { ConsumerKind } from "./Scenario.js"
import type { Seeded } from "./Seeded.js"
import type { Simulator } from "./Simulator.js"
import type { Watch } from "./Watch.js"

/** What one consumer knows for certain, across crashes. */
export interface Consumption {
  readonly kind: ConsumerKind
  /** It was told that it is registered. */
  registered: boolean
  /** What it was given, by the number of the ending. */
  readonly delivered: Map<number, DownloadId>
  /** What it began to acknowledge: it may count as such from then on. */
  readonly asked: Set<number>
  /** What it was told is acknowledged. */
  readonly acknowledged: Set<number>
}

export const consumptionOf = (kind: ConsumerKind): Consumption => ({
  kind,
  registered: false,
  delivered: new Map(),
  asked: new Set(),
  acknowledged: new Set()
})

interface Surroundings {
  readonly sim: Simulator
  readonly watch: Watch
  readonly random: Seeded
  /** When it has ended, nothing more is going to end. */
  readonly done: Effect.Effect<void>
}

/** So many are given to the one that stops reading. */
const lastBreath = 2

/** Before anything is asked for: what ends from then on is for it. */
export const register = (consumption: Consumption, sim: Simulator) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    yield* downloads.registerConsumer(consumption.kind)
    if (sim.burying) return yield* Effect.never
    consumption.registered = true
  })

/** What the consumer does with one engine, until it has everything. */
export const consume = (consumption: Consumption, { done, random, sim, watch }: Surroundings) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    const { acknowledged, asked, delivered, kind } = consumption

    const receive = (delivery: Delivery) =>
      Effect.suspend(() => {
        if (sim.burying) return Effect.never
        const { id, redelivered, seq, status } = delivery
        sim.note(`${kind} gets ${seq}: ${id} ${status}${redelivered ? " again" : ""}`)
        const known = delivered.get(seq)
        if (acknowledged.has(seq)) watch.violation("Q6", `${kind} was given ${seq} after it was acknowledged`)
        if (known !== undefined && known !== id)
          watch.violation("Q6", `${kind} was given ${known} and then ${id} as ${seq}`)
        if (known !== undefined && !redelivered)
          watch.violation("Q6", `${kind} was given ${seq} again, as if for the first time`)
        if (!terminal.has(status)) watch.violation("Q6", `${kind} was given ${id}, which is ${status}`)
        delivered.set(seq, id)
        return Effect.void
      })

    const acknowledge = (delivery: Delivery) =>
      Effect.gen(function* () {
        if (sim.burying) return yield* Effect.never
        asked.add(delivery.seq)
        yield* delivery.acknowledge
        if (sim.burying) return yield* Effect.never
        sim.note(`${kind} has acknowledged ${delivery.seq}`)
        acknowledged.add(delivery.seq)
      })

    const pause = (most: number) => Effect.suspend(() => Effect.sleep(Math.floor(random.log(1, most))))

    switch (kind) {
      case "slow":
        return yield* downloads.consume(
          kind,
          (delivery) =>
            receive(delivery).pipe(
              Effect.zipRight(pause(10_000)),
              // acknowledged twice: here, to be told of it, and by who runs this
              Effect.zipRight(acknowledge(delivery))
            ),
          { until: done, window: random.int(1, 3) }
        )
      case "jumbled": {
        let certain = false
        yield* Effect.forkScoped(
          Effect.zipRight(
            done,
            Effect.sync(() => (certain = true))
          )
        )
        for (let count = 1; count > 0;) {
          count = yield* downloads.completions(kind, { until: done, window: 100 }).pipe(
            Stream.take(random.int(1, 6)),
            Stream.mapEffect(
              (delivery) =>
                Effect.gen(function* () {
                  yield* receive(delivery)
                  yield* pause(3000)
                  if (certain || random.chance(0.6)) yield* acknowledge(delivery)
                }),
              { concurrency: 6, unordered: true }
            ),
            Stream.runCount
          )
        }
        return
      }
      case "dead":
        if (delivered.size >= lastBreath) return
        return yield* downloads.completions(kind, { until: done }).pipe(
          Stream.take(lastBreath),
          Stream.tap(receive),
          Stream.tap((delivery) => (random.chance(0.3) ? acknowledge(delivery) : Effect.void)),
          Stream.runDrain
        )
    }
  }).pipe(Effect.scoped)
