/**
 * Each rule of the suite for networks notices the transport that breaks it: one sabotage for each case, over the example's transport.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { layer as layerOf, memory } from "../../../examples/object-wire.js"
import { make as makeError } from "../../../src/domain/DownloadError.js"
import { WireConformance } from "../../../src/programs/testing.js"
import {
  type ByteSink,
  type Shape,
  Wire,
  type WireRequest,
  type WireResponse
} from "../../../src/services/Wire.js"
import { failing } from "./Verdicts.js"

/** A transport that changes what is asked, what is answered, or what the sink gets. */
interface Sabotage {
  readonly request?: (request: WireRequest) => WireRequest
  readonly head?: (head: Pick<WireResponse, "status" | "headers">) => Pick<WireResponse, "status" | "headers">
  readonly sink?: (sink: ByteSink) => ByteSink
  readonly wire?: (wire: Shape) => Shape
}

const sabotaged =
  ({
    head = (same) => same,
    request = (same) => same,
    sink = (same) => same,
    wire: over = (same) => same
  }: Sabotage) =>
  (wire: Shape): Shape =>
    over({
      exchange: (asked, onHead) => {
        const { abort, run } = wire.exchange(request(asked), (seen) => {
          const taken = onHead(head(seen))
          return taken === undefined ? undefined : sink(taken)
        })
        return {
          abort,
          run: Effect.map(run, (response) =>
            response === undefined ? undefined : changed(response, head, sink)
          )
        }
      },
      request: (asked) =>
        Effect.map(wire.request(request(asked)), (response) => changed(response, head, sink))
    })

const changed = (
  response: WireResponse,
  head: NonNullable<Sabotage["head"]>,
  sink: NonNullable<Sabotage["sink"]>
): WireResponse => ({ ...response, ...head(response), pipe: (given) => response.pipe(sink(given)) })

const without =
  (...names: ReadonlyArray<string>) =>
  (request: WireRequest): WireRequest => ({
    ...request,
    headers: request.headers.filter(([name]) => !names.includes(name.toLowerCase()))
  })

/** Passes on what the Wire sets in the sink. */
const sinkOver = (sink: ByteSink, over: Partial<ByteSink>): ByteSink => ({
  write: sink.write,
  get onDrain() {
    return sink.onDrain
  },
  set onDrain(drain) {
    sink.onDrain = drain
  },
  get onFailure() {
    return sink.onFailure
  },
  set onFailure(failure) {
    sink.onFailure = failure
  },
  ...over
})

/** By a part of the case's name. */
const sabotages: ReadonlyArray<readonly [rule: string, Sabotage]> = [
  [
    "has its head",
    { sink: (sink) => sinkOver(sink, { write: (chunk) => sink.write(chunk.map((b) => b ^ 1)) }) }
  ],
  [
    "nothing at all",
    {
      head: ({ headers, status }) => ({
        headers,
        status: headers.get("content-length")?.[0] === "0" ? 204 : status
      })
    }
  ],
  [
    "waits until it is taken",
    {
      wire: (wire) => ({
        ...wire,
        // it reads on whether or not somebody takes it
        request: (asked) =>
          Effect.map(wire.request(asked), (response) => {
            let sink: ByteSink | undefined
            const reading = Effect.runFork(
              response.pipe({
                write: (chunk) => sink?.write(chunk) ?? true,
                onDrain: () => {},
                onFailure: () => {}
              })
            )
            return {
              ...response,
              pipe: (given) => {
                sink = given
                return Fiber.join(reading)
              }
            }
          })
      })
    }
  ],
  [
    "before an exchange is run",
    {
      wire: (wire) => ({
        ...wire,
        exchange: (asked, onHead) => {
          onHead({ status: 200, headers: new Map() })
          return wire.exchange(asked, onHead)
        }
      })
    }
  ],
  [
    "exactly that, or the whole",
    {
      head: ({ headers, status }) => ({
        status,
        headers: new Map(headers).set("content-range", ["bytes 0-9/10"])
      })
    }
  ],
  ["If-Range says", { request: without("if-range") }],
  [
    "404 or 410",
    {
      wire: (wire) => ({
        ...wire,
        request: (asked) =>
          Effect.filterOrFail(
            wire.request(asked),
            ({ status }) => status !== 404,
            () => makeError("NotFound", "nothing there")
          )
      })
    }
  ],
  ["asks to be spared", { sink: (sink) => sinkOver(sink, { write: (chunk) => (sink.write(chunk), true) }) }],
  [
    "can take no more",
    {
      sink: (sink) => {
        const deaf = sinkOver(sink, {})
        Object.defineProperty(deaf, "onFailure", { value: () => {}, writable: true })
        return deaf
      }
    }
  ],
  [
    "is aborted",
    {
      wire: (wire) => ({
        ...wire,
        exchange: (asked, onHead) => {
          const { abort, run } = wire.exchange(asked, onHead)
          return { run, abort: () => abort() }
        }
      })
    }
  ],
  [
    "is interrupted",
    {
      wire: (wire) => ({
        ...wire,
        // the work goes on behind the one who waits for it, and can't be aborted
        exchange: (asked, onHead) => ({
          run: Effect.suspend(() => {
            const { run } = wire.exchange(asked, onHead)
            return Fiber.join(Effect.runFork(run))
          }),
          abort: () => {}
        })
      })
    }
  ],
  [
    "ends with its scope",
    {
      wire: (wire) => ({ ...wire, request: (asked) => Effect.flatMap(Effect.scope, () => kept(wire, asked)) })
    }
  ],
  [
    "that is cut",
    {
      wire: (wire) => ({
        ...wire,
        request: (asked) =>
          Effect.map(wire.request(asked), (response) => ({
            ...response,
            pipe: (sink) => Effect.ignore(response.pipe(sink))
          }))
      })
    }
  ],
  [
    "can't be reached",
    {
      wire: (wire) => ({
        ...wire,
        request: (asked) =>
          Effect.mapError(wire.request(asked), ({ reason }) =>
            makeError(reason, `the request to ${asked.url} failed`)
          )
      })
    }
  ]
]

/** A response that does not end with anything. */
const kept = (wire: Shape, asked: WireRequest) =>
  Effect.map(wire.exchange(asked, () => undefined).run, (response) => response as WireResponse)

const { objects, put } = memory()
const cases = WireConformance.cases({
  make: Effect.succeed({
    put: (name, bytes) =>
      Effect.as(
        Effect.sync(() => put(name, bytes)),
        `https://bucket.test/${name}`
      ),
    cut: (name, bytes, after) =>
      Effect.as(
        Effect.sync(() => put(name, bytes, after)),
        `https://bucket.test/${name}`
      ),
    absent: "https://bucket.test/nothing",
    unreachable: "https://down.test/a"
  })
})

/** The example's transport, where one host can't be reached. */
const layer = (sabotage: Sabotage) =>
  Layer.effect(
    Wire,
    Effect.map(Wire, (wire): Shape => {
      const down = makeError("ConnectionRefused", "down.test refuses connections")
      const reachable: Shape = {
        ...wire,
        request: (asked) => (asked.url.startsWith("https://down.test/") ? down : wire.request(asked))
      }
      return sabotaged(sabotage)(reachable)
    })
  ).pipe(Layer.provide(layerOf(objects)))

describe("the suite for networks", () => {
  it.effect("is passed by a transport that keeps the rules", () =>
    Effect.gen(function* () {
      expect(yield* failing(cases)).toEqual([])
    }).pipe(Effect.provide(layer({})))
  )

  for (const [part, sabotage] of sabotages) {
    it.effect(`notices a transport that breaks: ${part}`, () =>
      Effect.gen(function* () {
        const names = yield* failing(cases)
        expect(names.filter((name) => name.includes(part))).toHaveLength(1)
      }).pipe(Effect.provide(layer(sabotage)))
    )
  }

  it("has a sabotage for each of its rules", () => {
    for (const { name } of cases)
      expect(
        sabotages.filter(([part]) => name.includes(part)),
        name
      ).toHaveLength(1)
  })
})
