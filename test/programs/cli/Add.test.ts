import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Readable } from "node:stream"
import { describe, expect, vi } from "vitest"
import * as DownloadErrors from "../../../src/domain/DownloadError.js"
import * as Ids from "../../../src/domain/DownloadId.js"
import { defaultOptions } from "../../../src/domain/DownloadOptions.js"
import * as Add from "../../../src/programs/cli/Add.js"
import { exitCode, trouble, type UsageError } from "../../../src/programs/cli/Failures.js"
import type { List } from "../../../src/programs/cli/InputFile.js"
import * as InputLines from "../../../src/programs/cli/InputLines.js"
import { Output } from "../../../src/programs/cli/Output.js"
import * as Requests from "../../../src/programs/cli/Requests.js"
import { Surroundings } from "../../../src/programs/cli/Surroundings.js"
import { Downloads } from "../../../src/services/Downloads.js"
import { fakeQueue, living, type Options, storeError } from "./FakeQueue.js"
import { eventsOf, row, streams, surroundings } from "./Fixtures.js"
import { sluiceIn } from "./Program.js"

const asked = (more: Partial<Add.Asked> = {}): Add.Asked => ({
  urls: [],
  input: undefined,
  metalinks: [],
  dir: undefined,
  output: undefined,
  mirrors: [],
  db: undefined,
  headers: [],
  priority: 0,
  tags: [],
  key: undefined,
  group: undefined,
  seal: false,
  options: defaultOptions,
  json: false,
  quiet: false,
  ...more
})

const url = (i: number): string => `http://example.org/${i}`
const urls = (from: number, to: number): ReadonlyArray<string> =>
  Array.from({ length: to - from }, (_, i) => url(from + i))

/** A list that comes through a pipe, in pieces. */
const piped = (...pieces: ReadonlyArray<string | Uint8Array>): Stream.Stream<List, UsageError> =>
  InputLines.portions(
    "-",
    { cwd: "/work", stdin: () => Readable.from(pieces.map((piece) => Buffer.from(piece))) },
    { lines: 2000, within: undefined }
  )

const attended: Options = { engines: [living] }

const add = (
  more: Partial<Add.Asked>,
  lists: Stream.Stream<List, UsageError> = Stream.make(Requests.empty),
  options: Options = attended,
  stored: Parameters<typeof fakeQueue>[0] = []
) =>
  Effect.gen(function* () {
    const { output, stderr, stdout } = streams()
    const queue = fakeQueue(stored, options)
    const first = yield* Requests.ofUrls(asked(more), "/work")
    const exit = yield* Add.add(asked(more), first, lists).pipe(
      Effect.provide(queue.layer),
      Effect.provideService(Output, output),
      Effect.provideService(Surroundings, surroundings("add", "--db", "my.db")),
      Effect.exit
    )
    const why = exit._tag === "Failure" ? trouble(exit.cause) : undefined
    return { ...queue, code: exitCode(exit, undefined), why, stderr: stderr.text, stdout }
  })

describe("add", () => {
  it.effect("prints ids, one a line, and passes on tags, key and priority", () =>
    Effect.gen(function* () {
      const { code, requests, stderr, stdout } = yield* add({
        urls: [url(1)],
        tags: ["a", "b"],
        key: "k",
        priority: 3,
        dir: "sub"
      })
      expect([code, stderr, stdout.lines]).toEqual([0, "", [Ids.fromKey(1000)]])
      expect(requests).toMatchObject([
        { url: url(1), tags: ["a", "b"], key: "k", priority: 3, directory: "/work/sub" }
      ])
    })
  )

  it.effect("says what is there already, and when nobody will download it", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* add({ urls: [url(1), url(2), url(1)] }, undefined, {}, [
        row({ url: url(2), status: "paused" })
      ])
      expect([code, stdout.lines]).toEqual([0, [Ids.fromKey(1001), Ids.fromKey(1), Ids.fromKey(1001)]])
      expect(stderr.split("\n")).toEqual([
        `sluice: ${Ids.fromKey(1)} is in the queue already: ${url(2)}`,
        `sluice: ${Ids.fromKey(1001)} is in the queue already: ${url(1)}`,
        "sluice: 3 downloads are in the queue, 2 of them were there already",
        "sluice: no engine is running; to download what is in the queue:",
        "        sluice run --db my.db",
        ""
      ])
      expect((yield* add({ urls: [url(1)], quiet: true }, undefined, {})).stderr).toBe("")
    })
  )

  it.effect("--json is an event a download", () =>
    Effect.gen(function* () {
      const { stdout } = yield* add({ urls: [url(1), url(1)], json: true })
      expect(eventsOf(stdout)).toMatchObject([
        { v: 1, event: "enqueued", url: url(1), attached: false },
        { event: "enqueued", url: url(1), attached: true }
      ])
    })
  )

  it.effect("puts them into a group, and seals it when all are in", () =>
    Effect.gen(function* () {
      const { calls, code, members } = yield* add({ urls: [url(1), url(2)], group: "g", seal: true })
      expect([code, calls]).toEqual([
        0,
        [
          ["group", "g"],
          ["seal", "g"]
        ]
      ])
      expect(Array.from(members.values(), ({ size }) => size)).toEqual([2])
      expect((yield* add({ urls: [url(1)], group: "g" })).calls).toEqual([["group", "g"]])
      const late = yield* add({ urls: [url(1)], group: "g" }, undefined, { sealed: ["g"] })
      expect([late.code, late.stdout.text]).toEqual([2, ""])
      expect(late.why).toMatchObject({
        reason: "GroupSealed",
        message: "the group g is sealed: nothing can be added to it"
      })
    })
  )

  it.effect(
    "tells which request contradicts an unfinished download; the rest is in, and the group stays open",
    () =>
      Effect.gen(function* () {
        const asked = url(1)
        const error = new DownloadErrors.DownloadError({
          reason: "InvalidRequest",
          detail: "the key is another's",
          url: asked
        })
        const download = row()
        const { calls, code, why } = yield* add({ urls: [url(1)], group: "g", seal: true }, undefined, {
          more: {
            group: (name) =>
              Effect.map(
                Effect.flatMap(Effect.succeed(fakeQueue()), ({ layer }) =>
                  Effect.provide(groupOf(name), layer)
                ),
                (group) => ({
                  ...group,
                  enqueueAll: () =>
                    Effect.succeed([{ id: download.id, attached: true, download, refused: error }]),
                  seal: Effect.dieMessage("sealed")
                })
              )
          }
        })
        expect([code, why?.message, calls]).toEqual([2, `${asked}: the key is another's`, []])
      })
  )
})

const groupOf = (name: string | undefined) =>
  Effect.flatMap(Downloads, ({ group }) => (name === undefined ? group() : group(name)))

describe("a list through a pipe", () => {
  it.effect("is recorded in portions, with the URLs that were typed", () =>
    Effect.gen(function* () {
      const text = urls(0, 9000).join("\n")
      // cut anywhere, also in a line
      const pieces = Array.from({ length: Math.ceil(text.length / 50_001) }, (_, i) =>
        text.slice(i * 50_001, (i + 1) * 50_001)
      )
      const { code, portions, requests, stderr, stdout } = yield* add(
        { input: "-", urls: [url(-1)] },
        piped(...pieces)
      )
      expect(code).toBe(0)
      expect(requests.map((request) => request.url)).toEqual([url(-1), ...urls(0, 9000)])
      expect(Math.max(...portions)).toBeLessThanOrEqual(2001)
      expect(stdout.lines).toHaveLength(9001)
      expect(stderr).toBe("sluice: 9001 downloads are in the queue\n")
    })
  )

  it.effect("starts nothing where its first portion has a mistake", () =>
    Effect.gen(function* () {
      const { code, requests, stderr, why } = yield* add(
        { input: "-", urls: [url(-1)] },
        piped(`${url(1)}\n`, "nonsense\n", `${url(2)}\n split=2\n`)
      )
      expect([code, requests, stderr]).toEqual([2, [], ""])
      expect(why?.message).toMatch(
        /^the list on stdin has 2 lines that can't be used:\n +line 2: .*\n +line 4: /
      )
      expect(why?.advice).toBe("correct the list; nothing was started")
    })
  )

  it.effect("starts nothing where the last line of a short one has a mistake", () =>
    Effect.gen(function* () {
      const { code, requests } = yield* add({ input: "-" }, piped(`${url(1)}\n`, "nonsense"))
      expect([code, requests]).toEqual([2, []])
    })
  )

  it.effect("says how much is in the queue where a later one has", () =>
    Effect.gen(function* () {
      const { calls, code, stderr, stdout, why } = yield* add(
        { input: "-", group: "g", seal: true },
        piped([...urls(0, 5000), "nonsense", ...urls(5001, 9000)].join("\n"))
      )
      expect(code).toBe(2)
      expect(calls).toEqual([["group", "g"]])
      expect(stderr).toBe(`sluice: ${stdout.lines.length} downloads are in the queue already\n`)
      expect(stdout.lines.length).toBeGreaterThanOrEqual(3999)
      expect(why?.message).toContain('the list on stdin, line 5001: "nonsense" is not a URL')
      expect(why?.advice).toContain("what is in the queue already is not added twice")
    })
  )

  it.effect("says how much is in the queue when the database fails", () =>
    Effect.gen(function* () {
      const queue = fakeQueue()
      let calls = 0
      const { code, stderr } = yield* add({ input: "-" }, piped(urls(0, 5000).join("\n")), {
        more: {
          enqueueAll: (requests) =>
            calls++ === 0
              ? Effect.provide(
                  Effect.flatMap(Downloads, ({ enqueueAll }) => enqueueAll(requests)),
                  queue.layer
                )
              : Effect.fail(storeError("Full"))
        }
      })
      expect([code, stderr]).toEqual([3, "sluice: 1999 downloads are in the queue already\n"])
    })
  )

  it.effect("is told apart from what is no list", () =>
    Effect.gen(function* () {
      for (const [bytes, words] of [
        [Uint8Array.from([0x1f, 0x8b, 8, 0]), "is compressed"],
        [Buffer.from("\ufeffhttp://a/", "utf16le"), "is UTF-16"],
        [Uint8Array.from([0x68, 0xe9, 0x0a]), "is not UTF-8 text"],
        // cut within a character
        [Uint8Array.from([0x68, 0xc3]), "is not UTF-8 text"]
      ] as const) {
        const { code, why } = yield* add({ input: "-" }, piped(bytes))
        expect([code, why?.message]).toEqual([2, `the list on stdin ${words}`])
      }
      const marked = yield* add({ input: "-" }, piped(`\ufeff${url(1)}`))
      expect(marked.requests.map((request) => request.url)).toEqual([url(1)])
      const long = yield* add({ input: "-" }, piped(...Array.from({ length: 100 }, () => "x".repeat(10_000))))
      expect(long.why?.message).toContain("line 1: it is longer than 65536 characters")
    })
  )

  it.effect("without a URL is nothing to do", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* add({ input: "-" }, piped("# nothing\n"))
      expect([code, stderr]).toEqual([0, "sluice: the list on stdin has no URL; nothing to do\n"])
    })
  )

  it.effect("with several URLs is refused where one is meant", () =>
    Effect.gen(function* () {
      const { code, requests, why } = yield* add({ input: "-", key: "k" }, piped(`${url(1)}\n${url(2)}\n`))
      expect([code, requests]).toEqual([2, []])
      expect(why?.message).toBe("--request-key is for one file, and there are 2 URLs")
    })
  )

  it.effect("that was interrupted says how much is in the queue", () =>
    Effect.gen(function* () {
      const { output, stderr } = streams()
      const queue = fakeQueue()
      const endless = Stream.concat(piped(`${url(1)}\n${url(2)}\n`), Stream.never)
      const fiber = yield* Add.add(asked({ input: "-" }), [], endless).pipe(
        Effect.provide(queue.layer),
        Effect.provideService(Output, output),
        Effect.provideService(Surroundings, surroundings("add")),
        Effect.fork
      )
      yield* Effect.promise(() => vi.waitFor(() => expect(queue.rows.size).toBe(2)))
      yield* Fiber.interrupt(fiber)
      expect(stderr.text).toBe("sluice: interrupted; 2 downloads are in the queue already\n")
    })
  )
})

describe("a list in a file", () => {
  const temporary = Effect.acquireRelease(
    Effect.sync(() => fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "sluice-add-")))),
    (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
  )

  it.scoped("is checked as a whole before anything is done", () =>
    Effect.gen(function* () {
      const cwd = yield* temporary
      const lines = [...urls(0, 7000)]
      for (let i = 5000; i < 5012; i++) lines[i] = "nonsense"
      fs.writeFileSync(join(cwd, "list.txt"), lines.join("\n"))
      const { code, stderr, stdout } = yield* sluiceIn({ cwd }, "add", "--input", "list.txt")
      expect([code, stdout.text]).toEqual([2, ""])
      expect(stderr.text).toContain("the list list.txt has 12 lines that can't be used:\n        line 5001: ")
      expect(stderr.text).toContain("        and 2 more\n        correct the list; nothing was started\n")
      expect(fs.readdirSync(cwd)).toEqual(["list.txt"])
      const one = yield* sluiceIn({ cwd }, "add", "--input", "list.txt", "--output", "x")
      expect(one.stderr.text).toContain("--output is for one file, and there are 7000 URLs")
    })
  )

  it.scoped("has to be there", () =>
    Effect.gen(function* () {
      const cwd = yield* temporary
      const { code, stderr } = yield* sluiceIn({ cwd }, "add", "--input", ".")
      expect(code).toBe(2)
      expect(stderr.text).toContain("the list . is a directory")
      expect(fs.readdirSync(cwd)).toEqual([])
    })
  )
})
