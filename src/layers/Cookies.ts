/**
 * The cookies of one engine, in memory: a jar (RFC 6265, with the list of public suffixes) that may begin with those of a file, and may be
 * written to one when the engine closes. No database has any of them.
 *
 * | step of writing | durable after it | after a crash here |
 * |---|---|---|
 * | a new file beside the old one, 0600, synced | the old cookies | a file `.NAME.UUID.tmp` is left |
 * | rename | the new ones | nothing to do |
 *
 * A kill before that costs the cookies of this run, and nothing else.
 *
 * Files are octets (latin1), as fields are: values of any encoding go out as they came in. Servers can't fill the memory: 4096 characters a
 * cookie, 50 of a host and 3000 in all, as RFC 6265 section 6.1 asks for at least; what is loaded is the user's, and counts.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { existsSync } from "node:fs"
import { open, readFile, rename, rm } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import type { Cookie as CookieOf } from "tough-cookie"
import * as CookieFile from "../domain/CookieFile.js"
import { printable } from "../domain/Redaction.js"

/** @see {@link make} */
export interface Options {
  /** Netscape's format, as curl, wget and browsers' exports have it; it may be missing where it is the file of `save`. @default none */
  readonly load?: string | undefined
  /** Written when the engine closes, mode 0600: cookies that have not expired, those of the session too. @default nowhere */
  readonly save?: string | undefined
}

/** What requests are sent with, and answers bring. */
export interface Jar {
  /** The value of the field Cookie; undefined where there is none. */
  readonly header: (url: string) => string | undefined
  /** What a server wants to be remembered; what it may not say is passed over. */
  readonly store: (url: string, values: ReadonlyArray<string>) => void
  /** How many there are. */
  readonly count: () => number
}

const maxLength = 4096
const maxOfHost = 50
const maxInAll = 3000

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "unknown error"

/**
 * The cookies to begin with: none where they are saved to the very file that they come from and it is not there yet. The error is a
 * sentence without a full stop that shows no value.
 */
export const begin = ({ load, save }: Options): Effect.Effect<ReadonlyArray<CookieFile.Cookie>, string> =>
  load === undefined || (load === save && !existsSync(load))
    ? Effect.succeed([])
    : Effect.flatMap(
        Effect.tryPromise({
          try: () => readFile(load, "latin1"),
          catch: (error) => `${printable(load)} can't be read (${codeOf(error)})`
        }),
        (text) => Either.mapLeft(CookieFile.parse(text), (why) => `${printable(load)}, ${why}`)
      )

const write = async (file: string, text: string): Promise<void> => {
  const beside = join(dirname(file), `.${basename(file)}.${randomUUID()}.tmp`)
  try {
    const handle = await open(beside, "wx", 0o600)
    try {
      await handle.writeFile(text, "latin1")
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(beside, file)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
}

/** The error is a sentence without a full stop. `now`: milliseconds since 1970. */
export const make = ({ load, save }: Options, now: () => number): Effect.Effect<Jar, string, Scope.Scope> =>
  Effect.gen(function* () {
    // with the list of public suffixes; loaded where there are cookies only
    const { Cookie, CookieJar, MemoryCookieStore } = yield* Effect.promise(() => import("tough-cookie"))
    const memory = new MemoryCookieStore()
    const jar = new CookieJar(memory)
    // a store in memory answers at once
    const held = (): ReadonlyArray<CookieOf> => {
      let cookies: ReadonlyArray<CookieOf> = []
      memory.getAllCookies((_, all) => void (cookies = all ?? []))
      return cookies
    }
    const time = () => new Date(now())
    for (const one of yield* begin({ load, save })) {
      const { domain, expires, hostOnly, httpOnly, name, path, secure, value } = one
      const set = (more: { readonly domain?: string }) =>
        jar.setCookieSync(
          new Cookie({
            key: name,
            value,
            path,
            secure,
            httpOnly,
            expires: expires === undefined ? "Infinity" : new Date(expires),
            ...more
          }),
          `${secure ? "https" : "http"}://${domain}${path}`,
          { ignoreError: true, now: time() }
        )
      // as if that host had sent it; where there is nothing below it that it could speak for (an address, a public suffix), it is
      // for that host alone (RFC 6265 section 5.3, step 5)
      if (hostOnly || set({ domain }) === undefined) set({})
    }
    const all = (): Array<CookieFile.Cookie> => {
      const at = now()
      return (jar.serializeSync()?.cookies ?? []).flatMap((raw) => {
        const cookie = Cookie.fromJSON(raw)
        if (cookie === undefined || cookie.domain === null) return []
        const expiry = cookie.expiryTime()
        const expires = expiry === undefined || expiry === Infinity ? undefined : expiry
        if (expires !== undefined && expires <= at) return []
        return {
          domain: cookie.domain,
          hostOnly: cookie.hostOnly === true,
          path: cookie.path ?? "/",
          secure: cookie.secure,
          httpOnly: cookie.httpOnly,
          expires,
          name: cookie.key,
          value: cookie.value
        }
      })
    }
    if (save !== undefined) {
      yield* Effect.addFinalizer(() =>
        Effect.catchAll(
          Effect.tryPromise(() => write(save, CookieFile.format(all()))),
          ({ error }) =>
            Effect.logWarning(`the cookies can't be saved to ${printable(save)} (${codeOf(error)})`)
        )
      )
    }
    /** There is room for one more, or it replaces one. */
    const fits = ({ key }: CookieOf, url: string): boolean => {
      const ofHost = jar.getCookiesSync(url, { allPaths: true })
      return (
        ofHost.some((cookie) => cookie.key === key) || (ofHost.length < maxOfHost && held().length < maxInAll)
      )
    }
    return {
      header: (url) => {
        const text = jar.getCookieStringSync(url)
        return text === "" ? undefined : text
      },
      store: (url, values) => {
        for (const value of values) {
          // from within a network event, which nothing may be thrown into, whatever a server sends
          Either.try(() => {
            const cookie = value.length > maxLength ? undefined : Cookie.parse(value)
            if (cookie !== undefined && fits(cookie, url))
              jar.setCookieSync(cookie, url, { ignoreError: true, now: time() })
          })
        }
      },
      count: () => held().length
    }
  })
