import * as Either from "effect/Either"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as CommandLine from "../../../src/programs/cli/CommandLine.js"
import { described } from "../../../src/programs/cli/Commands.js"
import { nearest } from "../../../src/programs/cli/Nearest.js"

const commands: CommandLine.Commands = new Map(described.map(({ name, settings }) => [name, settings]))
const read = (...args: ReadonlyArray<string>) => Either.merge(CommandLine.read(args, commands))

describe("the arguments", () => {
  it.each([
    [
      ["get", "u"],
      ["get", "--", "u"]
    ],
    [
      ["get", "u", "--dir", "d", "v"],
      ["get", "--dir", "d", "--", "u", "v"]
    ],
    [
      ["--dir=d", "get", "u"],
      ["get", "--dir", "d", "--", "u"]
    ],
    [
      ["get", "--quiet", "u", "--json=false"],
      ["get", "--quiet", "true", "--json", "false", "--", "u"]
    ],
    [
      ["get", "--header=A: b=c", "--header", "-x: y"],
      ["get", "--header", "A: b=c", "--header", "-x: y"]
    ],
    [
      ["get", "--priority", "-5"],
      ["get", "--priority", "-5"]
    ],
    [
      ["get", "--output=--json"],
      ["get", "--output", "--json"]
    ],
    [
      ["get", "--", "--dir", "-h"],
      ["get", "--", "--dir", "-h"]
    ],
    [
      ["get", "--input", "-"],
      ["get", "--input", "-"]
    ],
    [[], []],
    [["--quiet"], []]
  ])("%j become %j", (args, arranged) => {
    expect(read(...args)).toEqual({ ask: "run", args: arranged })
  })

  it("the level of the log stands anywhere, and is none of the command's options", () => {
    const asked = { ask: "run", args: ["get", "--dir", "d", "--", "u"], logLevel: "debug" }
    expect(read("--log-level", "debug", "get", "--dir", "d", "u")).toEqual(asked)
    expect(read("get", "--dir", "d", "u", "--log-level=debug")).toEqual(asked)
  })

  it.each([
    [["--help"], { ask: "help", command: undefined }],
    [["get", "u", "-h"], { ask: "help", command: "get" }],
    [["--help", "ls"], { ask: "help", command: "ls" }],
    [["get", "--dir", "d", "--dir", "e", "--help"], { ask: "help", command: "get" }],
    [["get", "--version"], { ask: "version" }],
    [["--completions", "zsh"], { ask: "completions", shell: "zsh" }],
    [["--completions=fish"], { ask: "completions", shell: "fish" }]
  ])("%j ask for %j", (args, asked) => {
    expect(read(...args)).toEqual(asked)
  })

  it("are sorted out whatever they are, and no value shows in a complaint", () => {
    const word = fc.constantFrom(
      "get",
      "ls",
      "u",
      "--",
      "-",
      "-h",
      "--dir",
      "--header",
      "--json",
      "--bearer",
      "--quiet=1",
      "--x",
      "--log-level",
      "--bearer=hunter2",
      "--beerer=hunter2",
      "--header=hunter2",
      "",
      "--dir=",
      "=",
      "--=",
      "---"
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), (args) => {
        const found = CommandLine.read(args, commands)
        if (Either.isLeft(found)) expect(found.left).not.toContain("hunter2")
        else if (found.right.ask === "run") {
          // options and their values in pairs, and nothing is lost
          const end = found.right.args.indexOf("--")
          const pairs = found.right.args.slice(1, end < 0 ? undefined : end)
          expect(pairs.length % 2).toBe(0)
        }
      })
    )
  })
})

describe("what is no value", () => {
  it.each([
    [["--dir", "--", "get"], "--dir: its value is missing"],
    [["get", "--dir=--", "u"], `--dir: "--" can't be its value; a file of that name is ./--`],
    [["--completions", "--beerer=secret"], `--completions: "--beerer" is not one of bash, zsh, fish`]
  ])("%j: %s", (args, why) => {
    expect(CommandLine.read(args, commands)).toEqual(Either.left(why))
  })
})

describe("what was meant", () => {
  it.each([
    ["haeder", "header"],
    ["dri", "dir"],
    ["max_retries", "max-retries"],
    ["maxretries", "max-retries"],
    ["Header", "header"],
    ["xyz", undefined],
    ["", undefined]
  ])("%s: %s", (typed, meant) => {
    expect(nearest(typed, ["header", "dir", "max-retries", "on-conflict"])).toBe(meant)
  })
})
