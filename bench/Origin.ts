/**
 * The server that everything is fetched from: nginx with a configuration of its own on a free port of the loopback, or,
 * where nginx is not installed, a small server over node:http in a process of its own.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Failure } from "./Failure.js"
import * as Machine from "./Machine.js"

export interface Origin {
  /** What serves, and its version. */
  readonly server: string
  /** Without a slash at its end. */
  readonly url: string
}

const configuration = (port: number, root: string, scratch: string): string => `
daemon off;
master_process off;
pid ${scratch}/nginx.pid;
error_log ${scratch}/nginx-error.log;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  default_type application/octet-stream;
  client_body_temp_path ${scratch}/nginx-body;
  proxy_temp_path ${scratch}/nginx-proxy;
  fastcgi_temp_path ${scratch}/nginx-fastcgi;
  uwsgi_temp_path ${scratch}/nginx-uwsgi;
  scgi_temp_path ${scratch}/nginx-scgi;
  server { listen 127.0.0.1:${port}; root ${root}; }
}
`

const freePort = Effect.async<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** A process that lives as long as the scope. */
const background = (program: string, args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => spawn(program, args, { stdio: ["pipe", "ignore", "inherit"], detached: true })),
    (child) =>
      Effect.async<void>((resume) => {
        if (hasEnded(child)) {
          resume(Effect.void)
          return
        }
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGTERM")
      })
  )

const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null

/** Waits until the server answers at all. */
const answers = (url: string, child: ChildProcess): Effect.Effect<void, Failure> =>
  Effect.tryPromise({
    try: () => fetch(url).then((response) => response.arrayBuffer()),
    catch: () => new Failure({ message: `the server at ${url} does not answer` })
  }).pipe(
    Effect.retry({
      schedule: Schedule.spaced("50 millis"),
      while: () => !hasEnded(child),
      times: 200
    }),
    Effect.asVoid
  )

/** Serves the directory `root`; `scratch` is for files of the server's own. */
export const serve = (root: string, scratch: string): Effect.Effect<Origin, Failure, Scope.Scope> =>
  Effect.gen(function* () {
    const nginx = yield* Machine.find("nginx")
    const port = yield* freePort
    const url = `http://127.0.0.1:${port}`
    if (nginx === undefined) {
      const script = fileURLToPath(new URL("StaticServer.ts", import.meta.url))
      const loader = import.meta.resolve("tsx")
      yield* answers(
        url,
        yield* background(process.execPath, ["--import", loader, script, root, String(port)])
      )
      return { server: "node:http (nginx is not installed: ratios say less)", url }
    }
    const file = join(scratch, "nginx.conf")
    yield* Effect.promise(() => writeFile(file, configuration(port, root, scratch)))
    yield* answers(
      url,
      yield* background(nginx, ["-p", scratch, "-e", `${scratch}/nginx-error.log`, "-c", file])
    )
    return { server: yield* Machine.versionOf(nginx, "-v"), url }
  })
