/**
 * A relay between TLS and its server, that passes records on, unread, and cuts connections where an attacker, or a bad network,
 * would.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"

/** Where the relay cuts: nowhere, before the announcement of the end, at the end of a record, inside of one, there with a reset. */
export type Cut = "nowhere" | "the announcement" | "between records" | "within a record" | "by a reset"

/** The length of the first record (RFC 8446 section 5.1). */
const recordAt = (bytes: Buffer): number => (bytes.length < 5 ? Infinity : 5 + bytes.readUInt16BE(3))

/**
 * A relay to the port of an origin on this machine; answers its own port. `passed`: bytes of TLS that are passed on before the
 * connection is cut.
 */
export const relayTo = (port: number, cut: Cut, passed: number): Effect.Effect<number, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<{ readonly server: ReturnType<typeof createServer>; readonly ends: Set<Socket> }>(
        (resume) => {
          const ends = new Set<Socket>()
          const server = createServer((client) => {
            const origin = connect(port, "127.0.0.1")
            for (const end of [client, origin]) ends.add(end.on("error", () => {}))
            client.pipe(origin)
            client.on("close", () => origin.destroy())
            let count = 0
            let held: Buffer = Buffer.alloc(0)
            const end = (last: Uint8Array) => {
              origin.destroy()
              if (cut === "by a reset") client.write(last, () => client.resetAndDestroy())
              else client.end(last)
            }
            origin.on("data", (bytes) => {
              held = Buffer.concat([held, bytes])
              // the last record is passed on when another follows
              for (
                let length = recordAt(held);
                held.length > length || (count < passed / 2 && held.length === length);
              ) {
                const record = held.subarray(0, length)
                held = held.subarray(length)
                length = recordAt(held)
                count += record.length
                if (count < passed || cut === "nowhere" || cut === "the announcement") client.write(record)
                else return end(cut === "within a record" ? record.subarray(0, record.length >> 1) : record)
              }
            })
            origin.on("end", () => client.end(cut === "nowhere" ? held : ""))
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, ends })))
        }
      ),
      ({ ends, server }) =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const end of ends) end.destroy()
        })
    ),
    // an AddressInfo, as it listens on a port
    ({ server }) => (server.address() as AddressInfo).port
  )
