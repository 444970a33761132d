/**
 * The programs on the scoreboard and how their users ask them to fetch one file, to go on where an earlier try broke off, and
 * to try three times: no settings of the user's own.
 */
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Machine from "../Machine.js"

/** One file to fetch, the same command for every try. */
export interface Errand {
  readonly url: string
  readonly directory: string
  /** A directory for state. */
  readonly scratch: string
  /** The name to save it under; undefined if the server's proposal is to be taken. */
  readonly name: string | undefined
  /** Hexadecimal. */
  readonly sha256: string | undefined
  readonly connections: number
  /** A file with the certificate to trust. */
  readonly ca: string | undefined
}

export interface Contestant {
  readonly name: string
  readonly version: string
  /** Undefined where the program has no way to be asked for it. */
  readonly command: (errand: Errand) => ReadonlyArray<string> | undefined
}

type Make = (program: string) => Contestant["command"]

const option = (name: string, value: string | undefined): ReadonlyArray<string> =>
  value === undefined ? [] : [`${name}=${value}`]

const aria2: Make =
  (program) =>
  ({ ca, connections, directory, name, sha256, url }) => [
    program,
    "--no-conf=true",
    "--quiet=true",
    "--file-allocation=none",
    "-c",
    "-d",
    directory,
    "--max-tries=3",
    "--retry-wait=1",
    "--timeout=10",
    `-x${connections}`,
    `-s${connections}`,
    "-k1M",
    ...(name === undefined ? [] : ["-o", name]),
    ...option("--checksum", sha256 === undefined ? undefined : `sha-256=${sha256}`),
    ...option("--ca-certificate", ca),
    url
  ]

/** Of a program that knows neither digests nor several connections. */
const plain =
  (command: (errand: Errand) => ReadonlyArray<string>): Contestant["command"] =>
  (errand) =>
    errand.sha256 !== undefined || errand.connections > 1 ? undefined : command(errand)

const wget: Make = (program) =>
  plain(({ ca, directory, name, url }) => [
    program,
    "--no-config",
    "-q",
    "--no-hsts",
    "-P",
    directory,
    "--tries=3",
    "--waitretry=1",
    "--timeout=10",
    ...(name === undefined ? ["--content-disposition"] : ["-c"]),
    ...option("--ca-certificate", ca),
    url
  ])

const curl: Make = (program) =>
  plain(({ ca, directory, name, url }) => [
    program,
    "-q",
    "-sS",
    "-f",
    "-L",
    "--retry",
    "2",
    "--connect-timeout",
    "10",
    "--speed-time",
    "10",
    "--speed-limit",
    "1",
    // curl can't continue what it has not named
    ...(name === undefined
      ? ["-O", "-J", "--output-dir", directory]
      : ["-C", "-", "-o", join(directory, name)]),
    ...(ca === undefined ? [] : ["--cacert", ca]),
    url
  ])

const others: ReadonlyArray<readonly [name: string, make: Make]> = [
  ["aria2c", aria2],
  ["wget", wget],
  ["wget2", wget],
  ["curl", curl]
]

const script = fileURLToPath(new URL("../../dist/bin/sluice.js", import.meta.url))

const helpOfGet = Effect.async<string>((resume) => {
  execFile(process.execPath, [script, "get", "--help"], (_, stdout) => resume(Effect.succeed(stdout)))
})

/** The built command. */
export const sluice: Effect.Effect<Contestant> = Effect.gen(function* () {
  const splits = /^\s*--connections\b(?!.*only 1 )/m.test(yield* helpOfGet)
  return {
    name: "sluice",
    version: yield* Machine.versionOf(script, "--version"),
    command: ({ connections, directory, name, scratch, sha256, url }) =>
      connections > 1 && !splits
        ? undefined
        : [
            process.execPath,
            script,
            "get",
            "--quiet",
            "--no-progress",
            "--dir",
            directory,
            "--db",
            join(scratch, "sluice.db"),
            "--max-retries",
            "2",
            "--retry-delay",
            "500ms",
            "--timeout",
            "10s",
            "--stall-timeout",
            "10s",
            ...(splits ? ["--connections", String(connections)] : []),
            ...(name === undefined ? [] : ["--output", name]),
            ...(sha256 === undefined ? [] : ["--checksum", `sha-256:${sha256}`]),
            url
          ]
  }
})

/** What is installed of the others; what is not is told to `missing`. */
export const installed = (
  missing: (name: string) => Effect.Effect<void>
): Effect.Effect<ReadonlyArray<Contestant>> =>
  Effect.map(
    Effect.forEach(others, ([name, make]) =>
      Effect.gen(function* () {
        const program = yield* Machine.find(name)
        if (program === undefined) {
          yield* missing(name)
          return []
        }
        return [{ name, version: yield* Machine.versionOf(program, "--version"), command: make(program) }]
      })
    ),
    (found) => found.flat()
  )
