/**
 * Servers of other makes than the project's own: a kill -9 in the middle, and the same command again. nginx can continue, Python's
 * http.server can't.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { ChildProcess } from "node:child_process"
import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { connect, createServer } from "node:net"
import { join } from "node:path"
import type { TestContext } from "vitest"
import { eventually, expectOnly, live, MiB, names, type World } from "./Cli.js"
import { skip } from "./Mounts.js"

/** A port that nobody listened on a moment ago. */
const freePort: Effect.Effect<number> = Effect.async((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" ? address!.port : 0)))
  })
})

const accepts = (port: number): Effect.Effect<void, Error> =>
  Effect.async((resume) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("error", (error) => resume(Effect.fail(error)))
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.void)
    })
  })

/** Runs a server until the scope closes; ready when it accepts connections at `port`. */
const serve = (
  port: number,
  command: string,
  ...args: ReadonlyArray<string>
): Effect.Effect<ChildProcess, Error, Scope.Scope> =>
  Effect.gen(function* () {
    const server = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(command, args, { stdio: "ignore" })),
      (child) =>
        Effect.async<void>((resume) => {
          if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
          child.once("close", () => resume(Effect.void))
          child.kill("SIGKILL")
        })
    )
    yield* accepts(port).pipe(
      Effect.retry({ schedule: Schedule.spaced("20 millis"), while: () => server.exitCode === null })
    )
    return server
  })

const available = (context: TestContext, command: string, ...args: ReadonlyArray<string>) =>
  spawnSync(command, args, { stdio: "ignore" }).status === 0
    ? Effect.void
    : skip(context, `${command} is not installed`)

const [path, size] = ["/file.bin", 16 * MiB]

/** A directory with a file whose bytes the origin would serve at `path`. */
const served = ({ origin, root }: World): string => {
  const directory = join(root, "served")
  fs.mkdirSync(directory)
  fs.writeFileSync(join(directory, path), origin.content(path).slice(0, size))
  return directory
}

describe.concurrent("after kill -9", () => {
  live("nginx sends the rest", (world, context) =>
    Effect.gen(function* () {
      yield* available(context, "nginx", "-v")
      const { root } = world
      const port = yield* freePort
      const log = join(root, "access.log")
      fs.writeFileSync(
        join(root, "nginx.conf"),
        `daemon off; master_process off; pid ${root}/nginx.pid; error_log ${root}/error.log;
        events {}
        http {
          client_body_temp_path ${root}/t1; proxy_temp_path ${root}/t2; fastcgi_temp_path ${root}/t3;
          uwsgi_temp_path ${root}/t4; scgi_temp_path ${root}/t5;
          log_format told escape=none '$status $body_bytes_sent $http_range $http_if_range';
          access_log ${log} told;
          server { listen 127.0.0.1:${port}; root ${served(world)}; limit_rate 8m; }
        }`
      )
      yield* serve(port, "nginx", "-p", root, "-e", join(root, "error.log"), "-c", join(root, "nginx.conf"))
      const url = `http://127.0.0.1:${port}${path}`
      const running = yield* world.startGet(url)
      yield* running.during(eventually(() => (world.row()?.checkpoint ?? 0) >= 4 * MiB))
      yield* running.kill
      expect(names(world.dir)).toEqual(["file.bin.sluice-part"])
      const { checkpoint } = world.row()!
      expectOnly(world, yield* world.get(url), "file.bin", path, size)
      // the log is written when a response has ended
      yield* eventually(() => fs.readFileSync(log, "utf8").split("\n").length === 3)
      expect(fs.readFileSync(log, "utf8")).toMatch(
        new RegExp(`^200 \\d+ +\\n206 ${size - checkpoint} bytes=${checkpoint}- "[^"]+"\\n$`)
      )
    })
  )

  live("Python's http.server sends all of it again", (world, context) =>
    Effect.gen(function* () {
      yield* available(context, "python3", "--version")
      const port = yield* freePort
      const args = ["-m", "http.server", String(port), "--bind", "127.0.0.1", "--directory", served(world)]
      const server = yield* serve(port, "python3", ...args)
      const url = `http://127.0.0.1:${port}${path}`
      const part = join(world.dir, "file.bin.sluice-part")
      const running = yield* world.startGet(url)
      // it knows no speed limit: it is stopped in the middle instead
      yield* running.during(eventually(() => fs.existsSync(part)))
      server.kill("SIGSTOP")
      yield* running.during(eventually(() => (world.row()?.checkpoint ?? 0) > 0))
      expect(world.row()!.checkpoint).toBeLessThan(size)
      yield* running.kill
      server.kill("SIGCONT")
      expectOnly(world, yield* world.get(url), "file.bin", path, size)
      expect(world.row()).toMatchObject({ status: "completed", attempt: 2 })
    })
  )
})
