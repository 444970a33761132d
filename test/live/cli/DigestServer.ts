/**
 * A server behind digest authentication (http-auth, which counts what its nonces are used for), with ranges and a strong tag; it
 * remembers what it was asked with.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import auth from "http-auth"
import { createServer } from "node:http"
import { createHash } from "node:crypto"
import { listening } from "./Listening.js"

export interface Asked {
  readonly path: string
  readonly authorization: string
  readonly range: string | undefined
  readonly cookie: string | undefined
  status: number
}

export interface Settings {
  readonly algorithm?: "MD5" | "MD5-sess"
  /** All paths have these bytes. */
  readonly content: Buffer
}

const md5 = (text: string): string => createHash("md5").update(text).digest("hex")

/** Lets `wanda` in, with the password given. */
export const make = (password: string, { algorithm = "MD5", content }: Settings) =>
  Effect.gen(function* () {
    const asked: Array<Asked> = []
    /** Paths whose next body is cut after so many bytes. */
    const cuts = new Map<string, number>()
    /** Paths that lead elsewhere. */
    const redirects = new Map<string, string>()
    const realm = "the vault"
    const digest = auth.digest({ realm, algorithm, qop: "auth" }, (user, callback) =>
      // http-auth's types know no callback of digests: it is given the hash
      (callback as unknown as (hash: string) => void)(
        user === "wanda" ? md5(`wanda:${realm}:${password}`) : "nobody"
      )
    )
    const handle = digest.check((request, response) => {
      const path = request.url ?? ""
      const location = redirects.get(path)
      if (location !== undefined) return void response.writeHead(302, { Location: location }).end()
      const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? []
      const start = Number(first ?? 0)
      const end = last === undefined || last === "" ? content.length : Number(last) + 1
      const range =
        first === undefined ? {} : { "Content-Range": `bytes ${start}-${end - 1}/${content.length}` }
      response.writeHead(first === undefined ? 200 : 206, {
        ...range,
        ETag: '"one"',
        "Accept-Ranges": "bytes",
        "Content-Length": end - start
      })
      const cut = cuts.get(path)
      cuts.delete(path)
      if (cut === undefined) response.end(content.subarray(start, end))
      else response.write(content.subarray(start, start + cut), () => request.socket.end())
    })
    const server = createServer((request, response) => {
      const { authorization = "", cookie, range } = request.headers
      const one: Asked = { path: request.url ?? "", authorization, range, cookie, status: 0 }
      asked.push(one)
      response.on("close", () => void (one.status = response.statusCode))
      handle(request, response)
    })
    const port = yield* listening(server)
    return {
      asked,
      cuts,
      redirects,
      host: `127.0.0.1:${port}`,
      url: (path: string) => `http://127.0.0.1:${port}${path}`
    }
  }) satisfies Effect.Effect<unknown, never, Scope.Scope>
