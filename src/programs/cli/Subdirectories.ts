/**
 * Makes the directories that a list puts files into, below a target directory and never outside of it: a symbolic link in
 * between may lead elsewhere below, but not out. What is made is synced, as a file that is there after a power cut needs its
 * directory to be there too.
 *
 * The files themselves are made by the engine later; between then and now a link can be put in the place of a directory
 * by whoever may write there, who could as well move the file.
 */
import * as Effect from "effect/Effect"
import { mkdir, open, realpath, stat } from "node:fs/promises"
import { dirname, join, sep } from "node:path"
import { UsageError } from "./Failures.js"

const refuse = (path: string, why: string): UsageError =>
  new UsageError({
    reason: "DestinationUnusable",
    message: `the directory ${path} can't be used: ${why}`,
    advice: "choose another directory with --dir, or correct out= in the list"
  })

const attempt = <A>(path: string, run: () => Promise<A>): Effect.Effect<A, UsageError> =>
  Effect.tryPromise({
    try: run,
    catch: (error) => {
      const code = error instanceof Error && "code" in error ? String(error.code) : String(error)
      return refuse(path, code === "ENOENT" ? "the directory above it is not there" : code)
    }
  })

const exists = async (path: string): Promise<boolean> => {
  try {
    await mkdir(path)
    const above = await open(dirname(path))
    await above.sync().finally(() => above.close())
    return true
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return true
    throw error
  }
}

/** Makes `root`, if the directory above it is there, and all of `below` in it. */
const makeOne = (root: string, below: ReadonlyArray<string>): Effect.Effect<void, UsageError> =>
  Effect.gen(function* () {
    yield* attempt(root, () => exists(root))
    const inside = yield* attempt(root, () => realpath(root))
    let path = root
    for (const name of below) {
      path = join(path, name)
      yield* attempt(path, () => exists(path))
      // looked at before anything is made below it
      const real = yield* attempt(path, () => realpath(path))
      if (real !== inside && !real.startsWith(inside.endsWith(sep) ? inside : `${inside}${sep}`))
        return yield* refuse(path, `a symbolic link leads outside of ${root}`)
      if (!(yield* attempt(path, () => stat(path))).isDirectory())
        return yield* refuse(path, "it is not a directory")
    }
  })

/** A directory below another one. */
export interface Wanted {
  readonly root: string
  readonly below: ReadonlyArray<string>
}

/** Makes all of them; the first that can't be made is the answer. */
export const make = (wanted: Iterable<Wanted>): Effect.Effect<void, UsageError> =>
  Effect.forEach(wanted, ({ below, root }) => makeOne(root, below), { discard: true })
