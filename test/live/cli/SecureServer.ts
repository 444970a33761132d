/**
 * An https server that asks for client certificates, accepts any or insists on one, and remembers who asked for what.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createServer } from "node:https"
import type { TLSSocket } from "node:tls"
import { listening } from "./Listening.js"

export interface SecureServer {
  readonly url: (path: string) => string
  /** Paths, and whether they were asked for with a client certificate. */
  readonly asked: Array<readonly [path: string, identified: boolean]>
  readonly redirects: Map<string, string>
}

export interface Settings {
  readonly key: string
  readonly cert: string
  /** Who else signs client certificates. */
  readonly clients?: string
  /** Nobody is let in without one. */
  readonly insist?: boolean
}

export const make = ({
  cert,
  clients,
  insist = false,
  key
}: Settings): Effect.Effect<SecureServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const asked: SecureServer["asked"] = []
    const redirects: SecureServer["redirects"] = new Map()
    const server = createServer(
      {
        key,
        cert,
        requestCert: true,
        rejectUnauthorized: insist,
        ...(clients === undefined ? {} : { ca: clients })
      },
      (request, response) => {
        const path = request.url ?? ""
        asked.push([path, Object.keys((request.socket as TLSSocket).getPeerCertificate()).length > 0])
        const location = redirects.get(path)
        if (location === undefined) response.end("secure")
        else response.writeHead(302, { Location: location }).end()
      }
    )
    const port = yield* listening(server)
    return { asked, redirects, url: (path) => `https://127.0.0.1:${port}${path}` }
  })
