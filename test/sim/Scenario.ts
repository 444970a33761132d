/**
 * What happens in a run, drawn from its seed before it starts: the servers, what is asked for, who interferes, when
 * the process dies. A variation replaces parts of it, to prove that the oracles notice a broken rule.
 */
import type { ConflictPolicy, DownloadOptions } from "../../src/domain/DownloadOptions.js"
import { partName } from "../../src/domain/FileName.js"
import type { Policy } from "../../src/domain/SegmentPlan.js"
import { type Limits, limited, unlimited } from "./Intake.js"
import { drawFilling, drawTroubles, type Trouble } from "./Storms.js"
import { plainServer, type ResourceOptions, type Tagging } from "./Origin.js"
import type { Seeded } from "./Seeded.js"
import type { CrashKind } from "./SimDisk.js"
import type { Weather } from "./SimWire.js"

/** What somebody does to a download after asking for it. */
export interface Interference {
  readonly kind: "pause" | "cancel"
  /** Milliseconds after it was enqueued. */
  readonly after: number
}

export interface Order {
  /** The `d` of its URL; equal orders share it. */
  readonly key: string
  readonly resource: number
  readonly directory: string
  readonly output: string | undefined
  /** Milliseconds after the start of the run. */
  readonly at: number
  readonly priority: number
  readonly options: Partial<DownloadOptions>
  /** Which checksum it asks for: that of the resource's first version, or one that nothing has. */
  readonly checksum: "right" | "wrong" | undefined
  /** The largest size it wants, as a multiple of that of the resource's first version. */
  readonly largest: number | undefined
  readonly interference: Interference | undefined
}

/** Something a person does in the download directory. */
export interface UserAct {
  readonly at: number
  readonly kind: "create" | "remove" | "truncate" | "append" | "replace"
  readonly path: string
}

export type Ending =
  /** The process dies at a step, counted from its start. */
  | { readonly kind: CrashKind; readonly step: number }
  /** It dies at a time, in milliseconds from its start. */
  | { readonly kind: CrashKind; readonly time: number }
  /** It dies so many steps after the nth line of the story that contains the text. */
  | { readonly kind: CrashKind; readonly after: string; readonly nth: number; readonly step: number }
  /** Somebody stops it in an orderly way. */
  | { readonly kind: "stop"; readonly step: number }

/** How a consumer behaves: see Consumption. */
export type ConsumerKind = "slow" | "jumbled" | "dead"

export interface Scenario {
  readonly resources: ReadonlyArray<ResourceOptions>
  /** When which resource is replaced on its server, milliseconds after the start. */
  readonly changes: ReadonlyArray<{ readonly at: number; readonly resource: number }>
  readonly orders: ReadonlyArray<Order>
  readonly user: ReadonlyArray<UserAct>
  readonly weather: Weather
  /** What goes wrong besides when a download is resumed. */
  readonly badRanges: Weather
  /** How likely a resource is replaced just before somebody resumes it. */
  readonly fickleness: number
  /** How often a byte of a body is changed on the way, for downloads that have a checksum; as the weights of the weather. */
  readonly corruption: number
  /** From then on nothing goes wrong any more. */
  readonly calmAfter: number
  /** When the disk is full, and for how long. */
  readonly diskFull: ReadonlyArray<{ readonly at: number; readonly lasts: number }>
  readonly hardLinks: boolean
  /** Bytes per millisecond. */
  readonly diskSpeed: number
  readonly roughDisk: boolean
  readonly lyingSync: boolean
  /** When which host treats everybody badly, milliseconds after the start; of several at once the first counts. */
  readonly troubles: ReadonlyArray<Trouble>
  readonly concurrency: number
  /** Requests at work at once, at most, by one engine at one host. */
  readonly perHost: number
  readonly limits: Limits
  readonly adopt: boolean
  /** The pause after a commit, in milliseconds. */
  readonly commitInterval: number
  readonly consumers: ReadonlyArray<ConsumerKind>
  /** How the first processes end; the one after them runs to the end. */
  readonly endings: ReadonlyArray<Ending>
}

/** Downloads are divided though they are small. */
export const segmentation: Policy = {
  minLeft: 100_000,
  minTime: 100,
  minHalf: 20_000,
  watch: 50,
  trial: 500
}

export const directory = "/home/user/downloads"
const subdirectory = `${directory}/sub`

const calm: Weather = { none: 1 }

/** Faults by how often they come, as multiples of the badness drawn for the run, beside 40 exchanges without. */
const faults: Weather = {
  refused: 3,
  connectStall: 0.5,
  reset: 3,
  headStall: 0.5,
  cut: 20,
  stall: 1,
  slow: 3,
  crawl: 0.5,
  shortBody: 1,
  longBody: 1,
  refusesAll: 0.1,
  busy: 3,
  busyUntil: 3,
  tooMany: 1,
  error: 2,
  notFound: 0.1,
  coding: 0.1,
  unaskedPart: 1,
  redirectAgain: 1
}

/** The same for what servers get wrong about ranges. */
const rangeFaults: Weather = {
  badRange: 3,
  otherStart: 3,
  otherTotal: 3,
  shortRange: 5,
  longBody: 5,
  multipart: 3,
  noRange: 3,
  oddRange: 1,
  starTotal: 3,
  longRange: 3,
  endBeyond: 2,
  shortBody: 2,
  unsatisfied: 2
}

const times = (weather: Weather, factor: number): Weather =>
  Object.fromEntries(Object.entries(weather).map(([fault, weight]) => [fault, weight * factor]))

const drawSize = (random: Seeded): number => {
  const kind = random.next()
  if (kind < 0.1) return random.int(0, 1)
  if (kind < 0.25) return random.int(2, 5000)
  return kind < 0.5 ? random.int(5000, 300_000) : random.int(300_000, 3_000_000)
}

const drawResource = (random: Seeded, big: boolean): ResourceOptions => {
  const size = big ? random.int(9_000_000, 40_000_000) : drawSize(random)
  return {
    host: `host${random.int(1, 3)}.test`,
    size,
    tagging: random.weighted<Tagging>({
      strong: 4,
      "strong+date": 3,
      date: 3,
      weak: 1,
      "weak+date": 2,
      none: 1
    }),
    ranges: random.chance(0.9),
    chunked: random.chance(0.15),
    hops: random.pick([0, 0, 0, 1, 2]),
    // so that most transfers take seconds: time for checkpoints, and for something to happen between them
    rate: Math.max(20, size / random.log(300, 20_000)),
    ...plainServer,
    ifRange: random.chance(0.5) ? "honoured" : "ignored"
  }
}

/** What servers are like besides. Drawn apart. */
const quirky = (random: Seeded, resource: ResourceOptions): ResourceOptions => {
  const { hops, rate } = resource
  const version = random.weighted({ one: 12, backends: 2, restless: 1, twoPaths: 2 })
  const limited = random.chance(0.3)
  const chance = <A>(probability: number, value: A, otherwise: A): A =>
    random.chance(probability) ? value : otherwise
  return {
    ...resource,
    hops: version === "twoPaths" ? Math.max(1, hops) : hops,
    ifRange: chance(0.2, "hated", resource.ifRange),
    acceptRanges: random.pick(["bytes", "bytes", "none", undefined]),
    backends: version === "backends",
    twoPaths: version === "twoPaths",
    restless: version === "restless",
    connectionLimit: limited ? random.int(1, 4) : Infinity,
    beyond: random.pick([503, 429, 200, "reset"]),
    rate: chance(0.3, rate / 4, rate),
    shared: chance(0.3, rate * random.between(1, 3), Infinity),
    endsAfter: chance(0.15, Math.floor(random.log(50_000, 1_000_000)), Infinity)
  }
}

const drawOrder = (random: Seeded, index: number, resources: number): Order => {
  const onConflict = random.weighted<ConflictPolicy>({ rename: 6, overwrite: 1, skip: 1, fail: 1 })
  return {
    key: String(index),
    resource: random.int(0, resources - 1),
    directory: random.chance(0.8) ? directory : subdirectory,
    output: random.pick([undefined, undefined, "same.iso", `file${index}.tar.gz`]),
    at: random.chance(0.6) ? 0 : random.log(1, 20_000),
    priority: random.int(-1, 1),
    options: {
      maxRetries: random.chance(0.8) ? 100_000 : 3,
      retryDelay: random.pick([100, 2000]),
      timeout: random.pick([5000, 30_000]),
      stallTimeout: random.pick([5000, 30_000]),
      onConflict,
      connections: random.fork(`connections ${index}`).int(1, 8)
    },
    checksum: undefined,
    largest: undefined,
    interference: random.chance(0.3)
      ? { kind: random.pick(["pause", "cancel"]), after: random.log(1, 20_000) }
      : undefined
  }
}

/** Lines of the story after which a crash is interesting, by how often they are chosen. */
const instants: Readonly<Record<string, number>> = {
  " +": 8,
  "disk write": 3,
  "disk sync ": 4,
  "disk syncDirectory": 3,
  "disk create": 1,
  "disk truncate": 2,
  "disk link": 2,
  "disk rename": 1,
  "disk remove": 1,
  acknowledged: 1
}

/** The same where somebody consumes. */
const consuming: Readonly<Record<string, number>> = { ...instants, " gets ": 5, "has acknowledged": 5 }

const drawEnding = (random: Seeded, instants: Readonly<Record<string, number>>): Ending => {
  const kind = random.weighted<"kill" | "power" | "stop">({ kill: 4, power: 4, stop: 1 })
  const step = Math.floor(random.log(20, 5000))
  if (kind === "stop") return { kind, step }
  const how = random.next()
  if (how < 0.15) return { kind, step }
  if (how < 0.6) return { kind, time: random.log(50, 20_000) }
  const nth = Math.floor(random.log(1, 30))
  return { kind, after: random.weighted(instants), nth, step: Math.floor(random.log(1, 60)) - 1 }
}

/** What some of the orders say of the bytes they want. Drawn apart, so that seeds keep the rest of their stories. */
const demanding = (random: Seeded, order: Order): Order => {
  const checksum = random.weighted({ none: 10, right: 4, wrong: 1 })
  const largest = random.weighted({ none: 12, 0.5: 1, 1: 1, 2: 1 })
  const maxRetries = random.pick([0, 1, 3])
  return {
    ...order,
    ...(checksum === "none" ? {} : { checksum, options: { ...order.options, maxRetries } }),
    ...(largest === "none" ? {} : { largest: Number(largest) })
  }
}

/** The names that matter to an order: its final name, and its part. */
const namesOf = (order: Order): ReadonlyArray<string> => {
  const name = `${order.directory}/${order.output ?? `r${order.resource}.bin`}`
  return [name, name, partName(name)]
}

/** Somebody does something to a part. */
const meddle = (random: Seeded, order: Order, span: number): UserAct => ({
  at: random.log(100, span),
  kind: random.pick(["truncate", "append", "replace", "remove"]),
  path: partName(`${order.directory}/${order.output ?? `r${order.resource}.bin`}`)
})

const drawConsumers = (random: Seeded): ReadonlyArray<ConsumerKind> =>
  random.chance(0.4)
    ? []
    : (["slow", "jumbled", "dead"] as const).filter((kind) => kind === "jumbled" || random.chance(0.7))

export const draw = (random: Seeded): Scenario => {
  const big = random.chance(0.12)
  const resources = Array.from({ length: big ? 1 : random.int(1, 5) }, (_, i) =>
    quirky(random.fork(`quirks ${i}`), drawResource(random, big))
  )
  const digests = random.fork("digests")
  const announcing = resources.map((resource) => ({ ...resource, announces: !big && digests.chance(0.25) }))
  const demands = random.fork("demands")
  const orders: Array<Order> = Array.from({ length: big ? random.int(1, 2) : random.int(1, 7) }, (_, i) =>
    demanding(demands, drawOrder(random, i, resources.length))
  )
  // somebody asks for the same once more
  if (random.chance(0.4))
    orders.push({ ...random.pick(orders), at: random.log(1, 20_000), interference: undefined })
  const span = big ? 8000 : 60_000
  const badness = random.pick([0, 0.5, 1.5, 4])
  const calmAfter = random.log(5000, 300_000)
  const some = <A>(most: number, make: () => A): Array<A> => Array.from({ length: random.int(0, most) }, make)
  // drawn apart as well: where nobody consumes, seeds keep their stories
  const consumers = drawConsumers(random.fork("consumers"))
  const lines = consumers.length === 0 ? instants : consuming
  const meddling = random.fork("meddling")
  return limited(random.fork("limits"), {
    resources: announcing,
    orders,
    changes: some(5, () => ({ at: random.log(10, span), resource: random.int(0, resources.length - 1) })),
    user: [
      ...some(2, () => ({
        at: random.log(1, span),
        kind: random.weighted<UserAct["kind"]>({ create: 3, remove: 1 }),
        path: random.pick(namesOf(random.pick(orders)))
      })),
      ...(meddling.chance(0.2) ? [meddle(meddling, meddling.pick(orders), span)] : [])
    ],
    weather: { ...times(faults, badness), none: 40 },
    badRanges: times(rangeFaults, badness),
    fickleness: random.pick([0, 0.6]),
    corruption: demands.pick([0, 5, 40]),
    calmAfter,
    diskFull: random.chance(0.15)
      ? [{ at: random.log(10, span), lasts: random.log(10, 60_000) }]
      : drawFilling(random.fork("filling")),
    hardLinks: random.chance(0.9),
    diskSpeed: random.log(500, 500_000),
    roughDisk: random.chance(0.5),
    lyingSync: false,
    troubles: drawTroubles(random.fork("troubles"), [...new Set(resources.map(({ host }) => host))]),
    concurrency: random.int(1, 4),
    perHost: random.fork("gate").pick([1, 2, 6]),
    limits: unlimited,
    adopt: random.chance(0.5),
    commitInterval: demands.pick([0, 2, 50]),
    consumers,
    endings: Array.from({ length: random.pick([0, 1, 2, 3, 3]) }, () => drawEnding(random, lines))
  })
}

export const calmWeather = calm
