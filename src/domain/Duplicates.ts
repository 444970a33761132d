/**
 * Other places of the same file that a server names in its answer: `Link: <URL>; rel=duplicate` (RFC 6249, in the syntax of RFC 8288).
 * Pure. They are sources like mirrors, and prove what they bring by a digest or checksum like those; whoever asks sees to it that
 * there is one (RFC 6249 section 6). A metalink that is named (`rel=describedby`) is not fetched: `--metalink` does that.
 *
 * Why not a library: those to be had run `pref` into the parameter behind it, or give up all links for one that is malformed.
 */
import { maxPriority, type Mirror } from "./DownloadRequest.js"

/** Of one answer. */
const atMost = 20

/** A target, and what stands behind it up to the next comma that is in no quotes. */
const link = /<([^<>]*)>((?:[^,"<]|"(?:[^"\\]|\\.)*")*)/g

const parameter = /;\s*([^\s=;,"]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?/g

/** Of several of one name the first counts (RFC 8288 section 3). */
const parametersOf = (text: string): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  for (const [, name, quoted, plain] of text.matchAll(parameter)) {
    const key = name!.toLowerCase()
    if (!found.has(key)) found.set(key, quoted?.replaceAll(/\\(.)/g, "$1") ?? plain ?? "")
  }
  return found
}

/** Behind the source that has named them, which has priority 1. Those without a priority come last. */
const priorityOf = (parameters: ReadonlyMap<string, string>): number => {
  if (parameters.has("pref")) return 2
  const given = parameters.get("pri") ?? ""
  return /^\d{1,6}$/.test(given) ? Math.min(2 + Number(given), maxPriority) : maxPriority
}

/**
 * As sources, of an answer that has come from `at`. Never from https to http, and no more than 20 and none with credentials; what is malformed is passed over.
 */
export const offered = (
  values: ReadonlyArray<string> | undefined,
  at: URL
): ReadonlyArray<Required<Mirror>> => {
  const found = new Map<string, Required<Mirror>>()
  for (const value of values ?? [])
    for (const [, target, rest] of value.matchAll(link)) {
      const parameters = parametersOf(rest!)
      const relations = (parameters.get("rel") ?? "").toLowerCase().split(/\s+/)
      // with an anchor it speaks of another resource
      if (!relations.includes("duplicate") || parameters.has("anchor") || !URL.canParse(target!, at.href))
        continue
      const url = new URL(target!, at)
      url.hash = ""
      const isSafe = url.protocol === "https:" || (url.protocol === "http:" && at.protocol === "http:")
      if (!isSafe || url.username !== "" || url.password !== "" || url.href === at.href) continue
      if (!found.has(url.href)) found.set(url.href, { url: url.href, priority: priorityOf(parameters) })
    }
  return [...found.values()].slice(0, atMost)
}
