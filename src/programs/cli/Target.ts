/**
 * Where requests go: into the queue, or into a group of it as well.
 */
import * as Effect from "effect/Effect"
import type { DownloadError } from "../../domain/DownloadError.js"
import type { DownloadRequest } from "../../domain/DownloadRequest.js"
import type { GroupSealed } from "../../domain/Group.js"
import type { StoreError } from "../../domain/StoreError.js"
import { Downloads, type Enqueued } from "../../services/Downloads.js"
import { UsageError } from "./Failures.js"

/** The group asked for, and whether it is complete then. */
export interface Asked {
  readonly group: string | undefined
  readonly seal: boolean
}

/** @see {@link open} */
export interface Target {
  readonly enqueueAll: (
    requests: ReadonlyArray<DownloadRequest>
  ) => Effect.Effect<ReadonlyArray<Enqueued>, DownloadError | StoreError | UsageError>
  /** Seals the group, if that was asked for. */
  readonly close: Effect.Effect<void, StoreError>
}

/** What can be told before anything is opened. */
export const check = ({ group, seal }: Asked): Effect.Effect<void, UsageError> =>
  seal && group === undefined
    ? Effect.fail(
        new UsageError({
          reason: "NoGroup",
          message: "--seal is for a group, and there is none",
          advice: "name the group with --group NAME, or leave --seal out"
        })
      )
    : Effect.void

const sealed = ({ advice, message }: GroupSealed): UsageError =>
  new UsageError({ reason: "GroupSealed", message, advice })

/** The queue, or the group; it is made if there is none. */
export const open = ({ group, seal }: Asked): Effect.Effect<Target, StoreError, Downloads> =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    if (group === undefined) return { enqueueAll: downloads.enqueueAll, close: Effect.void }
    const into = yield* downloads.group(group)
    return {
      enqueueAll: (requests) =>
        Effect.catchTag(into.enqueueAll(requests), "GroupSealed", (error) => Effect.fail(sealed(error))),
      close: seal ? Effect.asVoid(into.seal) : Effect.void
    }
  })
