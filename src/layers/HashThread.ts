/**
 * A thread that hashes files: it opens one by its name, makes sure that it is the one meant, reads it and answers with its
 * digests. Who gives it which file, and when it has to end, is ThreadHasher's business.
 *
 * What runs in the thread is text, not a module: the bundled command, the library and the tests would each need a file of
 * their own at a place of their own, and the tests one that Node can load without a loader. It uses nothing but Node.
 *
 * Tricky interleavings: a thread that is ended in the middle of a file closes what it had open (Node tracks its descriptors). An
 * answer may come in the instant in which nobody wants it any more; then the thread is ended, and it is lost with it.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { Worker } from "node:worker_threads"
import type { FileIdentity } from "../domain/FileFacts.js"

/** What a thread is given. */
export interface Task {
  readonly path: string
  readonly flags: number
  readonly identity: FileIdentity
  readonly size: number
  /** By the names that node:crypto knows. */
  readonly algorithms: ReadonlyArray<string>
  /** The first algorithm's digests of pieces of so many bytes are wanted, instead of those of the whole. */
  readonly piece?: number
  /** Counts the bytes read, for whoever wants to know that it goes on. */
  readonly pulse: SharedArrayBuffer
}

/** What it answers. `read`: how many bytes there were. `replaced`: the file of that name is another one. */
export type Answer =
  | { readonly read: number; readonly digests: ReadonlyArray<string> }
  | { readonly replaced: true }
  | { readonly forbidden: string }
  | { readonly code: string | undefined; readonly message: string }

const source = `
const { parentPort } = require("node:worker_threads")
const { createHash } = require("node:crypto")
const fs = require("node:fs")

const block = Buffer.allocUnsafeSlow(1024 * 1024)

const isMeant = (stats, { dev, ino, birth }) =>
  stats.isFile() &&
  String(stats.dev) === dev &&
  String(stats.ino) === ino &&
  (stats.birthtimeNs > 0n ? String(stats.birthtimeNs) : undefined) === birth

const hash = (task) => {
  const hashes = []
  for (const algorithm of task.algorithms) {
    try {
      hashes.push(createHash(algorithm))
    } catch {
      return { forbidden: algorithm }
    }
  }
  const pulse = new Float64Array(task.pulse)
  const fd = fs.openSync(task.path, task.flags)
  try {
    if (!isMeant(fs.fstatSync(fd, { bigint: true }), task.identity)) return { replaced: true }
    let read = 0
    const pieces = []
    let left = task.piece
    while (read < task.size) {
      const count = fs.readSync(fd, block, 0, Math.min(block.length, task.size - read), read)
      if (count === 0) break
      if (task.piece === undefined) for (const hash of hashes) hash.update(block.subarray(0, count))
      else
        for (let at = 0; at < count;) {
          const length = Math.min(left, count - at)
          hashes[0].update(block.subarray(at, at + length))
          at += length
          left -= length
          if (left > 0) continue
          pieces.push(hashes[0].digest("hex"))
          hashes[0] = createHash(task.algorithms[0])
          left = task.piece
        }
      read += count
      pulse[0] = read
    }
    if (left < task.piece) pieces.push(hashes[0].digest("hex"))
    return { read, digests: task.piece === undefined ? hashes.map((hash) => hash.digest("hex")) : pieces }
  } finally {
    fs.closeSync(fd)
  }
}

parentPort.on("message", (task) => {
  let answer
  try {
    answer = hash(task)
  } catch (error) {
    answer = { code: error.code, message: String(error.message) }
  }
  parentPort.postMessage(answer)
})
`

/** The thread is gone: it was ended, or it died. */
export class ThreadDied extends Data.TaggedError("ThreadDied")<{ readonly message: string }> {}

export interface HashThread {
  /** Whether it can still be given anything. */
  readonly isAlive: () => boolean
  /** One at a time. Fails with `ThreadDied`. Interruption ends the thread, and returns once it is gone. */
  readonly run: (task: Task) => Effect.Effect<Answer, ThreadDied>
  /** Fails what runs, and does not wait for the thread to be gone: it may be in a system call that never returns. */
  readonly abandon: (why: ThreadDied) => void
  readonly end: Effect.Effect<void>
}

/** Starts a thread; throws where the system permits none. It keeps the process alive only while it runs a task. */
export const start = (): HashThread => {
  const worker = new Worker(source, { eval: true, name: "sluice-hasher", execArgv: [], env: {} })
  worker.unref()
  let died: ThreadDied | undefined
  let settle: ((answer: Effect.Effect<Answer, ThreadDied>) => void) | undefined
  const die = (why: ThreadDied): void => {
    died ??= why
    settle?.(Effect.fail(died))
  }
  worker.on("message", (answer: Answer) => settle?.(Effect.succeed(answer)))
  worker.on("error", (error) =>
    die(new ThreadDied({ message: `the thread that hashes has died: ${error.message}` }))
  )
  worker.on("exit", () => die(new ThreadDied({ message: "the thread that hashes has ended" })))
  const end = Effect.promise(() => worker.terminate())
  return {
    isAlive: () => died === undefined,
    run: (task) =>
      Effect.async<Answer, ThreadDied>((resume) => {
        if (died !== undefined) return resume(Effect.fail(died))
        worker.ref()
        settle = (answer) => {
          settle = undefined
          worker.unref()
          resume(answer)
        }
        worker.postMessage(task, [])
        return end
      }),
    abandon: (why) => {
      die(why)
      void worker.terminate()
    },
    end: Effect.asVoid(end)
  }
}
