/**
 * kill -9 in the middle of things, and the same command again (PROMISES B2, Q3): the file is exact, what a checkpoint covers
 * is not fetched again, and two versions are never mixed.
 *
 * Where a server stalls, everything it has sent is checkpointed after a moment. From there the count of the bytes it serves is
 * exact: a kill costs nothing.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import type { Behaviour } from "../Origin.js"
import { pythonLike } from "../Origin.js"
import { etagOf, lastModifiedOf } from "../origin/Response.js"
import { eventually, expectExact, expectOnly, live, MiB, names, rows, type World } from "./Cli.js"
import { freeze } from "./Proc.js"

const size = 2 * MiB + 17

/** One download of a test: it stalls after so many bytes; the next request is answered as `later` says. */
interface Plan {
  readonly path: string
  readonly stallAfter: number
  readonly first?: Behaviour
  readonly later?: Behaviour
}

const paths = (plans: ReadonlyArray<Plan>) => plans.map(({ path }) => path)

/** Gets all of them with one command, and kills it when each has stalled and everything it has sent is checkpointed. */
const getAndKill = (world: World, plans: ReadonlyArray<Plan>) =>
  Effect.gen(function* () {
    const { database, dir, origin } = world
    for (const { first, later, path, stallAfter } of plans) {
      origin.set(path, [
        { size, ...first, stallAfter },
        { size, ...first, ...later }
      ])
    }
    const running = yield* world.start("get", "--dir", dir, ...paths(plans).map(origin.url))
    yield* running.during(
      origin.until(() => plans.every((plan) => origin.sent(plan.path) === plan.stallAfter))
    )
    const checkpoints = plans.map(({ stallAfter }) => stallAfter)
    yield* running.during(
      eventually(
        () =>
          rows(database)
            .map(({ checkpoint }) => checkpoint)
            .join() === checkpoints.join()
      )
    )
    const result = yield* running.kill
    expect(result).toMatchObject({ code: null, signal: "SIGKILL", stdout: "" })
    // no reader sees anything under a final name
    expect(names(dir)).toEqual(
      paths(plans)
        .map((path) => `${path.slice(1)}.sluice-part`)
        .sort()
    )
  })

/** The same command again; all of them succeed. */
const getAgain = (world: World, plans: ReadonlyArray<Plan>) =>
  Effect.gen(function* () {
    const { dir, origin } = world
    const result = yield* world.run("get", "--dir", dir, ...paths(plans).map(origin.url))
    expect(result.code, result.stderr).toBe(0)
    return result
  })

/** What the last request for a path asked for. */
const asked = ({ origin }: World, path: string) => {
  const { headers } = origin.requestsFor(path).at(-1)!
  return { range: headers["range"], ifRange: headers["if-range"] }
}

describe.concurrent("after kill -9 the same command", () => {
  live("goes on from the checkpoint, to the byte", (world) =>
    Effect.gen(function* () {
      const plans = [1, MiB, size - 1].map((stallAfter, i) => ({ path: `/p${i}`, stallAfter }))
      yield* getAndKill(world, plans)
      const result = yield* getAgain(world, plans)
      expect(result.stdout.split("\n").sort()).toEqual([
        "",
        ...plans.map(({ path }) => join(world.dir, path))
      ])
      expect(names(world.dir)).toEqual(["p0", "p1", "p2"])
      for (const { path, stallAfter } of plans) {
        expectExact(world, join(world.dir, path), path, size)
        expect(asked(world, path)).toEqual({ range: `bytes=${stallAfter}-`, ifRange: etagOf(path, {}) })
        expect(world.origin.sent(path)).toBe(size)
        expect(world.origin.requestsFor(path)).toHaveLength(2)
      }
      // the dead engine has left nothing
      expect(names(join(world.database, ".."))).toEqual(["sluice.db"])
    })
  )

  live("begins at the beginning where nothing had come", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      origin.set("/a", [{ silent: true }, { size }])
      const running = yield* world.startGet("/a")
      yield* running.during(origin.until(() => origin.requests.length === 1))
      yield* running.kill
      expect(names(world.dir)).toEqual([])
      expectOnly(world, yield* world.get("/a"), "a", "/a", size)
      expect(world.row()).toMatchObject({ status: "completed", attempt: 2 })
    })
  )

  live("loses no more than what had come since the last checkpoint", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const [path, size, rate] = ["/stream", 28 * MiB, 8 * MiB]
      origin.set(path, { size, rate })
      // by one connection, whose bytes come in order
      const running = yield* world.startGet(path, "--connections", "1")
      yield* running.during(origin.until(() => origin.sent(path) >= 22 * MiB))
      const taken = yield* freeze(running, origin)
      yield* running.kill
      expect(names(dir)).toEqual(["stream.sluice-part"])
      origin.set(path, { size })
      expectOnly(world, yield* world.get(path), "stream", path, size)
      const { ifRange, range } = asked(world, path)
      const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1])
      expect(ifRange).toBe(etagOf(path, {}))
      expect(origin.requestsFor(path).at(-1)!.sent).toBe(size - from)
      if (taken === undefined) return
      // a checkpoint never claims what has not come, and is never further behind than 8 MiB or 1 s of transfer
      expect(from).toBeLessThanOrEqual(taken)
      expect(taken - from).toBeLessThanOrEqual(Math.max(8 * MiB, rate))
    })
  )

  live("fetches another version whole, whatever the server answers", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const plans: ReadonlyArray<Plan> = [
        { path: "/same-length", stallAfter: MiB, later: { version: 2 } },
        { path: "/shorter", stallAfter: MiB, later: { version: 2, size: 1000 } },
        // has no ear for If-Range: a part of the new version is offered
        { path: "/spliced", stallAfter: MiB, later: { version: 2, ignoreIfRange: true } }
      ]
      yield* getAndKill(world, plans)
      yield* getAgain(world, plans)
      expect(names(dir)).toEqual(["same-length", "shorter", "spliced"])
      for (const { later, path } of plans) {
        expectExact(world, join(dir, path), path, later?.size ?? size, 2)
        expect(origin.requestsFor(path)[1]!.headers).toMatchObject({
          range: `bytes=${MiB}-`,
          "if-range": etagOf(path, {})
        })
      }
      expect(origin.requestsFor("/same-length").map(({ status }) => status)).toEqual([200, 200])
      expect(origin.requestsFor("/spliced").map(({ status }) => status)).toEqual([200, 206, 200])
    })
  )

  live("goes on by an old Last-Modified, and begins anew where nothing proves the version", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const plans: ReadonlyArray<Plan> = [
        { path: "/dated", stallAfter: MiB, first: { validators: "last-modified" } },
        { path: "/weak", stallAfter: MiB, first: { validators: "weak" } },
        { path: "/bare", stallAfter: MiB, first: { validators: "none" } }
      ]
      yield* getAndKill(world, plans)
      yield* getAgain(world, plans)
      for (const path of ["/dated", "/weak", "/bare"]) expectExact(world, join(dir, path), path, size)
      expect(asked(world, "/dated")).toEqual({ range: `bytes=${MiB}-`, ifRange: lastModifiedOf({}) })
      expect(origin.sent("/dated")).toBe(size)
      for (const path of ["/weak", "/bare"]) {
        expect(asked(world, path)).toEqual({ range: undefined, ifRange: undefined })
        expect(origin.sent(path)).toBe(MiB + size)
      }
    })
  )

  live("begins anew where the date is too young, or the server has no ranges", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const plans: ReadonlyArray<Plan> = [
        { path: "/young", stallAfter: MiB, first: { validators: "last-modified", lastModified: Date.now() } },
        { path: "/python", stallAfter: MiB, first: pythonLike },
        { path: "/no-ranges", stallAfter: MiB, first: { ranges: "ignored" } }
      ]
      yield* getAndKill(world, plans)
      yield* getAgain(world, plans)
      expect(asked(world, "/young").range).toBe(undefined)
      expect(asked(world, "/python").range).toBe(`bytes=${MiB}-`)
      expect(asked(world, "/no-ranges").range).toBe(`bytes=${MiB}-`)
      for (const { path } of plans) {
        expectExact(world, join(dir, path), path, size)
        expect(origin.requestsFor(path).at(-1)!.sent).toBe(size)
      }
      // the whole under the same strong tag, in answer to If-Range: asked once more, without
      expect(origin.requestsFor("/no-ranges").map(({ headers }) => headers["if-range"])).toEqual([
        undefined,
        etagOf("/no-ranges", {}),
        undefined
      ])
      for (const path of ["/young", "/python"]) expect(origin.sent(path)).toBe(MiB + size)
    })
  )

  live("builds on no part that is not its own any more, and takes no other file's name", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const plans = ["/gone", "/cut", "/changed"].map((path) => ({ path, stallAfter: MiB }))
      yield* getAndKill(world, plans)
      const part = (name: string) => join(dir, `${name}.sluice-part`)
      fs.rmSync(part("gone"))
      fs.truncateSync(part("cut"), MiB - 1)
      fs.rmSync(part("changed"))
      fs.writeFileSync(part("changed"), "somebody else's")
      fs.writeFileSync(join(dir, "cut"), "mine")
      yield* getAgain(world, plans)
      expect(names(dir)).toEqual(["changed", "changed.sluice-part", "cut", "cut (1)", "gone"])
      expect(fs.readFileSync(part("changed"), "utf8")).toBe("somebody else's")
      expect(fs.readFileSync(join(dir, "cut"), "utf8")).toBe("mine")
      for (const [name, path] of [
        ["gone", "/gone"],
        ["cut (1)", "/cut"],
        ["changed", "/changed"]
      ] as const) {
        expectExact(world, join(dir, name), path, size)
        expect(origin.sent(path)).toBe(MiB + size)
      }
    })
  )

  live("leaves a name alone that is taken by now, and no part behind, where that was asked for", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const plans = [{ path: "/a", stallAfter: MiB, later: { version: 2 } }]
      yield* getAndKill(world, plans)
      fs.writeFileSync(join(dir, "a"), "mine")
      const result = yield* world.get("/a", "--on-conflict", "skip")
      expect(result).toMatchObject({ code: 0, stdout: `${join(dir, "a")}\n` })
      expect(fs.readFileSync(join(dir, "a"), "utf8")).toBe("mine")
      expect(names(dir)).toEqual(["a"])
      expect(origin.requests).toHaveLength(2)
    })
  )

  live("leaves no part of many small files behind, however often it strikes", (world) =>
    Effect.gen(function* () {
      const { database, dir, origin } = world
      const small = Array.from({ length: 400 }, (_, i) => `/s${String(i).padStart(3, "0")}`)
      for (const path of small) origin.set(path, { size: 4096 })
      const get = ["get", "--dir", dir, "--concurrency", "16", ...small.map(origin.url)]
      const goOn = ["run", "--concurrency", "16"]
      for (const kill of [1, 2, 3, 4]) {
        const before = origin.requests.length
        const running = yield* world.start(...(kill === 1 ? get : goOn))
        yield* running.during(origin.until(() => origin.requests.length >= before + 20 * kill))
        yield* running.kill
      }
      expect(rows(database).some(({ status }) => status !== "completed")).toBe(true)
      expect(yield* world.run(...goOn)).toMatchObject({ code: 0 })
      expect(names(dir)).toEqual(small.map((path) => path.slice(1)))
      for (const path of small) expectExact(world, join(dir, path.slice(1)), path, 4096)
    })
  )
})
