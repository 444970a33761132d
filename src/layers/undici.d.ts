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
  import type { buildConnector } from "undici"
  const build: typeof buildConnector
  export default build
}
