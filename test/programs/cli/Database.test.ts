import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect } from "vitest"
import * as Database from "../../../src/programs/cli/Database.js"

const around = { stateHome: undefined, home: "/home/u", cwd: "/work" }

describe("the database is", () => {
  it("the one asked for, relative to the current directory", () => {
    expect(Database.locate("q.db", around)).toEqual({ path: "/work/q.db", isDefault: false })
    expect(Database.locate("/var/q.db", around)).toEqual({ path: "/var/q.db", isDefault: false })
  })
  it("else under XDG_STATE_HOME", () => {
    expect(Database.locate(undefined, { ...around, stateHome: "/state" })).toEqual({
      path: "/state/sluice/sluice.db",
      isDefault: true
    })
  })
  it.each([undefined, "", "relative/state"])(
    "else under the home directory (XDG_STATE_HOME=%s)",
    (stateHome) => {
      expect(Database.locate(undefined, { ...around, stateHome }).path).toBe(
        "/home/u/.local/state/sluice/sluice.db"
      )
    }
  )
})

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-cli-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

describe("the default's directory", () => {
  it.scopedLive("is made with its parents, for its user alone", () =>
    Effect.gen(function* () {
      const home = yield* directory
      const location = Database.locate(undefined, { ...around, home })
      yield* Database.prepare(location)
      yield* Database.prepare(location)
      for (const part of [".local", ".local/state", ".local/state/sluice"]) {
        expect(statSync(join(home, part)).mode & 0o777).toBe(0o700)
      }
      expect(yield* Database.exists(location)).toBe(false)
      writeFileSync(location.path, "")
      expect(yield* Database.exists(location)).toBe(true)
    })
  )

  it.scopedLive("that can't be made is an error that names the database", () =>
    Effect.gen(function* () {
      const home = yield* directory
      writeFileSync(join(home, ".local"), "")
      const location = Database.locate(undefined, { ...around, home })
      const failed = yield* Effect.either(Database.prepare(location))
      expect(Either.isLeft(failed) && failed.left.message).toContain(`${location.path} can't be opened (`)
      expect(yield* Database.exists(location)).toBe(true)
    })
  )

  it.scopedLive("of a database that was named is nobody's business", () =>
    Effect.gen(function* () {
      const home = yield* directory
      yield* Database.prepare(Database.locate("new/q.db", { ...around, cwd: home }))
      expect(() => statSync(join(home, "new"))).toThrow("ENOENT")
    })
  )
})
