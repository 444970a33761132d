/**
 * `sluice source`: another URL for what has failed, and for what another engine works on.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { describe, expect } from "vitest"
import { eventually, live, type World } from "./Cli.js"
import { listening } from "./Listening.js"

const bytes = Buffer.alloc(1_000_000, "a file behind a link that expires ")
const sent = 400_000

interface Signing {
  readonly url: (signature: string) => string
  readonly asked: Array<readonly [signature: string, range: string | undefined]>
}

/** One file, by links: `cut` ends early once, and is forbidden from then on; `hang` ends early, and does not close. */
const make: Effect.Effect<Signing, never, Scope.Scope> = Effect.gen(function* () {
  const asked: Signing["asked"] = []
  const server = createServer(({ headers, url = "" }, response) => {
    const signature = new URL(url, "http://h").searchParams.get("signature") ?? ""
    const again = asked.some(([one]) => one === signature)
    asked.push([signature, headers.range])
    if (signature === "cut" && again) return void response.writeHead(403).end()
    const start = Number(/^bytes=(\d+)-/.exec(headers.range ?? "")?.[1] ?? 0)
    response.writeHead(headers.range === undefined ? 200 : 206, {
      ETag: '"e"',
      "Accept-Ranges": "bytes",
      "Content-Length": bytes.length - start,
      ...(headers.range === undefined
        ? {}
        : { "Content-Range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` })
    })
    if (signature === "good") return void response.end(bytes.subarray(start))
    response.write(bytes.subarray(start, start + sent), () => {
      if (signature === "cut") response.socket?.end()
    })
  })
  const port = yield* listening(server)
  return { asked, url: (signature) => `http://127.0.0.1:${port}/f.bin?signature=${signature}` }
})

const expectWhole = ({ dir }: World): void =>
  expect(fs.readFileSync(join(dir, "f.bin")).equals(bytes)).toBe(true)

describe.concurrent("another source", () => {
  live("is asked by the retry of what has failed, which goes on with what is held", (world) =>
    Effect.gen(function* () {
      const server = yield* make
      const { code, stderr } = yield* world.get(server.url("cut"), "--retry-delay", "1ms")
      expect([code, stderr]).toEqual([1, expect.stringContaining("403")])
      const [{ id }] = JSON.parse(
        `[${(yield* world.run("ls", "--json")).stdout.trim().split("\n").join(",")}]`
      )
      const given = yield* world.run("source", id, "--add", server.url("good"))
      expect(given).toMatchObject({ code: 0, stdout: `${id}\n` })
      const next = (yield* world.run("retry", id)).stdout.trim()
      expect(next).not.toBe(id)
      expect((yield* world.run("run")).code).toBe(0)
      expectWhole(world)
      const [signature, range] = server.asked.at(-1)!
      expect([signature, range]).toEqual(["good", expect.stringMatching(/^bytes=[1-9]/)])
      const shown = yield* world.run("show", next)
      expect(shown.stdout).toMatch(/signature=cut.*403/)
      const late = yield* world.run("source", next, "--add", server.url("good"), "--json")
      expect(late.code).toBe(1)
      expect(JSON.parse(late.stdout)).toMatchObject({
        event: "command",
        command: "source",
        answer: "refused"
      })
    })
  )

  live("is taken up at once by an engine that runs elsewhere", (world) =>
    Effect.gen(function* () {
      const server = yield* make
      const engine = yield* world.start(
        "get",
        "--dir",
        world.dir,
        server.url("hang"),
        "--connections",
        "1",
        "--json"
      )
      yield* engine.during(eventually(() => (world.row()?.checkpoint ?? 0) === sent))
      const [{ id }] = JSON.parse(
        `[${(yield* world.run("ls", "--json")).stdout.trim().split("\n").join(",")}]`
      )
      const given = yield* world.run("source", id, "--add", server.url("good"), "--replace")
      expect(given).toMatchObject({ code: 0, stdout: `${id}\n` })
      expect(yield* engine.result).toMatchObject({ code: 0 })
      expectWhole(world)
      expect(server.asked).toEqual([
        ["hang", undefined],
        ["good", `bytes=${sent}-`]
      ])
    })
  )

  live("has to be said, of a download", (world) =>
    Effect.gen(function* () {
      for (const [args, words] of [
        [["abc"], "it is not said which URL to add"],
        [["--add", "http://h/f"], "it is not said which download to add a source to"],
        [["abc", "--add", "ftp://h/f"], "has the scheme ftp"],
        [["abc", "--add", "http://u:hunter2@h/f"], "must not have a user or password"]
      ] as const) {
        const { code, stderr } = yield* world.run("source", ...args)
        expect([args, code]).toEqual([args, 2])
        expect(stderr).toContain(words)
        expect(stderr).not.toContain("hunter2")
      }
    })
  )
})
