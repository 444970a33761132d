/**
 * The two modules of undici that the live Wire loads. Its main module loads fetch, WebSocket, caches and more as well,
 * which costs a third of the start-up time of a small `get`.
 */
declare module "undici/lib/dispatcher/client.js" {
  import type { Client } from "undici"
  const client: typeof Client
  export default client
}

declare module "undici/lib/core/connect.js" {
  import type { Duplex } from "node:stream"
  import type { buildConnector } from "undici"
  /** It gives `httpSocket` to tls.connect, which takes any stream, and returns the socket. */
  const build: (
    options: buildConnector.BuildOptions
  ) => (
    to: Omit<buildConnector.Options, "httpSocket"> & { readonly httpSocket?: Duplex },
    callback: buildConnector.Callback
  ) => unknown
  export default build
}
