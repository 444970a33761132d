/**
 * What processes do: an engine whose user asks for downloads and follows them, a command, the engine that brings
 * everything to its end. What they were told goes into the book.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { terminal } from "../../../src/domain/Download.js"
import type { DownloadId } from "../../../src/domain/DownloadId.js"
import type { StoreError } from "../../../src/domain/StoreError.js"
import { Downloads } from "../../../src/services/Downloads.js"
import { requestOf } from "../Clients.js"
import type { Order } from "../Scenario.js"
import { dawn } from "../Simulator.js"
import type { Book } from "./Book.js"
import { type CommandPlan, type EnginePlan, inGroup, tagOf } from "./Plan.js"

/** How often a user goes on with what somebody has paused. */
const patience = 0.5

export const make = (book: Book) => {
  const { world } = book
  const { sim } = world

  /** An answer that a dead process gives nobody hears. */
  const heard = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(effect, (value) => (sim.burying ? Effect.never : Effect.succeed(value)))

  const until = (at: number) => Effect.suspend(() => Effect.sleep(Math.max(0, dawn + at - sim.now)))

  /** Asks, and enters in the book what it came to; what is refused changes nothing. */
  const doing = <A>(
    effect: "halt" | "revive" | "rank" | "none",
    what: string,
    keys: Iterable<string>,
    run: Effect.Effect<A, StoreError>,
    done: (asked: ReturnType<typeof book.wishes.begin>, value: A) => void = () => {}
  ) =>
    Effect.suspend(() => {
      const asked = book.wishes.begin(effect, what, keys)
      sim.note(`command ${what} begins`)
      return heard(Effect.either(run)).pipe(
        Effect.flatMap((result) => {
          book.wishes.end(asked)
          sim.note(`command ${what} ends ${result._tag === "Left" ? result.left.reason : ""}`)
          if (result._tag === "Right") {
            done(asked, result.right)
            return Effect.void
          }
          const expected = result.left.reason === "Refused" || result.left.reason === "NotFound"
          return expected ? Effect.void : Effect.fail(result.left)
        })
      )
    })

  const enqueue = (order: Order) =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const { key } = order
      const request = { ...requestOf(world.scenario, order), tags: [tagOf(order)] }
      const asked = book.wishes.begin("revive", `enqueue ${key}`, [key])
      for (const entry of world.ledger.entries) if (entry.order === order) entry.askedAt ??= sim.now
      const group = inGroup(order) ? yield* downloads.group("all") : undefined
      const { attached, id } = yield* heard(
        (group ?? downloads).enqueue(request).pipe(Effect.catchTag("GroupSealed", Effect.die))
      )
      book.wishes.end(asked)
      sim.note(`acknowledged ${key} as ${id}`)
      book.ids.set(key, id)
      for (const entry of world.ledger.entries) if (entry.order === order) entry.id = id
      if (!attached) book.wishes.rank(asked, key, order.priority)
      return id
    })

  const follow = (order: Order, id: DownloadId, chance: () => boolean) =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      for (;;) {
        const row = yield* heard(downloads.settled(id))
        sim.note(`${id} is ${row.status} ${row.failure?.reason ?? ""}`)
        if (terminal.has(row.status)) {
          for (const entry of world.ledger.entries) if (entry.id === id) entry.finished = row
          return
        }
        if (row.status !== "paused")
          world.violation("Engine", `await returned for ${id} while it is ${row.status}`)
        if (!chance()) return
        yield* Effect.sleep(2000)
        yield* doing("revive", `resume ${order.key}`, [order.key], downloads.resume(id))
      }
    }).pipe(
      // somebody removed it
      Effect.catchIf(
        (error) => error.reason === "NotFound",
        () => Effect.void
      )
    )

  const user = (plan: EnginePlan) =>
    Effect.gen(function* () {
      const random = sim.random.fork(`user ${sim.process}`)
      const chance = () => random.chance(patience)
      const one = (order: Order) =>
        Effect.gen(function* () {
          yield* until(order.at)
          const id = yield* enqueue(order)
          yield* follow(order, id, chance)
        })
      yield* together(plan.orders.map((i) => one(book.orders[i]!)))
      // a queue runner waits for more
      if (plan.adopt) return yield* Effect.never
    })

  const command = ({ deed, order, priority, tag }: CommandPlan) =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const key = order === undefined ? undefined : book.orders[order]!.key
      const what = `${deed} ${key ?? tag ?? "all"}`
      if (key !== undefined) {
        const id = book.ids.get(key)
        if (id === undefined) return
        const halting = (run: typeof downloads.pause) =>
          doing("halt", what, [key], run(id), (asked, row) => book.halted(asked, key, row))
        switch (deed) {
          case "pause":
            book.wishes.paused.add(key)
            return yield* halting(downloads.pause)
          case "cancel":
            book.wishes.cancelled.add(key)
            return yield* halting(downloads.cancel)
          case "resume":
            return yield* doing("revive", what, [key], downloads.resume(id))
          case "retry":
            return yield* doing(
              "revive",
              what,
              [key],
              downloads.retry(id).pipe(Effect.catchTag("DownloadError", Effect.die)),
              (_, enqueued) => book.ids.set(key, enqueued.id)
            )
          case "remove":
            world.ledger.removed.add(key)
            book.wishes.cancelled.add(key)
            return yield* doing("halt", what, [key], downloads.remove(id), (asked) =>
              book.wishes.hold(asked, key)
            )
          default: {
            const ranked = downloads.move({ ids: [id] }, priority)
            return yield* doing("rank", what, [key], ranked, (asked, { changed }) => {
              if (changed > 0) book.wishes.rank(asked, key, priority)
            })
          }
        }
      }
      const selection = tag === undefined ? {} : { tag }
      const all = book.orders.filter((one) => tag === undefined || tagOf(one) === tag).map((one) => one.key)
      const known = all.filter((one) => book.ids.has(one))
      switch (deed) {
        case "pauseAll":
        case "cancelAll": {
          const keys = deed === "pauseAll" ? book.wishes.paused : book.wishes.cancelled
          for (const one of all) keys.add(one)
          return yield* doing("halt", what, known, downloads[deed](selection), (asked) => {
            book.haltedSoon(asked)
          })
        }
        case "resumeAll":
        case "retryAll":
          return yield* doing("revive", what, all, downloads[deed](selection))
        case "removeAll":
          for (const one of all) world.ledger.removed.add(one)
          return yield* doing("none", what, all, downloads.removeAll(selection))
        default:
          return yield* doing("rank", what, all, downloads.move(selection, priority))
      }
    })

  /** Works until nothing is left to do, and nobody else is there who might bring more. */
  const last = (isAlone: () => boolean) =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      for (const order of book.orders) if (!book.ids.has(order.key)) yield* enqueue(order)
      for (;;) {
        const alone = isAlone()
        yield* heard(downloads.drained)
        if (alone) return
        yield* Effect.sleep(1000)
      }
    })

  return { command, last, user }
}

/** All of them, at the same time; see Clients for why not by a concurrent `Effect.forEach`. */
const together = <E, R>(effects: ReadonlyArray<Effect.Effect<void, E, R>>): Effect.Effect<void, E, R> =>
  Effect.forEach(effects, Effect.forkScoped).pipe(
    Effect.flatMap((fibers) => Effect.forEach(fibers, Fiber.join, { discard: true })),
    Effect.scoped
  )
