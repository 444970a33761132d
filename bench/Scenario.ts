/**
 * What is measured: contenders that do the same work, run in turn (A B C A B C), so that what else the machine does falls
 * on all of them alike. Before the measured rounds each does the work once: that run warms caches, and its
 * result is compared byte for byte; the measured ones are compared by size.
 */
import * as Effect from "effect/Effect"
import { mkdir, rm } from "node:fs/promises"
import { join } from "node:path"
import type { Served } from "./Content.js"
import * as Content from "./Content.js"
import { Failure } from "./Failure.js"
import type { Meter, Usage } from "./Meter.js"
import type { Place } from "./Place.js"
import type { Job, Tool } from "./Tool.js"

export const names = ["big", "start", "small"] as const
export type Name = (typeof names)[number]

export interface Contender {
  readonly name: string
  readonly command: (job: Job) => Effect.Effect<ReadonlyArray<string>>
  /** What it leaves. */
  readonly files: ReadonlyArray<Served>
}

export interface Scenario {
  readonly name: Name
  readonly title: string
  readonly contenders: ReadonlyArray<Contender>
  /** Measured runs of each. */
  readonly runs: number
  /** Bytes that one result takes. */
  readonly bytes: number
}

export interface Result {
  readonly scenario: Name
  readonly place: Place["name"]
  readonly contender: string
  readonly runs: ReadonlyArray<Usage>
  /** Why it has no (more) runs. */
  readonly failure?: string | undefined
}

const fetching = (tools: ReadonlyArray<Tool>, files: ReadonlyArray<Served>): ReadonlyArray<Contender> =>
  tools.flatMap(({ name, one }) =>
    one === undefined ? [] : [{ name, files, command: (job) => Effect.succeed(one(job)) }]
  )

export const big = (tools: ReadonlyArray<Tool>, file: Served, runs: number): Scenario => ({
  name: "big",
  title: `one file of ${Math.round(file.size / 2 ** 20)} MiB`,
  contenders: fetching(tools, [file]),
  runs,
  bytes: file.size
})

/** `program` is the command of sluice. Each run is short, so there are four times as many. */
export const start = (
  tools: ReadonlyArray<Tool>,
  program: ReadonlyArray<string>,
  file: Served,
  runs: number
): Scenario => ({
  name: "start",
  title: "start-up: a file of one byte, and less than that",
  contenders: [
    {
      name: "node -e 0",
      files: [],
      command: () => Effect.succeed([process.execPath, "-e", "0"])
    },
    {
      name: "sluice --version",
      files: [],
      command: () => Effect.succeed([...program, "--version"])
    },
    ...fetching(tools, [file])
  ],
  runs: runs * 4,
  bytes: file.size
})

export const small = (tools: ReadonlyArray<Tool>, files: ReadonlyArray<Served>, runs: number): Scenario => {
  const reservation = tools.find((tool) => tool.reservation !== undefined)?.reservation
  return {
    name: "small",
    title:
      `${files.length} files of ${files[0]?.size ?? 0} bytes` +
      (reservation === undefined ? "" : ` (NOT COMPARABLE: ${reservation})`),
    contenders: tools.map((tool) => ({ name: tool.name, files, command: tool.many })),
    runs,
    bytes: files.reduce((sum, { size }) => sum + size, 0)
  }
}

/** No run takes so long, on any machine that somebody waits for. */
const patience = "10 minutes"

interface Surroundings {
  readonly meter: Meter
  readonly origin: string
  readonly say: (line: string) => Effect.Effect<void>
}

/** One run of one contender, from nothing to nothing. */
const once = (
  { command, files }: Contender,
  place: Place,
  { meter, origin }: Surroundings,
  thorough: boolean
): Effect.Effect<Usage, Failure> => {
  const directory = join(place.directory, "result")
  const scratch = join(place.directory, "scratch")
  const clear = Effect.promise(async () => {
    await rm(directory, { recursive: true, force: true })
    await rm(scratch, { recursive: true, force: true })
  })
  return Effect.gen(function* () {
    yield* clear
    yield* Effect.promise(async () => {
      await mkdir(directory)
      await mkdir(scratch)
    })
    const words = yield* command({ origin, files, directory, scratch })
    const usage = yield* meter.run(words, { directory, scratch }).pipe(
      Effect.timeoutFail({
        duration: patience,
        onTimeout: () => new Failure({ message: `it has not ended after ${patience}` })
      })
    )
    yield* Content.verify(directory, files, thorough)
    return usage
  }).pipe(Effect.ensuring(clear))
}

/** Measures one scenario in one place. A contender that fails is out, and says why. */
export const measure = (
  scenario: Scenario,
  place: Place,
  surroundings: Surroundings
): Effect.Effect<ReadonlyArray<Result>> =>
  Effect.gen(function* () {
    const runs = new Map(scenario.contenders.map(({ name }): [string, Array<Usage>] => [name, []]))
    const failures = new Map<string, string>()
    for (let round = 0; round <= scenario.runs; round++) {
      for (const contender of scenario.contenders) {
        if (failures.has(contender.name)) continue
        const usage = yield* Effect.either(once(contender, place, surroundings, round === 0))
        if (usage._tag === "Left") {
          failures.set(contender.name, usage.left.message)
          yield* surroundings.say(`${contender.name} is OUT: ${usage.left.message}`)
        } else if (round > 0) {
          runs.get(contender.name)?.push(usage.right)
        }
      }
      if (round === 0)
        yield* surroundings.say(`${scenario.name} on ${place.name}: results verified by sha256`)
      else yield* surroundings.say(`${scenario.name} on ${place.name}: round ${round} of ${scenario.runs}`)
    }
    return scenario.contenders.map(({ name }) => ({
      scenario: scenario.name,
      place: place.name,
      contender: name,
      runs: runs.get(name) ?? [],
      failure: failures.get(name)
    }))
  })
