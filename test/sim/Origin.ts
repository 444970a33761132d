/**
 * The servers of the simulated world: resources that change at random instants, and what an honest server (or a liar)
 * answers to a GET. Faults of the network and of servers in trouble are SimWire's.
 */
import { createHash } from "node:crypto"
import { content, maxVersions } from "./Content.js"
import type { Seeded } from "./Seeded.js"

/** From the first byte asked for up to, not including, the end; without one, all the rest. */
export interface Range {
  readonly start: number
  readonly end: number | undefined
}

/** Which validators a server sends. */
export type Tagging = "strong" | "strong+date" | "weak" | "weak+date" | "date" | "none"

export interface Version {
  /** From 1. */
  readonly number: number
  readonly size: number
  /** Milliseconds since the epoch: the Last-Modified, whole seconds. */
  readonly modified: number
  /** Since when it is served. */
  readonly since: number
  /** Until when it was served. */
  until: number
}

export interface ResourceOptions {
  readonly host: string
  readonly size: number
  readonly tagging: Tagging
  /** Whether Range is understood. */
  readonly ranges: boolean
  /**
   * A server that ignores If-Range sends the part asked for of whatever version it has now; one that hates it answers with the
   * whole, though nothing has changed.
   */
  readonly ifRange: "honoured" | "ignored" | "hated"
  /** What it says of itself in Accept-Ranges. */
  readonly acceptRanges: "bytes" | "none" | undefined
  /** A body without Content-Length. */
  readonly chunked: boolean
  /** Redirects before the resource is reached. */
  readonly hops: number
  /** Bytes per millisecond. */
  readonly rate: number
  /** For proving the oracles: all versions have the same strong tag. */
  readonly sameTag: boolean
  /** A digest of the whole with every answer that has a body. @default false */
  readonly announces?: boolean
  /** Two machines answer by turns, and have different versions. */
  readonly backends: boolean
  /** Redirects lead to one of two paths, which have different versions and equal validators. */
  readonly twoPaths: boolean
  /** Each answer has another tag, though the bytes are the same. */
  readonly restless: boolean
  /** So many connections a download may have; a further one is answered with `beyond`. */
  readonly connectionLimit: number
  readonly beyond: 503 | 429 | 200 | "reset"
  /** Bytes per millisecond of all connections together. */
  readonly shared: number
  /** Each connection ends after so many bytes of a body. */
  readonly endsAfter: number
  /** The most that is sent at once, in bytes. @default what a socket takes */
  readonly piece?: number
}

/** What a server is like that has no quirks. */
export const plainServer = {
  ifRange: "honoured",
  acceptRanges: undefined,
  sameTag: false,
  backends: false,
  twoPaths: false,
  restless: false,
  connectionLimit: Infinity,
  beyond: 503,
  shared: Infinity,
  endsAfter: Infinity
} as const satisfies Partial<ResourceOptions>

/** Where the second of two paths leads. */
export const otherFolder = "/other"

/** An answer before anything goes wrong with it. */
export interface Answer {
  readonly status: number
  readonly headers: Array<[name: string, value: string]>
  readonly version: Version
  /** The body: these offsets of the version, `end` excluded. */
  readonly start: number
  readonly end: number
}

export const httpDate = (millis: number): string => new Date(Math.floor(millis / 1000) * 1000).toUTCString()

export class Resource {
  readonly versions: Array<Version> = []
  private readonly digests = new Map<number, string>()
  private busyUntil = 0
  constructor(
    readonly index: number,
    readonly options: ResourceOptions,
    now: number,
    private readonly random: Seeded
  ) {
    this.add(options.size, now - random.log(1000, 1e9), now)
    const { backends, size, twoPaths } = options
    const other = twoPaths || random.chance(0.7) ? size : Math.ceil(size * random.between(0.5, 1.5))
    // two paths may well have equal dates; two machines with equal dates for one path could not be told apart
    const modified = twoPaths ? this.current.modified : now - random.log(1000, 1e9)
    if (backends || twoPaths) this.add(other, modified, now)
  }

  /** Milliseconds until so many more bytes may have gone out over all connections together. */
  turn(bytes: number, now: number): number {
    if (this.options.shared === Infinity) return 0
    this.busyUntil = Math.max(now, this.busyUntil) + bytes / this.options.shared
    return this.busyUntil - now
  }

  /** What answers a request: of two machines either, of two paths the one that was asked. */
  private answering(path: string, calm: boolean): Version {
    const { backends, twoPaths } = this.options
    if (twoPaths) return this.versions[path === this.path ? 0 : 1]!
    return backends && !calm ? this.random.pick(this.versions.slice(-2)) : this.current
  }

  get path(): string {
    return `/r${this.index}.bin`
  }

  get current(): Version {
    return this.versions.at(-1)!
  }

  /** The server's file is replaced; sometimes by one of the same length. */
  change(now: number): void {
    const { backends, twoPaths } = this.options
    if (this.versions.length === maxVersions || twoPaths) return
    if (!backends) this.current.until = now
    const { size } = this.current
    const next = this.random.pick([size, size, size, Math.floor(size * this.random.between(0.2, 1.8)), 0])
    // a file from an archive brings its date along
    this.add(next, this.random.chance(0.2) ? now - this.random.log(5000, 1e9) : now, now)
  }

  private add(size: number, modified: number, since: number): void {
    this.versions.push({
      number: this.versions.length + 1,
      size,
      modified: Math.floor(modified / 1000) * 1000,
      since,
      until: Infinity
    })
  }

  bytes(version: Version, start: number, length: number): Uint8Array {
    return content(this.index, version.number, start, length)
  }

  tag(version: Version): string {
    const { sameTag, twoPaths } = this.options
    return sameTag || twoPaths ? `"same"` : `"r${this.index}v${version.number}"`
  }

  /** Whether a version was sent with this tag. */
  hasTag(version: Version, etag: string): boolean {
    const tag = this.tag(version)
    const sent = etag.replace("W/", "")
    return sent === tag || (this.options.restless && sent.startsWith(`${tag.slice(0, -1)}-`))
  }

  /** Repr-Digest (RFC 9530). */
  private digest(version: Version): string {
    const known = this.digests.get(version.number)
    if (known !== undefined) return known
    const digest = createHash("sha256")
      .update(this.bytes(version, 0, version.size))
      .digest("base64")
    this.digests.set(version.number, `sha-256=:${digest}:`)
    return this.digest(version)
  }

  /** The validators that are sent with a version. */
  validators(version: Version): Array<[string, string]> {
    const { restless, tagging } = this.options
    const fields: Array<[string, string]> = []
    const plain = this.tag(version)
    const tag = restless ? `${plain.slice(0, -1)}-${this.random.int(0, 1e6)}"` : plain
    if (tagging.startsWith("strong")) fields.push(["ETag", tag])
    if (tagging.startsWith("weak")) fields.push(["ETag", `W/${tag}`])
    if (tagging.endsWith("date")) fields.push(["Last-Modified", httpDate(version.modified)])
    if (this.options.announces === true) fields.push(["Repr-Digest", this.digest(version)])
    return fields
  }

  /** RFC 9110 sections 13.1.5 and 14. */
  answer(
    range: Range | undefined,
    ifRange: string | undefined,
    now: number,
    path = this.path,
    calm = false
  ): Answer {
    const version = this.answering(path, calm)
    const { size } = version
    const { acceptRanges } = this.options
    const headers: Answer["headers"] = [["Date", httpDate(now)], ...this.validators(version)]
    const holds =
      this.options.ifRange === "ignored" ||
      ifRange === undefined ||
      (this.options.tagging.startsWith("strong") && ifRange === this.tag(version)) ||
      (this.options.tagging.endsWith("date") && ifRange === httpDate(version.modified))
    const hated = ifRange !== undefined && this.options.ifRange === "hated"
    if (acceptRanges !== undefined) headers.push(["Accept-Ranges", acceptRanges])
    if (range === undefined || !this.options.ranges || !holds || hated) {
      if (!this.options.chunked) headers.push(["Content-Length", String(size)])
      else headers.push(["Transfer-Encoding", "chunked"])
      return { status: 200, headers, version, start: 0, end: size }
    }
    const { start } = range
    const end = Math.min(range.end ?? size, size)
    if (start >= size) {
      headers.push(["Content-Range", `bytes */${size}`], ["Content-Length", "0"])
      return { status: 416, headers, version, start: 0, end: 0 }
    }
    headers.push(
      ["Content-Range", `bytes ${start}-${end - 1}/${size}`],
      ["Content-Length", String(end - start)]
    )
    return { status: 206, headers, version, start, end }
  }
}
