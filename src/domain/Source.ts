/**
 * Where a download can be fetched from: its URL and any mirrors, which of them are in use, and what is known against the others.
 * Pure; who asks whom, and when, is the transfer program's business.
 *
 * A source that fails for good (not there, refused, another file) is set aside, in the row, while others are left; one that only has
 * trouble is passed over until the next try. Which of several has sent wrong bytes can't be told from the whole alone: where only
 * one has brought any, it is that one; where several have, the next try is fetched from one alone, which then tells.
 */
import type { Download, Failure, Source } from "./Download.js"
import { type DownloadError, kindOf, type Reason } from "./DownloadError.js"
import { maxMirrors, type Mirror } from "./DownloadRequest.js"

const fresh = (url: string, priority = 1): Source => ({ url, priority, aside: null, used: false })

/** Named by people too. */
const trusted = ({ named: _, ...source }: Source): Source => source

/** What a new row keeps: null where there is the URL alone. */
export const begin = (url: string, mirrors: ReadonlyArray<Required<Mirror>>): Download["sources"] =>
  mirrors.length === 0 ? null : added([fresh(url)], mirrors)

const added = (
  sources: ReadonlyArray<Source>,
  mirrors: ReadonlyArray<Required<Mirror>>
): ReadonlyArray<Source> => {
  const known = new Set(sources.map(({ url }) => url))
  const news = mirrors.filter(({ url }) => !known.has(url) && known.add(url))
  return [...sources, ...news.map(({ priority, url }) => fresh(url, priority))].slice(0, maxMirrors + 1)
}

/** All, in the order they were given. */
export const all = ({ sources, url }: Pick<Download, "sources" | "url">): ReadonlyArray<Source> =>
  sources ?? [fresh(url)]

/** Those in good standing, the best first. */
export const usable = (download: Pick<Download, "sources" | "url">): ReadonlyArray<Source> =>
  all(download)
    .filter(({ aside }) => aside === null)
    .sort((a, b) => a.priority - b.priority)

/**
 * With more of them. One that was set aside and is named again has another chance: whoever names it may know that it has been
 * mended.
 */
export const add = (
  download: Pick<Download, "sources" | "url">,
  mirrors: ReadonlyArray<Required<Mirror>>
): Download["sources"] => {
  if (mirrors.length === 0) return download.sources
  const asked = new Set(mirrors.map(({ url }) => url))
  const mended = all(download).map((source) =>
    asked.has(source.url) ? trusted({ ...source, aside: null }) : source
  )
  return added(mended, mirrors)
}

/** With those that a server has named. What was set aside stays so: a server's word mends nothing. */
export const offer = (
  download: Pick<Download, "sources" | "url">,
  mirrors: ReadonlyArray<Required<Mirror>>
): Download["sources"] => {
  const sources = all(download)
  const known = new Set(sources.map(({ url }) => url))
  return added(sources, mirrors).map((source) =>
    known.has(source.url) ? source : { ...source, named: true }
  )
}

/** Why those are not asked any more in whose place another was given. */
const replaced: Failure = { reason: "Gone", detail: "another URL was given in its place" }

/** Makes room: those that are not asked any more go first, and of those, the ones that nothing held has come from. */
const fitted = (sources: ReadonlyArray<Source>): ReadonlyArray<Source> => {
  const superfluous = sources
    .filter(({ aside }) => aside !== null)
    .sort((a, b) => Number(a.used) - Number(b.used))
    .slice(0, Math.max(0, sources.length - (maxMirrors + 1)))
  return sources.filter((source) => !superfluous.includes(source))
}

/** With one more, which has another chance if it was set aside; `replace`: all others are set aside. */
export const give = (
  download: Pick<Download, "sources" | "url">,
  { priority = 1, url }: Mirror,
  replace: boolean
): Download["sources"] => {
  const sources = all(download)
  const others = sources
    .filter((source) => source.url !== url)
    .map((source) => (replace && source.aside === null ? { ...source, aside: replaced } : source))
  const known = sources.find((source) => source.url === url)
  return fitted([...others, { ...trusted(known ?? fresh(url)), priority, aside: null }])
}

/** Whether there is one in good standing that was not there before, or not in good standing; nothing is new where there was no before. */
export const hasNew = (
  download: Pick<Download, "sources" | "url">,
  before: Pick<Download, "sources" | "url"> = download
): boolean => {
  const known = new Set(usable(before).map(({ url }) => url))
  return usable(download).some(({ url }) => !known.has(url))
}

/** Whether one more has room. */
export const isFull = (download: Pick<Download, "sources" | "url">): boolean =>
  usable(download).length > maxMirrors

const change = (
  download: Pick<Download, "sources" | "url">,
  url: string,
  to: (source: Source) => Source
): Download["sources"] => all(download).map((source) => (source.url === url ? to(source) : source))

export const setAside = (
  download: Pick<Download, "sources" | "url">,
  url: string,
  failure: Failure
): Download["sources"] => change(download, url, (source) => ({ ...source, aside: failure }))

/** Several, the worst first; one source stays in good standing. */
export const setAsideAll = (
  download: Pick<Download, "sources" | "url">,
  urls: ReadonlyArray<string>,
  failure: Failure
): Download["sources"] =>
  urls.reduce(
    (sources, url) =>
      usable({ ...download, sources }).some((other) => other.url !== url)
        ? setAside({ ...download, sources }, url, failure)
        : sources,
    download.sources
  )

/** Bytes of it are held from now on. */
export const use = (download: Pick<Download, "sources" | "url">, url: string): Download["sources"] =>
  change(download, url, (source) => ({ ...source, used: true }))

/** The bytes that an earlier download of the same request has left are held on; what was replaced there is not asked here either. */
export const inherit = (
  sources: Download["sources"],
  earlier: Pick<Download, "sources" | "url">
): Download["sources"] => {
  const known = new Map(all(earlier).map((source) => [source.url, source]))
  return (
    sources?.map((source) => {
      const { aside = null, used = false } = known.get(source.url) ?? {}
      return {
        ...source,
        used: source.used || used,
        aside: aside?.detail === replaced.detail ? aside : source.aside
      }
    }) ?? null
  )
}

/** Other bytes come from now on. */
export const unuse = (sources: Download["sources"]): Download["sources"] =>
  sources === null || !sources.some(({ used }) => used)
    ? sources
    : sources.map((source) => ({ ...source, used: false }))

/**
 * Tells one source from another in what validators speak of: scheme, host and path. Signatures in the query are different each
 * time.
 */
export const keyOf = (url: URL): string => url.origin + url.pathname

/** Failures that speak of one source, and that no later request to it would change. */
const ofTheSource: ReadonlySet<Reason> = new Set<Reason>([
  "NotFound",
  "Gone",
  "Unauthorized",
  "Forbidden",
  "BadStatus",
  "TlsFailed",
  "ClientCertificate",
  "TooManyRedirects",
  "RedirectRefused",
  "UnwantedCoding",
  "TooLarge",
  "WrongSize"
])

/** Failures that no other source would make up for, though another try might. */
const ofThisMachine: ReadonlySet<Reason> = new Set<Reason>(["DiskFull", "DiskFailed"])

/** What a failure says of the source that was asked: set it aside, pass over it in this try; undefined: nothing. */
export const blame = (reason: Reason): "aside" | "passed over" | undefined => {
  if (ofTheSource.has(reason)) return "aside"
  return kindOf(reason) === "permanent" || ofThisMachine.has(reason) ? undefined : "passed over"
}

/** Who has brought all that is held, if it was one alone. */
export const onlyUsed = ({ sources, url }: Pick<Download, "sources" | "url">): string | undefined => {
  if (sources === null) return url
  const used = sources.filter((source) => source.used)
  return used.length === 1 ? used[0]!.url : undefined
}

/**
 * Which source has sent wrong bytes, if that can be told: the only one that has brought any, while there is another to turn to.
 */
export const culprit = (download: Pick<Download, "sources" | "url">): Source | undefined => {
  const used = all(download).filter((source) => source.used)
  // what is held may still be of one that was set aside, for pieces that others have replaced
  return used.length === 1 &&
    used[0]!.aside === null &&
    usable(download).some(({ url }) => url !== used[0]!.url)
    ? used[0]
    : undefined
}

/** Whether wrong bytes have come, and nobody knows from whom: then one source alone is asked until that is known. */
export const oneAtATime = ({ sources, strikes }: Pick<Download, "sources" | "strikes">): boolean =>
  sources !== null && strikes.some(({ failure }) => failure.reason === "ChecksumMismatch")

/** What a try has failed with whose sources have all failed: what promises most. */
export const worst = (errors: ReadonlyArray<DownloadError>): DownloadError | undefined =>
  errors.find(({ kind }) => kind === "wait") ??
  errors.filter(({ kind }) => kind === "transient").at(-1) ??
  errors.at(-1)
