/**
 * Which downloads a command for many is for: those whose ids are typed, or all that a selection has. One manner at a time:
 * a word too many must not make a command do more, or less, than was meant.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Selection } from "../../domain/Selection.js"
import type { StoreError } from "../../domain/StoreError.js"
import { Downloads } from "../../services/Downloads.js"
import { UsageError } from "./Failures.js"

/** As it was typed. */
export interface Asked {
  readonly ids: ReadonlyArray<string>
  readonly all: boolean
  readonly tag: string | undefined
  readonly group: string | undefined
}

export type Which =
  | { readonly of: "ids"; readonly ids: ReadonlyArray<string> }
  | { readonly of: "selection"; readonly tag: string | undefined; readonly group: string | undefined }

const refuse = (reason: string, message: string, advice: string) =>
  Either.left(new UsageError({ reason, message, advice }))

/** What was meant. `command`: as in `pause`. */
export const read = (command: string, asked: Asked): Either.Either<Which, UsageError> => {
  const { all, group, ids, tag } = asked
  const filtered = tag !== undefined || group !== undefined
  const manners = [
    ...(ids.length > 0 ? ["ids"] : []),
    ...(all ? ["--all"] : []),
    ...(filtered ? [tag === undefined ? "--group" : "--tag"] : [])
  ]
  if (manners.length > 1) {
    return refuse(
      "Contradiction",
      `${manners.join(" and ")} were both given, and it is not clear which downloads are meant`,
      "give ids, or --all, or --tag and --group; nothing was changed"
    )
  }
  if (ids.length > 0) return Either.right({ of: "ids", ids })
  return all || filtered
    ? Either.right({ of: "selection", tag, group })
    : refuse(
        "NoDownload",
        `it is not said which downloads to ${command}`,
        "give their ids, or --all, or --tag or --group"
      )
}

/**
 * The selection of these marks; undefined if the group has no downloads. The engine finds a group by its name only by
 * opening it.
 */
export const select = ({
  group,
  tag
}: {
  readonly tag: string | undefined
  readonly group: string | undefined
}): Effect.Effect<Selection | undefined, StoreError, Downloads> =>
  Effect.gen(function* () {
    const marked = tag === undefined ? {} : { tag }
    if (group === undefined) return marked
    const { id, progress } = yield* (yield* Downloads).group(group)
    return (yield* progress).enqueued === 0 ? undefined : { ...marked, group: id }
  })

/** In words: "with the tag x in the group y". */
export const words = ({ group, tag }: Pick<Asked, "tag" | "group">): string =>
  [tag === undefined ? "" : `with the tag "${tag}"`, group === undefined ? "" : `in the group "${group}"`]
    .filter((part) => part !== "")
    .join(" ")
