import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { type Download, Status } from "../../../src/domain/Download.js"
import * as DownloadErrors from "../../../src/domain/DownloadError.js"
import * as Ids from "../../../src/domain/DownloadId.js"
import { allowed } from "../../../src/programs/cli/Allowed.js"
import * as Control from "../../../src/programs/cli/Control.js"
import { exitCode, trouble } from "../../../src/programs/cli/Failures.js"
import { Verb } from "../../../src/programs/cli/EventSchema.js"
import { Output } from "../../../src/programs/cli/Output.js"
import { Surroundings } from "../../../src/programs/cli/Surroundings.js"
import type { Which } from "../../../src/programs/cli/Which.js"
import { fakeQueue, living, type Options, storeError } from "./FakeQueue.js"
import { eventsOf, row, secret, streams, surroundings } from "./Fixtures.js"

const [one, two, three] = ["1aa00000000", "2bb00000000", "2bc00000000"].map((text) =>
  Ids.DownloadId.make(text)
)

const rows: ReadonlyArray<Download> = [
  row({ id: one!, url: "http://example.org/one", status: "retrying" }),
  row({ id: two!, url: "http://example.org/two", status: "completed" }),
  row({ id: three!, url: "http://example.org/three", status: "failed" })
]

const of = (...ids: ReadonlyArray<string>): Which => ({ of: "ids", ids })
const all: Which = { of: "selection", tag: undefined, group: undefined }

const run = (
  verb: Control.Task["verb"],
  which: Which,
  { json = false, ...options }: Options & { readonly json?: boolean } = {},
  stored = rows
) =>
  Effect.gen(function* () {
    const { output, stderr, stdout } = streams()
    const queue = fakeQueue(stored, options)
    const task: Control.Task =
      verb === "move"
        ? { verb, priority: 7 }
        : verb === "source"
          ? { verb, urls: ["http://example.org/more", "http://example.net/more"], replace: false }
          : { verb }
    const exit = yield* Control.control(task, which, { json }).pipe(
      Effect.provide(queue.layer),
      Effect.provideService(Output, output),
      Effect.provideService(Surroundings, surroundings(verb, "--db", "my.db")),
      Effect.exit
    )
    const why = exit._tag === "Failure" ? trouble(exit.cause) : undefined
    return { code: exitCode(exit, undefined), why, stderr: stderr.text, stdout, calls: queue.calls }
  })

describe("ids", () => {
  it.effect("may be cut, in any case, with letters for the digits they look like", () =>
    Effect.gen(function* () {
      const { calls, code, stderr, stdout } = yield* run("pause", of("1AA", " laa0O ", one!))
      expect({ code, stderr, out: stdout.text }).toEqual({ code: 0, stderr: "", out: `${one}\n` })
      // each download once
      expect(calls).toEqual([["pause", one]])
    })
  )

  it.effect.each([
    [["zzz"], 'no download begins with "zzz"'],
    [["zzz00000000"], 'there is no download "zzz00000000"'],
    [["1a"], '"1a" is too short'],
    [["1aau"], '"1aau" is no id of a download'],
    [["http://user:x@h/"], "is no id of a download"],
    [["1aa000000000"], "is longer than an id"],
    [["2b0"], "no download begins"]
  ] as const)("%j: %s; nothing is done", ([ids, words]) =>
    Effect.gen(function* () {
      const { calls, code, stdout, why } = yield* run("pause", of(one!, ...ids))
      expect([code, stdout.text, calls]).toEqual([2, "", []])
      expect(why?.message).toContain(words)
      expect(why?.advice).toContain("nothing was changed")
    })
  )

  it.effect("that are ambiguous are told with what they could mean, and all mistakes at once", () =>
    Effect.gen(function* () {
      const { calls, code, why } = yield* run("rm", of("2bb", "2bb0", "zzz", "2B"), {}, rows)
      expect([code, calls]).toEqual([2, []])
      expect(why?.message).toMatch(/^2 of 4 ids can't be used:\n {8}no download .*\n {8}"2B" is too short/)
      const near = rows.map((row, i) => ({ ...row, id: Ids.DownloadId.make(`2bb0000000${i}`) }))
      const ambiguous = yield* run("rm", of("2bb"), {}, near)
      expect(ambiguous.code).toBe(2)
      expect(ambiguous.why?.message).toBe(
        'several downloads begin with "2bb":' + near.map(({ id, url }) => `\n        ${id}  ${url}`).join("")
      )
      const many = Array.from({ length: 20 }, (_, i) =>
        row({ id: Ids.DownloadId.make(`2bb000000${10 + i}`) })
      )
      expect((yield* run("rm", of("2bb"), {}, many)).why?.message).toContain("\n        and more")
    })
  )
})

describe("what a status does not allow", () => {
  it.effect("is told, with how it stands and what to do; the others are done", () =>
    Effect.gen(function* () {
      const { calls, code, stderr, stdout, why } = yield* run("pause", of(two!, one!, three!))
      expect([code, why]).toEqual([1, undefined])
      expect(calls).toEqual([["pause", one]])
      expect(stdout.text).toBe(`${one}\n`)
      expect(stderr).toBe(
        `sluice: not paused: ${two} http://example.org/two\n        it is completed\n        its file is there\n` +
          `sluice: not paused: ${three} http://example.org/three\n        it has failed\n        sluice retry ${three} tries once more\n`
      )
    })
  )

  it("is the same for all commands: every status has an answer", () => {
    const table = Object.fromEntries(
      Verb.literals.map((verb) => [
        verb,
        Object.fromEntries(Status.literals.map((status) => [status, allowed(verb, row({ status })).verdict]))
      ])
    )
    const unfinished = { pending: "go", processing: "go", retrying: "go", waiting: "go", paused: "go" }
    const ended = { completed: "refused", failed: "refused", cancelled: "refused" }
    const atWork = { pending: "already", processing: "already" }
    expect(table).toEqual({
      source: { ...unfinished, ...ended, failed: "go" },
      pause: { ...unfinished, paused: "already", ...ended },
      resume: { ...unfinished, ...atWork, ...ended },
      cancel: { ...unfinished, ...ended, cancelled: "already" },
      retry: { ...unfinished, ...atWork, completed: "refused", failed: "go", cancelled: "go" },
      rm: {
        pending: "refused",
        processing: "refused",
        retrying: "refused",
        waiting: "refused",
        paused: "refused",
        completed: "go",
        failed: "go",
        cancelled: "go"
      },
      move: { ...unfinished, ...ended }
    })
  })

  it("one that is about to pause can be resumed", () => {
    expect(allowed("resume", row({ status: "processing", desired: "paused" })).verdict).toBe("go")
  })

  it.effect.each(["pause", "cancel"] as const)(
    "%s tells of what ended by itself before it could be",
    (verb) =>
      Effect.gen(function* () {
        const ended = row({ id: one!, status: "completed" })
        const more = { pause: () => Effect.succeed(ended), cancel: () => Effect.succeed(ended) }
        const { code, stderr, stdout } = yield* run(verb, of(one!), { more }, [
          row({ id: one!, status: "processing" })
        ])
        expect([code, stdout.text]).toEqual([1, ""])
        expect(stderr).toContain("it is completed")
      })
  )

  it.effect("what is so already is no failure", () =>
    Effect.gen(function* () {
      const paused = [row({ id: one!, status: "paused" })]
      const { calls, code, stderr, stdout } = yield* run("pause", of(one!), {}, paused)
      expect([code, calls, stdout.text]).toEqual([0, [], `${one}\n`])
      expect(stderr).toContain("it is paused already")
    })
  )

  it.effect("the engine has the last word", () =>
    Effect.gen(function* () {
      const answers = [
        ["Unanswered", "not cancelled yet", "sluice show 1aa00000000"],
        ["NotFound", "it has been removed meanwhile", "sluice ls"],
        ["Refused", "no longer", "sluice show"]
      ] as const
      for (const [reason, words, advice] of answers) {
        const more = { cancel: () => Effect.fail(storeError(reason, "it is no longer so")) }
        const { code, stderr, stdout } = yield* run("cancel", of(one!), { more })
        expect([code, stdout.text]).toEqual([1, ""])
        expect(stderr).toContain(words)
        expect(stderr).toContain(advice)
      }
      const refused = DownloadErrors.make("DestinationUnusable", "the directory is gone")
      const retry = yield* run("retry", of(three!), { more: { retry: () => Effect.fail(refused) } })
      expect(retry.code).toBe(1)
      expect(retry.stderr).toContain("the directory is gone\n        choose another directory")
    })
  )

  it.effect("a database that can't be used ends the command", () =>
    Effect.gen(function* () {
      const more = { cancel: () => Effect.fail(storeError("Full")) }
      const { code, why } = yield* run("cancel", of(one!), { more })
      expect(code).toBe(3)
      expect(why?.message).toContain("the disk is full")
    })
  )
})

describe("what goes on", () => {
  it.effect("says so when nobody will take it up", () =>
    Effect.gen(function* () {
      const { stderr, stdout } = yield* run("retry", of(three!))
      const next = stdout.text.trim()
      expect(next).not.toBe(three)
      expect(stderr).toBe(
        `sluice: ${next} retries ${three} http://example.org/three\n` +
          "sluice: no engine is running; to download it:\n        sluice run --db my.db\n"
      )
      // this process, and one that has died, don't count
      const engines = [
        { ...living, pid: 1 },
        { ...living, alive: false }
      ]
      expect((yield* run("resume", of(one!), { engines })).stderr).toContain("no engine is running")
      expect((yield* run("resume", of(one!), { engines: [living] })).stderr).toBe("")
    })
  )
})

describe("a further source", () => {
  it.effect("is added to what is unfinished or has failed; nothing runs by that alone", () =>
    Effect.gen(function* () {
      const { calls, code, stderr, stdout } = yield* run("source", of(three!))
      expect([code, stdout.text]).toEqual([0, `${three}\n`])
      expect(calls).toEqual([
        ["addSource", three, "http://example.org/more"],
        ["addSource", three, "http://example.net/more"]
      ])
      expect(stderr).toContain("no engine is running")
      const { code: refused, stderr: why } = yield* run("source", of(two!))
      expect([refused, why]).toEqual([
        1,
        `sluice: not given a source: ${two} http://example.org/two\n        it is completed\n        sluice add --refetch with its URL fetches it anew\n`
      ])
    })
  )
})

describe("a selection", () => {
  it.effect.each([
    ["pause", "pauseAll", "paused"],
    ["resume", "resumeAll", "resumed"],
    ["cancel", "cancelAll", "cancelled"],
    ["retry", "retryAll", "retried"],
    ["rm", "removeAll", "removed"]
  ] as const)("of %s is one call", ([verb, name, past]) =>
    Effect.gen(function* () {
      const { calls, code, stderr, stdout } = yield* run(verb, all, { engines: [living] })
      expect([code, stdout.text]).toEqual([0, ""])
      expect(calls).toEqual([[name, verb === "retry" ? { status: ["failed"] } : {}]])
      expect(stderr).toBe(`sluice: ${past} 3 downloads\n`)
    })
  )

  it.effect("has a tag, or a group; a group without downloads is nothing to do", () =>
    Effect.gen(function* () {
      const tagged = yield* run("move", { of: "selection", tag: "a", group: undefined })
      expect(tagged.calls).toEqual([["move", { tag: "a" }, 7]])
      expect(tagged.stderr).toBe('sluice: moved 3 downloads with the tag "a"\n')
      const grouped = yield* run("cancel", { of: "selection", tag: undefined, group: "g" })
      expect(grouped.calls).toEqual([["group", "g"]])
      expect([grouped.code, grouped.stderr]).toEqual([
        0,
        'sluice: there is no download in the group "g" to cancel\n'
      ])
    })
  )

  it.effect("tells what other engines were asked to do", () =>
    Effect.gen(function* () {
      const asked = (changed: number) => ({ more: { pauseAll: () => Effect.succeed({ changed, asked: 2 }) } })
      expect((yield* run("pause", all, asked(1))).stderr).toBe(
        "sluice: paused 1 download; 2 more asked of the engines at work, which follow in a moment\n"
      )
      expect((yield* run("pause", all, asked(0))).stderr).toBe(
        "sluice: 2 asked of the engines at work, which follow in a moment\n"
      )
    })
  )
})

describe("--json", () => {
  it.effect("is one object a download, whatever became of it", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* run("retry", of(one!, two!, three!), { json: true })
      expect(code).toBe(1)
      expect(eventsOf(stdout)).toMatchObject([
        { v: 1, event: "command", command: "retry", id: one, answer: "done", next: one },
        { id: two, answer: "refused", status: "completed", detail: "it is completed", next: null },
        { id: three, answer: "done", status: "failed", next: expect.not.stringMatching(three!) }
      ])
      expect(stdout.text).not.toContain(secret)
    })
  )

  it.effect("is one object for a selection", () =>
    Effect.gen(function* () {
      const { stderr, stdout } = yield* run("cancel", all, { json: true })
      expect(eventsOf(stdout)).toMatchObject([{ event: "affected", command: "cancel", changed: 3, asked: 0 }])
      expect(stderr).toBe("")
    })
  )
})
