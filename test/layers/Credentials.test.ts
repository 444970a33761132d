import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { readNetrc } from "../../src/layers/Credentials.js"

describe("a netrc", () => {
  it.scopedLive("is a file of some length, and no pipe that nobody writes to", () =>
    Effect.gen(function* () {
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "sluice-netrc-"))),
        (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
      )
      const [pipe, long, fine] = ["pipe", "long", "fine"].map((name) => join(directory, name))
      execFileSync("mkfifo", [pipe!])
      fs.writeFileSync(long!, "#".repeat(1024 * 1024 + 1))
      fs.writeFileSync(fine!, "machine a login u password p", { mode: 0o600 })
      expect(yield* Effect.flip(readNetrc(pipe!))).toContain("it is no file")
      expect(yield* Effect.flip(readNetrc(directory))).toContain("it is no file")
      expect(yield* Effect.flip(readNetrc(long!))).toContain("it is too long")
      expect(yield* readNetrc(fine!)).toMatchObject({ exposed: false })
      fs.chmodSync(fine!, 0o644)
      expect(yield* readNetrc(fine!)).toMatchObject({ exposed: true })
    })
  )
})
