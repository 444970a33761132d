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

it("is documented: every export of both entry points, and every member of what they describe", () => {
  const config = ts.getParsedCommandLineOfConfigFile(
    path.join(root, "tsconfig.json"),
    {},
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} }
  )!
  const entries = ["src/index.ts", "src/programs/testing.ts"].map((name) => path.join(root, name))
  const program = ts.createProgram(entries, config.options)
  const checker = program.getTypeChecker()
  const bare: Array<string> = []
  const seen = new Set<ts.Symbol>()
  const look = (symbol: ts.Symbol, name: string): void => {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
    if (seen.has(target)) return
    seen.add(target)
    if (!target.declarations?.some((one) => one.getSourceFile().fileName.startsWith(path.join(root, "src"))))
      return
    if (target.flags & ts.SymbolFlags.ValueModule) {
      for (const one of checker.getExportsOfModule(target)) look(one, `${name}.${one.name}`)
      return
    }
    const documented = (of: ts.Symbol) =>
      of.getDocumentationComment(checker).length > 0 || of.getJsDocTags(checker).length > 0
    if (!documented(target)) bare.push(name)
    if (!(target.flags & ts.SymbolFlags.Interface)) return
    for (const member of target.members?.values() ?? []) {
      if (!(member.flags & ts.SymbolFlags.TypeParameter) && !documented(member))
        bare.push(`${name}.${member.name}`)
    }
  }
  for (const entry of entries) {
    for (const one of checker.getExportsOfModule(
      checker.getSymbolAtLocation(program.getSourceFile(entry)!)!
    )) {
      look(one, one.name)
    }
  }
  expect(bare).toEqual([])
})
