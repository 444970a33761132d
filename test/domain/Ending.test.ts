import * as Either from "effect/Either"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Status } from "../../src/domain/Download.js"
import { decodeRemnant, encodeRemnant, endingOf } from "../../src/domain/Ending.js"
import { download, hostileText, part, reset, secret, strong } from "./Fixtures.js"

describe("the remnant of a removed download", () => {
  it("tells of its end what its row did, and nothing that is secret", () => {
    const text = hostileText(["/", "\\", '"', "\u0000", "\ud800"])
    fc.assert(
      fc.property(
        fc.constantFrom<Status>("completed", "failed", "cancelled"),
        text,
        fc.option(text),
        fc.jsonValue(),
        fc.array(text),
        fc.option(fc.nat()),
        (status, output, filename, meta, groups, total) => {
          const row = download({
            status,
            output,
            filename,
            meta: JSON.parse(JSON.stringify(meta)),
            total,
            checkpoint: 7,
            attempt: 3,
            outcome: status === "completed" ? "skipped" : null,
            failure: status === "failed" ? { ...reset, status: 503 } : null,
            part,
            validator: strong,
            updatedAt: 5,
            finishedAt: 6
          })
          const remnant = encodeRemnant(row, groups)
          expect(Either.getOrThrow(decodeRemnant(remnant, 9))).toEqual(endingOf(row, groups, 9))
          expect(remnant).not.toContain(secret)
        }
      )
    )
  })

  it("that somebody has tampered with is an error, not an ending", () => {
    for (const wrong of ["", "{}", encodeRemnant(download(), []).replace("pending", "gone")]) {
      expect(Either.isLeft(decodeRemnant(wrong, 1))).toBe(true)
    }
  })
})
