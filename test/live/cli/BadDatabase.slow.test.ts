/**
 * A database that another process keeps locked for longer than anyone should wait: about ten seconds.
 */
import { describe, expect } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { expectOnly, live, MiB, names } from "./Cli.js"

describe.concurrent("a database locked for too long", () => {
  live("is an error before anything is asked for", (world) =>
    Effect.gen(function* () {
      const { database, dir, origin } = world
      expect((yield* world.get("/bytes/10/first")).code).toBe(0)
      const lock = new Sqlite(database)
      lock.exec("BEGIN IMMEDIATE")
      const { code, stderr, stdout } = yield* world.get("/bytes/10/a")
      expect({ code, stdout }).toEqual({ code: 3, stdout: "" })
      expect(stderr).toContain(`the database ${database} is locked by another process`)
      expect(stderr).toContain("wait for it to finish, or stop it")
      expect(names(dir)).toEqual(["first"])
      expect(origin.requestsFor("/bytes/10/a")).toEqual([])
      lock.exec("ROLLBACK")
      lock.close()
      expect(names(join(database, "..")).filter((name) => name.includes("engine-"))).toEqual([])
    })
  )

  live("on the way ends the command; what has come is kept", (world) =>
    Effect.gen(function* () {
      const { database, dir, origin } = world
      const [path, size] = ["/a", 64 * MiB]
      origin.set(path, { size, rate: 2 * MiB })
      const running = yield* world.startGet(path)
      yield* running.during(origin.until(() => origin.sent(path) > 3 * MiB))
      const lock = new Sqlite(database)
      lock.exec("BEGIN IMMEDIATE")
      const { code, stderr } = yield* running.result
      expect(code).toBe(3)
      expect(stderr).toContain(`the database ${database} is locked by another process`)
      expect(names(dir)).toEqual(["a.sluice-part"])
      lock.exec("ROLLBACK")
      lock.close()
      origin.set(path, { size })
      expectOnly(world, yield* world.get(path), "a", path, size)
      expect(origin.requestsFor(path)[1]!.headers["range"]).toMatch(/^bytes=[1-9]\d*-$/)
    })
  )
})
