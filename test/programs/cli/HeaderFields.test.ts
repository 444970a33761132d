import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import type { Header } from "../../../src/domain/DownloadRequest.js"
import * as HeaderFields from "../../../src/programs/cli/HeaderFields.js"

const found = <A>(value: A, rank: number, called: string) => ({ value, rank, called })
const basic: Header = ["Authorization", "Basic x"]
const token: Header = ["Authorization", "Bearer x"]
const own: Header = ["authorization", "x"]
const accept: Header = ["Accept", "y"]

/** Ranks: 0 the command line, 1 the environment, 2 the file. */
const merge = (
  headers: readonly [fields: ReadonlyArray<Header>, rank: number],
  user?: number,
  bearer?: number
) =>
  Either.merge(
    HeaderFields.merge({
      headers: found(headers[0], headers[1], "headers"),
      user: found(user === undefined ? undefined : basic, user ?? Infinity, "user"),
      bearer: found(bearer === undefined ? undefined : token, bearer ?? Infinity, "bearer"),
      userAgent: found(undefined, Infinity, "agent"),
      referer: found(undefined, Infinity, "referer")
    })
  )

describe("header fields from several places", () => {
  it.each([
    [merge([[accept], 0]), [accept]],
    [merge([[accept], 0], 0), [accept, basic]],
    [merge([[], Infinity], 1), [basic]],
    [merge([[], Infinity], 0, 1), [basic]],
    [merge([[], Infinity], 1, 0), [token]],
    [merge([[accept, own], 0], 1), [accept, own]],
    [merge([[accept, own], 1], 0), [accept, basic]],
    [merge([[accept, own], 1], 2, 0), [accept, token]],
    [merge([[accept, own], 1], 1, 0), [accept, token]],
    [merge([[], Infinity], 0, 0), "user and bearer both set the header Authorization; only one of them can"],
    [merge([[own], 1], 1), "headers and user both set the header Authorization; only one of them can"]
  ])("%#", (merged, expected) => {
    expect(merged).toEqual(expected)
  })

  it("a download's own replace those of the command by name", () => {
    expect(HeaderFields.override([accept, basic], [own])).toEqual([accept, own])
    const base = [accept]
    expect(HeaderFields.override(base, [])).toBe(base)
  })
})
