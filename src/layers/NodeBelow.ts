/**
 * Directories below one that was chosen, over node:fs: made where they are missing, and never outside of it. A symbolic link
 * in between may lead elsewhere below, but not out; the chosen directory itself may be a link, that is its user's own
 * choice. What is made is synced where asked for, as a file that is there after a power cut needs its directory to be there too.
 *
 * Node has no openat: between this look and what is done next, whoever may write in the chosen directory can put a link in
 * the place of another one. It is looked again before each step that makes a name, so what is left is that instant; and
 * a file gets its final name only beside its part, so what was begun inside ends inside, or fails.
 */
import { access, constants, mkdir, open, realpath, stat } from "node:fs/promises"
import { dirname, join, relative, sep } from "node:path"

/** The directory that can't be used, and the system's code; `outside`: a link leads out. */
export class Unusable extends Error {
  constructor(
    readonly directory: string,
    readonly code: string
  ) {
    super(`${directory} can't be used (${code})`)
  }
}

/** A code of ours: no system has it. */
export const outside = "OUTSIDE"

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error)

const attempt = async <A>(directory: string, run: () => Promise<A>): Promise<A> => {
  try {
    return await run()
  } catch (error) {
    throw error instanceof Unusable ? error : new Unusable(directory, codeOf(error))
  }
}

const makeIfMissing = async (directory: string, synced: boolean): Promise<void> => {
  try {
    await mkdir(directory)
  } catch (error) {
    if (codeOf(error) === "EEXIST") return
    throw error
  }
  if (!synced) return
  const above = await open(dirname(directory))
  await above.sync().finally(() => above.close())
}

const isInside = (real: string, root: string): boolean =>
  real === root || real.startsWith(root.endsWith(sep) ? root : `${root}${sep}`)

/** Whether all is as it should be: mostly it is, and then a few calls at once tell. */
const isThere = async (root: string, directory: string): Promise<boolean> => {
  try {
    const [inside, real, stats] = await Promise.all([
      realpath(root),
      realpath(directory),
      stat(directory),
      access(directory, constants.W_OK | constants.X_OK)
    ])
    return isInside(real, inside) && stats.isDirectory()
  } catch {
    return false
  }
}

/** Makes `root`, if the directory above it is there, and `directory`, a path below it. Rejects with `Unusable`. */
export const ensureBelow = async (root: string, directory: string, synced: boolean): Promise<void> => {
  if (await isThere(root, directory)) return
  await attempt(root, () => makeIfMissing(root, synced))
  const inside = await attempt(root, () => realpath(root))
  let path = root
  for (const name of relative(root, directory).split(sep)) {
    path = join(path, name)
    await attempt(path, () => makeIfMissing(path, synced))
    // looked at before anything is made below it
    const real = await attempt(path, () => realpath(path))
    if (!isInside(real, inside)) throw new Unusable(path, outside)
    if (!(await attempt(path, () => stat(path))).isDirectory()) throw new Unusable(path, "ENOTDIR")
  }
  await attempt(path, () => access(path, constants.W_OK | constants.X_OK))
}
