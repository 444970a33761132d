/**
 * What the simulated parts tell the oracles while a run goes on.
 */
import type { Inode } from "./Inode.js"

/** The promises (see the names in the project's list) that a run may break. */
export type Oracle =
  | "B1"
  | "B2"
  | "B4"
  | "B5"
  | "B6"
  | "Q1"
  | "Q2"
  | "Q3"
  | "Q4"
  | "Q5"
  | "Q6"
  | "C1"
  | "C4"
  | "H2"
  | "Limit"
  | "Wire"
  | "Engine"

/** Who takes in a body, for which download, and from where. */
export interface Taker {
  readonly process: number
  readonly download: string
  readonly host: string
}

export interface Watch {
  /** A promise was broken, visibly to the simulated part itself. */
  readonly violation: (oracle: Oracle, what: string) => void
  /** A request goes out for a download. */
  readonly asked?: (download: string) => void
  /** So much of a body has come. */
  readonly took?: (taker: Taker, bytes: number) => void
  /** A file has just got a name that is not a part name. */
  readonly published: (path: string, inode: Inode) => void
  /** A rename has just taken the name of another file away. */
  readonly replaced: (path: string, old: Inode, by: Inode) => void
}
