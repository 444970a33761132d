/**
 * What can't be done as asked: one clear sentence and what to do about it on stderr, exit code 2, and nothing left behind.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { eventsOf, expectExact, live, names, type Result, type World } from "./Cli.js"
import { readOnly } from "./Mounts.js"

/** Expects a sentence and an advice, with these words, and nothing on stdout. */
const expectRefused = (
  { code, stderr, stdout }: Result,
  exit: number,
  ...words: ReadonlyArray<string>
): void => {
  expect({ code, stdout }, stderr).toEqual({ code: exit, stdout: "" })
  expect(stderr).toMatch(/^sluice: \S[^\n]*\n {8}\S[^\n]*\n$/)
  for (const word of words) expect(stderr).toContain(word)
}

/** The processes of a test take turns. */
const all = <A>(inputs: ReadonlyArray<A>, run: (input: A) => Effect.Effect<void>) =>
  Effect.forEach(inputs, run, { concurrency: 2, discard: true })

const url = "http://127.0.0.1:9/x"

describe.concurrent("a command that makes no sense", () => {
  // what is wrong with single values is Args.test.ts's business
  const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, ...words: ReadonlyArray<string>]> = [
    [[], "a command is missing"],
    [["get"], "URL"],
    [["get", "file:///etc/passwd"], "has the scheme file", "only http:// and https://"],
    [["get", url, "ftp://anna:geheim@example.org/x"], '"ftp://example.org/x" has the scheme ftp'],
    [["get", "--output", "x", url, `${url}2`], "--output is for one file"],
    [["get", "--output", "../x", url], "can't be used", "without .."],
    [["get", "--header", "geheim", url], "a header has no name"],
    [["get", "--header", "X-A: b\nX-B: c", url], "the header X-A"],
    [["get", "--retry-delay", "soon", url], "--retry-delay", '"soon" is not a duration'],
    [["get", "--connections", "17", url], "--connections", "16 are the limit"],
    [["get", "--no-such-option", url], "--no-such-option"]
  ]
  live("is refused before anything is made", (world) =>
    Effect.gen(function* () {
      yield* all(cases, ([args, ...words]) =>
        Effect.map(world.run(...args), (result) => {
          expectRefused(result, 2, ...words)
          expect(result.stderr).not.toContain("geheim")
        })
      )
      expect(names(world.root)).toEqual(["files"])
    })
  )

  live("is refused as a whole: nothing is started because one of its URLs is wrong", (world) =>
    Effect.gen(function* () {
      const result = yield* world.get("/bytes/10/good", "nonsense")
      expectRefused(result, 2, '"nonsense" is not a URL')
      expect(world.origin.requests).toEqual([])
      expect(names(world.root)).toEqual(["files"])
    })
  )

  live("with --json is also an event", (world) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* world.run("get", "--json", "nonsense")
      expect(code).toBe(2)
      expect(stderr).toContain("is not a URL")
      expect(eventsOf(stdout)).toMatchObject([{ event: "error", reason: "InvalidUrl", exit: 2 }])
    })
  )
})

/** Expects that the queue holds nothing. */
const expectNothingQueued = (world: World): void => {
  expect(world.row()).toBe(undefined)
  expect(world.origin.requests).toEqual([])
}

describe.concurrent("a directory", () => {
  live("is made if its parent is there", (world) =>
    Effect.gen(function* () {
      const { origin, root } = world
      const result = yield* world.run("get", "--dir", "files/new", origin.url("/bytes/10/a"))
      expect(result).toMatchObject({ code: 0, stdout: `${join(root, "files/new/a")}\n` })
    })
  )

  live("can't be used where its parent is missing, or it is a file", (world) =>
    Effect.gen(function* () {
      const { origin, root } = world
      fs.writeFileSync(join(root, "file"), "mine")
      const directories = ["no/such/parent", "file", "file/below"]
      yield* all(directories, (directory) =>
        Effect.map(world.run("get", "--dir", directory, origin.url("/bytes/10/a")), (result) =>
          expectRefused(result, 2, join(root, directory), "choose another directory")
        )
      )
      expect(names(root)).toEqual(["file", "files", "state"])
      expect(fs.readFileSync(join(root, "file"), "utf8")).toBe("mine")
      expectNothingQueued(world)
    })
  )

  live("can't be used where it can't be written to", (world, context) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      yield* readOnly(context, dir)
      yield* all([dir, join(dir, "new")], (directory) =>
        Effect.map(world.run("get", "--dir", directory, origin.url("/bytes/10/a")), (result) =>
          expectRefused(result, 2, directory, "choose another directory")
        )
      )
      expectNothingQueued(world)
    })
  )

  live("of the name asked for is an error; of the name proposed, a reason to choose another", (world) =>
    Effect.gen(function* () {
      const { dir } = world
      fs.mkdirSync(join(dir, "taken"))
      const refused = yield* world.get("/bytes/10/a", "--output", "taken")
      expectRefused(refused, 2, `${join(dir, "taken")} is a directory`)
      expectNothingQueued(world)
      const result = yield* world.get("/bytes/10/taken")
      expect(result).toMatchObject({ code: 0, stdout: `${join(dir, "taken (1)")}\n` })
      expectExact(world, join(dir, "taken (1)"), "/bytes/10/taken", 10)
      expect((yield* world.get("/bytes/10/taken", "--refetch", "--on-conflict", "overwrite")).code).toBe(1)
      expect(names(join(dir, "taken"))).toEqual([])
    })
  )

  live(
    "that leads elsewhere by a link is where the file goes; a link of the part's name is not followed",
    (world) =>
      Effect.gen(function* () {
        const { dir, origin, root } = world
        const victim = join(root, "victim")
        fs.writeFileSync(victim, "mine")
        fs.symlinkSync(victim, join(dir, "a.sluice-part"))
        fs.symlinkSync(victim, join(dir, "b"))
        fs.symlinkSync(dir, join(root, "link"))
        const result = yield* world.run(
          "get",
          "--dir",
          "link",
          origin.url("/bytes/10/a"),
          origin.url("/bytes/10/b")
        )
        expect(result.code, result.stderr).toBe(0)
        expect(names(dir)).toEqual(["a", "a.sluice-part", "b", "b (1)"])
        expect(fs.readFileSync(victim, "utf8")).toBe("mine")
        expectExact(world, join(dir, "a"), "/bytes/10/a", 10)
        expectExact(world, join(dir, "b (1)"), "/bytes/10/b", 10)
      })
  )
})
