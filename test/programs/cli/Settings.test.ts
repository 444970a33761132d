/**
 * Where settings come from: the command line, the environment, the config file. A `get` without a URL reads all of them
 * and then says that there is nothing to download.
 */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect } from "vitest"
import { nowhere, type Place, sluiceIn } from "./Program.js"

const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "sluice-settings-")))),
  (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
)

/** A home with a default config file of this content. */
const home = (content: string, name = "config.toml", mode = 0o600) =>
  Effect.map(temporary, (path) => {
    fs.mkdirSync(join(path, ".config", "sluice"), { recursive: true })
    fs.writeFileSync(join(path, ".config", "sluice", name), content, { mode })
    return path
  })

const said = (place: Place, ...args: ReadonlyArray<string>) =>
  Effect.map(sluiceIn(place, "get", ...args), ({ code, stderr, stdout }) => {
    expect(code).toBe(2)
    expect(stderr.text + stdout.text).not.toContain("hunter2")
    return stderr.text
  })

const nothing = "there is nothing to download"

describe("the environment", () => {
  it.effect.each([
    [{ SLUICE_MAX_RETRIES: "x" }, 'SLUICE_MAX_RETRIES: "x" is not a whole number'],
    [{ SLUICE_ON_CONFLICT: "ask" }, 'SLUICE_ON_CONFLICT: "ask" is not one of rename'],
    [{ SLUICE_QUIET: "perhaps" }, 'SLUICE_QUIET: "perhaps" is neither true nor false'],
    [{ SLUICE_HEADER: "A: b\n\nhunter2\n" }, "SLUICE_HEADER: a header has no name"],
    [{ SLUICE_BEARER: "hunter2 hunter2" }, "SLUICE_BEARER: a token"],
    [{ SLUICE_USER: "me:hunter2", SLUICE_BEARER: "hunter2" }, "SLUICE_USER and SLUICE_BEARER both set"],
    [{ SLUICE_CONFIG: "gone.toml" }, `there is no config file ${nowhere}/gone.toml`],
    [{ SLUICE_INPUT: "gone.txt" }, "the list gone.txt is not there"],
    [{ SLUICE_HEADER: "A: b\nC: d", SLUICE_NO_PROGRESS: "1", SLUICE_QUIET: "FALSE" }, nothing],
    [{ SLUICE_DIR: "", SLUICE_CONFIG: "", SLUICE_QUIET: "" }, nothing],
    [{ SLUICE_UNHEARD_OF: "1" }, nothing]
  ] as const)("%j", ([environment, words]) =>
    Effect.map(said({ environment }), (text) => expect(text).toContain(words))
  )

  it.effect("is not asked for what was typed", () =>
    Effect.gen(function* () {
      const environment = {
        SLUICE_MAX_RETRIES: "x",
        SLUICE_QUIET: "x",
        SLUICE_BEARER: "x x",
        SLUICE_CONFIG: "no"
      }
      const typed = ["--max-retries=1", "--quiet=false", "--bearer", "hunter2", "--config", "/dev/null"]
      expect(yield* said({ environment }, ...typed)).toContain(nothing)
    })
  )

  it.effect("yields to credentials that were typed in another way", () =>
    Effect.gen(function* () {
      const environment = { SLUICE_BEARER: "hunter2", SLUICE_HEADER: "Authorization: hunter2" }
      expect(yield* said({ environment }, "--user", "me:hunter2")).toContain(nothing)
    })
  )

  it.effect("can ask for JSON, also of errors", () =>
    Effect.gen(function* () {
      const { stdout } = yield* sluiceIn({ environment: { SLUICE_JSON: "1" } }, "get", "--frob")
      expect(stdout.lines.map((line) => JSON.parse(line))).toMatchObject([{ event: "error", exit: 2 }])
      const quiet = yield* sluiceIn({ environment: { SLUICE_JSON: "1" } }, "get", "--json=false")
      expect(quiet.stdout.text).toBe("")
    })
  )
})

describe("the config file", () => {
  it.scoped.each([
    [
      "max-retries = 2\ntimeout = \"5s\"\nstall-timeout = 1.5\nquiet = true\nheader = ['A: b', 'C: d']",
      nothing
    ],
    ['header = "A: b\\nC: d"\npriority = -1\non-conflict = "skip"\ndir = "~/x"', nothing],
    ["", nothing],
    ["max-retries = 'x'", 'max-retries in $: "x" is not a whole number'],
    ["max_retries = 1", '"max_retries" in $ is not a setting; did you mean max-retries?'],
    ["frobnicate = 1", '"frobnicate" in $ is not a setting\n'],
    ["config = 'other'", '"config" in $ is not a setting'],
    ["[get]\ndir = 'x'", '"get" in $ is not a setting'],
    ["dir = ['a']", "dir in $: it must be a text, a number, true or false"],
    ["header = ['A: b', 1]", "header in $: it must be a text or a list of texts"],
    ["header = ['hunter2']", "header in $: a header has no name"],
    ["dir = 1979-05-27", "dir in $: it must be a text"],
    ["quiet = true\nbearer = hunter2", "$, line 2: it is not TOML: invalid value"],
    ["user = 'a:hunter2'\nbearer = 'hunter2'", "user in $ and bearer in $ both set the header Authorization"]
  ] as const)("%j", ([content, words]) =>
    Effect.gen(function* () {
      const cwd = yield* home(content)
      const path = join(cwd, ".config", "sluice", "config.toml")
      expect(yield* said({ cwd })).toContain(words.replaceAll("$", () => path))
    })
  )

  it.scoped("is asked last", () =>
    Effect.gen(function* () {
      const cwd = yield* home("max-retries = 'file'\nquiet = 'file'\nbearer = 'hunter2'")
      expect(yield* said({ cwd, environment: { SLUICE_MAX_RETRIES: "env" } })).toContain(
        'SLUICE_MAX_RETRIES: "env"'
      )
      const environment = { SLUICE_QUIET: "1", SLUICE_USER: "me:hunter2" }
      expect(yield* said({ cwd, environment }, "--max-retries", "1")).toContain(nothing)
    })
  )

  it.scoped("may be JSON; there can't be two", () =>
    Effect.gen(function* () {
      const cwd = yield* home('{ "max-retries": "x" }', "config.json")
      expect(yield* said({ cwd })).toMatch(/^sluice: max-retries in .*config\.json: "x"/)
      const other = yield* home('{\n "bearer": "hunter2"\n "dir": 1 }', "config.json")
      expect(yield* said({ cwd: other })).toMatch(/config\.json(, line 3: it| )is? ?not JSON|it is not JSON/)
      fs.writeFileSync(join(cwd, ".config", "sluice", "config.toml"), "")
      expect(yield* said({ cwd })).toContain("there are two config files")
    })
  )

  it.scoped("is found by XDG_CONFIG_HOME, or by name", () =>
    Effect.gen(function* () {
      const cwd = yield* home("quiet = 'default'")
      fs.mkdirSync(join(cwd, "xdg", "sluice"), { recursive: true })
      fs.writeFileSync(join(cwd, "xdg", "sluice", "config.toml"), "quiet = 'xdg'")
      fs.writeFileSync(join(cwd, "named.conf"), "quiet = 'named'")
      const environment = { XDG_CONFIG_HOME: join(cwd, "xdg") }
      expect(yield* said({ cwd })).toContain('"default"')
      expect(yield* said({ cwd, environment })).toContain('"xdg"')
      expect(yield* said({ cwd, environment: { XDG_CONFIG_HOME: "xdg" } })).toContain('"default"')
      expect(yield* said({ cwd, environment }, "--config", "named.conf")).toContain('"named"')
      expect(yield* said({ cwd, environment: { SLUICE_CONFIG: "named.conf" } })).toContain('"named"')
      expect(yield* said({ cwd }, "--config", cwd)).toContain("can't be read (EISDIR)")
    })
  )

  it.scoped("that others can read is warned of if it holds a secret", () =>
    Effect.gen(function* () {
      const open = yield* home("bearer = 'hunter2'", "config.toml", 0o644)
      expect(yield* said({ cwd: open })).toContain("others can read it: chmod 600")
      expect(yield* said({ cwd: yield* home("bearer = 'hunter2'") })).not.toContain("others")
      const harmless = yield* home("quiet = false\nheader = 'Accept-Language: en'", "config.toml", 0o644)
      expect(yield* said({ cwd: harmless })).not.toContain("others")
    })
  )
})

describe("what a command is for", () => {
  it.effect("is only typed: no variable makes a command do more than was meant", () =>
    Effect.gen(function* () {
      const environment = { SLUICE_ALL: "true", SLUICE_TAG: "t", SLUICE_GROUP: "g", SLUICE_PRIORITY: "1" }
      const pause = yield* sluiceIn({ environment }, "pause")
      expect([pause.code, pause.stderr.lines[0]]).toEqual([
        2,
        "sluice: it is not said which downloads to pause"
      ])
      const move = yield* sluiceIn({ environment }, "move", "abc")
      expect(move.stderr.lines[0]).toBe("sluice: it is not said where to move it")
      // what is added can have a tag from there
      expect(yield* said({ environment: { SLUICE_TAG: "a\n\u200b" } })).toContain(
        "SLUICE_TAG: it has characters that can't be seen"
      )
    })
  )

  it.scoped("is no key of a config file", () =>
    Effect.gen(function* () {
      expect(yield* said({ cwd: yield* home("all = true") })).toContain('"all" in')
      expect(yield* said({ cwd: yield* home("tag = ['a', 'b']\ngroup = 'g'") })).toContain(nothing)
    })
  )
})

describe("a list on stdin", () => {
  it.effect("is read to its end, and checked as a whole", () =>
    Effect.gen(function* () {
      expect(yield* said({ stdin: "http://a/\nftp://b/\n" }, "--input", "-")).toContain(
        "the list on stdin, line 2"
      )
      expect(yield* said({ stdin: "http://a/\nftp://b/\n" }, "--input=-", "ftp://c/")).toContain("ftp://c/")
    })
  )

  it.effect("may be empty: then there is nothing to do", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* sluiceIn({ stdin: "# none\n" }, "get", "--input", "-")
      expect([code, stdout.text, stderr.text]).toEqual([
        0,
        "",
        "sluice: the list on stdin has no URL; nothing to do\n"
      ])
    })
  )
})
