/**
 * What Linux tells about a process from outside. On other systems nothing is told, and tests check less.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import type { Origin } from "../Origin.js"
import type { Running } from "./Cli.js"

/** A signal takes effect a little after it was sent. */
const waitUntilStopped = (pid: number): void => {
  for (;;) {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1")
    // the state follows the name, which is in parentheses and may hold anything
    if (/^[TtZX]/.test(stat.slice(stat.lastIndexOf(")") + 2))) return
  }
}

/** Bytes in the send and receive buffers of all connections with this port at either end. */
const buffered = (port: number): number => {
  const hex = port.toString(16).toUpperCase().padStart(4, "0")
  return fs
    .readFileSync("/proc/net/tcp", "latin1")
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = "", remote = ""]) => local.endsWith(`:${hex}`) || remote.endsWith(`:${hex}`))
    .flatMap(([, , , , queues = ""]) => queues.split(":"))
    .reduce((sum, queue) => sum + Number.parseInt(queue, 16), 0)
}

/**
 * Stops a process where it stands (SIGSTOP), and tells how many body bytes it had taken from its sockets by then: what the
 * origin has sent, less what still lies in the buffers of the kernel. So the promise about what is fetched again after a
 * kill -9 can be checked to the byte, whatever size those buffers have. Undefined where it can't be told. No time
 * passes for the origin meanwhile, as it lives in this process.
 */
export const freeze = ({ pid }: Running, origin: Origin): Effect.Effect<number | undefined> =>
  Effect.sync(() => {
    if (process.platform !== "linux") return undefined
    process.kill(pid, "SIGSTOP")
    waitUntilStopped(pid)
    return origin.sent() - buffered(origin.port)
  })

/** Whether a process has a file open; true where it can't be told. */
export const hasOpen = ({ pid }: Running, file: string): boolean =>
  process.platform !== "linux" ||
  fs.readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return fs.readlinkSync(`/proc/${pid}/fd/${fd}`) === file
    } catch {
      // closed meanwhile
      return false
    }
  })
