/**
 * The suite for destinations: passed by batches and by memory, and each rule notices the destination that breaks it.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as BatchedSink from "../../../src/layers/BatchedSink.js"
import * as Destinations from "../../../src/layers/Destinations.js"
import { DestinationConformance } from "../../../src/programs/testing.js"
import { Destination, type Sink, type SinkDestination } from "../../../src/services/Destination.js"
import { failing } from "./Verdicts.js"

const maxBytes = 4000

/** Batches into a map. */
const batched = Effect.gen(function* () {
  const held = new Map<string, Uint8Array>()
  const sink: Sink = {
    write: (batch) => Effect.sync(() => batch.forEach(({ bytes, key }) => held.set(key, bytes))),
    missing: (keys) => Effect.sync(() => keys.filter((key) => !held.has(key)))
  }
  const destination = yield* BatchedSink.make({ name: "tiles", sink, size: 8, linger: 20, maxBytes })
  return { destination, maxBytes, read: (key: string) => Effect.sync(() => held.get(key)) }
})

const memory = Effect.gen(function* () {
  const context = yield* Layer.build(Destinations.memory({ maxBytes, maxItem: 1000 }))
  // the layer makes both
  const destination = (yield* Effect.provide(Destination, context)) as SinkDestination
  const results = Context.get(context, Destinations.Results)
  return {
    destination,
    maxBytes,
    read: (key: string) =>
      Effect.map(results.get(key), (item) => Option.getOrUndefined(Option.map(item, ({ bytes }) => bytes)))
  }
})

/** What a careless one does with the deliveries of a good one. */
type Sabotage = (destination: SinkDestination) => Partial<SinkDestination>

/** By a part of the case's name. */
const sabotages: ReadonlyArray<readonly [rule: string, Sabotage]> = [
  ["that succeeds is there", () => ({ deliver: ({ read }) => Effect.asVoid(read) })],
  [
    "later bytes",
    ({ deliver, has }) => ({
      deliver: (item, onInterrupt) =>
        Effect.flatMap(has(item.key), (there) => (there ? Effect.void : deliver(item, onInterrupt)))
    })
  ],
  [
    "room for",
    ({ deliver }) => ({
      deliver: (item, onInterrupt) =>
        // first everything is read, then it is asked whether there is room
        Effect.flatMap(item.read, (bytes) => deliver({ ...item, read: Effect.succeed(bytes) }, onInterrupt))
    })
  ],
  [
    "fails alone",
    ({ deliver }) => {
      let isBroken = false
      return {
        // what it took for the first is never given back
        deliver: (item, onInterrupt) =>
          isBroken
            ? Effect.never
            : Effect.onError(deliver(item, onInterrupt), () => Effect.sync(() => void (isBroken = true)))
      }
    }
  ],
  [
    "withdraw what waits",
    ({ deliver }) => ({
      // it says that it has let go, and goes on
      deliver: (item, onInterrupt) =>
        Effect.flatMap(Effect.forkDaemon(deliver(item, onInterrupt)), (fiber) =>
          Effect.interruptible(Fiber.join(fiber))
        )
    })
  ],
  [
    "finish what waits",
    ({ deliver }) => ({
      // it says that it is done with what it has withdrawn
      deliver: (item) =>
        Effect.uninterruptible(Effect.asVoid(Effect.exit(deliver(item, Effect.succeed("withdraw")))))
    })
  ]
]

describe("the suite for destinations", () => {
  for (const [name, make] of [
    ["batches", batched],
    ["memory", memory]
  ] as const) {
    it.effect(`is passed by ${name}`, () =>
      Effect.gen(function* () {
        expect(yield* failing(DestinationConformance.cases({ make }))).toEqual([])
      })
    )
  }

  for (const [part, sabotage] of sabotages) {
    it.effect(`notices a destination that breaks: ${part}`, () =>
      Effect.gen(function* () {
        const make = Effect.map(batched, (place) => ({
          ...place,
          destination: { ...place.destination, ...sabotage(place.destination) }
        }))
        const cases = DestinationConformance.cases({ make }).filter(({ name }) => name.includes(part))
        expect(yield* failing(cases)).toHaveLength(1)
      })
    )
  }

  it("has a sabotage for each of its rules", () => {
    for (const { name } of DestinationConformance.cases({ make: batched }))
      expect(
        sabotages.filter(([part]) => name.includes(part)),
        name
      ).toHaveLength(1)
  })
})
