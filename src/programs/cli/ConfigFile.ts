/**
 * The config file: `config.toml` (or `config.json`) in `$XDG_CONFIG_HOME/sluice`, or the file named by `--config`. Its keys
 * are the options without their hyphens, and their values mean what they mean on the command line: a relative path counts
 * from the current directory. As no shell reads it, `~/` at the start of a path is the home directory.
 *
 * It may hold secrets: no sentence shows a value, and one that others can read is warned of. Without a file nothing is
 * loaded; the parser of TOML is loaded when there is one.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { open } from "node:fs/promises"
import { extname, isAbsolute, join, resolve } from "node:path"
import { isHarmless } from "../../domain/Redirect.js"
import { UsageError } from "./Failures.js"
import type { Setting } from "./Setting.js"
import * as Sources from "./Sources.js"
import type { Shape as Surroundings } from "./Surroundings.js"

type Place = Pick<Surroundings, "cwd" | "environment" | "home">

const refuse = (message: string, advice: string): UsageError =>
  new UsageError({ reason: "BadConfig", message, advice })

const badFile = (message: string): UsageError =>
  refuse(message, "correct the file; sluice --help says what it may hold")

/** Nobody's settings are larger. */
const maxBytes = 1024 * 1024

interface Content {
  readonly path: string
  readonly text: string
  /** Whether others than the owner can read it. */
  readonly isOpen: boolean
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error)

/** None if there is no such file. */
const readContent = (path: string): Effect.Effect<Option.Option<Content>, UsageError> =>
  Effect.tryPromise({
    try: async () => {
      const handle = await open(path)
      try {
        const stat = await handle.stat()
        if (stat.size > maxBytes) throw new Error("it is larger than 1 MiB")
        return { path, text: await handle.readFile("utf8"), isOpen: (stat.mode & 0o077) !== 0 }
      } finally {
        await handle.close()
      }
    },
    catch: codeOf
  }).pipe(
    Effect.asSome,
    Effect.catchAll((code) =>
      code === "ENOENT" || code === "ENOTDIR"
        ? Effect.succeedNone
        : Effect.fail(
            refuse(
              `the config file ${path} can't be read (${code.replace(/^Error: /, "")})`,
              "correct it, or name another with --config"
            )
          )
    )
  )

/** The file that was asked for, else the default one, if it is there. */
const find = (asked: string | undefined, { cwd, environment, home }: Place) =>
  Effect.gen(function* () {
    if (asked !== undefined) {
      const path = resolve(cwd, asked)
      const content = yield* readContent(path)
      if (Option.isSome(content)) return content
      return yield* refuse(`there is no config file ${path}`, "check --config and SLUICE_CONFIG")
    }
    const configHome = environment["XDG_CONFIG_HOME"] ?? ""
    const base = join(isAbsolute(configHome) ? configHome : join(home, ".config"), "sluice", "config")
    const [toml, json] = yield* Effect.all([readContent(`${base}.toml`), readContent(`${base}.json`)], {
      concurrency: 2
    })
    if (Option.isSome(toml) && Option.isSome(json))
      return yield* refuse(`there are two config files, ${base}.toml and ${base}.json`, "remove one of them")
    return Option.orElse(toml, () => json)
  })

/** The line of a character. */
const lineAt = (text: string, position: number): number => text.slice(0, position).split("\n").length

const parseJson = ({ path, text }: Content): Effect.Effect<unknown, UsageError> =>
  Effect.try({
    try: () => JSON.parse(text) as unknown,
    catch: (error) => {
      // of what it says only the position: the rest may be a secret
      const position = /at position (\d+)/.exec(String(error))?.[1]
      return badFile(
        position === undefined
          ? `${path} is not JSON`
          : `${path}, line ${lineAt(text, Number(position))}: it is not JSON`
      )
    }
  })

const parseToml = ({ path, text }: Content): Effect.Effect<unknown, UsageError> =>
  Effect.flatMap(
    Effect.promise(() => import("smol-toml")),
    ({ TomlError, parse }) =>
      Effect.try({
        try: (): unknown => parse(text),
        catch: (error) =>
          badFile(
            error instanceof TomlError
              ? // the first line of what it says; the others show the file
                `${path}, line ${error.line}: ${error.message.split("\n")[0]!.replace("Invalid TOML document", "it is not TOML")}`
              : `${path} is not TOML`
          )
      })
  )

/** What a key holds, as texts; the left is a sentence. */
const textsOf = (setting: Setting<unknown>, value: unknown): ReadonlyArray<string> | undefined => {
  if (typeof value === "string") return setting.arity === "many" ? Sources.lines(value) : [value]
  if (typeof value === "number" || typeof value === "boolean") return [String(value)]
  if (!Array.isArray(value) || setting.arity !== "many") return undefined
  return value.every((item): item is string => typeof item === "string") ? value : undefined
}

const isHarmlessField = (field: string): boolean => isHarmless(field.split(":")[0]!)

const expand = (text: string, home: string): string =>
  text === "~" || text.startsWith("~/") ? join(home, text.slice(1)) : text

/** The settings of the file that was asked for, or of the default one; undefined where there is none. */
export const load = (
  asked: string | undefined,
  settings: ReadonlyArray<Setting<unknown>>,
  place: Place
): Effect.Effect<Sources.Source | undefined, UsageError> =>
  Effect.gen(function* () {
    const found = yield* find(asked, place)
    if (Option.isNone(found)) return undefined
    const content = found.value
    const { path } = content
    const parsed = yield* extname(path).toLowerCase() === ".json" ? parseJson(content) : parseToml(content)
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
      return yield* badFile(`${path} does not hold an object of settings`)
    }
    const known = new Map(settings.map((setting) => [setting.name, setting]))
    const keys = new Map<string, ReadonlyArray<string>>()
    let holdsSecret = false
    for (const [key, value] of Object.entries(parsed)) {
      const setting = known.get(key)
      if (setting === undefined) return yield* badFile(Sources.unknownKey(key, path, known.keys()))
      const texts = textsOf(setting, value)
      if (texts === undefined) {
        return yield* badFile(
          `${key} in ${path}: it must be ${setting.arity === "many" ? "a text or a list of texts" : "a text, a number, true or false"}`
        )
      }
      holdsSecret ||= setting.secret && !(key === "header" && texts.every(isHarmlessField))
      keys.set(key, setting.path === undefined ? texts : texts.map((text) => expand(text, place.home)))
    }
    if (holdsSecret && content.isOpen) {
      yield* Effect.logWarning(`${path} holds secrets, and others can read it: chmod 600 it`)
    }
    return Sources.file(path, keys)
  })
