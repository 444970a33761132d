/**
 * The servers of the simulated world: resources that change at random instants, and what an honest server (or a liar)
 * answers to a GET. Faults of the network and of servers in trouble are SimWire's.
 */
import { content, maxVersions } from "./Content.js"
import type { Range } from "./Exchange.js"
import type { Seeded } from "./Seeded.js"

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
  /** A server that ignores If-Range sends the part asked for of whatever version it has now. */
  readonly honoursIfRange: boolean
  /** A body without Content-Length. */
  readonly chunked: boolean
  /** Redirects before the resource is reached. */
  readonly hops: number
  /** Bytes per millisecond. */
  readonly rate: number
  /** For proving the oracles: all versions have the same strong tag. */
  readonly sameTag: boolean
}

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
  constructor(
    readonly index: number,
    readonly options: ResourceOptions,
    now: number,
    private readonly random: Seeded
  ) {
    this.add(options.size, now - random.log(1000, 1e9), now)
  }

  get path(): string {
    return `/r${this.index}.bin`
  }

  get current(): Version {
    return this.versions.at(-1)!
  }

  /** The server's file is replaced; sometimes by one of the same length. */
  change(now: number): void {
    if (this.versions.length === maxVersions) return
    this.current.until = now
    const { size } = this.current
    const next = this.random.pick([size, size, size, Math.floor(size * this.random.between(0.2, 1.8)), 0])
    this.add(next, now, now)
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
    return this.options.sameTag ? `"same"` : `"r${this.index}v${version.number}"`
  }

  /** The validators that are sent with a version. */
  validators(version: Version): Array<[string, string]> {
    const { tagging } = this.options
    const fields: Array<[string, string]> = []
    if (tagging.startsWith("strong")) fields.push(["ETag", this.tag(version)])
    if (tagging.startsWith("weak")) fields.push(["ETag", `W/${this.tag(version)}`])
    if (tagging.endsWith("date")) fields.push(["Last-Modified", httpDate(version.modified)])
    return fields
  }

  /** RFC 9110 sections 13.1.5 and 14. */
  answer(range: Range | undefined, ifRange: string | undefined, now: number): Answer {
    const version = this.current
    const { size } = version
    const headers: Answer["headers"] = [["Date", httpDate(now)], ...this.validators(version)]
    const holds =
      !this.options.honoursIfRange ||
      ifRange === undefined ||
      (this.options.tagging.startsWith("strong") && ifRange === this.tag(version)) ||
      (this.options.tagging.endsWith("date") && ifRange === httpDate(version.modified))
    if (range === undefined || !this.options.ranges || !holds) {
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
