import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Download } from "../../../src/domain/Download.js"
import type { Result, Verification } from "../../../src/domain/Verification.js"
import { exitCode, trouble } from "../../../src/programs/cli/Failures.js"
import { Output } from "../../../src/programs/cli/Output.js"
import { Surroundings } from "../../../src/programs/cli/Surroundings.js"
import * as Verify from "../../../src/programs/cli/Verify.js"
import { fakeQueue } from "./FakeQueue.js"
import { row, streams, surroundings } from "./Fixtures.js"

const url = (n: number) => `http://h/${n}.bin`

const finding = (download: Download, result: Result, detail: string | null): Verification => ({
  download,
  path: `/d/\u001b[31m${download.url.at(-5)}`,
  result,
  known: { algorithm: "md5", hex: "aa", by: "server" },
  found: null,
  detail
})

const verify = (asked: Partial<Verify.Asked>, results: ReadonlyArray<Result> = []) =>
  Effect.gen(function* () {
    const rows = results.map((_, n) => row({ url: url(n), status: "completed" }))
    const selections: Array<unknown> = []
    const queue = fakeQueue([...rows, row({ url: url(9), status: "paused" })], {
      more: {
        verify: (selection) => {
          selections.push(selection)
          return Stream.fromIterable(results.map((result, i) => finding(rows[i]!, result, "so")))
        }
      }
    })
    const { output, stderr, stdout } = streams()
    const exit = yield* Verify.verify({
      ids: [],
      tag: undefined,
      group: undefined,
      json: false,
      ...asked
    }).pipe(
      Effect.provide(queue.layer),
      Effect.provideService(Output, output),
      Effect.provideService(Surroundings, surroundings("verify")),
      Effect.exit
    )
    const why = exit._tag === "Failure" ? trouble(exit.cause) : undefined
    return { code: exitCode(exit, undefined), why, stderr: stderr.text, stdout: stdout.text, selections }
  })

describe("verify", () => {
  it.effect("a line for each, with nothing in it that moves the cursor; and what it comes to", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* verify({}, ["verified", "intact", "altered", "verified"])
      expect(code).toBe(1)
      expect(stdout.split("\n")[2]).toBe("altered     /d/\ufffd[31m2: so")
      expect(stdout).not.toContain("\u001b")
      expect(stderr).toBe(
        "sluice: 2 verified, 1 intact (no digest is known: only size, time and inode were compared), 1 altered\n"
      )
    })
  )

  it.effect.each([
    [[], 0],
    [["verified", "intact"], 0],
    [["missing"], 1],
    [["unreadable", "verified"], 1]
  ] as const)("%j ends with %i", ([results, code]) =>
    Effect.gen(function* () {
      expect((yield* verify({ json: true }, results)).code).toBe(code)
    })
  )

  it.effect("all, or those with a tag; a group that nobody is in has none", () =>
    Effect.gen(function* () {
      expect((yield* verify({})).selections).toEqual([{}])
      expect((yield* verify({ tag: "a" })).selections).toEqual([{ tag: "a" }])
      expect((yield* verify({ group: "g" })).selections).toEqual([])
    })
  )

  it.effect("ids and a tag at once are refused", () =>
    Effect.gen(function* () {
      const both = yield* verify({ ids: ["abc"], tag: "a" })
      expect(both).toMatchObject({ code: 2, why: { reason: "Contradiction" }, selections: [] })
    })
  )
})
