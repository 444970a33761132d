/**
 * The whole command without a process and without an engine: arguments, variables, a home directory and stdin in, what was
 * written and the exit code out.
 */
import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"
import { Readable } from "node:stream"
import * as Cli from "../../../src/programs/cli/Cli.js"
import { exitCode } from "../../../src/programs/cli/Failures.js"
import { Output } from "../../../src/programs/cli/Output.js"
import { Surroundings } from "../../../src/programs/cli/Surroundings.js"
import { streams } from "./Fixtures.js"

/** A directory that is not there, whatever ran on this machine before. */
export const nowhere = `/nowhere-${randomUUID()}`

export interface Place {
  readonly environment?: Readonly<Record<string, string>>
  /** Also the home directory. */
  readonly cwd?: string
  readonly stdin?: string | Uint8Array
}

/** Arguments that never reach an engine. */
export const sluiceIn = (
  { cwd = nowhere, environment = {}, stdin = "" }: Place,
  ...args: ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    const { output, stderr, stdout } = streams()
    const exit = yield* Cli.program(args).pipe(
      Effect.provideService(Output, output),
      Effect.provideService(Surroundings, {
        args,
        pid: 1,
        script: "/usr/bin/sluice",
        cwd,
        home: cwd,
        stateHome: undefined,
        environment,
        stdin: () => Readable.from([Buffer.from(stdin)])
      }),
      Effect.exit
    )
    return { code: exitCode(exit, undefined), stderr, stdout }
  })

export const sluice = (...args: ReadonlyArray<string>) => sluiceIn({}, ...args)
