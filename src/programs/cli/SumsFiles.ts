/**
 * Lists of checksums that are files: `--checksum ./SHA256SUMS`, and `checksum=` of a list of downloads. They are read before
 * anything starts, and the digest takes the file's place; a line whose file has none for it is a problem of that line.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { isFile } from "../../domain/Checksum.js"
import { type DownloadRequest, parseUrl } from "../../domain/DownloadRequest.js"
import * as ChecksumFiles from "../../layers/ChecksumFiles.js"
import { UsageError } from "./Failures.js"
import type * as InputFile from "./InputFile.js"

/** Each file is read once. Relative ones count from `cwd`. */
export const make = (cwd: string) => {
  const files = ChecksumFiles.reader(cwd)

  /** `output`: the name that stands for all of `out=`. */
  const inList = (list: InputFile.List, output: string | undefined): Effect.Effect<InputFile.List> =>
    list.entries.some(({ checksum }) => checksum !== undefined && isFile(checksum))
      ? Effect.gen(function* () {
          const entries: Array<InputFile.Entry> = []
          const problems: Array<InputFile.Problem> = [...list.problems]
          for (const entry of list.entries) {
            const { checksum, line, out } = entry
            const url = parseUrl(entry.url)
            // a wrong URL is told as such
            if (checksum === undefined || !isFile(checksum) || Either.isLeft(url)) {
              entries.push(entry)
              continue
            }
            const wanted = { output: output ?? out?.name, url: url.right.href }
            const found = yield* Effect.either(files.find(checksum, wanted))
            if (Either.isRight(found)) entries.push({ ...entry, checksum: found.right })
            else problems.push({ line, why: `checksum: ${found.left}` })
          }
          return { entries, problems }
        })
      : Effect.succeed(list)

  const inRequests = (
    requests: ReadonlyArray<DownloadRequest>
  ): Effect.Effect<ReadonlyArray<DownloadRequest>, UsageError> =>
    requests.some(({ options }) => isFile(options?.checksum ?? null))
      ? Effect.forEach(requests, (request) =>
          Effect.mapError(
            files.settle(request),
            ({ advice, detail, reason }) =>
              new UsageError({ reason, message: detail.replace("the option checksum", "--checksum"), advice })
          )
        )
      : Effect.succeed(requests)

  return { inList, inRequests }
}
