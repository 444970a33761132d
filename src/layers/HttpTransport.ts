/**
 * The transfer program: brings the missing bytes of one download into its part file over HTTP, above the two seams.
 *
 * It puts the parts together: the first answer, which may be all there is (`FirstAnswer`), the connections that bring the rest
 * (`Segments`, each a `Segment`), the part file and what the row claims of it (`PartSession`). Retries, verification of the
 * whole and the final name are left to others.
 *
 * Tricky interleavings: the watchdog checkpoints while bodies stream. When they have ended, for whatever reason, and the last
 * tick with them, the writers are drained and a last checkpoint made, so that a pause or a cut wastes nothing.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { isList } from "../domain/Checksum.js"
import type { Download } from "../domain/Download.js"
import type * as DownloadError from "../domain/DownloadError.js"
import * as Identity from "../domain/Identity.js"
import * as Redirect from "../domain/Redirect.js"
import { Spawned } from "../domain/Message.js"
import type { StoreError } from "../domain/StoreError.js"
import { Bandwidth } from "../services/Bandwidth.js"
import { EngineOptions } from "../services/EngineOptions.js"
import { PartFile } from "../services/PartFile.js"
import { type Begun, type Reporter, Transport, type Whole } from "../services/Transport.js"
import * as FirstAnswer from "./FirstAnswer.js"
import * as PartSession from "./PartSession.js"
import * as Redirects from "./Redirects.js"
import { ensureRoom } from "./Room.js"
import * as Segments from "./Segments.js"
import * as Watchdog from "./Watchdog.js"

/** A whole file of so many bytes or more is recorded before it is verified. */
const worthRecording = 8 * 1024 * 1024

type Failures = DownloadError.DownloadError | StoreError

const make = Effect.gen(function* () {
  const bandwidth = yield* Bandwidth
  const disk = yield* PartFile
  const { checkpointInterval, segmentation } = yield* EngineOptions
  const watchdog = yield* Watchdog.make
  const clock = yield* Effect.clock
  const segments = { clock, interval: checkpointInterval, policy: segmentation, watchdog }

  /** With the answer to the first request, if that is there already. */
  const transferFrom = (download: Download, reporter: Reporter, answered: FirstAnswer.Answered | undefined) =>
    Effect.gen(function* () {
      const { checksum, pieces, stallTimeout, timeout } = download.options
      const session = yield* PartSession.open(disk, download, reporter)
      const { bytes, total } = session.held
      const unwanted = bytes === total ? Identity.announcedFault(download.options, total) : undefined
      if (unwanted !== undefined) return yield* unwanted
      const onWait = (why: string | undefined): void => void (reporter.gauge.state = why ?? "connecting")
      let first = answered?.response
      const wire = bandwidth.wireFor(download)

      const fetching = Segments.run(
        segments,
        {
          download,
          reporter,
          session,
          ensureRoom: (announced) => ensureRoom(disk, download.directory, announced),
          follow: (source, fields, { activity, leads, yields }) =>
            Effect.suspend(() => {
              const there = first
              first = undefined
              const url = new URL(source.url)
              const home = new URL(download.url)
              const given = Redirect.headersFor(home, url, Redacted.value(download.headers))
              return Redirects.follow(wire, {
                url,
                given,
                home,
                fields,
                activity,
                first: there,
                onProcess: (pid) => Effect.ignore(reporter.note(Spawned({ pid }))),
                ...(leads ? { onWait } : { yields })
              })
            })
        },
        answered?.activity
      )
      const result = yield* watchdog
        .watch(fetching, {
          // the connections are watched one by one
          activity: { phase: "body", bytes: 0, held: true },
          connection: false,
          timeout,
          stallTimeout,
          interval: checkpointInterval,
          onTick: session.record
        })
        .pipe(
          // verifying takes a while: neither a crash nor a pause then should cost what has just come
          Effect.tap(() => {
            const { bytes: size, validator } = session.held
            const verified = checksum !== null || pieces !== null || validator.digest !== undefined
            return isList(checksum) || (verified && size >= worthRecording) ? session.complete : Effect.void
          }),
          Effect.tap(() => session.sound),
          Effect.onError(() => session.keep)
        )
      return result._tag === "Skipped" ? result : session.fetched
    })

  const transfer = (download: Download, reporter: Reporter) => transferFrom(download, reporter, undefined)

  const answer = FirstAnswer.make({
    wireFor: bandwidth.wireFor,
    disk,
    watchdog,
    clock,
    interval: checkpointInterval
  })

  const begin = (download: Download, reporter: Reporter): Effect.Effect<Whole | Begun, Failures> => {
    if (!FirstAnswer.mayComeWhole(download)) {
      return Effect.succeed({ _tag: "Begun", rest: transfer(download, reporter), abandon: Effect.void })
    }
    return Effect.map(answer(download, reporter), (answered): Whole | Begun => {
      switch (answered._tag) {
        case "Whole":
          return answered
        case "Moved": {
          const abandon = FirstAnswer.close(answered)
          return {
            _tag: "Begun",
            rest: Effect.zipRight(
              Effect.addFinalizer(() => abandon),
              FirstAnswer.finish(answered)
            ),
            abandon
          }
        }
        case "Answered": {
          const abandon = Effect.sync(answered.abort)
          return {
            _tag: "Begun",
            rest: Effect.zipRight(
              Effect.addFinalizer(() => abandon),
              transferFrom(download, reporter, answered)
            ),
            abandon
          }
        }
      }
    })
  }

  return Transport.of({ begin, transfer })
})

/** Needs the two seams, the network at the pace of the engine. */
export const layer: Layer.Layer<Transport, never, Bandwidth | PartFile> = Layer.scoped(Transport, make)
