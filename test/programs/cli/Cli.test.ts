import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { described } from "../../../src/programs/cli/Commands.js"
import { nowhere, sluice } from "./Program.js"

const url = "http://example.org/f"

describe("bad usage is one clear sentence and exit code 2", () => {
  it.effect.each([
    [[], "a command is missing"],
    [["frob"], 'there is no command "frob"; there are get, add, run, ls'],
    [["pasue", "abc"], 'there is no command "pasue"; did you mean pause?'],
    [["http://user:hunter2@example.org/"], "to download a URL, write sluice get URL"],
    [["add"], "there is nothing to add"],
    [["add", "nonsense"], '"nonsense" is not a URL'],
    [["add", "--input", "gone.txt"], "the list gone.txt is not there"],
    [["add", "--request-key", "k", url, `${url}2`], "--request-key is for one file, and there are 2 URLs"],
    [["add", "--seal", url], "--seal is for a group, and there is none"],
    [["get", "--seal", url], "--seal is for a group, and there is none"],
    [["add", "--tag", "", url], "--tag: its value is missing"],
    [["add", "--tag", "x".repeat(65), url], "--tag: it has 65 characters; 64 are the limit"],
    [
      ["add", ...Array.from({ length: 17 }, (_, i) => `--tag=${i}`), url],
      "--tag: it was given 17 times; 16 are the limit"
    ],
    [["add", "--concurrency", "2", url], "--concurrency: sluice add has no such option"],
    [["show"], "it is not said which download to show"],
    [["pause"], "it is not said which downloads to pause"],
    [["rm"], "it is not said which downloads to remove"],
    [["cancel", "abc", "--all"], "ids and --all were both given"],
    [["cancel", "--all", "--tag", "x"], "--all and --tag were both given"],
    [["retry", "--tag", "x", "--tag", "y"], "--tag was given twice"],
    [["move", "abc"], "it is not said where to move it"],
    [["move", "abc", "--priority", "high"], '"high" is not a whole number'],
    [["source", "abc"], "it is not said which URL to add"],
    [["source", "--add", url], "it is not said which download to add a source to"],
    [["source", "abc", "abd", "--add", url], "can't have the same source"],
    [["source", "abc", "--add", "ftp://example.org/f"], "has the scheme ftp"],
    [["ls", "--status", "failed,lost"], '"lost" is not one of pending'],
    [["ls", "--limit", "0"], "at least 1"],
    [["stats", "abc"], "'abc'"],
    [["get"], "there is nothing to download"],
    [["get", "nonsense"], '"nonsense" is not a URL'],
    [["get", "/etc/passwd"], '"/etc/passwd" is not a URL'],
    [["get", "ftp://example.org/f"], "has the scheme ftp"],
    [["get", "file:///etc/passwd"], "has the scheme file"],
    [["get", url, "nonsense"], '"nonsense" is not a URL'],
    [["get", "--frob", url], "--frob: there is no such option"],
    [["get", url, "--frob"], "--frob: there is no such option"],
    [["get", url, "--dir"], "--dir"],
    [["get", url, "--dir", ""], "the directory is empty"],
    [["get", "--dir", "a", "--dir", "b", url], "--dir was given twice"],
    [["get", url, "--output", "a/../b"], "can't be used"],
    [["get", url, url, "--output", "a"], "--output is for one file"],
    [["get", url, "--connections", "17"], "16 are the limit"],
    [["get", url, "--connections", "0"], "at least 1"],
    [["get", url, "--max-retries", "-1"], "--max-retries"],
    [["get", url, "--max-retries", "many"], "--max-retries"],
    [["get", url, "--retry-delay", "soon"], '--retry-delay: "soon" is not a duration'],
    [["get", url, "--timeout", "0"], "--timeout"],
    [["get", url, "--stall-timeout", "5 minutes"], "--stall-timeout"],
    [["get", url, "--header", "nonsense"], "--header: a header has no name"],
    [["get", url, "--header=Range: bytes=0-"], "Range is set by sluice itself"],
    [["get", url, "--header"], "--header: its value is missing"],
    [["get", url, "--header", "A: b", "--header="], "--header: its value is missing"],
    [
      ["get", url, "--on-conflict", "ask"],
      '--on-conflict: "ask" is not one of rename, overwrite, skip, fail'
    ],
    [["ls", "--status", "lost"], '--status: "lost" is not one of pending'],
    [["ls", "extra"], "'extra'"],
    [["get", url, "--header", "--quiet"], "--header: its value is missing (if it is meant to be --quiet"],
    [["get", "--dri", "x", url], "--dri: there is no such option; did you mean --dir?"],
    [["get", "--no-quiet", url], "write --quiet=false"],
    [["get", "-x", url], "-x: there is no such option"],
    [["get", "--wizard"], "--wizard: there is no such option"],
    [["get", "--mirror", "b.example", url], '--mirror: "b.example" is not a URL'],
    [["get", "--mirror", "http://u:hunter2@b/", url], "must not have a user or password"],
    [["get", "--mirror", "http://b/", url, "http://c/"], "--mirror is for one file, and there are 2 URLs"],
    [["get", "--unsafe", url], "--unsafe: there is no such option"],
    [["get", "--quiet", "--quiet", url], "--quiet was given twice"],
    [["get", "--quiet=perhaps", url], '--quiet: "perhaps" is neither true nor false'],
    [["get", "--concurrency", "0", url], "at least 1"],
    [["get", "--concurrency", "1001", url], "the most is 1000"],
    [["get", "--priority", "high", url], '"high" is not a whole number'],
    [["get", "--durability", "none", url], "not one of power-loss, crash"],
    [["get", "--max-size", "big", url], '--max-size: "big" is not a size'],
    [["get", "--checksum", "sha-256:00", url], "64 hexadecimal digits"],
    [["get", "--checksum", `md5:${"0".repeat(32)}`, url, url], "--checksum is for one file"],
    [["get", "--user", "me", url], "like USER:PASSWORD"],
    [["get", "--user", "a:b", "--bearer", "c", url], "both set the header Authorization"],
    [["get", "--user", "a:b", "--header", "authorization: c", url], "both set the header Authorization"],
    [["get", "--referer", "a", "--header=Referer: b", url], "--referer: it is not an absolute"],
    [["get", "--referer", url, "--header=Referer: b", url], "--header and --referer both set"],
    [["run", "--dir", "x"], "--dir: sluice run has no such option"],
    [["run", "--concurrency", "none"], "--concurrency"],
    [["ls", "--log-level", "loud"], '--log-level: "loud" is not one of all, trace'],
    [["ls", "--log-level"], "--log-level: its value is missing"],
    [["--completions", "tcsh"], '"tcsh" is not one of bash, zsh, fish'],
    [["get", "--config", "gone.toml", url], `there is no config file ${nowhere}/gone.toml`],
    [["get", "--input", "gone.txt"], "the list gone.txt is not there"]
  ] as const)("%j", ([args, words]) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* sluice(...args)
      expect(code).toBe(2)
      expect(stdout.text).toBe("")
      expect(stderr.text).toContain(words)
      // once: the sentence and what to do
      expect(stderr.lines).toHaveLength(2)
      expect(stderr.lines[0]).toMatch(/^sluice: \S/)
      expect(stderr.lines[1]).toMatch(/^ {8}\S/)
    })
  )

  it.effect("for programs it is an event as well", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* sluice("get", "--json", "nonsense")
      expect(code).toBe(2)
      expect(stdout.lines).toHaveLength(1)
      expect(JSON.parse(stdout.text)).toMatchObject({
        v: 1,
        event: "error",
        reason: "InvalidUrl",
        message: '"nonsense" is not a URL',
        exit: 2
      })
      expect(stderr.lines).toHaveLength(2)
    })
  )

  it.effect("and shows no secret", () =>
    Effect.gen(function* () {
      for (const args of [
        ["get", "ftp://user:hunter2@example.org/"],
        ["get", url, "--header", "Bad Name: hunter2"],
        ["get", url, "--haeder=Authorization: hunter2"],
        ["get", url, "--bearer=hunter2 hunter2"],
        ["get", url, "--user", "hunter2"],
        ["get", url, "--user", "me:hunter2", "--bearer", "hunter2"],
        ["get", url, "--max-retries", "--bearer=hunter2"]
      ]) {
        const { code, stderr } = yield* sluice(...args)
        expect(code).toBe(2)
        expect(stderr.text).not.toContain("hunter2")
      }
    })
  )
})

describe("help", () => {
  it.effect.each(described.map(({ name }) => name))(
    "of %s has an example and no colours where nobody sees them",
    (name) =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* sluice(name, "--help")
        expect(code).toBe(0)
        expect(stderr.text).toBe("")
        expect(stdout.text).toMatch(new RegExp(`Examples?:\n +sluice ${name}\\b`))
        expect(stdout.text).toContain(`Usage:\n  sluice ${name} `)
        expect(stdout.text).not.toContain("\u001b")
        for (const line of stdout.lines) expect(line.length).toBeLessThan(80)
      })
  )

  it.effect("names every option of get, with its default", () =>
    Effect.gen(function* () {
      const { stdout } = yield* sluice("get", "--help")
      for (const option of [
        "--dir DIR",
        "--output NAME",
        "--db FILE",
        "--connections N",
        "--max-retries N",
        "--retry-delay D",
        "--timeout D",
        "--stall-timeout D",
        "--header 'K: V'...",
        "--input FILE|-",
        "--concurrency N",
        "--priority N",
        "--user U:P",
        "--bearer TOKEN",
        "--user-agent S",
        "--referer URL",
        "--give-up D",
        "--durability power-loss|crash",
        "--max-size SIZE",
        "--checksum ALGO:HEX",
        "--config FILE",
        "--on-conflict rename|overwrite|skip|fail",
        "--json",
        "--quiet",
        "--no-progress"
      ]) {
        expect(stdout.text).toContain(`\n  ${option}`)
      }
      expect(stdout.text).toContain("Default: 30s")
    })
  )

  it.effect("of the whole lists the commands; --version is one line", () =>
    Effect.gen(function* () {
      const { stdout } = yield* sluice("--help")
      expect(stdout.text).toMatch(/\n {2}get .*\n {2}add .*\n {2}run .*\n(.*\n)? {2}ls /)
      expect((yield* sluice("get", "--version")).stdout.text).toMatch(/^\d+\.\d+\.\d+\n$/)
    })
  )
})

describe("ls", () => {
  it.effect("of a default database that was never made is empty", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* sluice("ls")
      expect([code, stdout.text, stderr.text]).toEqual([0, "", ""])
    })
  )
  it.effect("of a named one that is not there is an error", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* sluice("ls", "--db", "gone.db")
      expect(code).toBe(3)
      expect(stderr.text).toContain(`${nowhere}/gone.db can't be opened (there is no such file)`)
    })
  )
})
