/**
 * What the command line knows of the process around it. A service, so that tests can have their own.
 */
import * as Context from "effect/Context"
import type { Readable } from "node:stream"

/** @see {@link Surroundings} */
export interface Shape {
  /** The arguments after the program's name, as typed. */
  readonly args: ReadonlyArray<string>
  readonly pid: number
  /** The path of the script that was started. */
  readonly script: string
  readonly cwd: string
  readonly home: string
  /** `$XDG_STATE_HOME`. By its specification a relative path counts as unset. */
  readonly stateHome: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Opened when it is first asked for. */
  readonly stdin: () => Readable & { readonly isTTY?: boolean }
}

export class Surroundings extends Context.Tag("sluice/cli/Surroundings")<Surroundings, Shape>() {}
