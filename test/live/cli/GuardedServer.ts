/**
 * An http server that lets people in by digest authentication (its own reading of RFC 7616, section 3.4), nonces of which are good for so
 * many requests, and that serves the same bytes everywhere, by ranges too.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import { createServer, type IncomingHttpHeaders } from "node:http"
import { listening } from "./Listening.js"

export interface GuardedServer {
  readonly url: (path: string) => string
  readonly asked: Array<{
    readonly path: string
    readonly status: number
    readonly headers: IncomingHttpHeaders
  }>
}

export interface Settings {
  readonly algorithm: "MD5" | "SHA-256"
  readonly user: string
  readonly password: string
  /** So often a nonce may be used. @default always */
  readonly uses?: number
  readonly bytes: Buffer
  /** One body ends after so many bytes. */
  readonly cutAfter?: number
}

const names = { MD5: "md5", "SHA-256": "sha256" } as const

export const make = ({
  algorithm,
  bytes,
  cutAfter,
  password,
  user,
  uses = Infinity
}: Settings): Effect.Effect<GuardedServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const asked: GuardedServer["asked"] = []
    const h = (text: string) => createHash(names[algorithm]).update(text).digest("hex")
    const realm = 'a "guarded", place'
    /** How often each was used. */
    const nonces = new Map<string, number>()
    let cut = cutAfter
    const counts = new Set<string>()
    const server = createServer((request, response) => {
      const { headers, method, url: path = "" } = request
      const field = headers.authorization ?? ""
      const of = (name: string) =>
        new RegExp(`[ ,]${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^ ,]+))`).exec(field)?.slice(1).find(Boolean)
      const answer = (status: number) => asked.push({ path, status, headers })
      const deny = (stale: boolean) => {
        const nonce = `n${nonces.size}`
        nonces.set(nonce, 0)
        answer(401)
        response
          .writeHead(401, {
            "WWW-Authenticate": [
              'Basic realm="x"',
              `Digest realm="a \\"guarded\\", place", qop="auth,auth-int", algorithm=${algorithm}, nonce="${nonce}", opaque="o"${stale ? ", stale=true" : ""}`
            ]
          })
          .end("who are you?")
      }
      if (!field.startsWith("Digest ")) return deny(false)
      const [nc, cnonce] = [of("nc"), of("cnonce")]
      const a1 = h(`${user}:${realm}:${password}`)
      const right = h(`${a1}:${of("nonce")}:${nc}:${cnonce}:auth:${h(`${method}:${path}`)}`)
      const isReplay = counts.has(`${of("nonce")} ${nc}`)
      counts.add(`${of("nonce")} ${nc}`)
      if (of("response") !== right || of("uri") !== path || of("opaque") !== "o" || isReplay)
        return deny(false)
      const used = (nonces.get(of("nonce") ?? "") ?? Infinity) + 1
      nonces.set(of("nonce") ?? "", used)
      if (used > uses) return deny(true)
      const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "") ?? []
      const start = Number(from ?? 0)
      const end = to === undefined || to === "" ? bytes.length - 1 : Number(to)
      const ranged = from === undefined ? {} : { "Content-Range": `bytes ${start}-${end}/${bytes.length}` }
      answer(from === undefined ? 200 : 206)
      response.writeHead(from === undefined ? 200 : 206, {
        ETag: '"e"',
        "Accept-Ranges": "bytes",
        "Content-Length": end - start + 1,
        ...ranged
      })
      if (cut === undefined) return response.end(bytes.subarray(start, end + 1))
      response.write(bytes.subarray(start, start + cut), () => response.socket?.end())
      cut = undefined
    })
    const port = yield* listening(server)
    return { asked, url: (path) => `http://127.0.0.1:${port}${path}` }
  })
