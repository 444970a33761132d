/**
 * Fleets with one rule broken each: they prove that every oracle over several engines can fail.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Bandwidth from "../../../src/layers/Bandwidth.js"
import * as DownloadsLayer from "../../../src/layers/Downloads.js"
import * as Engine from "../../../src/layers/Engine.js"
import * as EngineSwitch from "../../../src/layers/EngineSwitch.js"
import * as HostGates from "../../../src/layers/HostGates.js"
import * as HttpRevalidation from "../../../src/layers/HttpRevalidation.js"
import * as HttpTransport from "../../../src/layers/HttpTransport.js"
import * as SqlStore from "../../../src/layers/SqlStore.js"
import { EngineLife } from "../../../src/services/EngineLife.js"
import { PartFile } from "../../../src/services/PartFile.js"
import { type Shape, Store } from "../../../src/services/Store.js"
import { quiet } from "../Sabotage.js"
import type { Search } from "../Noticing.js"
import type { Scenario } from "../Scenario.js"
import type { FleetOptions } from "./FleetRun.js"
import type { CommandPlan, EnginePlan, Plan } from "./Plan.js"

export interface FleetSabotage extends Search {
  readonly what: string
  readonly options: FleetOptions
}

/** The engine with another store. */
export const onStore = (
  change: (store: Shape, run: (statement: string) => Effect.Effect<void>) => Partial<Shape>
) =>
  DownloadsLayer.layer.pipe(
    Layer.provideMerge(EngineSwitch.layer),
    Layer.provideMerge(
      Layer.effect(
        Store,
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const store = yield* Store
          const run = (statement: string) => Effect.orDie(Effect.asVoid(sql.unsafe(statement)))
          return { ...store, ...change(store, run) }
        })
      ).pipe(Layer.provideMerge(SqlStore.layer))
    ),
    Layer.provide(HttpTransport.layer),
    Layer.provide(HttpRevalidation.layer),
    Layer.provide(Bandwidth.layer),
    Layer.provide(HostGates.layer)
  )

/** Something is done to the database before each claim. */
export const beforeClaims = (statement: string) =>
  onStore((store, run) => ({ claim: (options) => Effect.zipRight(run(statement), store.claim(options)) }))

/** A world where nothing goes wrong by itself, and downloads last. */
const lasting = (scenario: Scenario): Scenario => ({
  ...quiet(scenario),
  troubles: [],
  resources: scenario.resources.map((resource) => ({
    ...resource,
    size: 1_000_000,
    rate: 50,
    tagging: "strong"
  })),
  orders: scenario.orders.slice(0, 4).map((order, i) => ({
    ...order,
    at: 0,
    output: `file${i}`,
    checksum: undefined,
    largest: undefined
  }))
})

const engine: EnginePlan = { at: 0, adopt: true, concurrency: 2, orders: [], ending: undefined }

const command: CommandPlan = {
  at: 3000,
  deed: "pauseAll",
  order: undefined,
  tag: undefined,
  priority: 0,
  dies: undefined
}

export const plan =
  (engines: ReadonlyArray<Partial<EnginePlan>>, commands: ReadonlyArray<Partial<CommandPlan>> = []) =>
  (drawn: Plan): Plan => {
    const scenario = lasting(drawn.scenario)
    return {
      ...drawn,
      scenario,
      engines: engines.map((one, i) => ({
        ...engine,
        orders: i === 0 ? scenario.orders.map((_, order) => order) : [],
        ...one
      })),
      commands: commands.map((one) => ({ ...command, ...one })),
      powerCuts: []
    }
  }

const two = plan([{}, { at: 1000 }])

/** One of one host behind many of another. */
export const crowd = (drawn: Plan): Plan => {
  const { scenario } = plan([{}])(drawn)
  const host = { ...scenario.resources[0]!, size: 500, rate: 5, hops: 0 }
  const [template] = scenario.orders
  const orders = Array.from({ length: 31 }, (_, i) => ({
    ...template!,
    key: String(i),
    resource: i === 30 ? 1 : 0,
    output: i === 30 ? "lone" : `crowd${i}`,
    priority: 0,
    at: i === 30 ? 50 : 0
  }))
  const resources = [
    { ...host, host: "crowd.test" },
    { ...host, host: "lone.test" }
  ]
  const engines = [{ ...engine, orders: orders.map((_, i) => i) }]
  return { ...drawn, scenario: { ...scenario, resources, orders }, engines, commands: [], powerCuts: [] }
}

export const fleetSabotages: ReadonlyArray<FleetSabotage> = [
  {
    what: "engines that take all others for dead",
    noticed: ["Q2"],
    options: {
      vary: two,
      engine: () =>
        Layer.provide(
          Engine.layer,
          Layer.effect(
            EngineLife,
            Effect.map(EngineLife, (life) => ({ ...life, isAlive: () => Effect.succeed(false) }))
          )
        )
    }
  },
  {
    what: "an engine that never obeys",
    noticed: ["C1"],
    options: {
      vary: plan([{}], [{}]),
      engine: () => onStore(() => ({ obey: Effect.succeed([]) }))
    }
  },
  {
    what: "an heir that forgets what was asked",
    noticed: ["C1"],
    options: {
      vary: plan(
        [{ ending: { kind: "kill", after: "command pauseAll all ends", nth: 1, steps: 0 } }, {}],
        [{}]
      ),
      engine: () =>
        onStore((store, run) => ({
          // the owner has no time to obey, and the heir no mind to
          obey: Effect.succeed([]),
          disown: (owner) =>
            Effect.zipRight(
              run(`UPDATE sluice_downloads SET intent = NULL WHERE owner = '${owner}'`),
              store.disown(owner)
            )
        }))
    }
  },
  {
    what: "a cancel that forgets the part",
    noticed: ["C1"],
    options: {
      vary: plan(
        [{}],
        [0, 1, 2, 3].map((order) => ({ deed: "cancel", order }))
      ),
      engine: () =>
        Layer.provide(
          Engine.layer,
          Layer.effect(
            PartFile,
            Effect.map(PartFile, (disk) => ({ ...disk, remove: () => Effect.void }))
          )
        )
    }
  },
  {
    what: "an engine that takes nothing up",
    noticed: ["Q2"],
    options: {
      vary: plan([{}]),
      engine: (process) =>
        process > 0
          ? Engine.layer
          : onStore(() => ({ claim: () => Effect.succeed({ rows: [], more: false }) }))
    }
  },
  {
    what: "priorities that nobody keeps",
    noticed: ["Q2"],
    options: {
      vary: plan([{}], [{ deed: "move", order: 3, priority: 9 }]),
      engine: () => onStore(() => ({ move: (ids) => Effect.succeed(ids.length) }))
    }
  },
  {
    what: "an engine that leaves without giving up its rows",
    noticed: ["Q2"],
    options: {
      vary: plan([{ ending: { kind: "stop", time: 3000 } }]),
      engine: () => onStore(() => ({ release: Effect.succeed([]) }))
    }
  },
  {
    what: "rows that are lost",
    noticed: ["Q1"],
    options: {
      vary: two,
      engine: () =>
        beforeClaims("DELETE FROM sluice_downloads WHERE id = (SELECT min(id) FROM sluice_downloads)")
    }
  },
  {
    what: "one request twice",
    noticed: ["Q4"],
    options: {
      vary: two,
      engine: () =>
        beforeClaims(
          "UPDATE sluice_downloads SET (url, output) = (SELECT url, output FROM sluice_downloads ORDER BY id LIMIT 1)"
        )
    }
  },
  {
    what: "a group whose counters fall",
    noticed: ["Q5"],
    options: {
      vary: plan([{}]),
      engine: () => beforeClaims("UPDATE sluice_groups SET completed = max(0, completed - 1)")
    }
  }
]
