/**
 * `--metalink`: documents that say what files there are, where they are to be had, and what their bytes are (RFC 5854). Each of
 * their files becomes what a line of a list is. They are read, and checked as a whole, before anything starts; parser and network
 * are loaded only where there are any.
 *
 * Whoever wrote a document chooses the URLs in it, so secret header fields go to the document's own origin only: of one that is a
 * file, nowhere.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { createReadStream } from "node:fs"
import { resolve } from "node:path"
import { adviceOf, make as makeError } from "../../domain/DownloadError.js"
import { type Header, parseUrl } from "../../domain/DownloadRequest.js"
import * as FileName from "../../domain/FileName.js"
import type * as Metalink from "../../domain/Metalink.js"
import { printable } from "../../domain/Redaction.js"
import * as Redirect from "../../domain/Redirect.js"
import { UsageError } from "./Failures.js"
import type * as InputFile from "./InputFile.js"
import * as InputText from "./InputText.js"
import * as Network from "./Network.js"
import type { Surroundings } from "./Surroundings.js"

/** What a document says, as a list; `headers` are those of the command line that may be sent to an entry's URL. */
export interface Document {
  /** How people call it. */
  readonly name: string
  readonly entries: ReadonlyArray<InputFile.Entry>
  readonly headersFor: (url: string) => ReadonlyArray<Header>
}

/** What of the command line concerns them. */
interface Asked {
  readonly metalinks: ReadonlyArray<string>
  readonly headers: ReadonlyArray<Header>
  readonly options: { readonly timeout: number; readonly stallTimeout: number }
  readonly network?: Network.Asked
}

const isUrl = (metalink: string): boolean => /^[a-z][a-z0-9+.-]+:\/\//i.test(metalink)

const nameOf = (metalink: string): string => `the metalink ${printable(metalink, 1000)}`

const bad = (reason: string, message: string, advice: string): UsageError =>
  new UsageError({ reason, message, advice })

const urlOf = (text: string): Either.Either<URL, UsageError> =>
  Either.flatMap(
    Either.mapLeft(parseUrl(text), ({ detail, reason }) =>
      bad(reason, `--metalink: ${detail}`, adviceOf(reason))
    ),
    (url) => {
      if (url.username !== "" || url.password !== "")
        return Either.left(
          bad("InvalidUrl", "the URL of --metalink must not have a user or password", "use --user")
        )
      url.hash = ""
      return Either.right(url)
    }
  )

const fetched = (
  url: URL,
  { headers, network = Network.none, options }: Asked,
  maxBytes: number
): Effect.Effect<string, UsageError, Surroundings> =>
  Effect.gen(function* () {
    // the cookies are the engine's to save
    const { cookies, proxy: proxies, ...ways } = yield* Network.options(network)
    const { read } = yield* Effect.promise(() => import("../document.js"))
    const wanted = {
      url,
      home: url,
      given: headers,
      maxBytes,
      tooLong: () => makeError("TooLarge", `it has more than ${maxBytes} bytes: no metalink is so long`),
      timeout: options.timeout,
      stallTimeout: options.stallTimeout
    }
    return yield* Effect.mapError(
      read(wanted, { ...ways, proxies, cookies: cookies && { load: cookies.load } }),
      ({ detail, reason }) =>
        bad(
          reason,
          `${nameOf(url.href)} can't be had: ${detail}`,
          reason === "TooLarge" ? "check the URL; nothing was started" : adviceOf(reason)
        )
    )
  })

const fromFile = (file: string, cwd: string, maxBytes: number): Effect.Effect<string, UsageError> =>
  Effect.flatMap(
    InputText.collect(nameOf(file), () => createReadStream(resolve(cwd, file)), {
      maxBytes,
      option: "--metalink",
      tooLarge: "no metalink is so long"
    }),
    (bytes) =>
      Either.mapLeft(InputText.decode(bytes), ([why]) =>
        bad("BadInput", `${nameOf(file)} ${why}`, "give a Metalink 4 document (RFC 5854)")
      )
  )

const entryOf = (file: Metalink.File): InputFile.Entry => {
  const [best, ...others] = file.sources
  return {
    line: file.line,
    url: best!.url,
    // those that are as good as the best, which has priority 1 whatever the document calls it
    mirrors: others.map(({ priority, url }) => ({
      url,
      priority: priority === best!.priority ? 1 : priority
    })),
    // the document was refused if it could not be used
    out: Either.getOrThrow(FileName.checkPath(file.name)),
    dir: undefined,
    checksum: file.checksum,
    size: file.size,
    pieces: file.pieces,
    limitRate: undefined,
    headers: []
  }
}

/** All documents; the first that can't be used is the answer. */
export const read = (
  asked: Asked,
  cwd: string
): Effect.Effect<ReadonlyArray<Document>, UsageError, Surroundings> =>
  asked.metalinks.length === 0
    ? Effect.succeed([])
    : Effect.gen(function* () {
        const { maxBytes, parse } = yield* Effect.promise(() => import("../../domain/Metalink.js"))
        return yield* Effect.forEach(asked.metalinks, (metalink) =>
          Effect.gen(function* () {
            const url = isUrl(metalink) ? yield* urlOf(metalink) : undefined
            const text = yield* url === undefined
              ? fromFile(metalink, cwd, maxBytes)
              : fetched(url, asked, maxBytes)
            const name = nameOf(metalink)
            const files = yield* Either.mapLeft(parse(text), (why) =>
              bad("BadInput", `${name} can't be used: ${why}`, "correct the document; nothing was started")
            )
            const harmless = asked.headers.filter(([field]) => Redirect.isHarmless(field))
            return {
              name,
              entries: files.map(entryOf),
              headersFor: (to: string) =>
                url === undefined ? harmless : Redirect.headersFor(url, new URL(to), asked.headers)
            }
          })
        )
      })
