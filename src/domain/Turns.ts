/**
 * The order in which those who wait at several hosts are served, under a policy of admission. Pure.
 */
import type { Policy } from "./Admission.js"

/** The rows that wait at one host, in the order in which they would begin. `atWork`: how many of the host are. */
export interface Line<A> {
  readonly atWork: number
  readonly rows: ReadonlyArray<A>
}

/** Lines, given by whose turn is next, as one order: round by round, or by how many of each host would be at work then. */
export const inOrder = <A>(lines: ReadonlyArray<Line<A>>, hosts: Policy["hosts"]): ReadonlyArray<A> =>
  lines
    .flatMap(({ atWork, rows }, turn) =>
      rows.map((row, rank) => ({ row, turn, round: hosts === "fewest" ? atWork + rank : rank }))
    )
    .sort((a, b) => a.round - b.round || a.turn - b.turn)
    .map(({ row }) => row)
