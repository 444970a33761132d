/**
 * What becomes of a request whose file an earlier download of the same request has brought already: whether that file still
 * does, or it has to be fetched (again). Pure; `layers/Refetch` looks at the file, asks the server and does what is
 * decided here.
 *
 * Only a proof that something is different makes a new file: a file that is as it was recorded is left alone where the
 * server says that nothing has changed, and where nothing can be proved. Asking is the question of a cache (RFC 9110
 * sections 13.1.2 and 13.1.3), so that weak entity tags will do: nothing is spliced here.
 */
import * as Option from "effect/Option"
import { parseLength } from "./ByteRange.js"
import { isList, same } from "./Checksum.js"
import type { Download, FinalRecord } from "./Download.js"
import { type DownloadError, fromStatus, make } from "./DownloadError.js"
import type { FileFacts } from "./FileFacts.js"
import type { Headers } from "./Headers.js"
import { single } from "./Headers.js"
import { retryAfterMillis } from "./RetryAfter.js"
import type { Validator } from "./Validator.js"
import * as Validators from "./Validator.js"

/** What an earlier download has left: its file as recorded, and what its version was known by. */
export interface Kept {
  readonly record: FinalRecord
  readonly validator: Validator
}

/** What follows from the rows and the disk. */
export type Plan =
  /** Nothing that is there will do. */
  | { readonly _tag: "Fetch"; readonly why: string }
  | ({ readonly _tag: "Unchanged" } & Kept)
  /** The file must be found to have the checksum asked for, or without one the pieces; if it has, the server need not be asked. */
  | ({ readonly _tag: "Verify" } & Kept)
  | ({ readonly _tag: "Ask" } & Kept)

const fetch = (why: string): Plan => ({ _tag: "Fetch", why })

/**
 * Whether these facts are of the file that was recorded, untouched since. Not by its device, whose number is another after
 * a restart of the machine on many systems.
 */
const isIntact = (record: FinalRecord, facts: FileFacts): boolean =>
  facts.kind === "file" &&
  facts.ino === record.ino &&
  facts.birth === record.birth &&
  facts.size === record.size &&
  facts.mtime === record.mtime

/** The name under which the earlier download's file was recorded, if it is the same request and has brought one. */
export const keptName = (download: Download, earlier: Download): string | undefined =>
  download.options.refetch !== "always" &&
  earlier.status === "completed" &&
  earlier.outcome !== "skipped" &&
  earlier.publishing !== null &&
  // under a caller's key, it may have been another request
  earlier.url === download.url &&
  earlier.directory === download.directory &&
  earlier.output === download.output
    ? earlier.publishing.name
    : undefined

/** `facts`: of what has the name that `keptName` gives; undefined if nothing has. */
export const plan = (download: Download, earlier: Download, facts: FileFacts | undefined): Plan => {
  const record = earlier.publishing
  if (record === null || keptName(download, earlier) === undefined)
    return fetch("the earlier download brought no file")
  if (facts === undefined) return fetch(`${record.name} is not there any more`)
  if (!isIntact(record, facts)) return fetch(`${record.name} was altered since it was fetched`)
  const kept: Kept = { record, validator: earlier.validator ?? Validators.none }
  const { checksum, pieces, refetch, size } = download.options
  if (size !== null && size !== record.size)
    return fetch(`${record.name} has ${record.size} bytes instead of ${size}`)
  if (checksum !== null) {
    // what it was found to have when it got its name, it still has
    const known = earlier.options.checksum
    // a list may say something else by now
    const verified = !isList(checksum) && known !== null && same(known, checksum)
    return { _tag: verified ? "Unchanged" : "Verify", ...kept }
  }
  if (pieces !== null) return { _tag: "Verify", ...kept }
  const asks = refetch === "if-changed" && conditions(kept.validator).length > 0
  return { _tag: asks ? "Ask" : "Unchanged", ...kept }
}

// RFC 9110 section 8.8.3
const entityTag = /^(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")$/

/** The tag without its W/: by the weak comparison, that is all that counts. Undefined for what is no entity tag. */
const opaque = (etag: string | undefined): string | undefined =>
  etag === undefined ? undefined : entityTag.exec(etag)?.[1]

/** The fields that ask whether anything has changed; none where the server has said nothing to ask with. */
export const conditions = ({
  etag,
  lastModified
}: Validator): ReadonlyArray<readonly [name: string, value: string]> => {
  if (etag !== undefined && entityTag.test(etag)) return [["if-none-match", etag]]
  return lastModified === undefined ? [] : [["if-modified-since", lastModified]]
}

/** What the server's answer means for the file. */
export type Verdict =
  | { readonly _tag: "Unchanged" }
  | { readonly _tag: "Changed"; readonly why: string }
  /** The server does not know how to answer the question, or contradicts itself: ask without conditions, and compare. */
  | { readonly _tag: "AskPlainly" }
  | { readonly _tag: "Failed"; readonly error: DownloadError }

const unchanged: Verdict = { _tag: "Unchanged" }
const changed = (why: string): Verdict => ({ _tag: "Changed", why })

/** What servers say that can't do with conditions. */
const puzzled: ReadonlySet<number> = new Set([400, 412, 416, 501])

/**
 * Judges the final answer to a request with `conditions`, or (`plainly`) without. `now` is the time of receipt in
 * milliseconds.
 */
export const judge = (
  kept: Kept,
  plainly: boolean,
  status: number,
  headers: Headers,
  now: number
): Verdict => {
  const received = Validators.fromHeaders(headers)
  if (status === 200) return compare(kept, received, headers)
  if (!plainly) {
    if (status === 304)
      return contradicts(kept.validator.etag, received.etag) ? { _tag: "AskPlainly" } : unchanged
    if (puzzled.has(status)) return { _tag: "AskPlainly" }
  }
  if (status === 304 || status === 206) {
    const error = make("ProtocolViolation", `the server answered with ${status} where that was not asked for`)
    return { _tag: "Failed", error }
  }
  return {
    _tag: "Failed",
    error: fromStatus(status, retryAfterMillis(single(headers, "retry-after"), now))
  }
}

const contradicts = (held: string | undefined, received: string | undefined): boolean =>
  held !== undefined && received !== undefined && (opaque(held) ?? held) !== (opaque(received) ?? received)

/** The server has sent it (or is about to): is it what is there? */
const compare = ({ record, validator }: Kept, received: Validator, headers: Headers): Verdict => {
  const length = lengthOf(headers)
  if (length !== undefined && length !== record.size)
    return changed(`it has ${length} bytes now and had ${record.size}`)
  if (contradicts(validator.etag, received.etag)) return changed("its ETag is another now")
  // equal tags decide; a date beside them only says when the same was put there once more
  if (validator.etag !== undefined && received.etag !== undefined) return unchanged
  const dates = validator.lastModified !== undefined && received.lastModified !== undefined
  return dates && validator.lastModified !== received.lastModified
    ? changed("it was modified since")
    : unchanged
}

/** How long the resource is; unknown where the body is coded, or its length not announced once and for all. */
const lengthOf = (headers: Headers): number | undefined => {
  const coding = single(headers, "content-encoding") ?? "identity"
  if (coding.toLowerCase() !== "identity" || headers.has("transfer-encoding")) return undefined
  const text = single(headers, "content-length")
  return text === undefined ? undefined : Option.getOrUndefined(parseLength(text))
}
