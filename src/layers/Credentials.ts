/**
 * Where an engine finds out who it is at a server, beside what the requests say themselves: a function, asked each time, so that
 * nothing has to be stored. One for netrc files is here; a keychain or a vault is a function of the program's own.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { constants } from "node:fs"
import { open } from "node:fs/promises"
import { type DownloadError, make as makeError } from "../domain/DownloadError.js"
import * as Netrc from "../domain/Netrc.js"
import { printable } from "../domain/Redaction.js"

/** User and password, for whatever the server asks for (basic or digest authentication), or a bearer token (RFC 6750). */
export type Credentials =
  { readonly user: string; readonly password: Redacted.Redacted } | { readonly token: Redacted.Redacted }

/** Who asks to be introduced, and where. */
export interface Asked {
  /** Where the request goes; without credentials of its own. */
  readonly url: URL
  /** It is the origin of the download's own URL, and nobody else has led there. */
  readonly personal: boolean
}

/**
 * Asked before each request that has no Authorization of its own, also where redirects lead: to answer for another origin than the
 * one a secret belongs to would give it away. Fails with the reason for which the download is to fail.
 */
export type Lookup = (asked: Asked) => Effect.Effect<Option.Option<Credentials>, DownloadError>

/** Nobody is introduced. */
export const nobody: Lookup = () => Effect.succeedNone

/** No netrc is so long, in bytes. */
const maxBytes = 1024 * 1024

/**
 * One open file: what is looked at is what is read. Not a pipe, as it is read for each request: one that nobody writes to would keep a thread
 * for ever.
 */
const contents = async (file: string): Promise<{ readonly mode: number; readonly text: string }> => {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const facts = await handle.stat()
    if (!facts.isFile()) throw Object.assign(new Error(), { code: "it is no file" })
    if (facts.size > maxBytes) throw Object.assign(new Error(), { code: "it is too long" })
    return { mode: facts.mode, text: await handle.readFile("utf8") }
  } finally {
    await handle.close()
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "unknown error"

/** Read, and anything that is wrong with it as a sentence without a full stop. */
export const readNetrc = (
  file: string
): Effect.Effect<{ readonly entries: ReadonlyArray<Netrc.Entry>; readonly exposed: boolean }, string> =>
  Effect.gen(function* () {
    const { mode, text } = yield* Effect.tryPromise({
      try: () => contents(file),
      catch: (error) => `${printable(file)} can't be read (${codeOf(error)})`
    })
    const entries = yield* Either.mapLeft(Netrc.parse(text), (why) => `${printable(file)}, ${why}`)
    return { entries, exposed: (mode & 0o077) !== 0 }
  })

/**
 * Looks hosts up in a netrc file, which is read anew for each request and never stored. Where a redirect has led to another origin, an
 * entry counts only if it names that host and the connection is secure: it is that host's, whoever has led there. `default` is for the
 * origins asked for only.
 */
export const netrc =
  (file: string): Lookup =>
  ({ personal, url }) =>
    personal || url.protocol === "https:"
      ? readNetrc(file).pipe(
          Effect.mapError((why) => makeError("InvalidRequest", `the netrc ${why}`)),
          Effect.map(({ entries }) => {
            const found = Netrc.find(entries, url.hostname.replace(/^\[(.*)\]$/, "$1"), personal)
            return found === undefined || found.login === ""
              ? Option.none()
              : Option.some({ user: found.login, password: found.password })
          })
        )
      : Effect.succeedNone
