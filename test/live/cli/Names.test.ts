/**
 * Where files land: in the directory chosen and below it, under a name that nothing else has, whatever links, other processes
 * and file systems without hard links have to say (PROMISES B1, B5, H1).
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import { eventually, expectExact, linked, live, MiB, names, type World } from "./Cli.js"
import { skip } from "./Mounts.js"

const partsIn = (directory: string): ReadonlyArray<string> =>
  names(directory).filter((name) => name.endsWith(".sluice-part"))

describe.concurrent("a name that leads below", () => {
  live("is made there, and stays inside", (world) =>
    Effect.gen(function* () {
      const { dir, root } = world
      const result = yield* world.get("/bytes/1000/a", "--output", "x/y/mine")
      expect(result).toMatchObject({ code: 0, stdout: `${join(dir, "x/y/mine")}\n` })
      expectExact(world, join(dir, "x/y/mine"), "/bytes/1000/a", 1000)
      for (const output of ["../out", "x/../../out", "/tmp/out", "x/", "C:/x", "x\\y/z"]) {
        const refused = yield* world.get("/bytes/1000/a", "--output", output)
        expect(refused, output).toMatchObject({ code: 2, stdout: "" })
      }
      expect(names(root).filter((name) => name !== "files" && name !== "state")).toEqual([])
    })
  )

  live(
    "follows a link that stays inside, and none that leads out; the directory chosen may be one",
    (world) =>
      Effect.gen(function* () {
        const { dir, origin, root } = world
        linked(world)
        fs.symlinkSync("files", join(root, "chosen"))
        for (const output of ["out/a", "out/sub/a"]) {
          const refused = yield* world.get("/bytes/10/a", "--output", output)
          expect(refused).toMatchObject({ code: 2, stdout: "" })
          expect(refused.stderr).toContain(
            `${join(dir, "out")}: a symbolic link leads outside of the directory chosen`
          )
        }
        expect(names(join(root, "outside"))).toEqual([])
        const chosen = join(root, "chosen")
        const result = yield* world.run("get", "--dir", chosen, "--output", "in/a", origin.url("/bytes/10/a"))
        expect(result).toMatchObject({ code: 0, stdout: `${join(chosen, "in/a")}\n` })
        expectExact(world, join(dir, "inside/a"), "/bytes/10/a", 10)
      })
  )

  live("does not lead out by a link that is put in its way before its turn", (world) =>
    Effect.gen(function* () {
      const { dir, origin, root } = world
      fs.mkdirSync(join(root, "outside"))
      yield* world.run("add", "--dir", dir, "--output", "sub/a", origin.url("/bytes/10/a"))
      fs.rmdirSync(join(dir, "sub"))
      fs.symlinkSync("../outside", join(dir, "sub"))
      const result = yield* world.run("run")
      expect(result).toMatchObject({ code: 1, stdout: "" })
      expect(result.stderr).toContain("a symbolic link leads outside")
      expect(names(join(root, "outside"))).toEqual([])
      expect(origin.requests).toEqual([])
    })
  )

  live("nor by one that is put there while its bytes come", (world) =>
    Effect.gen(function* () {
      const { dir, origin, root } = world
      fs.mkdirSync(join(root, "outside"))
      origin.set("/a", { size: 2 * MiB, rate: 2 * MiB })
      const running = yield* world.startGet("/a", "--output", "sub/a", "--max-retries", "0")
      const there = (): boolean => fs.existsSync(join(dir, "sub")) && partsIn(join(dir, "sub")).length > 0
      yield* running.during(eventually(there))
      fs.renameSync(join(dir, "sub"), join(dir, "moved"))
      fs.symlinkSync("../outside", join(dir, "sub"))
      const result = yield* running.result
      expect(result).toMatchObject({ code: 1, stdout: "" })
      expect(result.stderr).toContain("a symbolic link leads outside")
      expect(names(join(root, "outside"))).toEqual([])
    })
  )
})

const policies = ["rename", "overwrite", "skip", "fail"] as const

describe.concurrent("a name that is taken", () => {
  live("by each other's files, for each policy", (world) =>
    Effect.gen(function* () {
      const { origin, root } = world
      for (const policy of policies) {
        const dir = join(root, policy)
        fs.mkdirSync(dir)
        const urls = Array.from({ length: 8 }, (_, i) => origin.url(`/bytes/${1000 + i}/same?${policy}${i}`))
        const options = ["--dir", dir, "--on-conflict", policy, "--concurrency", "8", "--per-host", "8"]
        const { code, stdout } = yield* world.run("get", ...options, ...urls)
        const paths = stdout.split("\n").filter((line) => line !== "")
        // what failed has kept its part, for whoever asks again with another policy
        if (policy === "fail") expect(partsIn(dir)).toHaveLength(7)
        const found = names(dir).filter((name) => policy !== "fail" || !name.endsWith(".sluice-part"))
        for (const name of found) {
          const size = fs.statSync(join(dir, name)).size
          expectExact(world, join(dir, name), `/bytes/${size}/same?${policy}${size - 1000}`, size)
        }
        const numbered = ["same", ...Array.from({ length: 7 }, (_, i) => `same (${i + 1})`)]
        expect(found).toEqual(policy === "rename" ? numbered.sort() : ["same"])
        expect(code).toBe(policy === "fail" ? 1 : 0)
        expect(paths).toHaveLength(policy === "fail" ? 1 : 8)
        expect(new Set(paths).size).toBe(policy === "rename" ? 8 : 1)
      }
    })
  )

  live("by files of other processes' downloads", (world) =>
    Effect.gen(function* () {
      const { dir, origin, root } = world
      const one = (i: number) =>
        world.runWith(
          { env: { SLUICE_DB: join(root, `${i}.db`) } },
          "get",
          "--dir",
          dir,
          origin.url(`/bytes/${1000 + i}/same?${i}`)
        )
      const results = yield* Effect.all([0, 1, 2, 3].map(one), { concurrency: 4 })
      expect(results.map(({ code }) => code)).toEqual([0, 0, 0, 0])
      expect(results.map(({ stdout }) => stdout.trim()).sort()).toEqual(
        names(dir).map((name) => join(dir, name))
      )
      expect(names(dir)).toEqual(["same", "same (1)", "same (2)", "same (3)"])
      results.forEach(({ stdout }, i) =>
        expectExact(world, stdout.trim(), `/bytes/${1000 + i}/same?${i}`, 1000 + i)
      )
    })
  )

  for (const [size, kind] of [
    [2 * MiB, "a large"],
    [1000, "a small"]
  ] as const) {
    live(`by a file that appears while ${kind} one comes`, (world) =>
      Effect.gen(function* () {
        const { dir, origin } = world
        for (const policy of policies) {
          const path = `/${policy}`
          const final = join(dir, policy)
          origin.set(path, { size, rate: size * 2 })
          const running = yield* world.startGet(path, "--on-conflict", policy)
          yield* running.during(origin.until(() => origin.requestsFor(path).some(({ sent }) => sent > 0)))
          fs.writeFileSync(final, "mine")
          const { code, stdout } = yield* running.result
          expect(code, policy).toBe(policy === "fail" ? 1 : 0)
          if (policy === "overwrite") expectExact(world, final, path, size)
          else expect(fs.readFileSync(final, "utf8")).toBe("mine")
          if (policy === "rename") expectExact(world, `${final} (1)`, path, size)
          expect(stdout).toBe(policy === "fail" ? "" : `${final}${policy === "rename" ? " (1)" : ""}\n`)
        }
        expect(partsIn(dir).filter((name) => !name.startsWith("fail"))).toEqual([])
      })
    )
  }

  live("by what is no file: a link is replaced as a name, and nothing else is", (world) =>
    Effect.gen(function* () {
      const { dir, root } = world
      fs.writeFileSync(join(root, "target"), "precious")
      fs.symlinkSync("../target", join(dir, "link"))
      fs.symlinkSync("nowhere", join(dir, "dangling"))
      fs.mkdirSync(join(dir, "directory"))
      expect(spawnSync("mkfifo", [join(dir, "fifo")]).status).toBe(0)
      const get = (name: string, policy: string) =>
        world.get(`/bytes/1000/${name}`, "--refetch", "--max-retries", "0", "--on-conflict", policy)
      for (const name of ["link", "dangling"]) {
        expect((yield* get(name, "fail")).code).toBe(1)
        expect((yield* get(name, "skip")).code).toBe(0)
        expect(fs.lstatSync(join(dir, name)).isSymbolicLink()).toBe(true)
        expect((yield* get(name, "rename")).stdout).toBe(`${join(dir, `${name} (1)`)}\n`)
        expect((yield* get(name, "overwrite")).code).toBe(0)
        expect(fs.lstatSync(join(dir, name)).isFile()).toBe(true)
        expectExact(world, join(dir, name), `/bytes/1000/${name}`, 1000)
      }
      expect(fs.readFileSync(join(root, "target"), "utf8")).toBe("precious")
      expect(fs.existsSync(join(dir, "nowhere"))).toBe(false)
      for (const [name, words] of [
        ["directory", "is a directory"],
        ["fifo", "is not a regular file"]
      ] as const) {
        const refused = yield* get(name, "overwrite")
        expect(refused).toMatchObject({ code: 1, stdout: "" })
        expect(refused.stderr).toContain(`${join(dir, name)} ${words}`)
        expect((yield* get(name, "fail")).code).toBe(1)
        expect((yield* get(name, "rename")).stdout).toBe(`${join(dir, `${name} (1)`)}\n`)
      }
      expect((yield* get("directory", "skip")).code).toBe(1)
      expect(names(join(dir, "directory"))).toEqual([])
      expect(fs.lstatSync(join(dir, "fifo")).isFIFO()).toBe(true)
    })
  )
})

/** The command on a file system of which it is told that it has no hard links; `onRename` is done instead of a rename. */
const withoutLinks = ({ root }: World, onRename?: string): Readonly<Record<string, string>> => {
  const file = join(root, `shim-${onRename === undefined ? "plain" : "crash"}.cjs`)
  fs.writeFileSync(
    file,
    `const fs = require("node:fs")
fs.link = (from, to, done) => process.nextTick(done, Object.assign(new Error("no links"), { code: "EOPNOTSUPP" }))
${onRename === undefined ? "" : `fs.rename = () => { ${onRename} }`}
`
  )
  return { NODE_OPTIONS: `--require ${file}` }
}

describe.concurrent("without hard links", () => {
  live("a file gets its name all the same, and no other file loses its own", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const env = withoutLinks(world)
      for (const size of [1000, 2 * MiB]) {
        for (const policy of policies) {
          const path = `/bytes/${size}/${policy}-${size}`
          const final = join(dir, `${policy}-${size}`)
          fs.writeFileSync(final, "mine")
          const options = ["get", "--dir", dir, "--on-conflict", policy]
          const { code, stdout } = yield* world.runWith({ env }, ...options, origin.url(path))
          expect(code).toBe(policy === "fail" ? 1 : 0)
          if (policy === "overwrite") expectExact(world, final, path, size)
          else expect(fs.readFileSync(final, "utf8")).toBe("mine")
          if (policy === "rename") expectExact(world, `${final} (1)`, path, size)
          expect(stdout).toBe(policy === "fail" ? "" : `${final}${policy === "rename" ? " (1)" : ""}\n`)
        }
      }
      expect(partsIn(dir)).toEqual([])
    })
  )

  for (const policy of policies) {
    live(`killed while the name is only kept, the same command finishes it (${policy})`, (world) =>
      Effect.gen(function* () {
        const { dir, origin } = world
        const kill = { env: withoutLinks(world, 'process.kill(process.pid, "SIGKILL")') }
        const go = { env: withoutLinks(world) }
        for (const size of [1000, 2 * MiB]) {
          const name = `f${size}`
          const path = `/bytes/${size}/${name}`
          const options = ["get", "--dir", dir, "--on-conflict", policy, origin.url(path)]
          const killed = yield* world.runWith(kill, ...options)
          expect(killed).toMatchObject({ signal: "SIGKILL", stdout: "" })
          if (policy !== "overwrite") expect(fs.statSync(join(dir, name)).size).toBe(0)
          const again = yield* world.runWith(go, ...options)
          expect(again).toMatchObject({ code: 0, stdout: `${join(dir, name)}\n` })
          expectExact(world, join(dir, name), path, size)
          expect(origin.requestsFor(path)).toHaveLength(1)
        }
        expect(names(dir)).toEqual(["f1000", `f${2 * MiB}`])
      })
    )
  }

  live("killed there, it leaves a file alone that somebody has put in the place of its own", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const options = ["get", "--dir", dir, origin.url("/bytes/1000/f")]
      const kill = { env: withoutLinks(world, 'process.kill(process.pid, "SIGKILL")') }
      yield* world.runWith(kill, ...options)
      fs.writeFileSync(join(dir, "f"), "mine")
      const again = yield* world.runWith({ env: withoutLinks(world) }, ...options)
      expect(again).toMatchObject({ code: 0, stdout: `${join(dir, "f (1)")}\n` })
      expect(fs.readFileSync(join(dir, "f"), "utf8")).toBe("mine")
      expectExact(world, join(dir, "f (1)"), "/bytes/1000/f", 1000)
    })
  )

  live("really: on a FAT file system", (world, context) =>
    Effect.gen(function* () {
      const { dir, root } = world
      const image = join(root, "fat.img")
      const run = (file: string, ...args: ReadonlyArray<string>): string | undefined => {
        const { error, status, stderr } = spawnSync(file, args, { encoding: "utf8" })
        return status === 0 ? undefined : (error?.message ?? stderr).trim().split("\n")[0]
      }
      const made = Effect.sync(() => {
        fs.writeFileSync(image, "")
        fs.truncateSync(image, 64 * MiB)
        return run("mkfs.vfat", image) ?? run("mount", "-o", "loop", image, dir)
      })
      const problem = yield* Effect.acquireRelease(made, (failed) =>
        Effect.sync(() => (failed === undefined ? run("umount", "--lazy", dir) : undefined))
      )
      if (problem !== undefined) return yield* skip(context, `FAT can't be mounted (${problem})`)
      fs.writeFileSync(join(dir, "taken"), "mine")
      const result = yield* world.get("/bytes/1000/taken")
      expect(result).toMatchObject({ code: 0, stdout: `${join(dir, "taken (1)")}\n` })
      expect(names(dir)).toEqual(["taken", "taken (1)"])
      expectExact(world, join(dir, "taken (1)"), "/bytes/1000/taken", 1000)
    })
  )
})
