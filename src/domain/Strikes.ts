/**
 * What counts as progress between two tries of a download, and what that does to the failures on its record. When a try ends, and how, is
 * Transition's.
 */
import type { Download, Strike } from "./Download.js"
import { canProve } from "./Validator.js"

/**
 * The row at the end of a try: after progress, earlier failures no longer count. Not before the end, as what has come may yet
 * prove wrong and be given up.
 */
export const credited = (download: Download): Download =>
  hasProgressed(download)
    ? { ...download, strikes: download.strikes.filter(isMismatch), crashes: 0, waitingSince: null }
    : download

/**
 * Whether a try has brought progress: more than was ever held since the last, not in a try that had to give up what it began
 * with, and such that a later try can be proved to continue it. Else a server that cuts every answer, here and there, would be
 * asked for the same bytes for ever.
 */
const hasProgressed = (download: Download): boolean =>
  download.checkpoint > furthest(download) &&
  download.strikes.at(-1)?.lost !== true &&
  download.validator !== null &&
  (canProve(download.validator) ||
    // the digest of the whole decides, where its length is known
    (download.total !== null &&
      (download.options.checksum !== null ||
        download.options.pieces !== null ||
        download.validator.digest !== undefined)))

/** The most bytes held since the last progress; not those of a version that was larger than this one is. */
export const furthest = ({ attemptFrom, strikes, total }: Download): number =>
  strikes.reduce(
    (most, { held = 0 }) => (total === null || held < total ? Math.max(most, held) : most),
    attemptFrom
  )

/** Whether the try after the last strike has lost what was held. */
export const markLast = (strikes: Download["strikes"], lost: boolean): Download["strikes"] => {
  const last = strikes.at(-1)
  if (last === undefined || (last.lost === true) === lost) return strikes
  const { lost: _, ...rest } = last
  return [...strikes.slice(0, -1), lost ? { ...rest, lost } : rest]
}

/**
 * Failures that no progress makes up for: the bytes came well and were the wrong ones, so that the next ones' coming well
 * says nothing. Else a wrong checksum would have its file fetched for ever.
 */
const isMismatch = ({ failure }: Strike): boolean => failure.reason === "ChecksumMismatch"
