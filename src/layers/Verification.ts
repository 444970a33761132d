/**
 * Looks again at what was completed: page by page, newest first, a few files at a time. Reads only: rows, names and bytes; no
 * engine has to run, and none that does is disturbed. What the findings mean is domain/Verification's.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { join } from "node:path"
import type { Download } from "../domain/Download.js"
import type { DownloadId } from "../domain/DownloadId.js"
import * as Rules from "../domain/Verification.js"
import type { Shape } from "../services/Downloads.js"
import type { Shape as Hasher } from "../services/Hasher.js"
import type { Shape as Disk } from "../services/PartFile.js"
import type { Shape as Store } from "../services/Store.js"

/** Rows in memory at a time. */
const page = 200

/** Files at once: one is read while another is hashed. */
const concurrency = 2

interface Dependencies {
  readonly store: Store
  readonly disk: Disk
  readonly hasher: Hasher
}

export const make = ({ disk, hasher, store }: Dependencies): Pick<Shape, "verify"> => {
  const verifyOne = (download: Download): Effect.Effect<Rules.Verification> =>
    Effect.gen(function* () {
      const record = download.publishing
      const path = join(download.directory, record?.name ?? download.filename ?? "")
      const known = Rules.knownOf(download)
      const base = { download, path, known, found: null }
      if (record === null)
        return { ...base, result: "unreadable", detail: "nothing is recorded of its file" } as const
      const facts = Option.getOrUndefined(yield* disk.facts(path))
      const look = Rules.look(record, facts, known)
      if (look._tag === "Told") return { ...base, result: look.result, detail: look.detail }
      // it is read if `look` says so: there are facts, and a digest to compare with
      const found = yield* hasher.digests({ path, identity: facts!, size: record.size }, [known!.algorithm])
      const hex = found.get(known!.algorithm)!
      return { ...base, found: hex, ...Rules.judge(known!, hex) }
    }).pipe(
      Effect.catchAll((error) => {
        const { directory, filename, publishing } = download
        return Effect.succeed<Rules.Verification>({
          download,
          path: join(directory, publishing?.name ?? filename ?? ""),
          result: "unreadable",
          known: Rules.knownOf(download),
          found: null,
          detail: error._tag === "FileError" ? error.message : error.detail
        })
      })
    )

  const verify: Shape["verify"] = (selection = {}) =>
    Stream.paginateChunkEffect(undefined as DownloadId | undefined, (before) =>
      Effect.map(store.list({ ...selection, status: ["completed"], before, limit: page }), (rows) => [
        // of what went to a sink there is no file to look at
        Chunk.unsafeFromArray(rows.filter(({ options }) => options.destination === null).reverse()),
        rows.length < page ? Option.none() : Option.some(rows[0]?.id)
      ])
    ).pipe(Stream.mapEffect(verifyOne, { concurrency }))

  return { verify }
}
