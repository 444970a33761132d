/**
 * The step before a transfer, for a request that was completed before: looks whether the file is still there as it was recorded, asks
 * the server whether it is still what it has, and completes the download with that file if nothing says otherwise.
 * What that takes is decided by `domain/Refetch`; fetching is left to the transfer.
 *
 * Nothing is written before the one message that ends the download, so a crash leaves nothing behind, and a restart looks anew. The
 * file may be changed between the look and the message: then the row tells of the file as it was at the look, as any
 * row does of a file that is changed after its end; the next request finds it altered.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { join } from "node:path"
import type { Checksum, Expected } from "../domain/Checksum.js"
import type { Download } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import { Succeeded } from "../domain/Message.js"
import { type Kept, keptName, plan } from "../domain/Refetch.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Shape as Disk } from "../services/PartFile.js"
import type { Shape as Revalidation } from "../services/Revalidation.js"
import type { Shape as Store } from "../services/Store.js"
import type { Reporter } from "../services/Transport.js"
import type { ChecksumLists } from "./ChecksumLists.js"
import type { Verifier } from "./Verifier.js"

type Failures = DownloadError.DownloadError | StoreError

interface Dependencies {
  readonly store: Store
  readonly disk: Disk
  readonly revalidation: Revalidation
  readonly lists: ChecksumLists
  readonly verifier: Verifier
}

/** A file that will do, and the checksum it has been found to have. */
interface Found extends Kept {
  readonly verified: Expected | null
}

/** Whether there is anything to look at: an earlier download of the same request, and nothing begun of this one. */
export const mayBeUnchanged = ({ earlier, options, part, publishing }: Download): boolean =>
  earlier !== null && options.refetch !== "always" && part === null && publishing === null

export const make = ({ disk, lists, revalidation, store, verifier }: Dependencies) => {
  /** What can't be read can't be proved to have the checksum, or without one the pieces. */
  const hasWanted = (download: Download, checksum: Checksum | null, path: string, size: number) =>
    Effect.gen(function* () {
      const handle = yield* disk.open(path, "read").pipe(Effect.orElseSucceed(Option.none))
      if (Option.isNone(handle)) return false
      const file = { handle: handle.value, path, size }
      if (checksum !== null) return (yield* verifier.faultIn(file, checksum)) === undefined
      const pieces = yield* Effect.orElseSucceed(store.pieces(download), () => undefined)
      return pieces !== undefined && (yield* verifier.hasPieces(file, pieces))
    }).pipe(
      Effect.scoped,
      Effect.catchIf(
        (error) => error.reason !== "InvalidRequest",
        () => Effect.succeed(false)
      )
    )

  /** The file that will do, if there is one. */
  const find = (download: Download, reporter: Reporter): Effect.Effect<Found | undefined, Failures> =>
    Effect.gen(function* () {
      if (download.earlier === null) return undefined
      const earlier = Option.getOrUndefined(yield* store.get(download.earlier))
      const name = earlier && keptName(download, earlier)
      // it may have been forgotten meanwhile
      if (earlier === undefined || name === undefined) return undefined
      reporter.gauge.state = "checking"
      const file = join(download.directory, name)
      const facts = yield* Effect.mapError(disk.facts(file), DownloadError.fromFile)
      const planned = plan(download, earlier, Option.getOrUndefined(facts))
      switch (planned._tag) {
        case "Fetch":
          yield* Effect.logInfo(`fetching it again: ${planned.why}`)
          return undefined
        case "Unchanged":
          return { ...planned, verified: download.options.checksum }
        case "Verify": {
          const checksum = yield* lists.settle(download.options.checksum, download, name)
          if (yield* hasWanted(download, checksum, file, planned.record.size))
            return { ...planned, verified: checksum }
          yield* Effect.logInfo(
            `fetching it again: ${name} has not the ${checksum === null ? "pieces" : "checksum"} that ${checksum === null ? "are" : "is"} asked for`
          )
          return undefined
        }
        case "Ask": {
          const answer = yield* revalidation.ask(download, planned)
          if (answer._tag === "Unchanged") return { ...planned, verified: null }
          yield* Effect.logInfo(`fetching it again: ${answer.why}`)
          return undefined
        }
      }
    })

  /**
   * Succeeds with the completed row, or undefined where the file has to be fetched. `transferred`: run when the network is not
   * needed any more. Can be interrupted while it looks and asks, whatever the region around it.
   */
  const settle = (
    download: Download,
    reporter: Reporter,
    transferred: Effect.Effect<void>
  ): Effect.Effect<Download | void, Failures> =>
    Effect.flatMap(
      Effect.interruptible(find(download, reporter)),
      (kept): Effect.Effect<Download | void, Failures> =>
        kept === undefined
          ? Effect.void
          : Effect.flatMap(
              reporter.tell(
                Succeeded({
                  outcome: "unchanged",
                  record: kept.record,
                  validator: kept.validator,
                  verified: kept.verified
                })
              ),
              (row): Effect.Effect<Download | void, Failures> =>
                // something else was asked for meanwhile
                row.status === "processing" ? settle(row, reporter, transferred) : Effect.as(transferred, row)
            )
    )

  return { settle }
}
