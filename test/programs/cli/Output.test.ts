import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { describe, expect } from "vitest"
import { OutputClosed } from "../../../src/programs/cli/Output.js"
import { streams } from "./Fixtures.js"

describe("output", () => {
  it.effect("a transient line makes room for others and comes back", () =>
    Effect.gen(function* () {
      const { output, stderr, stdout } = streams({ terminal: true })
      yield* output.status("50%")
      yield* output.err("a message\n")
      yield* output.out("a result\n")
      yield* output.status("")
      const removed = "\r\u001b[K"
      expect(stderr.text).toBe(`\r50%\u001b[K${removed}a message\n50%${removed}50%${removed}`)
      expect(stdout.text).toBe("a result\n")
    })
  )

  it.effect("a reader that went away is a typed error", () =>
    Effect.gen(function* () {
      const { output, stdout } = streams()
      stdout.closed = true
      expect(yield* Effect.either(output.out("x\n"))).toEqual(Either.left(new OutputClosed()))
    })
  )

  it.effect("a stuck reader of stderr costs no memory", () =>
    Effect.gen(function* () {
      const { output, stderr } = streams()
      Object.defineProperty(stderr, "writableLength", { value: 2 * 1024 * 1024 })
      yield* output.err("dropped\n")
      expect(stderr.text).toBe("")
    })
  )

  it("respects NO_COLOR and dumb terminals", () => {
    expect(streams({ terminal: true }).output).toMatchObject({
      errIsTerminal: true,
      color: true,
      outColor: true
    })
    expect(streams({ terminal: true, NO_COLOR: "1" }).output).toMatchObject({
      errIsTerminal: true,
      color: false,
      outColor: false
    })
    expect(streams({ terminal: true, NO_COLOR: "" }).output.color).toBe(true)
    expect(streams({ terminal: true, TERM: "dumb" }).output).toMatchObject({
      errIsTerminal: false,
      color: false,
      outColor: false
    })
    expect(streams().output).toMatchObject({ errIsTerminal: false, color: false, outColor: false })
  })
})
