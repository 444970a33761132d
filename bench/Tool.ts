/**
 * The programs that are compared, and how each is asked for the same work: one connection for one file, sixteen at once for
 * many, its own default durability, no settings of the user's. Where a default costs a program time that the others
 * don't spend (aria2 fills the file with zeros first), it is switched off.
 */
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { access, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Served } from "./Content.js"
import { Failure } from "./Failure.js"
import * as Machine from "./Machine.js"

/** One piece of work: all these files, into an empty directory. */
export interface Job {
  readonly origin: string
  readonly files: ReadonlyArray<Served>
  readonly directory: string
  /** A directory that exists, on the same file system, for state. Emptied before each run. */
  readonly scratch: string
}

export interface Tool {
  readonly name: string
  readonly version: string
  /** The command line that fetches one file. Absent where only many are worth comparing. */
  readonly one?: ((job: Job) => ReadonlyArray<string>) | undefined
  /** The command line that fetches many; may need a file written first. */
  readonly many: (job: Job) => Effect.Effect<ReadonlyArray<string>>
  /** Why its `many` can't be compared with that of the others. */
  readonly reservation?: string | undefined
}

/** For many files. */
export const concurrency = 16

const urls = ({ files, origin }: Job): Array<string> => files.map(({ path }) => `${origin}/${path}`)

const target = ({ directory, files }: Job): string => join(directory, files[0]?.name ?? "")

/** Writes a file that the command line refers to. */
const listed = (job: Job, text: string): Effect.Effect<string> =>
  Effect.promise(async () => {
    const file = join(job.scratch, "list")
    await writeFile(file, text)
    return file
  })

const urlList = (job: Job) => listed(job, `${urls(job).join("\n")}\n`)

const quiet = ["-q", "-sS", "-f"]

const curl = (program: string): Omit<Tool, "version"> => ({
  name: "curl",
  one: (job) => [program, ...quiet, "-o", target(job), ...urls(job)],
  many: (job) => {
    const atOnce = ["-Z", "--parallel-max", String(concurrency)]
    const text = job.files
      .map(({ name, path }) => `url = "${job.origin}/${path}"\noutput = "${join(job.directory, name)}"\n`)
      .join("")
    return Effect.map(listed(job, text), (list) => [program, ...quiet, ...atOnce, "-K", list])
  }
})

const wget2 = (program: string): Omit<Tool, "version"> => {
  const start = (job: Job) => [program, "--no-config", "-q", "--no-hsts", "-P", job.directory]
  return {
    name: "wget2",
    one: (job) => [...start(job), ...urls(job)],
    many: (job) =>
      Effect.map(urlList(job), (list) => [...start(job), `--max-threads=${concurrency}`, "-i", list])
  }
}

const wget = (program: string): Omit<Tool, "version"> => {
  const start = (job: Job) => [program, "--no-config", "-q", "--no-hsts", "-P", job.directory]
  return {
    name: "wget",
    one: (job) => [...start(job), ...urls(job)],
    many: (job) => Effect.map(urlList(job), (list) => [...start(job), "-i", list])
  }
}

const aria2 = (program: string): Omit<Tool, "version"> => {
  const flags = ["--no-conf=true", "--quiet=true", "--file-allocation=none", "-x1", "-s1"]
  const start = (job: Job) => [program, ...flags, "-d", job.directory]
  return {
    name: "aria2c",
    one: (job) => [...start(job), ...urls(job)],
    many: (job) => Effect.map(urlList(job), (list) => [...start(job), `-j${concurrency}`, "-i", list])
  }
}

const { version: gotVersion }: { readonly version: string } = JSON.parse(
  readFileSync(new URL("../node_modules/got/package.json", import.meta.url), "utf8")
)

const gotScript = fileURLToPath(new URL("got.mjs", import.meta.url))

/** A library that programs use without a queue; a dependency of the benchmark, so it is always there. */
const got = (): Tool => ({
  name: "got",
  version: `got ${gotVersion}`,
  many: (job) =>
    Effect.map(urlList(job), (list) => [
      process.execPath,
      gotScript,
      String(concurrency),
      job.directory,
      list
    ])
})

const others: ReadonlyArray<readonly [string, (program: string) => Omit<Tool, "version">]> = [
  ["curl", curl],
  ["wget2", wget2],
  ["wget", wget],
  ["aria2c", aria2]
]

const script = fileURLToPath(new URL("../dist/bin/sluice.js", import.meta.url))

/** What it says of its options: they grow, and the benchmark uses what there is. */
const helpOfGet = Effect.async<string>((resume) => {
  execFile(process.execPath, [script, "get", "--help"], (_, stdout) => resume(Effect.succeed(stdout)))
})

/** The built command, as the user gets it. */
export const sluice: Effect.Effect<Tool & { readonly program: ReadonlyArray<string> }, Failure> = Effect.gen(
  function* () {
    yield* Effect.tryPromise({
      try: () => access(script),
      catch: () => new Failure({ message: "dist/bin/sluice.js is missing: run `npm run build` first" })
    })
    const help = yield* helpOfGet
    const program = [process.execPath, script]
    const get = [...program, "get", "--quiet", "--no-progress"]
    const start = (job: Job) => [...get, "--dir", job.directory, "--db", join(job.scratch, "sluice.db")]
    const parallel = help.includes("--concurrency")
    const list = help.includes("--input")
    return {
      name: "sluice",
      version: `sluice ${yield* Machine.versionOf(script, "--version")}`,
      program,
      one: (job) => [...start(job), ...urls(job)],
      many: (job) =>
        Effect.map(list ? urlList(job) : Effect.void, (file) => [
          ...start(job),
          ...(parallel ? ["--concurrency", String(concurrency)] : []),
          ...(file === undefined ? urls(job) : ["--input", file])
        ]),
      reservation: parallel ? undefined : "sluice has no --concurrency yet: fewer at once than the others"
    }
  }
)

/** What is installed of the others; what is not is told to `missing`. */
export const installed = (missing: (name: string) => Effect.Effect<void>): Effect.Effect<Array<Tool>> =>
  Effect.gen(function* () {
    const found: Array<Tool> = []
    for (const [name, make] of others) {
      const program = yield* Machine.find(name)
      if (program === undefined) yield* missing(name)
      else found.push({ ...make(program), version: yield* Machine.versionOf(program, "--version") })
    }
    return [...found, got()]
  })
