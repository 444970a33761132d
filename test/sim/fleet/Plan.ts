/**
 * What happens in a run with several engines on one database, drawn from its seed: which engines start when and how they end,
 * which commands other processes give, which hosts are in trouble when. The world itself (servers, orders, weather) is
 * a Scenario, shaped so that the work lasts while all this goes on.
 */
import { draw as drawScenario, type Order, type Scenario } from "../Scenario.js"
import type { Seeded } from "../Seeded.js"
import type { Trouble } from "../Storms.js"

export type Deed =
  | "pause"
  | "resume"
  | "cancel"
  | "retry"
  | "remove"
  | "move"
  | "pauseAll"
  | "resumeAll"
  | "cancelAll"
  | "retryAll"
  | "removeAll"

/** An engine that works. */
export interface EnginePlan {
  readonly at: number
  readonly adopt: boolean
  readonly concurrency: number
  /** Which orders its user has. */
  readonly orders: ReadonlyArray<number>
  readonly ending:
    | { readonly kind: "kill" | "stop"; readonly time: number }
    /** So many steps after the nth line of the story with this text, from its start. */
    | { readonly kind: "kill" | "stop"; readonly after: string; readonly nth: number; readonly steps: number }
    | undefined
}

/** A process that gives one command. */
export interface CommandPlan {
  readonly at: number
  readonly deed: Deed
  /** An order, or a tag; undefined: all there is. */
  readonly order: number | undefined
  readonly tag: string | undefined
  readonly priority: number
  /** It is killed so many steps after its start. */
  readonly dies: number | undefined
}

export interface Plan {
  readonly scenario: Scenario
  readonly engines: ReadonlyArray<EnginePlan>
  readonly commands: ReadonlyArray<CommandPlan>
  /** When the power fails. */
  readonly powerCuts: ReadonlyArray<number>
  /** When the last engine starts, which is to bring everything to its end. */
  readonly lastAt: number
}

/** Everything that is planned happens before this, in milliseconds. */
const horizon = 40_000

export const tagOf = (order: Order): string => (Number(order.key) % 2 === 0 ? "even" : "odd")

/** Whether an order is asked for as a member of the group. */
export const inGroup = (order: Order): boolean => Number(order.key) % 3 !== 0

const instants: Readonly<Record<string, number>> = {
  " +": 8,
  "disk write": 3,
  "disk sync ": 4,
  "disk syncDirectory": 3,
  "disk create": 2,
  "disk link": 2,
  "disk remove": 3,
  acknowledged: 1,
  "command ": 2,
  "log INFO": 2
}

const drawEnding = (random: Seeded): EnginePlan["ending"] => {
  const how = random.next()
  const kind = random.weighted<"kill" | "stop">({ kill: 3, stop: 1 })
  if (how < 0.2) return undefined
  if (how < 0.5) return { kind, time: random.log(20, 25_000) }
  const nth = Math.floor(random.log(1, 40))
  const steps = Math.floor(random.log(1, 60)) - 1
  return { kind, after: random.weighted(instants), nth, steps }
}

const drawCommand = (random: Seeded, orders: number): CommandPlan => {
  const many = random.chance(0.3)
  const deed = many
    ? random.weighted<Deed>({ pauseAll: 4, resumeAll: 5, cancelAll: 1, retryAll: 2, removeAll: 1, move: 2 })
    : random.weighted<Deed>({ pause: 6, resume: 5, cancel: 3, retry: 3, remove: 1, move: 3 })
  return {
    at: random.log(50, horizon),
    deed,
    order: many ? undefined : random.int(0, orders - 1),
    tag: many && random.chance(0.6) ? random.pick(["even", "odd"]) : undefined,
    priority: random.int(-2, 2),
    dies: random.chance(0.2) ? Math.floor(random.log(10, 1500)) : undefined
  }
}

/** Many small files of one host, and one of another. */
const crowded = (random: Seeded, scenario: Scenario): Scenario => {
  const host = scenario.resources[0]!
  const small = { ...host, host: "crowd.test", size: 500, rate: 5, hops: 0, ranges: true, chunked: false }
  const resources = [...scenario.resources, small, { ...small, host: "lone.test" }]
  const template = { ...scenario.orders[0]!, checksum: undefined, largest: undefined, priority: 0 }
  const first = scenario.orders.length
  const orders = Array.from({ length: random.int(20, 60) }, (_, i) => ({
    ...template,
    key: String(first + i),
    resource: resources.length - 2,
    output: `crowd${i}`,
    at: 0
  }))
  const lone = {
    ...template,
    key: String(first + orders.length),
    resource: resources.length - 1,
    output: "lone"
  }
  return { ...scenario, resources, orders: [...scenario.orders, ...orders, { ...lone, at: 500 }] }
}

/** A scenario in which there is something to do while engines come and go. */
const shaped = (random: Seeded): Scenario => {
  const drawn = drawScenario(random.fork("scenario"))
  const resources = drawn.resources.map((resource) => {
    const size = Math.min(resource.size, 1_500_000)
    return { ...resource, size, rate: Math.max(5, size / random.log(300, 15_000)) }
  })
  const orders = Array.from({ length: random.int(3, 10) }, (_, i) => {
    const like = random.pick(drawn.orders)
    return {
      ...like,
      key: String(i),
      resource: random.int(0, resources.length - 1),
      output: random.pick([undefined, "same.iso", `file${i}.tar.gz`]),
      at: random.chance(0.5) ? 0 : random.log(1, 20_000),
      priority: random.int(-1, 1),
      interference: undefined
    }
  })
  const hosts = [...new Set(resources.map(({ host }) => host))]
  const scenario: Scenario = {
    ...drawn,
    resources,
    orders,
    endings: [],
    adopt: false,
    calmAfter: Math.min(drawn.calmAfter, horizon * 1.5),
    troubles: [
      ...drawn.troubles,
      ...hosts.flatMap((host): ReadonlyArray<Trouble> => {
        if (random.chance(0.5)) return []
        const from = random.log(1, 20_000)
        const fault = random.pick(["busyUntil", "refused", "tooMany"] as const)
        return [{ host, from, until: from + random.log(500, 20_000), weather: { [fault]: 1 } }]
      })
    ]
  }
  return random.chance(0.25) ? crowded(random, scenario) : scenario
}

export const draw = (random: Seeded): Plan => {
  const scenario = shaped(random.fork("shape"))
  const orders = scenario.orders.map((_, i) => i)
  const starts = random.int(2, 4)
  const engines = Array.from({ length: starts }, (_, i): EnginePlan => ({
    at: i === 0 ? 0 : random.chance(0.4) ? random.log(1, 1000) : random.log(1000, horizon / 2),
    adopt: random.chance(0.6),
    concurrency: random.int(1, 3),
    orders: orders.filter((order) => (order % starts === i ? true : random.chance(0.1))),
    ending: drawEnding(random)
  }))
  return {
    scenario,
    engines,
    commands: Array.from({ length: random.pick([0, 2, 5, 10]) }, () => drawCommand(random, orders.length)),
    powerCuts: random.chance(0.15) ? [random.log(500, horizon)] : [],
    lastAt: horizon + 5000
  }
}
