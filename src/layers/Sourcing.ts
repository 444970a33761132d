/**
 * Whom the connections of one try ask: each source in turn until one serves, and several beside each other where it can be proved that
 * they have the same bytes (a checksum, or equal strong validators). What is set aside for good is said in the row by whoever runs
 * the try.
 *
 * Who has brought what is held is asked first, as its validators alone prove the rest. Another one that would begin anew
 * is declined in the first try that this would cost anything in: the one that is in trouble may have got over it by the next.
 */
import type { Download, Source } from "../domain/Download.js"
import type { DownloadError } from "../domain/DownloadError.js"
import type { Mirror } from "../domain/DownloadRequest.js"
import * as Sources from "../domain/Source.js"

export class Sourcing {
  /** In good standing, the best first. */
  private usable: ReadonlyArray<Source>
  /** Those not to be asked again in this try, and why. */
  private readonly failed = new Map<string, DownloadError | undefined>()
  /** Those that can't be combined with what is held. */
  private readonly apart = new Set<string>()
  /** Those that what is held has come from. */
  private readonly used: Set<string>

  constructor(private download: Download) {
    const usable = Sources.usable(download)
    // where all have been set aside, a person has asked for one more try
    const standing = usable.length === 0 ? Sources.all(download) : usable
    this.used = new Set(
      download.checkpoint === 0 ? [] : standing.flatMap(({ url, used }) => (used ? [url] : []))
    )
    this.usable = [...standing].sort((a, b) => Number(this.used.has(b.url)) - Number(this.used.has(a.url)))
  }

  /** Whether there is more than one URL to this download. */
  get several(): boolean {
    return this.download.sources !== null
  }

  /** Those that are not known yet. */
  news(mirrors: ReadonlyArray<Required<Mirror>>): ReadonlyArray<Required<Mirror>> {
    const known = new Set(Sources.all(this.download).map(({ url }) => url))
    return mirrors.filter(({ url }) => !known.has(url))
  }

  /** There are more of them now, behind those that were there. */
  extend(download: Download): void {
    const known = new Set(Sources.all(this.download).map(({ url }) => url))
    this.download = { ...this.download, sources: download.sources }
    this.usable = [...this.usable, ...Sources.usable(download).filter(({ url }) => !known.has(url))]
  }

  /** Whom to ask for whatever is missing; undefined where all have failed in this try. */
  get next(): Source | undefined {
    return this.usable.find(({ url }) => !this.failed.has(url))
  }

  /** Whom a further connection asks, beside those that are asked already: the one with the fewest. */
  further(asked: ReadonlyArray<Source>): Source | undefined {
    const { download, next } = this
    if (!this.several || Sources.oneAtATime(download)) return asked[0] ?? next
    const count = ({ url }: Source) => asked.filter((one) => one.url === url).length
    const fit = this.usable.filter(
      (source) =>
        !this.failed.has(source.url) &&
        !this.apart.has(source.url) &&
        // one that has not proved itself yet is asked once
        (this.used.has(source.url) || count(source) === 0)
    )
    return fit.reduce<Source | undefined>(
      (best, one) => (best === undefined || count(one) < count(best) ? one : best),
      undefined
    )
  }

  /** Bytes of it are about to be held, alone or with others'. Whether that is news. */
  use({ url }: Source, alone: boolean): boolean {
    if (alone) this.used.clear()
    if (this.used.has(url)) return false
    this.used.add(url)
    return true
  }

  /** Whether a source may begin anew, at the cost of what others have brought; never one that only a server has named. */
  mayBegin({ named = false }: Source): boolean {
    const { download, usable, used } = this
    return !named && (download.strikes.length > 0 || !usable.some(({ url }) => used.has(url)))
  }

  /** It has other bytes than those held, as far as can be told: not beside others. */
  keepApart({ url }: Source): void {
    this.apart.add(url)
  }

  /** It would begin anew, and is not to. Whether there is anybody else. */
  decline({ url }: Source): boolean {
    this.failed.set(url, undefined)
    return this.next !== undefined
  }

  /** What follows for a source from a failed request; undefined where there is nobody else to ask, or no use in that. */
  fail(source: Source, error: DownloadError): "aside" | "passed over" | undefined {
    const blame = Sources.blame(error.reason)
    if (blame === undefined) return undefined
    this.failed.set(source.url, error)
    if (this.next === undefined) return undefined
    if (blame === "aside") this.usable = this.usable.filter(({ url }) => url !== source.url)
    return blame
  }

  /** What a try has failed with in which every source has. */
  verdict(last: DownloadError): DownloadError {
    return Sources.worst([...this.failed.values()].filter((error) => error !== undefined)) ?? last
  }
}
