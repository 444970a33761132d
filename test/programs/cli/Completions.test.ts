import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { described } from "../../../src/programs/cli/Commands.js"
import * as Completions from "../../../src/programs/cli/Completions.js"
import { shells } from "../../../src/programs/cli/CommandLine.js"

const has = (shell: string): boolean => spawnSync(shell, ["-c", "exit 0"]).status === 0

describe.each(shells)("the completions for %s", (shell) => {
  const script = Completions.script(shell, described)

  it("name every command and option", () => {
    for (const { name, settings } of described) {
      expect(script).toContain(name)
      for (const setting of settings) expect(script).toContain(setting.name)
    }
    expect(script).toContain("rename overwrite skip fail")
  })

  it.skipIf(!has(shell))("are a script that the shell can read", () => {
    const directory = fs.mkdtempSync(join(tmpdir(), "sluice-completions-"))
    fs.writeFileSync(join(directory, "script"), script)
    const { status, stderr } = spawnSync(shell, ["-n", join(directory, "script")], { encoding: "utf8" })
    fs.rmSync(directory, { recursive: true })
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" })
  })
})

describe.skipIf(!has("bash"))("in bash", () => {
  const complete = (...words: ReadonlyArray<string>): string =>
    execFileSync(
      "bash",
      [
        "-c",
        `${Completions.script("bash", described)}
         COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sluice; IFS=' '; printf '%s' "\${COMPREPLY[*]}"`,
        "bash",
        ...words
      ],
      { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }
    )

  it.each([
    [["sluice", "g"], "get"],
    [["sluice", "get", "--on"], "--on-conflict"],
    [["sluice", "get", "--on-conflict", ""], "rename overwrite skip fail"],
    [["sluice", "get", "--on-conflict", "=", "r"], "rename"],
    [["sluice", "get", "u", "--durability", "c"], "crash"],
    [["sluice", "ls", "--status", "p"], "pending processing paused"],
    [["sluice", "ls", "--on"], ""],
    [["sluice", "mo"], "move"],
    [["sluice", "pause", "--"], "--all --tag --group --json --db --config --help"],
    [["sluice", "get", "--dir", "/us"], "/usr"],
    [["sluice", "get", "--bearer", ""], ""],
    [["sluice", "consumers", ""], "ls rm"],
    [["sluice", "consumers", "r"], "rm"],
    [["sluice", "consumers", "rm", ""], ""],
    [["sluice", "consumers", "ls", "--j"], "--json"],
    [["sluice", "--completions", ""], "bash zsh fish"]
  ])("%j: %s", (words, completed) => {
    expect(complete(...words)).toBe(completed)
  })
})

describe.skipIf(!has("fish"))("in fish", () => {
  const complete = (line: string): ReadonlyArray<string> =>
    execFileSync("fish", ["-c", `${Completions.script("fish", described)}\ncomplete -C '${line}'`], {
      encoding: "utf8"
    })
      .split("\n")
      .map((found) => found.split("\t")[0]!)
      .filter((found) => found !== "")
      .sort()

  it.each([
    ["sluice ", described.map(({ name }) => name).sort()],
    ["sluice consumers ", ["ls", "rm"]],
    ["sluice get --on-conflict ", ["fail", "overwrite", "rename", "skip"]],
    ["sluice ls --s", ["--status"]],
    ["sluice get --bearer ", []]
  ])("%s", (line, completed) => {
    expect(complete(line)).toEqual(completed)
  })
})
