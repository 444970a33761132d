/**
 * The file that a download's bytes gather in: made under a name that can only be its own, and found again only if it is the one
 * that was made (PROMISES B5). What is in it is PartSession's business.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as path from "node:path"
import { count, type Coverage, empty } from "../domain/Coverage.js"
import type { Download } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import type { FileError } from "../domain/FileError.js"
import { sameFile } from "../domain/FileFacts.js"
import * as FileName from "../domain/FileName.js"
import { claims, spoiled } from "../domain/Publication.js"
import type { Handle, Shape as Disk } from "../services/PartFile.js"

export interface Part {
  readonly handle: Handle
  readonly name: string
}

export const fileFailure = <A, R>(
  effect: Effect.Effect<A, FileError, R>
): Effect.Effect<A, DownloadError.DownloadError, R> => Effect.mapError(effect, DownloadError.fromFile)

/** A new part for a file that is to get this name. It stays open until the scope closes. */
export const create = (
  disk: Disk,
  { directory, id }: Download,
  name: string
): Effect.Effect<Part, DownloadError.DownloadError, Scope.Scope> => {
  const under = (partName: string) =>
    Effect.map(disk.create(path.join(directory, partName)), (handle): Part => ({ handle, name: partName }))
  // the plain name is another download's, or an orphan of a crash: with the id in it, the name can only be ours
  const own = FileName.partName(name, id)
  return under(FileName.partName(name)).pipe(
    Effect.catchIf(
      (error) => error.reason === "Exists",
      () => Effect.zipRight(disk.remove(path.join(directory, own)), under(own))
    ),
    fileFailure
  )
}

/**
 * The part that the row names, if it is still the one we made, and where its bytes are: nowhere, where it was changed behind our
 * back. What is lost is said.
 */
export const reopen = (
  disk: Disk,
  download: Download
): Effect.Effect<
  { readonly part: Part; readonly coverage: Coverage } | undefined,
  DownloadError.DownloadError,
  Scope.Scope
> =>
  Effect.gen(function* () {
    if (download.part === null) return undefined
    const { part } = download
    const lost = (why: string) =>
      count(claims(download)) === 0 ? Effect.void : Effect.logWarning(`starting again from 0: ${why}`)
    const { name } = part
    // anything but a file under that name (a directory, a link) is as good as none
    const found = yield* disk.open(path.join(download.directory, name)).pipe(
      Effect.catchIf(
        (error) => error.reason === "NotAFile" || error.reason === "IsDirectory",
        () => Effect.succeedNone
      ),
      fileFailure
    )
    if (Option.isNone(found)) {
      yield* lost("the part file is gone")
      return undefined
    }
    const handle = found.value
    const facts = yield* fileFailure(handle.facts)
    const why = spoiled(download, part, facts)
    if (why !== undefined) yield* lost(why)
    if (!sameFile(facts, part)) return undefined
    return {
      part: { handle, name } satisfies Part,
      coverage: why === undefined ? claims(download) : empty
    }
  })
