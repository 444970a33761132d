/**
 * Requests that contradict downloads which are unfinished: the first of them in full, the others counted, so that a list of
 * any length can have them.
 */
import type { DownloadError } from "../../domain/DownloadError.js"
import type { Enqueued } from "../../services/Downloads.js"
import { UsageError } from "./Failures.js"

/** Told one by one; further ones are counted. */
const shown = 10

export class Refusals {
  private readonly first: Array<{ readonly url: string; readonly error: DownloadError }> = []
  count = 0

  /** Those that were taken in; the others are kept here. */
  sort(enqueued: ReadonlyArray<Enqueued>): ReadonlyArray<Enqueued> {
    return enqueued.filter(({ download, refused }) => {
      if (refused === undefined) return true
      this.count++
      if (this.first.length < shown) this.first.push({ url: refused.url ?? download.url, error: refused })
      return false
    })
  }

  /** What was asked for and can't be, in one message; undefined if there is nothing. */
  error(): UsageError | undefined {
    const [first] = this.first
    if (first === undefined) return undefined
    const told = this.first.map(({ error, url }) => `\n        ${url}: ${error.detail}`)
    const more = this.count - this.first.length
    return new UsageError({
      reason: first.error.reason,
      message:
        this.count === 1
          ? `${first.url}: ${first.error.detail}`
          : `${this.count} downloads were not taken in:${told.join("")}${more > 0 ? `\n        and ${more} more` : ""}`,
      advice: first.error.advice
    })
  }
}
