import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import { describe, expect, it } from "vitest"
import * as DownloadErrors from "../../../src/domain/DownloadError.js"
import { StoreError } from "../../../src/domain/StoreError.js"
import type { CommandError, Signal } from "../../../src/programs/cli/Failures.js"
import * as Failures from "../../../src/programs/cli/Failures.js"
import { OutputClosed } from "../../../src/programs/cli/Output.js"

const usage = new Failures.UsageError({ reason: "X", message: "it is wrong", advice: "make it right" })
const locked = new StoreError({ reason: "Locked", path: "/s.db" })

describe("exit codes", () => {
  const interrupted = Exit.interrupt(FiberId.none)
  const cases: ReadonlyArray<readonly [string, Exit.Exit<void, CommandError>, Signal | undefined, number]> = [
    ["all done", Exit.void, undefined, 0],
    ["all done as the signal came", Exit.void, "SIGINT", 0],
    ["some failed", Exit.fail(new Failures.Unfinished()), undefined, 1],
    ["usage", Exit.fail(usage), undefined, 2],
    ["unusable directory", Exit.fail(DownloadErrors.make("DestinationUnusable", "x")), undefined, 2],
    ["full disk before the start", Exit.fail(DownloadErrors.make("DiskFull", "x")), undefined, 3],
    ["database", Exit.fail(locked), undefined, 3],
    ["a bug", Exit.die(new Error("boom")), undefined, 3],
    ["interrupted by nobody", interrupted, undefined, 3],
    ["SIGINT", interrupted, "SIGINT", 130],
    ["SIGTERM", interrupted, "SIGTERM", 143],
    [
      "SIGINT, and the stop went wrong",
      Exit.failCause(Cause.sequential(Cause.interrupt(FiberId.none), Cause.die("x"))),
      "SIGINT",
      130
    ],
    ["the reader went away", Exit.fail(new OutputClosed()), undefined, 141]
  ]
  it.each(cases)("%s", (_, exit, signal, code) => {
    expect(Failures.exitCode(exit, signal)).toBe(code)
  })
})

describe("what is said", () => {
  it("is a sentence and what to do", () => {
    expect(Failures.sentence(Failures.trouble(Cause.fail(usage))!)).toBe(
      "sluice: it is wrong\n        make it right\n"
    )
    expect(Failures.trouble(Cause.fail(locked))).toEqual({
      reason: "Locked",
      message: "the database /s.db is locked by another process",
      advice: "wait for it to finish, or stop it",
      exit: 3
    })
  })
  it("is nothing for what was said already or can't be heard", () => {
    expect(Failures.trouble(Cause.fail(new Failures.Unfinished()))).toBeUndefined()
    expect(Failures.trouble(Cause.fail(new OutputClosed()))).toBeUndefined()
    expect(Failures.trouble(Cause.interrupt(FiberId.none))).toBeUndefined()
  })
  it("names a bug as such, with its place, also beside an interruption", () => {
    const cause = Cause.parallel(Cause.interrupt(FiberId.none), Cause.die(new Error("boom")))
    expect(Failures.trouble(cause)).toMatchObject({ reason: "Defect", exit: 3 })
    expect(Failures.trouble(cause)?.message).toContain("boom")
    expect(Failures.trouble(cause)?.message).toContain("Failures.test")
  })
})
