/**
 * `--metalink` with the real command: documents from files and URLs, what they may decide, and what becomes of bad ones.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { make as makeOrigin } from "../Origin.js"
import { expectExact, expectOnly, live, MiB, names } from "./Cli.js"
import { metalink, served } from "./Metalink.js"

/** The origin's own, by the document in a file. */
const given = (root: string, text: string): string => {
  fs.writeFileSync(join(root, "all.meta4"), text)
  return "all.meta4"
}

describe.concurrent("a metalink", () => {
  live("brings each of its files, below the directory, from the best source first", (world) =>
    Effect.gen(function* () {
      const { dir, origin, root } = world
      const mirror = yield* makeOrigin()
      for (const one of [origin, mirror]) one.set("/a", { size: MiB })
      origin.set("/b", { size: 10 })
      const text = metalink(
        {
          name: "sub/a.iso",
          path: "/a",
          size: MiB,
          urls: [origin.url("/a"), mirror.url("/a")],
          priorities: [7, 2]
        },
        { name: "b", path: "/b", size: 10, urls: [origin.url("/b")] }
      )
      const result = yield* world.run("get", "--dir", dir, "--metalink", given(root, text))
      expect(result.code).toBe(0)
      expect(result.stdout.trim().split("\n").sort()).toEqual([join(dir, "b"), join(dir, "sub", "a.iso")])
      expectExact(world, join(dir, "sub", "a.iso"), "/a", MiB)
      expectExact(world, join(dir, "b"), "/b", 10)
      expect(mirror.requestsFor("/a")).toHaveLength(1)
      expect(origin.requestsFor("/a")).toHaveLength(0)
      // asked for again, nothing is fetched: it has the hash already
      const again = yield* world.run("get", "--dir", dir, "--metalink", "all.meta4")
      expect(again.code).toBe(0)
      expect(mirror.requestsFor("/a")).toHaveLength(1)
    })
  )

  live("may be at a URL, be repeated, and stand beside URLs; add takes it too", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      for (const name of ["a", "b", "c"]) origin.set(`/${name}`, { size: 10 })
      const of = (name: string) =>
        served(metalink({ name, path: `/${name}`, size: 10, urls: [origin.url(`/${name}`)] }))
      origin.set("/a.meta4", { redirect: "/moved" })
      origin.set("/moved", of("a"))
      origin.set("/b.meta4", of("b"))
      const both = ["--metalink", origin.url("/a.meta4"), "--metalink", origin.url("/b.meta4")]
      const added = yield* world.run("add", "--dir", dir, ...both, origin.url("/c"))
      expect(added).toMatchObject({ code: 0 })
      expect(added.stdout.trim().split("\n")).toHaveLength(3)
      expect((yield* world.run("run")).code).toBe(0)
      expect(names(dir)).toEqual(["a", "b", "c"])
    })
  )

  live(
    "leaves a source with another length before its bytes come, and one that has other bytes after",
    (world) =>
      Effect.gen(function* () {
        const { dir, origin, root } = world
        const [longer, other] = [yield* makeOrigin(), yield* makeOrigin()]
        longer.set("/f", { size: 64 * MiB })
        other.set("/f", { size: 2 * MiB, version: 2 })
        origin.set("/f", { size: 2 * MiB })
        const urls = [longer, other, origin].map(({ url }) => url("/f"))
        const text = metalink({ name: "f", path: "/f", size: 2 * MiB, urls })
        const result = yield* world.run(
          "get",
          "--dir",
          dir,
          "--metalink",
          given(root, text),
          "--retry-delay",
          "1ms"
        )
        expectOnly(world, result, "f", "/f", 2 * MiB)
        const shown = yield* world.run(
          "show",
          String((yield* world.run("ls", "--json")).stdout.match(/"id":"(\w+)"/)?.[1])
        )
        expect(shown.stdout).toMatch(/set aside: .*67108864 bytes instead of 2097152/)
        expect(longer.sent("/f")).toBeLessThan(32 * MiB)
      })
  )

  live("that can't be used is told with its line, and nothing starts", (world) =>
    Effect.gen(function* () {
      const { dir, origin, root } = world
      origin.set("/f", { size: 10 })
      const good = metalink({ name: "f", path: "/f", size: 10, urls: [origin.url("/f")] })
      const cases: ReadonlyArray<readonly [document: string, said: string]> = [
        [good.replace('name="f"', 'name="../f"'), "line 3: the file name"],
        [good.replace("</size>", "</siz>"), "line 4: it is not well-formed XML"],
        [
          good.replace('<metalink xmlns="urn:ietf:params:xml:ns:metalink"', "<metalink"),
          "another version than 4"
        ],
        [good.replace(/<url.*<\/url>/, "<url>ftp://h/f</url>"), "no http or https source"],
        [`<!DOCTYPE x>${good.slice(good.indexOf("\n"))}`, "line 1: it has a DOCTYPE"],
        ["https://example.org/", "not well-formed"]
      ]
      for (const [document, said] of cases) {
        const result = yield* world.run(
          "get",
          "--dir",
          dir,
          origin.url("/f"),
          "--metalink",
          given(root, document)
        )
        expect(result.code).toBe(2)
        expect(result.stderr).toContain("the metalink all.meta4 can't be used: ")
        expect(result.stderr).toContain(said)
      }
      const missing = yield* world.run("get", "--metalink", "none.meta4")
      expect(missing.stderr).toContain("the metalink none.meta4 is not there")
      const gone = yield* world.run("add", "--metalink", origin.url("/none.meta4"))
      expect(gone.stderr).toContain(
        `the metalink ${origin.url("/none.meta4")} can't be had: the server answered 404`
      )
      origin.set("/huge", { size: 33 * MiB })
      const huge = yield* world.run("get", "--metalink", origin.url("/huge"))
      expect(huge.stderr).toContain("no metalink is so long")
      expect(names(dir)).toEqual([])
      expect(origin.requestsFor("/f")).toHaveLength(0)
    })
  )

  live("gets what is for one file only where it has one", (world) =>
    Effect.gen(function* () {
      const { dir, origin, root } = world
      for (const name of ["a", "b"]) origin.set(`/${name}`, { size: 10 })
      const of = (name: string) => ({ name, path: `/${name}`, size: 10, urls: [origin.url(`/${name}`)] })
      const two = yield* world.run(
        "get",
        "--metalink",
        given(root, metalink(of("a"), of("b"))),
        "--output",
        "x"
      )
      expect(two.stderr).toContain("--output is for one file")
      const one = yield* world.run(
        "get",
        "--dir",
        dir,
        "--metalink",
        given(root, metalink(of("a"))),
        "--output",
        "x"
      )
      expectOnly(world, one, "x", "/a", 10)
    })
  )

  live("sends secrets to its own origin only: from a file, to nobody", (world) =>
    Effect.gen(function* () {
      const { dir, origin, root } = world
      const other = yield* makeOrigin()
      for (const one of [origin, other]) one.set("/f", { size: 10 })
      const both = metalink(
        { name: "here", path: "/f", size: 10, urls: [origin.url("/f")] },
        { name: "there", path: "/f", size: 10, urls: [other.url("/f"), origin.url("/f")] }
      )
      origin.set("/m", served(both))
      const secrets = ["--bearer", "hunter2", "--header", "X-Key: hunter2", "--user-agent", "me"]
      expect((yield* world.run("get", "--dir", dir, "--metalink", origin.url("/m"), ...secrets)).code).toBe(0)
      expect(origin.requestsFor("/m")[0]!.headers).toMatchObject({ "x-key": "hunter2" })
      expect(origin.requestsFor("/f")[0]!.headers).toMatchObject({ "x-key": "hunter2", "user-agent": "me" })
      expect(JSON.stringify(other.requests)).not.toContain("hunter2")
      expect(other.requestsFor("/f")[0]!.headers).toMatchObject({ "user-agent": "me" })
      const file = ["--metalink", given(root, both), "--refetch", ...secrets]
      expect((yield* world.run("get", "--dir", dir, ...file, "--on-conflict", "overwrite")).code).toBe(0)
      expect(origin.requestsFor("/f").at(-1)!.headers["x-key"]).toBeUndefined()
    })
  )
})
