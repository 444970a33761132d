/**
 * A server of node's on a port of its own, for as long as a scope is open.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Server } from "node:http"
import type { AddressInfo } from "node:net"

/** Its port on 127.0.0.1. Whatever it is at when the scope closes is ended. */
export const listening = (
  server: Pick<Server, "listen" | "close" | "closeAllConnections" | "address">
): Effect.Effect<number, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    ),
    // an AddressInfo, as it listens on a port
    () => (server.address() as AddressInfo).port
  )
