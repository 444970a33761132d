/**
 * The benchmark of the project: `npm run build && npm run bench`. sluice and the well-known programs beside it, whole
 * processes, against one server on the loopback, on the disk and in memory. The table is on stdout, what goes on
 * meanwhile on stderr. Speed never makes it fail; a missing build or a wrong result of sluice does. All it makes is in
 * temporary directories, which are removed however it ends.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import * as Content from "./Content.js"
import { Failure } from "./Failure.js"
import * as Machine from "./Machine.js"
import * as Meter from "./Meter.js"
import * as Origin from "./Origin.js"
import * as Place from "./Place.js"
import * as Report from "./Report.js"
import * as Scenario from "./Scenario.js"
import * as Tool from "./Tool.js"

const options = {
  scenario: Options.choice("scenario", Scenario.names).pipe(
    Options.withDescription("What to measure; may be repeated. Default: big and start."),
    Options.repeated
  ),
  runs: Options.integer("runs").pipe(
    Options.withDescription("Measured runs of each program, in turn; four times as many for start-up."),
    Options.withDefault(5)
  ),
  size: Options.integer("size").pipe(
    Options.withDescription("Bytes of the big file."),
    Options.withDefault(2 ** 30)
  ),
  count: Options.integer("count").pipe(
    Options.withDescription("How many small files of 4 KiB."),
    Options.withDefault(10_000)
  ),
  only: Options.text("only").pipe(
    Options.withDescription("Compare with this program only; may be repeated."),
    Options.repeated
  ),
  place: Options.choice("place", ["disk", "tmpfs"]).pipe(
    Options.withDescription("Where results are written; may be repeated. Default: both."),
    Options.repeated
  ),
  json: Options.boolean("json").pipe(Options.withDescription("All figures as JSON on stdout."))
}

const say = (line: string) => Console.error(`# ${line}`)

/** Room to spare on a file system. */
const margin = 256 * 2 ** 20

const places = (wanted: ReadonlyArray<Place.Name>) =>
  Effect.gen(function* () {
    const tmpfs = yield* Place.tmpfs
    if (tmpfs === undefined) yield* say("there is no tmpfs at /dev/shm: the disk alone is measured")
    const all = [tmpfs, yield* Place.disk].filter((place) => place !== undefined)
    return { all, wanted: all.filter(({ name }) => wanted.length === 0 || wanted.includes(name)) }
  })

type Asked = Command.Command.ParseConfig<typeof options>

const program = (asked: Asked) =>
  Effect.gen(function* () {
    const sluice = yield* Tool.sluice
    const others = yield* Tool.installed((name) => say(`${name} is NOT INSTALLED: it is left out`))
    const tools = [sluice, ...others].filter(
      ({ name }) => name === "sluice" || asked.only.length === 0 || asked.only.includes(name)
    )
    const meter = yield* Meter.make
    const { all, wanted } = yield* places(asked.place)
    const scenarios: ReadonlyArray<Scenario.Name> =
      asked.scenario.length === 0 ? ["big", "start"] : asked.scenario

    // what is served is read from memory where there is room for it and for one result
    const home = all.find(({ free }) => free > 2 * asked.size + margin) ?? all.at(-1)
    if (home === undefined) return yield* new Failure({ message: "there is no directory to work in" })
    const root = join(home.directory, "served")
    const scratch = join(home.directory, "server")
    yield* Effect.promise(() => Promise.all([mkdir(root), mkdir(scratch)]))
    const origin = yield* Origin.serve(root, scratch)
    const machine = Machine.describe()
    yield* say(
      `${machine.cpu}, ${machine.cores} cores, ${machine.memory}, ${machine.system}, node ${machine.node}`
    )
    yield* say(`server: ${origin.server}; CPU and memory by ${meter.name}`)
    yield* Effect.forEach(tools, ({ name, version }) => say(`${name}: ${version}`))

    const prepared: Array<Scenario.Scenario> = []
    if (scenarios.includes("big")) {
      yield* say("making the big file")
      prepared.push(Scenario.big(tools, yield* Content.single(root, "big.bin", asked.size), asked.runs))
    }
    if (scenarios.includes("start")) {
      const file = yield* Content.single(root, "byte.bin", 1)
      prepared.push(Scenario.start(tools, sluice.program, file, asked.runs))
    }
    if (scenarios.includes("small")) {
      yield* say("making the small files")
      prepared.push(Scenario.small(tools, yield* Content.many(root, "small", asked.count, 4096), asked.runs))
    }

    const results: Array<Scenario.Result> = []
    for (const scenario of prepared) {
      for (const place of wanted) {
        if (place.free < scenario.bytes + (place === home ? asked.size : 0) + margin) {
          yield* say(`${scenario.name} on ${place.name} is LEFT OUT: too little room there`)
          continue
        }
        const measured = yield* Scenario.measure(scenario, place, { meter, origin: origin.url, say })
        results.push(...measured)
        if (!asked.json)
          yield* Console.log(`\n${scenario.title}, on ${place.name}\n${Report.table(measured)}`)
      }
    }

    const bars = Report.bars(results, sluice.reservation === undefined)
    if (asked.json) {
      const versions = Object.fromEntries(tools.map(({ name, version }) => [name, version]))
      yield* Console.log(
        JSON.stringify({
          v: 1,
          machine,
          server: origin.server,
          versions,
          results: results.map(Report.summary),
          bars: bars.map((bar) => ({ ...bar, met: Report.isMet(bar) }))
        })
      )
    } else {
      yield* Console.log(`\nThe bars (medians of one run):\n${bars.map(Report.barLine).join("\n")}`)
    }
    const wrong = results.find(
      ({ contender, failure }) => contender.startsWith("sluice") && failure !== undefined
    )
    if (wrong !== undefined) return yield* new Failure({ message: `${wrong.contender}: ${wrong.failure}` })
  }).pipe(Effect.scoped)

const command = Command.make("bench", options, program).pipe(
  Command.withDescription(
    "Compares sluice with curl, wget2, wget, aria2c and got; skips what is not installed."
  )
)

const cli = Command.run(command, { name: "bench", version: "1" })

/** runMain would call an interruption a success. */
const teardown = (exit: Exit.Exit<unknown, unknown>, leave: (code: number) => void): void =>
  leave(Exit.isSuccess(exit) ? 0 : Cause.isInterruptedOnly(exit.cause) ? 130 : 1)

cli(process.argv).pipe(
  Effect.tapErrorTag("Failure", ({ message }) => Console.error(`bench: ${message}`)),
  Effect.tapDefect((cause) =>
    Console.error(`bench: it failed in a way it should not\n${Cause.pretty(cause)}`)
  ),
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown })
)
