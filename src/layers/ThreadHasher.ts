/**
 * Digests of files off the critical path: threads read and hash what is large, so that neither the event loop nor libuv's four
 * threads are kept busy by it. What is small and open already is hashed by the engine itself: that is over before a thread has begun.
 *
 * There are at most as many threads as the machine can spare; one of them is kept for the next file, until the engine ends.
 *
 * Tricky interleavings: a thread belongs to one file from its first byte to its answer. However that ends but well, the
 * thread is ended with it, and gone before the interruption is over. One that reads nothing for a minute is given up without
 * waiting for it: the disk may never answer.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as fs from "node:fs"
import { availableParallelism } from "node:os"
import type { Algorithm } from "../domain/Checksum.js"
import * as DownloadError from "../domain/DownloadError.js"
import { fromCode } from "../domain/FileError.js"
import { type Hashed, Hasher, type Shape } from "../services/Hasher.js"
import { PartFile, type Shape as Disk } from "../services/PartFile.js"
import * as HashThread from "./HashThread.js"
import * as InlineHasher from "./InlineHasher.js"

/** Files of so many bytes or fewer are hashed inline, if they are open: a few milliseconds, in blocks. */
export const small = 4 * 1024 * 1024

/** A thread that has read nothing for so long is given up, in milliseconds. */
export const patience = 60_000

// O_NONBLOCK means nothing to a regular file, and keeps a FIFO of that name from blocking the thread
const flags = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK

const algorithmOf = (nodeName: string): Algorithm =>
  (Object.keys(InlineHasher.nodeName) as Array<Algorithm>).find(
    (algorithm) => InlineHasher.nodeName[algorithm] === nodeName
  )!

/** What the answer means. */
const digestsOf = (
  file: Hashed,
  answer: HashThread.Answer
): Effect.Effect<ReadonlyArray<string>, DownloadError.DownloadError> => {
  if ("replaced" in answer) return InlineHasher.replaced(file.path)
  if ("forbidden" in answer) return InlineHasher.forbidden(algorithmOf(answer.forbidden))
  if ("message" in answer) {
    return answer.code === "ENOENT"
      ? InlineHasher.replaced(file.path)
      : DownloadError.fromFile(fromCode(answer.code, "read", file.path))
  }
  if (answer.read < file.size) return InlineHasher.tooShort(file.path, answer.read, file.size)
  return Effect.succeed(answer.digests)
}

/** Gives a thread up that does not get on. */
const watch = (thread: HashThread.HashThread, pulse: SharedArrayBuffer, path: string) =>
  Effect.gen(function* () {
    const counter = new Float64Array(pulse)
    for (let seen = -1; seen !== counter[0];) {
      seen = counter[0]!
      yield* Effect.sleep(patience)
    }
    thread.abandon(
      new HashThread.ThreadDied({ message: `reading ${path} has brought nothing for ${patience / 1000} s` })
    )
  })

/** With `start`, a thread that tests have a hold of. */
export const make = (disk: Pick<Disk, "open">, start = HashThread.start) =>
  Effect.gen(function* () {
    const inline = InlineHasher.make(disk)
    const most = Math.max(1, Math.min(4, availableParallelism() - 1))
    const permits = yield* Effect.makeSemaphore(most)
    let idle: HashThread.HashThread | undefined
    yield* Effect.addFinalizer(() => idle?.end ?? Effect.void)

    /** Undefined where there can be none. */
    const take = Effect.sync(() => {
      const kept = idle
      idle = undefined
      // one that has died while it had nothing to do is no reason for a file to fail
      return kept?.isAlive() === true ? kept : undefined
    }).pipe(
      Effect.flatMap((kept) =>
        kept === undefined
          ? Effect.option(Effect.try(() => start())).pipe(
              Effect.map((found) => (found._tag === "Some" ? found.value : undefined))
            )
          : Effect.succeed(kept)
      )
    )

    const give = (thread: HashThread.HashThread) =>
      Effect.suspend(() => {
        if (idle !== undefined) return thread.end
        idle = thread
        return Effect.void
      })

    const inThread = (
      thread: HashThread.HashThread,
      file: Hashed,
      algorithms: ReadonlyArray<Algorithm>,
      piece: number | undefined
    ) => {
      const pulse = new SharedArrayBuffer(8)
      const { handle: _, ...rest } = file
      const run = thread.run({
        ...rest,
        flags,
        algorithms: algorithms.map((algorithm) => InlineHasher.nodeName[algorithm]),
        ...(piece === undefined ? {} : { piece }),
        pulse
      })
      return Effect.acquireUseRelease(
        Effect.fork(Effect.interruptible(watch(thread, pulse, file.path))),
        () => run,
        Fiber.interrupt
      )
    }

    /** In a thread; `inline`: where there can be none. */
    const off = (
      file: Hashed,
      algorithms: ReadonlyArray<Algorithm>,
      piece: number | undefined,
      inline: Effect.Effect<ReadonlyArray<string>, DownloadError.DownloadError>
    ) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const thread = yield* take
          // a system can forbid threads
          if (thread === undefined) return yield* restore(inline)
          const answer = yield* restore(inThread(thread, file, algorithms, piece)).pipe(
            Effect.mapError(({ message }) => DownloadError.make("DiskFailed", message))
          )
          yield* give(thread)
          return yield* digestsOf(file, answer)
        })
      ).pipe(permits.withPermits(1))

    const digests: Shape["digests"] = (file, algorithms) => {
      const here = inline.digests(file, algorithms)
      if (file.handle !== undefined && file.size <= small) return here
      const listed = Effect.map(here, (found) => algorithms.map((algorithm) => found.get(algorithm)!))
      return Effect.map(
        off(file, algorithms, undefined, listed),
        (found) => new Map(algorithms.map((algorithm, i) => [algorithm, found[i]!]))
      )
    }

    const pieces: Shape["pieces"] = (file, kind) =>
      file.handle !== undefined && file.size <= small
        ? inline.pieces(file, kind)
        : off(file, [kind.algorithm], kind.length, inline.pieces(file, kind))

    return Hasher.of({ digests, pieces })
  })

/** Threads of this process. */
export const layer: Layer.Layer<Hasher, never, PartFile> = Layer.scoped(
  Hasher,
  Effect.flatMap(PartFile, (disk) => make(disk))
)
