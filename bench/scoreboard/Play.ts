/**
 * One program in one situation: its command is run up to three times, as a person would, in an empty directory; then what lies
 * there is looked at. A process gets a session of its own, so that whatever it has started ends with it.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { make as makeOrigin, type Origin } from "../../test/live/Origin.js"
import { selfSigned } from "../../test/live/origin/Certificate.js"
import { relayTo } from "../../test/live/TlsRelay.js"
import { end } from "../Child.js"
import type { Contestant } from "./Contestant.js"
import { path, type Situation } from "./Situation.js"

/** `ok` and `refused` are as it should be; `harm` is bytes or files that are not what they seem. */
export interface Outcome {
  readonly verdict: "ok" | "refused" | "harm" | "hang" | "impossible"
  readonly text: string
}

const tries = 3
const patience = "60 seconds"
const name = path.slice(1)
const precious = "somebody's own file\n"

const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "sluice-scoreboard-"))),
  (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true, maxRetries: 3 }))
)

interface Running {
  /** Null where a signal ended it. */
  readonly code: Effect.Effect<number | null>
  readonly kill: Effect.Effect<void>
}

/** A process that is gone when the scope closes. */
export const run = (
  [program = "", ...args]: ReadonlyArray<string>,
  home: string,
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        spawn(program, args, {
          cwd: home,
          env: { PATH: process.env["PATH"], HOME: home, XDG_STATE_HOME: home, LC_ALL: "C", ...env },
          stdio: "ignore",
          detached: true
        })
      ),
      end
    ),
    (child) => ({
      code: Effect.async<number | null>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) resume(Effect.succeed(child.exitCode))
        else child.once("exit", (code) => resume(Effect.succeed(code)))
      }),
      kill: end(child)
    })
  )

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** All files below a directory. */
const filesIn = (directory: string): ReadonlyArray<string> =>
  fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    // the older name of the property is all that Node 20.0 to 20.11 have
    .map((entry) => join(entry.parentPath, entry.name))

const isUnfinished = (file: string): boolean => /\.(aria2|sluice-part|part|tmp)$/.test(file)

const judge = (situation: Situation, origin: Origin, root: string, exit: number | null): Outcome => {
  const directory = join(root, "a", "files")
  const outside = filesIn(root).filter((file) => !file.startsWith(directory) && file.endsWith("evil.bin"))
  if (outside.length > 0) return { verdict: "harm", text: "WROTE OUTSIDE" }
  const final = filesIn(directory).filter((file) => !isUnfinished(file))
  const right = situation.versions.map((version) => origin.content(path, version).sha256(situation.size))
  const owned = situation.inTheWay === true ? join(directory, name) : undefined
  if (owned !== undefined && (!fs.existsSync(owned) || fs.readFileSync(owned, "utf8") !== precious)) {
    const now = fs.existsSync(owned) ? fs.readFileSync(owned) : Buffer.alloc(0)
    const appended = now.subarray(0, precious.length).toString() === precious
    return { verdict: "harm", text: `${appended ? "APPENDED TO IT" : "OVERWRITTEN"}, exit ${exit}` }
  }
  const others = final.filter((file) => file !== owned)
  const exact = others.filter((file) => right.includes(sha256(fs.readFileSync(file))))
  if (exit === 0) {
    if (others.length === 0) {
      return owned === undefined
        ? { verdict: "harm", text: "NO FILE, exit 0" }
        : { verdict: "refused", text: "left alone, exit 0" }
    }
    if (exact.length < others.length) return { verdict: "harm", text: "WRONG BYTES, exit 0" }
    return situation.delivered === undefined
      ? { verdict: "ok", text: "ok" }
      : { verdict: "harm", text: `${situation.delivered}, exit 0` }
  }
  // some programs write under the final name from the start: whoever does not look at the exit code takes that for the file
  const left = others.length > exact.length ? ", a part under the final name" : ""
  return { verdict: "refused", text: `refused (exit ${exit})${left}` }
}

/** Plays one situation. */
export const play = (contestant: Contestant, situation: Situation): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const root = yield* temporary
    const [directory, scratch] = [join(root, "a", "files"), join(root, "scratch")]
    fs.mkdirSync(directory, { recursive: true })
    fs.mkdirSync(scratch)
    const { downgrade = false, tlsCut } = situation
    const tls = selfSigned()
    const ca = downgrade || tlsCut !== undefined ? join(scratch, "ca.pem") : undefined
    if (ca !== undefined) fs.writeFileSync(ca, tls.cert)
    const origin = yield* makeOrigin(tlsCut === undefined ? {} : { tls })
    origin.set(path, situation.script)
    let url = origin.url(path)
    if (tlsCut !== undefined) {
      url = `https://127.0.0.1:${yield* relayTo(origin.port, tlsCut, situation.size / 2)}${path}`
    }
    if (downgrade) {
      const secure = yield* makeOrigin({ tls })
      secure.set(path, { redirect: url })
      url = secure.url(path)
    }
    if (situation.inTheWay === true) fs.writeFileSync(join(directory, name), precious)
    const command = contestant.command({
      url,
      directory,
      scratch,
      name: situation.named === true ? undefined : name,
      sha256: situation.sha256,
      connections: situation.connections ?? 1,
      ca
    })
    if (command === undefined) return { verdict: "impossible", text: "-" } satisfies Outcome
    const start = run(command, scratch, ca === undefined ? {} : { NODE_EXTRA_CA_CERTS: ca })
    const { killAfter } = situation
    if (killAfter !== undefined) {
      const running = yield* start
      yield* Effect.race(
        origin.until(() => origin.sent(path) >= killAfter.bytes),
        running.code
      )
      yield* running.kill
      origin.set(path, killAfter.afterwards)
    }
    let exit: number | null = null
    for (let count = 0; count < tries && exit !== 0; count++) {
      exit = yield* Effect.scoped(Effect.flatMap(start, ({ code }) => code))
    }
    return judge(situation, origin, root, exit)
  }).pipe(
    Effect.scoped,
    Effect.timeoutTo({
      duration: patience,
      onSuccess: (outcome: Outcome) => outcome,
      onTimeout: (): Outcome => ({ verdict: "hang", text: "HANG" })
    })
  )
