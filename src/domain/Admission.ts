/**
 * Which of the waiting downloads an engine begins with, as far as that is a matter of taste: priority comes first whatever is said
 * here, and a host that is left alone is passed over. Pure; the look-ups are the store's (see layers/Admission).
 *
 * What is offered is what an index can tell, so that a queue of a million costs what one of ten does. Nothing here is ever asked
 * about each row that waits: `admit` sees the first few of each line.
 */
import type { Download } from "./Download.js"

/** How waiting downloads of one priority are chosen. */
export interface Policy {
  /** Of one host: the one that has waited longest, or the one that came last. @default "oldest" */
  readonly first: "oldest" | "newest"
  /**
   * Among hosts: each has its turn, or the one of which fewest are at work is next (its turn decides among equals). In turn, a host
   * whose downloads take long gathers places over time, up to `perHost`; with `fewest` it keeps no more than its share
   * while others wait. @default "turn"
   */
  readonly hosts: "turn" | "fewest"
  /**
   * Downloads of a host that transfer at once, by its origin (`https://example.org`); 0: none begins. Never more than the host's gate has
   * connections. It may change its mind: it is asked for each claim, and every 10 s where it keeps a host back altogether.
   * @default no bound of its own
   */
  readonly perHost: (origin: string) => number
  /**
   * Whether a download may begin now, beside those at work (until their end, publishing included; as they were when they began): caps
   * by tag, by key, by time of day. Must be quick and change nothing. Asked of the first 16 of each host's line, some 256 at a
   * time: one that may not is passed over, stays where it stands, and is asked about again when something ends or is added, and
   * every 10 s. So what stands behind many that may not, at the same host and of the same priority, waits for them; give it another
   * priority to let it overtake. Where it throws, the download begins. @default everything may
   */
  readonly admit: ((candidate: Download, atWork: ReadonlyArray<Download>) => boolean) | undefined
}

/** The oldest first, host by host in turn; everything may begin. */
export const defaultPolicy: Policy = {
  first: "oldest",
  hosts: "turn",
  perHost: () => Infinity,
  admit: undefined
}

/** A policy with these parts; the others are the default's. */
export const policy = (parts: Partial<Policy>): Policy => ({ ...defaultPolicy, ...parts })

/**
 * For `admit`: of each name that `of` gives, so many at work at once; undefined: not counted.
 *
 * @example
 * ```ts
 * import { Admission } from "sluice"
 *
 * export const admission = Admission.policy({
 *   // two images at a time, whichever host they come from
 *   admit: Admission.atMost(2, ({ tags }) => tags.find((tag) => tag === "image"))
 * })
 * ```
 */
export const atMost =
  (count: number, of: (download: Download) => string | undefined) =>
  (candidate: Download, atWork: ReadonlyArray<Download>): boolean => {
    const name = of(candidate)
    return name === undefined || atWork.filter((download) => of(download) === name).length < count
  }

/** For `admit`: what all of these let begin. */
export const every =
  (...rules: ReadonlyArray<NonNullable<Policy["admit"]>>) =>
  (candidate: Download, atWork: ReadonlyArray<Download>): boolean =>
    rules.every((admits) => admits(candidate, atWork))
