/**
 * Makes the directories that a list puts files into, below a target directory and never outside of it, before anything of the list
 * is recorded: so that a list that can't be followed is refused as a whole. The engine looks again when a file's turn comes.
 */
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { ensureBelow, outside, Unusable } from "../../layers/NodeBelow.js"
import { UsageError } from "./Failures.js"

const sentences: Readonly<Record<string, string>> = {
  ENOENT: "the directory above it is not there",
  ENOTDIR: "it is not a directory",
  EEXIST: "it is not a directory"
}

const refuse = (root: string, error: unknown): UsageError => {
  const { code, directory } = error instanceof Unusable ? error : new Unusable(root, String(error))
  const why = code === outside ? `a symbolic link leads outside of ${root}` : (sentences[code] ?? code)
  return new UsageError({
    reason: "DestinationUnusable",
    message: `the directory ${directory} can't be used: ${why}`,
    advice: "choose another directory with --dir, or correct out= in the list"
  })
}

/** A directory below another one. */
export interface Wanted {
  readonly root: string
  readonly below: ReadonlyArray<string>
}

/** Makes all of them; the first that can't be made is the answer. */
export const make = (wanted: Iterable<Wanted>): Effect.Effect<void, UsageError> =>
  Effect.forEach(
    wanted,
    ({ below, root }) =>
      Effect.tryPromise({
        try: () => ensureBelow(root, join(root, ...below), true),
        catch: (error) => refuse(root, error)
      }),
    { discard: true }
  )
