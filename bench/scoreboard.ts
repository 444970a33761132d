/**
 * `npm run build && npm run scoreboard`: sluice and the well-known programs beside it, in situations where servers, networks and
 * people go wrong, against the tests' misbehaving origin. Prints who delivered what; exit code 1 where sluice did harm. With
 * `--limited` also the seconds with several connections to a server that limits each.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Failure } from "./Failure.js"
import * as Contestant from "./scoreboard/Contestant.js"
import * as Limited from "./scoreboard/Limited.js"
import { type Outcome, play } from "./scoreboard/Play.js"
import { situations } from "./scoreboard/Situation.js"

const options = {
  only: Options.text("only").pipe(
    Options.withDescription("Situations whose name contains this; may be repeated."),
    Options.repeated
  ),
  limited: Options.boolean("limited").pipe(
    Options.withDescription("Measure several connections to a server that limits each, too.")
  ),
  json: Options.boolean("json").pipe(Options.withDescription("Everything as JSON on stdout."))
}

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

const program = (asked: {
  readonly only: ReadonlyArray<string>
  readonly limited: boolean
  readonly json: boolean
}) =>
  Effect.gen(function* () {
    const sluice = yield* Contestant.sluice
    const others = yield* Contestant.installed((name) =>
      Console.error(`# ${name} is NOT INSTALLED: it is left out`)
    )
    const contestants = [sluice, ...others]
    yield* Effect.forEach(contestants, ({ name, version }) => Console.error(`# ${name}: ${version}`))
    const wanted = situations.filter(
      ({ name }) => asked.only.length === 0 || asked.only.some((text) => name.includes(text))
    )
    const results: Array<{ situation: string; contestant: string } & Outcome> = []
    for (const situation of wanted) {
      yield* Console.error(`# ${situation.name}`)
      const outcomes = yield* Effect.forEach(contestants, (contestant) =>
        Effect.map(play(contestant, situation), (outcome) => ({
          situation: situation.name,
          contestant: contestant.name,
          ...outcome
        }))
      )
      results.push(...outcomes)
    }
    const timings: Array<Limited.Timing> = []
    if (asked.limited) {
      for (const contestant of contestants) {
        for (const count of Limited.connections) timings.push(yield* Limited.measure(contestant, count))
      }
    }
    const harm = results.filter(
      ({ contestant, verdict }) => contestant === "sluice" && (verdict === "harm" || verdict === "hang")
    )
    if (asked.json) {
      const versions = Object.fromEntries(contestants.map(({ name, version }) => [name, version]))
      yield* Console.log(JSON.stringify({ v: 1, versions, results, timings }))
    } else {
      const textOf = (situation: string, contestant: string) =>
        results.find((one) => one.situation === situation && one.contestant === contestant)?.text ?? ""
      yield* Console.log(
        table([
          ["", ...contestants.map(({ name }) => name)],
          ...wanted.map(({ name }) => [
            name,
            ...contestants.map((contestant) => textOf(name, contestant.name))
          ])
        ])
      )
      const harms = contestants.map(({ name }) => {
        const count = results.filter(
          ({ contestant, verdict }) => contestant === name && (verdict === "harm" || verdict === "hang")
        ).length
        return `${name} ${count}`
      })
      yield* Console.log(`\nHarm or hang in ${wanted.length} situations: ${harms.join(", ")}`)
      if (asked.limited) {
        const seconds = (contestant: string, count: number) => {
          const found = timings.find((one) => one.contestant === contestant && one.connections === count)
          if (found?.seconds === undefined) return "-"
          return found.right ? found.seconds.toFixed(1) : "WRONG"
        }
        yield* Console.log(
          `\nSeconds for ${Limited.size / 2 ** 20} MiB, each connection limited to ${Limited.rate / 2 ** 20} MiB/s\n` +
            table([
              ["connections", ...Limited.connections.map(String)],
              ...contestants.map(({ name }) => [
                name,
                ...Limited.connections.map((count) => seconds(name, count))
              ])
            ])
        )
      }
    }
    if (harm.length > 0) {
      return yield* new Failure({ message: `sluice: ${harm.map((one) => one.situation).join("; ")}` })
    }
  })

const command = Command.make("scoreboard", options, program).pipe(
  Command.withDescription("Compares what sluice, aria2c, wget, wget2 and curl deliver when things go wrong.")
)

Command.run(command, { name: "scoreboard", version: "1" })(process.argv).pipe(
  Effect.tapErrorTag("Failure", ({ message }) => Console.error(`scoreboard: ${message}`)),
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
