/**
 * The checksum of a download whose request names a list at a URL: fetched when the bytes are there, through the same network
 * and by the same rules as the download itself (redirects, timeouts, credentials for their own origin only). It is bounded by
 * `Sums.maxBytes`, never stored, and read anew by each try.
 *
 * Whatever goes wrong is a failure of the try, with its reason; the part stays as it is, and the next try asks for the list
 * alone. A server that asks to wait is obeyed where it is the download's own; another one must not hold up that host's downloads.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Checksum, ChecksumList, Expected } from "../domain/Checksum.js"
import { isList } from "../domain/Checksum.js"
import type { Download } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import { printable } from "../domain/Redaction.js"
import * as Redirect from "../domain/Redirect.js"
import * as Sums from "../domain/Sums.js"
import { Bandwidth } from "../services/Bandwidth.js"
import * as Documents from "./Documents.js"

const tooLong = () =>
  DownloadError.make(
    "ChecksumUnavailable",
    `it has more than ${Sums.maxBytes} bytes: no list of checksums is so long`
  )

export interface ChecksumLists {
  /**
   * The digest to compare with: what the row asks for, or what its list says of this file. `name` is the one the file is to
   * get.
   */
  readonly settle: (
    expected: Expected | null,
    download: Download,
    name: string
  ) => Effect.Effect<Checksum | null, DownloadError.DownloadError>
}

export const make: Effect.Effect<ChecksumLists, never, Bandwidth | Scope.Scope> = Effect.gen(function* () {
  const bandwidth = yield* Bandwidth
  const documents = yield* Documents.make

  const fetch = (list: ChecksumList, download: Download) => {
    const url = new URL(list.url)
    url.hash = ""
    const home = new URL(download.url)
    const given = Redirect.headersFor(home, url, Redacted.value(download.headers))
    const { stallTimeout, timeout } = download.options
    return documents.read(bandwidth.wireFor(download), {
      url,
      given,
      home,
      maxBytes: Sums.maxBytes,
      tooLong,
      timeout,
      stallTimeout
    })
  }

  /** Says that it is the list, and not the file, that can't be had. */
  const told = (list: ChecksumList, download: Download) => (error: DownloadError.DownloadError) => {
    const { detail, reason, retryAfter, status } = error
    const elsewhere = new URL(list.url).origin !== new URL(download.url).origin
    return DownloadError.make(
      elsewhere && reason === "HostCooling" ? "ServerError" : reason,
      `the list of checksums ${printable(list.url)}: ${detail}`,
      {
        ...(status === undefined ? {} : { status }),
        ...(elsewhere || retryAfter === undefined ? {} : { retryAfter })
      }
    )
  }

  const settle: ChecksumLists["settle"] = (expected, download, name) => {
    if (!isList(expected)) return Effect.succeed(expected)
    return fetch(expected, download).pipe(
      Effect.mapError(told(expected, download)),
      Effect.flatMap((text) =>
        // what the server calls it comes last: it must not choose which entry its bytes are compared with
        Sums.find(
          text,
          [...Sums.namesOf(download.output, download.url), name],
          expected.algorithm,
          expected.url
        )
      ),
      Effect.map((found): Checksum => ({ ...found, from: expected.url }))
    )
  }

  return { settle }
})
