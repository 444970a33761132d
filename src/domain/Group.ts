/**
 * A group: downloads that belong together, counted together. Its counters only grow; it is open until it is sealed, and has a
 * percentage only then (PROMISES Q5). Pure.
 */
import * as Schema from "effect/Schema"

/** Written like the id of a download. */
export const GroupId = Schema.String.pipe(Schema.pattern(/^[0-9a-hjkmnp-tv-z]{11}$/), Schema.brand("GroupId"))
export type GroupId = typeof GroupId.Type

/** The row of a group, as committed. */
export interface Group {
  readonly id: GroupId
  /** By which it is found again, also by another process; null for none. */
  readonly name: string | null
  readonly sealed: boolean
  /** Members, ever. */
  readonly enqueued: number
  readonly completed: number
  readonly failed: number
  readonly cancelled: number
  /** In the files of completed members. */
  readonly bytes: number
}

/** A group at one instant. */
export interface GroupProgress extends Group {
  /** Members that have ended: completed, failed or cancelled. */
  readonly ended: number
  /** Sealed, and every member has ended. */
  readonly done: boolean
  /**
   * How many of a hundred members have ended, rounded down; 100 only when `done`. Undefined while the group is open, as there
   * is no whole to be a part of.
   */
  readonly percent: number | undefined
}

export const progressOf = (group: Group): GroupProgress => {
  const ended = group.completed + group.failed + group.cancelled
  const done = group.sealed && ended >= group.enqueued
  const percent = !group.sealed
    ? undefined
    : done
      ? 100
      : // of very many, the quotient of all but one can round up to 100
        Math.min(99, Math.floor((ended * 100) / group.enqueued))
  return { ...group, ended, done, percent }
}

/** Nothing can be added to a group any more. */
export class GroupSealed extends Schema.TaggedError<GroupSealed>()("GroupSealed", {
  id: GroupId,
  name: Schema.NullOr(Schema.String)
}) {
  override get message(): string {
    return `the group ${this.name ?? this.id} is sealed: nothing can be added to it`
  }
  get advice(): string {
    return "add before sealing, or make another group"
  }
}
