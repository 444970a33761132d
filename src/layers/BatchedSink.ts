/**
 * Batches for a sink of the program's own: gathers what downloads hand over, writes so many at a time, and tells each when it is
 * durable. What a download does before and after that is Delivery's.
 *
 * Bounds: one write at a time; a batch is full with `size` items or half of `maxBytes`, and waits no longer than `linger` for more.
 * The bytes of all that waits or is written are `maxBytes` at most; whoever has more waits for room, before it is read into memory.
 * Batches keep the order in which items came; a key that is in the batch already waits for the next one.
 *
 * A write that fails is tried again by `retry`, with its bytes in memory. What then still fails, or is refused for good, is written
 * one by one, so that one bad item fails alone; after one that takes too long, the rest fails with it.
 *
 * Tricky interleavings: an item belongs to whoever takes it out of the line: the writer, or its download's interruption; both do so
 * without a pause in between, so none is written that was withdrawn. An item that its interrupted download wants finished, or that
 * room is needed for, makes the writer hurry.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type DownloadError, make as makeError } from "../domain/DownloadError.js"
import { make as sinkError, type SinkError } from "../domain/SinkError.js"
import type { Item, Sink, SinkDestination } from "../services/Destination.js"
import { firstToEnd } from "./Race.js"

/** @see {@link make} */
export interface Options<R = never> {
  /** Kept with each download, so that no other engine takes it for one of its own: never to be changed. Letters, digits, `._:-`. */
  readonly name: string
  /** The program's store. */
  readonly sink: Sink<R>
  /** So many results are written at once. More cost fewer transactions; a crash costs so many to be fetched again. @default 100 */
  readonly size?: number | undefined
  /** A batch that is not full is written after this. @default 200 ms */
  readonly linger?: Duration.DurationInput | undefined
  /** Bytes of results in memory. @default 64 MiB */
  readonly maxBytes?: number | undefined
  /** The largest result; a larger one fails with `TooLarge`. @default a quarter of `maxBytes` */
  readonly maxItem?: number | undefined
  /** One write, or one question, may take so long. @default 30 s */
  readonly timeout?: Duration.DurationInput | undefined
  /**
   * When a failed write is tried again, before its downloads fail with `SinkFailed` and are left to their own retry policy. @default
   * 200 ms, doubled up to 5 s, for a minute
   */
  readonly retry?: Schedule.Schedule<unknown, SinkError> | undefined
}

const usualRetry: Schedule.Schedule<unknown, SinkError> = Schedule.exponential("200 millis").pipe(
  Schedule.union(Schedule.spaced("5 seconds")),
  Schedule.upTo("1 minute")
)

/** Keys that the sink is asked for at once. */
const chunk = 500

interface Entry {
  readonly item: Item
  readonly size: number
  readonly since: number
  readonly done: Deferred.Deferred<void, DownloadError>
}

interface Question {
  readonly key: string
  readonly answer: Deferred.Deferred<boolean, DownloadError>
}

/** Over a sink; its fibers end with the scope. */
export const make = <R = never>(
  options: Options<R>
): Effect.Effect<SinkDestination, never, Scope.Scope | R> =>
  Effect.gen(function* () {
    const {
      maxBytes = 64 * 1024 * 1024,
      name,
      retry = usualRetry,
      size = 100,
      timeout = "30 seconds"
    } = options
    const { maxItem = Math.floor(maxBytes / 4) } = options
    const linger = Duration.toMillis(options.linger ?? 200)
    const wrong = faultOf({ size, maxBytes, maxItem, linger, name })
    if (wrong !== undefined) return yield* Effect.die(new RangeError(wrong))
    const context = yield* Effect.context<R>()
    const room = yield* Effect.makeSemaphore(maxBytes)
    /** In the order in which they came. */
    let line: Array<Entry> = []
    let queued = 0
    /** Bytes that have room, and that wait for it. */
    let wanted = 0
    let hurried = false
    const something = yield* Effect.makeLatch(false)
    const hurry = yield* Effect.makeLatch(false)
    const questions: Array<Question> = []
    const asked = yield* Effect.makeLatch(false)

    /** Code of the program's own: what it takes too long for, or dies of, is a failure as well. */
    const guarded = <A>(
      what: string,
      effect: () => Effect.Effect<A, SinkError, R>
    ): Effect.Effect<A, SinkError> =>
      Effect.suspend(effect).pipe(
        Effect.provide(context),
        Effect.timeoutFail({
          duration: timeout,
          onTimeout: () => new TookTooLong(what, Duration.toMillis(timeout)).error
        }),
        Effect.catchAllDefect((defect) =>
          Effect.fail(sinkError(`${what} died: ${Cause.pretty(Cause.die(defect))}`.split("\n")[0]!, true))
        )
      )

    const writeOnce = (items: ReadonlyArray<Item>) =>
      guarded(`writing ${items.length} to ${name}`, () => options.sink.write(items))

    const failure = ({ detail, permanent }: SinkError): DownloadError =>
      makeError(permanent ? "SinkRefused" : "SinkFailed", `${name}: ${detail}`)

    const settle = (entry: Entry, exit: Exit.Exit<void, SinkError>): void =>
      Deferred.unsafeDone(entry.done, Exit.mapError(exit, failure))

    const write = (batch: ReadonlyArray<Entry>) =>
      Effect.gen(function* () {
        const all = yield* writeOnce(batch.map(({ item }) => item)).pipe(
          Effect.retry({ schedule: retry, while: ({ permanent }) => !permanent }),
          Effect.exit
        )
        if (Exit.isSuccess(all) || batch.length === 1) {
          for (const entry of batch) settle(entry, all)
          return
        }
        yield* Effect.logWarning(
          `${name}: a batch of ${batch.length} can't be written, its items are tried singly`
        )
        let late: Exit.Exit<void, SinkError> | undefined
        for (const entry of batch) {
          const one = late ?? (yield* Effect.exit(writeOnce([entry.item])))
          if (Exit.isFailure(one) && isLate(one)) late = one
          settle(entry, one)
        }
      }).pipe(
        Effect.ensuring(Effect.suspend(() => leaveRoom(batch.reduce((sum, { size }) => sum + size, 0))))
      )

    const isFull = (): boolean =>
      line.length >= size || queued * 2 >= maxBytes || wanted > maxBytes || hurried

    /** Without a pause, so that no interruption comes between. */
    const take = (): ReadonlyArray<Entry> => {
      const keys = new Set<string>()
      const batch: Array<Entry> = []
      const rest: Array<Entry> = []
      for (const entry of line) {
        const { key } = entry.item
        const isFirst = !keys.has(key)
        // also of what stays: it keeps its key behind it, so that the order of one key is kept
        keys.add(key)
        if (batch.length < size && isFirst) {
          batch.push(entry)
          queued -= entry.size
        } else {
          rest.push(entry)
        }
      }
      line = rest
      if (rest.length === 0) hurried = false
      return batch
    }

    const writer = Effect.gen(function* () {
      yield* something.await
      const [first] = line
      if (first === undefined) {
        yield* something.close
        return
      }
      const now = yield* Clock.currentTimeMillis
      yield* hurry.close
      const left = first.since + linger - now
      if (!isFull() && left > 0) yield* firstToEnd(hurry.await, Effect.sleep(left))
      const batch = take()
      if (batch.length > 0) yield* write(batch)
    })

    const missing = (keys: ReadonlyArray<string>) =>
      guarded(`asking ${name} for ${keys.length}`, () => options.sink.missing(keys)).pipe(
        Effect.retry({ schedule: retry, while: ({ permanent }) => !permanent })
      )

    /** While one question is on its way, others gather for the next. */
    const asker = Effect.gen(function* () {
      yield* asked.await
      yield* Effect.yieldNow()
      const some = questions.splice(0, chunk)
      if (questions.length === 0) yield* asked.close
      const exit = yield* Effect.exit(missing([...new Set(some.map(({ key }) => key))]))
      const found = Exit.map(exit, (keys) => new Set(keys))
      for (const { answer, key } of some)
        Deferred.unsafeDone(
          answer,
          Exit.mapBoth(found, { onFailure: failure, onSuccess: (absent) => !absent.has(key) })
        )
    })

    yield* Effect.forkScoped(Effect.forever(writer))
    yield* Effect.forkScoped(Effect.forever(asker))

    const has: SinkDestination["has"] = (key) =>
      Effect.gen(function* () {
        const answer = yield* Deferred.make<boolean, DownloadError>()
        questions.push({ key, answer })
        yield* asked.open
        return yield* Deferred.await(answer)
      })

    /** Who finds no room hurries the writer, which may be waiting for more. */
    const makeRoom = (bytes: number) =>
      Effect.suspend(() => {
        wanted += bytes
        return wanted > maxBytes ? hurry.open : Effect.void
      }).pipe(
        Effect.zipRight(Effect.interruptible(room.take(bytes))),
        Effect.onInterrupt(() => Effect.sync(() => void (wanted -= bytes)))
      )

    const leaveRoom = (bytes: number) =>
      Effect.suspend(() => {
        wanted -= bytes
        return room.release(bytes)
      })

    const deliver: SinkDestination["deliver"] = ({ download, key, read, size: bytes }, onInterrupt) =>
      Effect.uninterruptibleMask(() =>
        Effect.gen(function* () {
          const held = Math.max(1, Math.min(bytes, maxBytes))
          yield* makeRoom(held)
          const content = yield* Effect.onError(read, () => leaveRoom(held))
          const done = yield* Deferred.make<void, DownloadError>()
          const since = yield* Clock.currentTimeMillis
          const entry: Entry = { item: { key, bytes: content, download }, size: held, since, done }
          line.push(entry)
          queued += held
          yield* something.open
          if (isFull()) yield* hurry.open
          const exit = yield* Effect.exit(Effect.interruptible(Deferred.await(done)))
          if (!Exit.isInterrupted(exit)) return yield* exit
          if ((yield* onInterrupt) === "withdraw" && withdraw(entry)) {
            yield* leaveRoom(held)
            return yield* Effect.interrupt
          }
          hurried = true
          yield* hurry.open
          return yield* Deferred.await(done)
        })
      )

    const withdraw = (entry: Entry): boolean => {
      const at = line.indexOf(entry)
      if (at === -1) return false
      line.splice(at, 1)
      queued -= entry.size
      return true
    }

    return { _tag: "Sink", name, waiting: 2 * size, maxItem, has, deliver } satisfies SinkDestination
  })

const late = new WeakSet<SinkError>()

/** A failure that is told from what the sink says itself. */
class TookTooLong {
  readonly error: SinkError
  constructor(what: string, millis: number) {
    this.error = sinkError(`${what} took longer than ${millis / 1000} s`)
    late.add(this.error)
  }
}

const isLate = (exit: Exit.Failure<void, SinkError>): boolean => {
  const failure = Cause.failureOption(exit.cause)
  return failure._tag === "Some" && late.has(failure.value)
}

const faultOf = ({
  linger,
  maxBytes,
  maxItem,
  name,
  size
}: Record<"linger" | "maxBytes" | "maxItem" | "size", number> & { readonly name: string }) => {
  if (!/^[\w.:-]{1,64}$/.test(name)) return `the name of a destination is 1 to 64 letters, digits and . _ : -`
  if (!(Number.isInteger(size) && size > 0))
    return `the size of a batch must be a whole number above 0, not ${size}`
  if (!(Number.isInteger(maxBytes) && maxBytes > 0))
    return `maxBytes must be a whole number above 0, not ${maxBytes}`
  if (!(Number.isInteger(maxItem) && maxItem > 0 && maxItem <= maxBytes))
    return `maxItem must be a whole number from 1 to maxBytes, not ${maxItem}`
  return Number.isFinite(linger) ? undefined : "a batch that is not full must be written at some time"
}
