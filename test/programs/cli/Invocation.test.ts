import { execFileSync } from "node:child_process"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Invocation from "../../../src/programs/cli/Invocation.js"

const again = (args: ReadonlyArray<string>, script = "/usr/local/bin/sluice", cwd = "/home/u") =>
  Invocation.again({ args, script, cwd })

describe("the command to type again", () => {
  it.each([
    ["/usr/local/bin/sluice", "sluice get x"],
    ["/home/u/p/node_modules/.bin/sluice", "npx sluice get x"],
    ["/home/u/dist/bin/sluice.js", "node dist/bin/sluice.js get x"],
    ["/opt/my tools/sluice.js", "node '/opt/my tools/sluice.js' get x"]
  ])("started as %s", (script, command) => {
    expect(again(["get", "x"], script).command).toBe(command)
  })

  it("is quoted where the shell would read something else", () => {
    expect(again(["get", "--output", "it's", "http://h/?a=1&b=$x"]).command).toBe(
      "sluice get --output 'it'\\''s' 'http://h/?a=1&b=$x'"
    )
  })

  it("hides what may be secret, and says so", () => {
    const args = [
      "get",
      "--header",
      "Authorization: Bearer hunter2",
      "--header=X-Key: hunter2",
      "http://u:hunter2@h/f"
    ]
    const { command, hidden } = again(args)
    expect(command).toBe("sluice get --header 'Authorization: ...' '--header=X-Key: ...' http://h/f")
    expect(hidden).toBe(true)
    expect(again(["get", "http://h/f"]).hidden).toBe(false)
  })

  it("hides credentials in whatever form", () => {
    expect(
      again(["get", "--user", "me:hunter2", "--bearer=hunter2", "--referer=http://u:hunter2@h/"])
    ).toEqual({
      command: "sluice get --user ... --bearer=... --referer=http://h/",
      hidden: true
    })
  })

  it("is another one where the list came by stdin: the queue has it", () => {
    for (const input of [["--input", "-"], ["--input=-"]]) {
      expect(again(["get", ...input, "--db", "my db", "--bearer", "hunter2"])).toEqual({
        command: "sluice run --db 'my db'",
        hidden: false
      })
    }
    expect(again(["get", "--input", "list.txt"]).command).toBe("sluice get --input list.txt")
  })

  it("comes out of a shell as it went in", () => {
    const word = fc.string({
      unit: fc.constantFrom("a", " ", "'", '"', "$", "`", "\\", "*", "\n", "é", "~", "-", "!")
    })
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), (words) => {
        const shell = execFileSync("sh", [
          "-c",
          `printf '%s\\0' ${words.map(Invocation.quote).join(" ")}`
        ]).toString()
        expect(shell.split("\0").slice(0, -1)).toEqual(words)
      }),
      { numRuns: 20 }
    )
  })
})

describe("other commands for the same queue", () => {
  const place = (...args: ReadonlyArray<string>) => ({
    args,
    script: "/usr/local/bin/sluice",
    cwd: "/home/u"
  })

  it("keep its database and settings", () => {
    expect(Invocation.run(place("resume", "--db", "my db", "abc", "--config=c.toml"))).toBe(
      "sluice run --db 'my db' --config c.toml"
    )
    expect(Invocation.run(place("add", "u"))).toBe("sluice run")
  })

  it.each([
    [["ls"], "sluice ls --before abc"],
    [["ls", "--limit", "2"], "sluice ls --limit 2 --before abc"],
    [["ls", "--before", "x", "--tag", "t"], "sluice ls --tag t --before abc"],
    [["ls", "--before=x", "--tag", "t"], "sluice ls --tag t --before abc"]
  ])("%j: the page before is %s", (args, command) => {
    expect(Invocation.having(place(...args), "before", "abc")).toBe(command)
  })
})
