/**
 * A server that answers everything, and remembers who asked how: path, Authorization, Cookie. `/hang` never ends.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createServer, type RequestListener } from "node:http"
import { createServer as createSecureServer } from "node:https"
import { listening } from "./Listening.js"

export interface Hearing {
  readonly url: (path: string) => string
  readonly heard: Array<
    readonly [path: string, authorization: string | undefined, cookie: string | undefined]
  >
  readonly redirects: Map<string, string>
  readonly cookies: Map<string, ReadonlyArray<string>>
  /** Succeeds when the head of an answer that never ends has been taken. */
  readonly hanging: Effect.Effect<void>
}

export const make = (secure?: {
  readonly key: string
  readonly cert: string
}): Effect.Effect<Hearing, never, Scope.Scope> =>
  Effect.gen(function* () {
    const heard: Hearing["heard"] = []
    const redirects: Hearing["redirects"] = new Map()
    const cookies: Hearing["cookies"] = new Map()
    const hanging = yield* Deferred.make<void>()
    const serve: RequestListener = ({ headers, url: path = "" }, response) => {
      heard.push([path, headers.authorization, headers.cookie])
      const given = cookies.get(path)
      if (given !== undefined) response.setHeader("Set-Cookie", given)
      const location = redirects.get(path)
      if (location !== undefined) response.writeHead(302, { Location: location }).end()
      else if (path === "/hang")
        response.writeHead(200, { "Content-Length": 1000 }).write("x", () => {
          Deferred.unsafeDone(hanging, Effect.void)
        })
      else response.end("heard")
    }
    const server = secure === undefined ? createServer(serve) : createSecureServer(secure, serve)
    const port = yield* listening(server)
    const scheme = secure === undefined ? "http" : "https"
    return {
      cookies,
      hanging: Deferred.await(hanging),
      heard,
      redirects,
      url: (path) => `${scheme}://127.0.0.1:${port}${path}`
    }
  })
