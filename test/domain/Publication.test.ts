import { describe, expect, it } from "@effect/vitest"
import type { FileFacts } from "../../src/domain/FileFacts.js"
import { conclude, spoiled, unrecordedPart, usable } from "../../src/domain/Publication.js"
import { download, part, record } from "./Fixtures.js"

const ours: FileFacts = {
  kind: "file",
  dev: record.dev,
  ino: record.ino,
  size: record.size,
  mtime: record.mtime
}

/** What may be found under a name. */
const found = {
  none: undefined,
  ours,
  "ours, touched": { ...ours, mtime: "1700000000000000001" },
  "ours, cut": { ...ours, size: 99 },
  "a stranger of the same size and time": { ...ours, ino: "11" },
  "the same inode of another device": { ...ours, dev: "2" },
  "a link under our inode": { ...ours, kind: "symlink" }
} satisfies Record<string, FileFacts | undefined>
type Found = keyof typeof found

const names = Object.keys(found) as ReadonlyArray<Found>
const ourInode = (name: Found): boolean => name.startsWith("ours")

/** By the final name, then by the part. */
const expected = (part: Found, final: Found): string => {
  if (final === "ours") return ourInode(part) ? "Published, leftover" : "Published"
  // our inode under both names can only be our own link, whatever was done to the file since
  if (ourInode(part) && ourInode(final)) return "Published, leftover"
  return part === "ours" ? "Publish" : "Lost"
}

describe("Publication.conclude", () => {
  for (const final of names) {
    it.each(names.map((part) => [part, expected(part, final)] as const))(
      `with ${final} under the final name and %s under the part's: %s`,
      (part, outcome) => {
        const conclusion = conclude(record, found[part], found[final])
        const leftover = conclusion._tag === "Published" && conclusion.leftover ? ", leftover" : ""
        expect(`${conclusion._tag}${leftover}`).toBe(outcome)
        if (conclusion._tag !== "Lost") expect(conclusion.record).toEqual(record)
      }
    )
  }
})

describe("Publication.usable", () => {
  const row = download({ part, checkpoint: 50, total: 100 })
  const facts: FileFacts = { kind: "file", dev: part.dev, ino: part.ino, size: 50, mtime: "1" }

  it.each([
    ["exactly the checkpoint", facts, 50],
    ["bytes beyond the checkpoint", { ...facts, size: 1000 }, 50],
    ["less than the checkpoint", { ...facts, size: 49 }, 0],
    ["another inode", { ...facts, ino: "11" }, 0],
    ["another device", { ...facts, dev: "2" }, 0],
    ["a directory", { ...facts, kind: "directory" }, 0],
    ["a symlink", { ...facts, kind: "symlink" }, 0]
  ] satisfies ReadonlyArray<readonly [string, FileFacts, number]>)("of a part with %s", (_, found, bytes) => {
    expect(usable(row, part, found)).toEqual(bytes === 0 ? [] : [[0, bytes]])
  })
})

describe("Publication.spoiled, of a part whose last try has come to an orderly end", () => {
  const left = { ...part, size: 60, mtime: "7" }
  const row = download({ part: left, checkpoint: 50, total: 100 })
  const facts: FileFacts = { kind: "file", dev: part.dev, ino: part.ino, size: 60, mtime: "7" }

  it.each([
    ["as it was left", facts, undefined],
    ["written to since", { ...facts, mtime: "8" }, "changed"],
    ["cut, and not below the checkpoint", { ...facts, size: 55 }, "changed"],
    ["lengthened", { ...facts, size: 61 }, "changed"],
    ["cut below the checkpoint", { ...facts, size: 49 }, "cut"],
    ["replaced by one like it", { ...facts, ino: "11" }, "replaced"]
  ] satisfies ReadonlyArray<readonly [string, FileFacts, string | undefined]>)("%s", (_, found, why) => {
    const said = spoiled(row, left, found)
    if (why === undefined) expect(said).toBe(undefined)
    else expect(said).toContain(why)
    expect(usable(row, left, found)).toEqual(why === undefined ? [[0, 50]] : [])
  })
})

describe("Publication.unrecordedPart", () => {
  it("is looked for only where a crash may have left one: under a name that holds the id", () => {
    const { id } = download()
    expect(unrecordedPart(download({ crashes: 1 }))).toBe(`${id}.sluice-part`)
    expect(unrecordedPart(download())).toBe(undefined)
    expect(unrecordedPart(download({ crashes: 1, part }))).toBe(undefined)
  })
})
