/**
 * Worlds and engines with one rule broken each, made from outside by wrapping the seams of the real engine: they prove
 * that every oracle can fail.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { vi } from "vitest"
import type { ConsumerBusy } from "../../src/domain/Consumer.js"
import { defaultPolicy } from "../../src/domain/HostGate.js"
import type { StoreError } from "../../src/domain/StoreError.js"
import * as Engine from "../../src/layers/Engine.js"
import type { Delivery } from "../../src/services/Consumers.js"
import { Downloads, type Shape as Front } from "../../src/services/Downloads.js"
import { Pace } from "../../src/layers/Pace.js"
import { inSteps } from "../../src/layers/DiskSteps.js"
import { PartFile, type Handle, type Steps as Disk } from "../../src/services/PartFile.js"
import {
  type ByteSink,
  type ResponseHead,
  Wire,
  type WireRequest,
  type WireResponse
} from "../../src/services/Wire.js"
import { unlimited, within } from "./Intake.js"
import type { Search } from "./Noticing.js"
import type { RunOptions } from "./Run.js"
import type { Ending, Order, Scenario } from "./Scenario.js"

export interface Sabotage extends Search {
  readonly what: string
  readonly options: RunOptions
  /** Breaks a rule that no seam leads to, until it is called off. */
  readonly inside?: () => { readonly mockRestore: () => void }
}

const onDisk = (change: (disk: Disk) => Partial<Disk>): typeof Engine.layer =>
  Layer.provide(
    Engine.layer,
    Layer.effect(
      PartFile,
      Effect.map(PartFile, (disk) => inSteps({ ...disk, ...change(disk) }))
    )
  )

export const onHandles = (change: (handle: Handle) => Partial<Handle>): typeof Engine.layer => {
  const changed = (handle: Handle): Handle => ({ ...handle, ...change(handle) })
  return onDisk((disk) => ({
    create: (path) => Effect.map(disk.create(path), changed),
    open: (path, access) => Effect.map(disk.open(path, access), Option.map(changed))
  }))
}

const onRequests = (change: (request: WireRequest) => WireRequest): typeof Engine.layer =>
  Layer.provide(
    Engine.layer,
    Layer.effect(
      Wire,
      Effect.map(Wire, (wire) => ({
        request: (request) => wire.request(change(request)),
        exchange: (request, onHead) => wire.exchange(change(request), onHead)
      }))
    )
  )

/** Answers that lose a field on their way to the engine. */
const withoutField = (name: string): typeof Engine.layer => {
  const less = <A extends ResponseHead>(head: A): A => ({
    ...head,
    headers: new Map(Array.from(head.headers).filter(([field]) => field !== name))
  })
  return Layer.provide(
    Engine.layer,
    Layer.effect(
      Wire,
      Effect.map(Wire, (wire) => ({
        request: (request) => Effect.map(wire.request(request), less),
        exchange: (request, onHead) => {
          const { abort, run } = wire.exchange(request, (head) => onHead(less(head)))
          return {
            abort,
            run: Effect.map(run, (response) => (response === undefined ? response : less(response)))
          }
        }
      }))
    )
  )
}

/** Answers as the engine is to see them. */
export const onAnswers = (
  change: (response: WireResponse, request: WireRequest) => WireResponse
): typeof Engine.layer =>
  Layer.provide(
    Engine.layer,
    Layer.effect(
      Wire,
      Effect.map(Wire, (wire) => ({
        ...wire,
        exchange: (request, onHead) => {
          const exchange = wire.exchange(request, onHead)
          const run = Effect.map(exchange.run, (response) =>
            response === undefined ? undefined : change(response, request)
          )
          return { ...exchange, run }
        }
      }))
    )
  )

/** What a body is given to, changed. */
export const piping = (
  response: WireResponse,
  change: (sink: ByteSink) => Partial<ByteSink>
): WireResponse => ({
  ...response,
  pipe: (sink) => {
    const changed: ByteSink = { ...sink, ...change(sink) }
    sink.onDrain = () => changed.onDrain()
    sink.onFailure = (error) => changed.onFailure(error)
    return response.pipe(changed)
  }
})

const onBodies = (change: (sink: ByteSink) => Partial<ByteSink>): typeof Engine.layer =>
  onAnswers((response) => piping(response, change))

export const onDownloads = (change: (front: Front) => Partial<Front>): typeof Engine.layer =>
  Layer.effect(
    Downloads,
    Effect.map(Downloads, (front) => ({ ...front, ...change(front) }))
  ).pipe(Layer.provideMerge(Engine.layer))

/** Requests that lose a demand on their way to the engine. */
const without = (demand: "checksum" | "maxSize"): typeof Engine.layer =>
  onDownloads((front) => ({
    enqueue: (request) => front.enqueue({ ...request, options: { ...request.options, [demand]: null } })
  }))

/** A world where nothing else goes wrong, so that what is noticed is the sabotage. */
export const quiet = (scenario: Scenario): Scenario => ({
  ...scenario,
  weather: { none: 1 },
  badRanges: {},
  fickleness: 0,
  roughDisk: false,
  hardLinks: true,
  diskFull: [],
  changes: [],
  user: [],
  troubles: [],
  endings: [],
  limits: unlimited,
  orders: scenario.orders.map((order) => ({
    ...order,
    interference: undefined,
    options: { ...order.options, limitRate: null }
  }))
})

const dying = (ending: Ending) => (scenario: Scenario) => ({ ...quiet(scenario), endings: [ending] })

const afterAnswers: Ending = { kind: "kill", after: "acknowledged", nth: 1, step: 30 }

/** Downloads that last, of a server that proves what it has. */
const big = (scenario: Scenario): Scenario => ({
  ...quiet(scenario),
  resources: scenario.resources.map((resource) => ({
    ...resource,
    size: 30_000_000,
    rate: 5000,
    tagging: "strong",
    ranges: true
  })),
  orders: scenario.orders
    .slice(0, 1)
    .map((order) => ({ ...order, options: { ...order.options, connections: 1 } })),
  endings: [{ kind: "kill", after: "wire d", nth: 350, step: 5 }]
})

const announcing = (scenario: Scenario): Scenario => ({
  ...scenario,
  resources: scenario.resources.map((resource) => ({ ...resource, announces: true }))
})

/** A server that announces digests, over connections that change a bit now and then. */
const garbling = (scenario: Scenario): Scenario => announcing({ ...quiet(scenario), corruption: 5 })

/** A server whose resource changes in mid-transfer while its tag does not, over connections that break. */
const forging = (scenario: Scenario): Scenario => ({
  ...quiet(scenario),
  resources: scenario.resources.map((resource) => ({
    ...resource,
    size: 2_000_000,
    rate: 200,
    tagging: "strong",
    ranges: true,
    chunked: false,
    sameTag: true
  })),
  changes: scenario.resources.map((_, resource) => ({ at: 8000, resource })),
  weather: { cut: 3, none: 1 },
  calmAfter: 60_000
})

const saves = (scenario: Scenario): Scenario => ({
  ...quiet(scenario),
  user: scenario.orders.map((order) => ({
    at: 1,
    kind: "create",
    path: `${order.directory}/${order.output ?? `r${order.resource}.bin`}`
  })),
  orders: scenario.orders.map((order) => ({ ...order, options: { ...order.options, onConflict: "rename" } }))
})

const demands = (demand: Partial<Pick<Order, "checksum" | "largest">>) => (scenario: Scenario) => ({
  ...quiet(scenario),
  orders: scenario.orders.map((order) => ({ ...order, ...demand }))
})

const cancels = (scenario: Scenario): Scenario => ({
  ...big(scenario),
  endings: [],
  orders: scenario.orders.slice(0, 1).map((order) => ({
    ...order,
    interference: { kind: "cancel", after: 2000 }
  }))
})

/** Somebody consumes what comes of downloads, in whatever order, and dies in between. */
const consumed = (scenario: Scenario): Scenario => ({
  ...quiet(scenario),
  consumers: ["jumbled"],
  endings: [{ kind: "kill", after: "has acknowledged", nth: 1, step: 20 }]
})

const onDeliveries = (
  change: (
    deliveries: Stream.Stream<Delivery, StoreError | ConsumerBusy>
  ) => Stream.Stream<Delivery, StoreError | ConsumerBusy>
): typeof Engine.layer =>
  onDownloads((front) => ({
    completions: (name, options) => change(front.completions(name, options))
  }))

export const sabotages: ReadonlyArray<Sabotage> = [
  {
    what: "writes that put zeros on the disk",
    noticed: ["B1"],
    options: {
      vary: quiet,
      engine: onHandles((handle) => ({
        writeAt: (buffers, position, done) =>
          handle.writeAt(
            buffers.map((buffer) => new Uint8Array(buffer.length)),
            position,
            done
          )
      }))
    }
  },
  {
    what: "a server that gives two versions one strong tag",
    noticed: ["B2"],
    from: 9,
    options: { vary: forging }
  },
  {
    what: "a link that replaces what is there",
    noticed: ["B5"],
    options: { vary: saves, engine: onDisk((disk) => ({ link: disk.rename })) }
  },
  {
    what: "a publication that does not sync the part",
    noticed: ["B6"],
    options: { vary: quiet, engine: onHandles(() => ({ sync: Effect.void })) }
  },
  {
    what: "a publication that does not sync the directory",
    noticed: ["B6"],
    options: { vary: quiet, engine: onDisk(() => ({ syncDirectory: () => Effect.void })) }
  },
  {
    what: "a disk whose syncs lie",
    noticed: ["B6", "Q3"],
    options: { vary: (scenario) => ({ ...big(scenario), lyingSync: true }) }
  },
  {
    what: "checksums that nobody looks at",
    noticed: ["B4"],
    options: { vary: demands({ checksum: "wrong" }), engine: without("checksum") }
  },
  {
    what: "digests of the server that nobody looks at",
    noticed: ["B1"],
    options: { vary: garbling, engine: withoutField("repr-digest") }
  },
  {
    what: "sizes that nobody looks at",
    noticed: ["H2"],
    options: { vary: demands({ largest: 0.5 }), engine: without("maxSize") }
  },
  {
    what: "commits that a crash takes back",
    noticed: ["Q1"],
    options: { vary: dying(afterAnswers), keepsLog: false }
  },
  {
    what: "a directory sync that never ends",
    noticed: ["Q2"],
    options: {
      vary: quiet,
      engine: onDisk(() => ({ syncDirectory: () => Effect.never })),
      time: 600_000
    }
  },
  {
    what: "checkpoints an hour apart, and a network that is not held back meanwhile",
    noticed: ["Q3"],
    options: {
      vary: big,
      engine: onBodies((sink) => ({
        write: (chunk) => {
          sink.write(chunk)
          return true
        }
      })),
      tune: { checkpointInterval: 3_600_000 }
    }
  },
  {
    what: "requests that are never recognised as the same",
    noticed: ["Q4"],
    options: {
      vary: dying(afterAnswers),
      engine: Layer.suspend(() => {
        let count = 0
        return onDownloads((front) => ({
          enqueue: (request) => front.enqueue({ ...request, url: `${request.url}&count=${count++}` })
        }))
      })
    }
  },
  {
    what: "endings that are acknowledged and not delivered",
    noticed: ["Q6"],
    options: {
      vary: (scenario) => ({ ...consumed(scenario), endings: [] }),
      engine: onDeliveries(
        Stream.filterEffect(({ acknowledge, seq }) =>
          seq === 1 ? Effect.as(acknowledge, false) : Effect.succeed(true)
        )
      )
    }
  },
  {
    what: "acknowledgements that are not recorded",
    noticed: ["Q6"],
    options: {
      vary: consumed,
      engine: onDeliveries(Stream.map((delivery) => ({ ...delivery, acknowledge: Effect.void }))),
      time: 600_000
    }
  },
  {
    what: "acknowledgements that a crash takes back",
    noticed: ["Q6"],
    options: { vary: consumed, keepsLog: false }
  },
  {
    what: "what comes again, and does not say so",
    noticed: ["Q6"],
    options: {
      vary: consumed,
      engine: onDeliveries(Stream.map((delivery) => ({ ...delivery, redelivered: false })))
    }
  },
  {
    what: "a fiber that outlives the engine",
    noticed: ["C1"],
    options: {
      vary: quiet,
      engine: Layer.merge(Engine.layer, Layer.effectDiscard(Effect.forkDaemon(Effect.never)))
    }
  },
  {
    what: "small files that leave their parts",
    from: 8,
    noticed: ["Engine"],
    options: {
      vary: quiet,
      engine: onDisk((disk) => ({
        remove: (path) => (/\/[0-9a-z]{11}\.sluice-part$/.test(path) ? Effect.void : disk.remove(path))
      }))
    }
  },
  {
    what: "a cancel that leaves the part",
    noticed: ["C1"],
    options: { vary: cancels, engine: onDisk(() => ({ remove: () => Effect.void })) }
  },
  {
    what: "credentials for everybody",
    noticed: ["H2"],
    options: {
      vary: (scenario) => ({
        ...quiet(scenario),
        resources: scenario.resources.map((resource) => ({ ...resource, hops: 3 }))
      }),
      engine: onRequests((request) => ({
        ...request,
        headers: [["Authorization", "Bearer secret"], ...request.headers]
      }))
    }
  },
  ...(
    [
      ["of an engine", "process 0 took", { all: 1_000_000, host: undefined }],
      ["of a host", " from ", { all: undefined, host: 1_000_000 }],
      ["of a download", " for d", { ...unlimited, download: 1_000_000 }]
    ] as const
  ).map(([of, says, limits]): Sabotage => ({
    what: `a throttle ${of} that lets everything pass`,
    noticed: ["Limit"],
    says,
    options: { vary: (scenario) => within(big(scenario), limits), steps: 20_000 },
    inside: () => vi.spyOn(Pace.prototype, "pass").mockReturnValue(true)
  })),
  {
    what: "a gate that does not hear when to come back",
    noticed: ["C4"],
    says: "before its time",
    options: {
      vary: (scenario) => ({
        ...quiet(scenario),
        calmAfter: 60_000,
        troubles: scenario.resources.map(({ host }) => ({
          host,
          from: 0,
          until: 20_000,
          weather: { busyUntil: 1 }
        })),
        orders: scenario.orders.map((order) => ({
          ...order,
          interference: undefined,
          checksum: undefined,
          largest: undefined,
          options: { ...order.options, maxRetries: 100_000 }
        }))
      }),
      engine: withoutField("retry-after")
    }
  },
  {
    what: "a gate without cap",
    noticed: ["C4"],
    says: "requests are at work",
    options: {
      vary: (scenario) => ({
        ...quiet(scenario),
        perHost: 1,
        concurrency: 4,
        orders: quiet(scenario).orders.map((order) => ({ ...order, at: 0 }))
      }),
      tune: { gate: () => ({ ...defaultPolicy, connections: Infinity }) }
    }
  },
  {
    what: "a wait that does not wait",
    noticed: ["Engine"],
    options: {
      vary: quiet,
      engine: onDownloads((front) => ({
        settled: (id) => Effect.map(front.get(id), Option.getOrThrow)
      }))
    }
  }
]

/** What no tag could notice, and a digest does: the engine as it is keeps its promises here. */
export const betrayed: ReadonlyArray<{
  readonly what: string
  readonly vary: (scenario: Scenario) => Scenario
}> = [
  {
    what: "a server whose tag is the same for every version",
    vary: (scenario) => announcing(forging(scenario))
  },
  { what: "connections that change bits", vary: garbling }
]
