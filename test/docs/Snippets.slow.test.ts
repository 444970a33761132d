/**
 * Every piece of TypeScript in the documents and in the docs of the public API compiles, as it stands, against the sources.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import { expect, it } from "vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** The fences of a text, each with the line it starts at; in comments, without the comment's margin. */
const fences = (text: string): ReadonlyArray<readonly [line: number, code: string]> =>
  Array.from(text.matchAll(/^([ ]*(?:\* )?)```ts\n([^]*?)\n\1```/gm), (match) => [
    text.slice(0, match.index).split("\n").length,
    match[2]!
      .split("\n")
      .map((line) => line.replace(/^ +\* ?/, ""))
      .join("\n")
  ])

const sources = (directory: string): ReadonlyArray<string> =>
  fs
    .readdirSync(path.join(root, directory), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => path.join(directory, name))

it("compiles", () => {
  const snippets = new Map<string, string>()
  for (const file of ["README.md", "ARCHITECTURE.md", ...sources("src")]) {
    for (const [line, code] of fences(fs.readFileSync(path.join(root, file), "utf8"))) {
      snippets.set(path.join(root, `${file.replaceAll("/", "_")}_${line}.snippet.ts`), code)
    }
  }
  expect(snippets.size).toBeGreaterThanOrEqual(10)
  const config = ts.getParsedCommandLineOfConfigFile(
    path.join(root, "tsconfig.json"),
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
        throw new Error(String(diagnostic.messageText))
      }
    }
  )!
  const host = ts.createCompilerHost(config.options)
  const { fileExists, getSourceFile, readFile } = host
  host.fileExists = (name) => snippets.has(name) || fileExists(name)
  host.readFile = (name) => snippets.get(name) ?? readFile(name)
  host.getSourceFile = (name, language, ...rest) => {
    const code = snippets.get(name)
    return code === undefined
      ? getSourceFile(name, language, ...rest)
      : ts.createSourceFile(name, code, language)
  }
  const program = ts.createProgram([...snippets.keys()], config.options, host)
  const problems = [...snippets.keys()].flatMap((name) => {
    const file = program.getSourceFile(name)
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      ({ messageText, start }) =>
        `${path.basename(name)} + ${file!.getLineAndCharacterOfPosition(start ?? 0).line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`
    )
  })
  expect(problems).toEqual([])
})
