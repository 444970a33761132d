/**
 * The one step that gives a file its final name, or says that it is taken: a link, a rename where overwriting was asked for, and what
 * stands in for a link on file systems that have none. What is recorded before and after it, and what a restart makes of
 * it, stands in the Publisher's crash table.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as path from "node:path"
import type { Download, FinalRecord } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import { sameFile } from "../domain/FileFacts.js"
import type { FileError } from "../domain/FileError.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Shape as Disk } from "../services/PartFile.js"

type Failures = DownloadError.DownloadError | StoreError

export const vanished = (part: string): DownloadError.DownloadError =>
  DownloadError.make("DiskFailed", `${part} was removed or replaced before it was finished`)

export const make = (disk: Disk) => {
  /** False if the name is taken. */
  const take = (
    { directory, options }: Download,
    part: string,
    record: FinalRecord,
    tell: (record: FinalRecord) => Effect.Effect<unknown, StoreError>
  ): Effect.Effect<boolean, Failures> => {
    const final = path.join(directory, record.name)
    const rename = disk.rename(part, final)
    const naming: Effect.Effect<void, FileError | Failures> =
      options.onConflict === "overwrite"
        ? Effect.zipRight(replaceable(final), rename)
        : disk.link(part, final).pipe(
            Effect.catchIf(
              (error) => error.reason === "NoHardLinks",
              () =>
                Effect.gen(function* () {
                  let ours = record
                  if (!(yield* isReserved(final, record))) {
                    const reserved = yield* Effect.scoped(
                      Effect.map(disk.create(final), ({ identity }) => identity)
                    )
                    ours = { ...record, reserved }
                    yield* Effect.tapError(tell(ours), () => free(final, ours))
                  }
                  yield* Effect.tapError(rename, () => free(final, ours))
                })
            )
          )
    return naming.pipe(
      Effect.as(true),
      Effect.catchTag("FileError", (error) => {
        if (error.reason === "Exists" && options.onConflict !== "overwrite") return Effect.succeed(false)
        return error.reason === "Missing" ? vanished(part) : DownloadError.fromFile(error)
      })
    )
  }

  /** Whether the name is kept for us by our own empty file, from before a crash. */
  const isReserved = (final: string, { reserved }: FinalRecord) =>
    reserved === undefined
      ? Effect.succeed(false)
      : Effect.map(
          disk.facts(final),
          Option.exists((facts) => facts.kind === "file" && facts.size === 0 && sameFile(facts, reserved))
        )

  /** Gives the name up, if it is still our own empty file that keeps it: it may be somebody else's by now. */
  const free = (final: string, record: FinalRecord) =>
    Effect.ignore(
      Effect.if(isReserved(final, record), { onTrue: () => disk.remove(final), onFalse: () => Effect.void })
    )

  /** Nothing is there, or what `overwrite` may replace. */
  const replaceable = (final: string) =>
    Effect.flatMap(disk.facts(final), (facts) => {
      if (Option.isNone(facts)) return Effect.void
      const { kind } = facts.value
      if (kind === "file" || kind === "symlink") return Effect.void
      const what = kind === "directory" ? "a directory" : "not a regular file"
      return DownloadError.make("DestinationUnusable", `${final} is ${what}, and is not overwritten`)
    })

  return { take }
}
