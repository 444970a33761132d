/**
 * Sabotages of what several connections of one download rest upon. One of the rules is inside, between modules, where no seam of
 * the engine can be wrapped: it is replaced in its module, for as long as the sabotage lasts.
 */
import * as Effect from "effect/Effect"
import { vi } from "vitest"
import * as Coverage from "../../src/domain/Coverage.js"
import { overlapBytes } from "../../src/domain/Identity.js"
import type { WireRequest, WireResponse } from "../../src/services/Wire.js"
import { content } from "./Content.js"
import { onAnswers, onDownloads, onHandles, piping, quiet, type Sabotage } from "./Sabotage.js"
import type { Scenario } from "./Scenario.js"

/** One long download over several connections that break, whose resource is replaced by another of its length. */
const divided = (scenario: Scenario): Scenario => ({
  ...quiet(scenario),
  resources: scenario.resources.map((resource) => ({
    ...resource,
    size: 2_000_000,
    rate: 100,
    tagging: "strong",
    ranges: true,
    ifRange: "ignored",
    chunked: false,
    hops: 0,
    connectionLimit: Infinity,
    shared: Infinity,
    endsAfter: Infinity,
    backends: false,
    twoPaths: false,
    restless: false
  })),
  orders: scenario.orders.slice(0, 1).map((order) => ({
    ...order,
    at: 0,
    checksum: undefined,
    largest: undefined,
    options: { ...order.options, connections: 4, maxRetries: 1000 }
  }))
})

const changing = (scenario: Scenario): Scenario => ({
  ...divided(scenario),
  changes: scenario.resources.map((_, resource) => ({ at: 2500, resource })),
  weather: { cut: 3, none: 1 },
  calmAfter: 60_000
})

/** Nothing but the checksum, and the bytes themselves, can tell that the version has changed. */
const unmarked = (scenario: Scenario): Scenario => {
  const { orders, resources, ...rest } = changing(scenario)
  return {
    ...rest,
    corruption: 0,
    resources: resources.map((resource) => ({ ...resource, tagging: "none" })),
    orders: orders.map((order) => ({
      ...order,
      checksum: "right",
      options: { ...order.options, maxRetries: 3 }
    })),
    endings: [{ kind: "kill", time: 14_000 }]
  }
}

/** The body of a resumption without a validator, which begins like the version that was served first, whatever it is. */
const agreeable = (response: WireResponse, { headers, url }: WireRequest): WireResponse => {
  const field = (name: string) => headers.find(([one]) => one === name)?.[1]
  const start = Number(/^bytes=(\d+)-/.exec(field("range") ?? "")?.[1])
  if (response.status !== 206 || field("if-range") !== undefined) return response
  const overlap = content(Number(/\/r(\d+)\.bin/.exec(url)![1]), 1, start, overlapBytes)
  return piping(response, (sink) => {
    let seen = 0
    return {
      write: (chunk) => {
        const changed = chunk.slice()
        changed.set(overlap.subarray(seen, seen + chunk.length))
        seen += chunk.length
        return sink.write(changed)
      }
    }
  })
}

export const segmentSabotages: ReadonlyArray<Sabotage> = [
  {
    what: "an overlap check that always agrees",
    noticed: ["Q3"],
    options: { vary: unmarked, engine: onAnswers(agreeable), time: 120_000 }
  },
  {
    what: "a judge that ignores the validators of parts",
    noticed: ["B2"],
    options: {
      vary: changing,
      engine: onAnswers((response, request) => {
        const held = request.headers.find(([name]) => name === "if-range")?.[1]
        return response.status !== 206 || held === undefined
          ? response
          : { ...response, headers: new Map([...response.headers, ["etag", [held]]]) }
      })
    }
  },
  {
    what: "a coverage that joins over a gap",
    noticed: ["Q3"],
    options: { vary: divided },
    inside: () =>
      vi.spyOn(Coverage, "add").mockImplementation((coverage, start, end) => {
        const first = Math.min(start, coverage[0]?.[0] ?? start)
        return end <= start ? coverage : [[first, Math.max(end, Coverage.endOf(coverage))]]
      })
  },
  {
    what: "a checkpoint that claims what has been accepted, and not yet written",
    noticed: ["Q3"],
    options: {
      vary: (scenario) => ({ ...divided(scenario), diskSpeed: 500 }),
      engine: onHandles((handle) => ({
        writeAt: (buffers, position, done) => {
          handle.writeAt(buffers, position, () => {})
          done(undefined)
        },
        // or a file that is shorter than it should be were taken for one that somebody has cut
        size: (done) => done(Infinity),
        facts: Effect.map(handle.facts, (facts) => ({ ...facts, size: Infinity }))
      }))
    }
  },
  {
    what: "more connections than were allowed",
    noticed: ["Q2"],
    options: {
      vary: (scenario) => {
        const { orders, ...rest } = divided(scenario)
        return {
          ...rest,
          orders: orders.map((order) => ({ ...order, options: { ...order.options, connections: 2 } }))
        }
      },
      engine: onDownloads((front) => ({
        enqueue: (request) => front.enqueue({ ...request, options: { ...request.options, connections: 8 } })
      }))
    }
  },
  {
    what: "an endless wait for a connection that another waits for",
    noticed: ["Q2"],
    options: {
      vary: divided,
      engine: onAnswers((response) =>
        response.status === 206 ? { ...response, pipe: () => Effect.never } : response
      ),
      time: 600_000
    }
  }
]
