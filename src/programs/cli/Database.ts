/**
 * Where the database is. The default's directory is made on first use, readable by its user alone (rows can hold
 * credentials); the directory of a database that was named on the command line is the user's own business.
 */
import * as Effect from "effect/Effect"
import { access, mkdir } from "node:fs/promises"
import { dirname, isAbsolute, join, resolve } from "node:path"
import { StoreError } from "../../domain/StoreError.js"
import type { Shape as Surroundings } from "./Surroundings.js"

export interface Location {
  readonly path: string
  /** Whether nobody asked for this very file. */
  readonly isDefault: boolean
}

/** `--db`, else `$XDG_STATE_HOME/sluice/sluice.db`, else `~/.local/state/sluice/sluice.db`. */
export const locate = (
  asked: string | undefined,
  { cwd, home, stateHome }: Pick<Surroundings, "cwd" | "home" | "stateHome">
): Location =>
  asked === undefined
    ? {
        path: join(
          stateHome !== undefined && isAbsolute(stateHome) ? stateHome : join(home, ".local", "state"),
          "sluice",
          "sluice.db"
        ),
        isDefault: true
      }
    : { path: resolve(cwd, asked), isDefault: false }

/** Makes the default's directory, mode 0700, if it is missing. */
export const prepare = (location: Location): Effect.Effect<void, StoreError> =>
  location.isDefault
    ? Effect.mapError(makeDirectory(dirname(location.path)), (code) => unusable(location.path, code))
    : Effect.void

/** Like `mkdir -p`. Not Node's recursive one: that never returns where the system answers ENOENT for good (/proc). */
const makeDirectory = (path: string): Effect.Effect<void, string> => {
  const make = Effect.tryPromise({
    try: () => mkdir(path, { mode: 0o700 }),
    catch: (error) => (error instanceof Error && "code" in error ? String(error.code) : String(error))
  }).pipe(
    // made by another command meanwhile; if it is no directory, opening the database will tell
    Effect.catchIf(
      (code) => code === "EEXIST",
      () => Effect.void
    )
  )
  return Effect.catchAll(make, (code) => {
    if (code !== "ENOENT" || dirname(path) === path) return Effect.fail(code)
    return Effect.zipRight(makeDirectory(dirname(path)), make)
  })
}

/** Whether there is a file at all; anything but "no such file" counts as being there, and opening it will tell. */
export const exists = (location: Location): Effect.Effect<boolean> =>
  Effect.promise(() =>
    access(location.path).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== "ENOENT"
    )
  )

const unusable = (path: string, code: string): StoreError =>
  new StoreError({
    reason: code === "ENOSPC" ? "Full" : code === "EROFS" ? "ReadOnly" : "Unavailable",
    path,
    detail: `its directory can't be made: ${code}`
  })
