/**
 * What is served and must arrive: random bytes, which no file system and no coding makes smaller, and their digests. A big
 * file repeats a random block, each page of it numbered: as good, and made in a tenth of the time.
 */
import * as Effect from "effect/Effect"
import { createHash, randomFillSync } from "node:crypto"
import { createReadStream } from "node:fs"
import { mkdir, open, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { Failure } from "./Failure.js"

/** A file on the server. */
export interface Served {
  /** Its path below the server's root, which is also its URL's. */
  readonly path: string
  /** The file name it is to arrive under. */
  readonly name: string
  readonly size: number
  readonly sha256: string
}

const block = Buffer.allocUnsafe(4 * 2 ** 20)
const page = 4096

const write = async (
  root: string,
  path: string,
  name: string,
  size: number,
  signal: AbortSignal
): Promise<Served> => {
  const hash = createHash("sha256")
  const file = await open(join(root, path), "wx")
  try {
    randomFillSync(block, 0, Math.min(size, block.length))
    for (let at = 0; at < size; at += block.length) {
      signal.throwIfAborted()
      const bytes = block.subarray(0, Math.min(size - at, block.length))
      for (let start = 0; start + page <= bytes.length; start += page) bytes.writeDoubleLE(at + start, start)
      hash.update(bytes)
      await file.writeFile(bytes)
    }
  } finally {
    await file.close()
  }
  return { path, name, size, sha256: hash.digest("hex") }
}

/** Makes one file of `size` bytes. */
export const single = (root: string, name: string, size: number): Effect.Effect<Served> =>
  Effect.promise((signal) => write(root, name, name, size, signal))

/** Makes many small files in a directory. */
export const many = (
  root: string,
  directory: string,
  count: number,
  size: number
): Effect.Effect<ReadonlyArray<Served>> =>
  Effect.promise(async (signal) => {
    await mkdir(join(root, directory))
    const served: Array<Served> = []
    for (let index = 0; index < count; index++) {
      const name = `file-${index}.bin`
      served.push(await write(root, `${directory}/${name}`, name, size, signal))
    }
    return served
  })

const digest = async (file: string): Promise<string> => {
  const hash = createHash("sha256")
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash)
  return hash.digest("hex")
}

/** That the directory holds these files and nothing else; `thorough` compares every byte by its digest, else the sizes. */
export const verify = (
  directory: string,
  files: ReadonlyArray<Served>,
  thorough: boolean
): Effect.Effect<void, Failure> =>
  Effect.tryPromise({
    try: async () => {
      const found = await readdir(directory)
      if (found.length !== files.length) {
        throw new Error(`${found.length} files instead of ${files.length}: ${found.slice(0, 3).join(", ")}`)
      }
      for (const { name, sha256, size } of files) {
        const file = join(directory, name)
        const held = await stat(file)
        if (held.size !== size) throw new Error(`${name} has ${held.size} bytes instead of ${size}`)
        if (thorough && (await digest(file)) !== sha256) throw new Error(`${name} has other bytes`)
      }
    },
    catch: (error) => new Failure({ message: `wrong result: ${String(error)}` })
  })
