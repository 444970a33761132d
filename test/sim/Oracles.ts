/**
 * The oracles that look at the whole: the database against the disk, against what was served and against what was
 * acknowledged. Those that need the very instant (names given, files written, exchanges) sit in the simulated parts and
 * report through the watch.
 */
import { terminal, type Download, type FinalRecord } from "../../src/domain/Download.js"
import { canProve, fromHeaders, type Validator } from "../../src/domain/Validator.js"
import { fromPairs } from "../../src/domain/Headers.js"
import { mismatch, versionOf } from "./Content.js"
import type { Exchange } from "./Exchange.js"
import type { Inode } from "./Inode.js"
import { demandsOf, sha256 } from "./Demands.js"
import type { Entry, Ledger } from "./Ledger.js"
import { httpDate, type Resource, type Version } from "./Origin.js"
import type { Order } from "./Scenario.js"
import type { SimDisk } from "./SimDisk.js"
import type { SimWire } from "./SimWire.js"
import type { Watch } from "./Watch.js"

const mebibyte = 1024 * 1024

/** What a crash may cost at most, in bytes that were transferred before (PROMISES Q3). */
const allowance = 8 * mebibyte

/** The version of which all these bytes are; undefined if there is none. Any version will do for no bytes. */
export const versionOfBytes = (resource: Resource, bytes: Uint8Array): Version | undefined => {
  if (bytes.length === 0) return resource.versions[0]
  const version = resource.versions[versionOf(bytes[0]!) - 1]
  return version !== undefined && mismatch(bytes, resource.index, version.number) === undefined
    ? version
    : undefined
}

/** Whether bytes of a download may have been changed on the way: what they are then is for its checksum to tell. */
const corrupted = (wire: SimWire, key: string): boolean =>
  wire.exchanges.some(({ asked, fault }) => asked.download === key && fault === "corrupt")

const keyOf = (row: Download): string => new URL(row.url).searchParams.get("d")!

const describe = (resource: Resource, bytes: Uint8Array): string => {
  const seen: Array<string> = []
  for (let i = 0, last = -1; i < bytes.length && seen.length < 6; i++) {
    const version = versionOf(bytes[i]!)
    if (version !== last) seen.push(`${version === 0 ? "hole" : `v${version}`} from ${i}`)
    last = version
  }
  return `${bytes.length} bytes of r${resource.index}: ${seen.join(", ")}`
}

/** Whether this is, to the last byte, one version of the resource. */
const isWhole = (resource: Resource, bytes: Uint8Array): boolean =>
  bytes.length === 0
    ? resource.versions.some((version) => version.size === 0)
    : versionOfBytes(resource, bytes)?.size === bytes.length

/** What the oracles look at. */
export interface Evidence {
  readonly disk: SimDisk
  readonly wire: SimWire
  readonly resources: ReadonlyArray<Resource>
  readonly ledger: Ledger
  readonly watch: Watch
  /** Paths that a user removed, created, or had replaced with leave: what is there is nobody's promise. */
  readonly touched: ReadonlySet<string>
}

export const resourceOf = (resources: ReadonlyArray<Resource>, download: Download): Resource =>
  resources[Number(/\/r(\d+)\.bin/.exec(download.url)![1])]!

/** B1, B2, B6: when a file gets its final name, it is whole, of one version, and on stable storage. */
export const checkPublished = (
  { resources, watch }: Pick<Evidence, "resources" | "watch">,
  path: string,
  inode: Inode
): void => {
  const { bytes } = inode
  if (!resources.some((resource) => isWhole(resource, bytes))) {
    const mixed = new Set(bytes.map(versionOf)).size > 1 && !bytes.includes(0)
    watch.violation(mixed ? "B2" : "B1", `${path} was named with ${describe(resources[0]!, bytes)}`)
  } else if (Buffer.compare(bytes, inode.durableBytes) !== 0) {
    watch.violation("B6", `${path} was named before its ${bytes.length} bytes were on stable storage`)
  }
}

/** The file that a restart would take for the one recorded; undefined if it would take none. */
const recorded = (disk: SimDisk, directory: string, record: FinalRecord, part: string): Inode | undefined =>
  [`${directory}/${record.name}`, `${directory}/${part}`]
    .map((path) => disk.at(path))
    .find(
      (inode) =>
        inode?.is(record) === true && inode.size === record.size && String(inode.mtime) === record.mtime
    )

/** Q3: what the row claims, the disk holds durably, of the version that the row names. */
const checkClaim = (evidence: Evidence, row: Download): void => {
  const { disk, ledger, resources, touched, watch, wire } = evidence
  if (row.part === null || row.checkpoint === 0) return
  // a download to be cancelled loses its part before its row says so
  const cancelling = ledger.entries.some(
    (entry) => entry.id === row.id && entry.interfered && entry.order.interference?.kind === "cancel"
  )
  const path = `${row.directory}/${row.part.name}`
  if (cancelling || touched.has(path)) return
  // a file about to be published may never have had its directory synced: if a power cut takes its name, the row says
  // by its publishing record that nothing counts without that very file
  const inode =
    row.publishing === null
      ? disk.find(row.part)
      : recorded(disk, row.directory, row.publishing, row.part.name)
  if (row.publishing === null && (inode === undefined || disk.entries.durably(path) !== inode.ino)) {
    return watch.violation(
      "Q3",
      `${row.id} claims ${row.checkpoint} bytes of ${path}, a name that a power cut would take away`
    )
  }
  if (inode === undefined) return
  if (corrupted(wire, keyOf(row)) && inode.durableSize >= row.checkpoint) return
  const resource = resourceOf(resources, row)
  const held = inode.durableBytes.subarray(0, row.checkpoint)
  const version = versionOfBytes(resource, held)
  if (held.length < row.checkpoint || version === undefined) {
    return watch.violation(
      "Q3",
      `${row.id} claims ${row.checkpoint} bytes of ${path}, the disk has ${describe(resource, held)}`
    )
  }
  const { etag } = row.validator ?? {}
  if (etag !== undefined && etag.replace("W/", "") !== resource.tag(version)) {
    watch.violation("B2", `${row.id} has v${version.number} in ${path} under the tag ${etag}`)
  }
}

/** B4, H2: what is finished is what was asked for; of a checksum that was wrong, nothing is. */
const checkDemands = ({ resources, watch }: Evidence, row: Download, file: Inode, order: Order): void => {
  const { checksum, maxSize } = demandsOf(
    resources.map(({ options }) => options),
    order
  )
  if (checksum !== null && sha256(file.bytes) !== checksum.hex) {
    watch.violation("B4", `${row.id} is completed with another checksum than was asked for`)
  }
  if (maxSize !== null && file.size > maxSize) {
    watch.violation("H2", `${row.id} is completed with ${file.size} bytes where ${maxSize} were allowed`)
  }
}

/** B1, B2, B6: a completed row's file is there, durably, whole, of one version that was served in its time. */
const checkCompleted = (evidence: Evidence, row: Download, entries: ReadonlyArray<Entry>): void => {
  const { disk, resources, touched, watch } = evidence
  if (row.outcome === "skipped" || row.publishing === null) return
  const path = `${row.directory}/${row.filename}`
  if (touched.has(path)) return
  const inode = disk.find(row.publishing)
  if (inode === undefined) return watch.violation("B1", `${row.id} is completed without a file`)
  if (entries[0] !== undefined) checkDemands(evidence, row, inode, entries[0].order)
  const resource = resourceOf(resources, row)
  if (!isWhole(resource, inode.durableBytes)) {
    return watch.violation(
      "B1",
      `${row.id} is completed, ${path} has ${describe(resource, inode.durableBytes)}`
    )
  }
  const version = versionOfBytes(resource, inode.bytes)!
  const asked = Math.min(...entries.map((entry) => entry.askedAt ?? Infinity))
  if (inode.size > 0 && (version.since > row.finishedAt! || version.until < asked)) {
    watch.violation("B2", `${row.id} is completed with v${version.number}, which was not served in its time`)
  }
  if (disk.entries.durably(path) !== inode.ino) {
    watch.violation("B6", `${row.id} is completed, but a power cut would take the name ${path} away`)
  }
}

/** Everything that must hold of the rows at any instant. */
export const checkRows = (evidence: Evidence, rows: ReadonlyArray<Download>): void => {
  const { ledger, watch } = evidence
  const known = new Map(rows.map((row) => [row.id, row]))
  for (const entry of ledger.entries) {
    if (ledger.removed.has(entry.order.key)) continue
    if (entry.id !== undefined && !known.has(entry.id)) {
      watch.violation("Q1", `${entry.id} was acknowledged and is not in the database`)
    }
    const { finished } = entry
    const row = finished === undefined ? undefined : known.get(finished.id)
    if (finished !== undefined && row?.status !== finished.status) {
      watch.violation("Q2", `${finished.id} was reported ${finished.status} and is ${row?.status ?? "gone"}`)
    }
  }
  for (const row of rows) {
    if (row.part !== null) ledger.parts.set(row.id, row.part)
    if (row.status === "completed") {
      checkCompleted(
        evidence,
        row,
        ledger.entries.filter((entry) => row.url.endsWith(`?d=${entry.order.key}`))
      )
    } else if (!terminal.has(row.status)) checkClaim(evidence, row)
  }
}

/** What a transfer had brought when its process died. */
export interface Reached {
  readonly download: string
  readonly reached: number
  /** How much of it a resumption may ask for again. */
  readonly allowed: number
}

/** What the server would have to send for the rest to be proved: the validators of the exchange itself. */
const validatorOf = (exchange: Exchange): Validator => {
  const { resource, version } = exchange.body!
  return fromHeaders(fromPairs([...resource.validators(version), ["Date", httpDate(exchange.startedAt)]]))
}

/** For Q3, at a crash: how far each unfinished download had come whose rest could be proved. */
export const reachedAtCrash = (
  { disk, wire }: Evidence,
  rows: ReadonlyArray<Download>,
  process: number,
  now: number
): ReadonlyArray<Reached> =>
  rows.flatMap((row) => {
    const key = new URL(row.url).searchParams.get("d")!
    const last = wire.exchanges
      .filter(
        (exchange) => exchange.asked.download === key && exchange.body !== undefined && exchange.delivered > 0
      )
      .at(-1)
    const part = row.part === null ? undefined : disk.find(row.part)
    const lost = part !== undefined && disk.mishaps.has(part)
    if (terminal.has(row.status) || lost || last?.asked.process !== process) return []
    // of an earlier download of the same address
    if (last.startedAt < row.createdAt) return []
    if (last.dishonest || !canProve(validatorOf(last))) return []
    // what has another checksum than was asked for is to be fetched again
    const { checksum } = row.options
    const { resource, version } = last.body!
    if (checksum !== null) {
      if (corrupted(wire, key)) return []
      if (sha256(resource.bytes(version, 0, version.size)) !== checksum.hex) return []
    }
    const window = 1000 + 2 * disk.opened.longestSync + 300
    return [
      {
        download: key,
        reached: last.reached,
        allowed: Math.max(allowance, last.deliveredSince(now - window))
      }
    ]
  })

/** Q3, afterwards: what the next process asked for again. */
export const checkWaste = (
  { touched, watch, wire }: Evidence,
  reached: ReadonlyArray<Reached>,
  process: number
): void => {
  if (touched.size > 0) return
  for (const { allowed, download, reached: had } of reached) {
    const first = wire.exchanges.find(
      (exchange) => exchange.asked.process === process && exchange.asked.download === download
    )
    const fetched = wire.exchanges.some(
      ({ asked, delivered }) => asked.process === process && asked.download === download && delivered > 0
    )
    if (first === undefined || !fetched) continue
    const again = had - (first.asked.range ?? 0)
    if (again > allowed) {
      watch.violation(
        "Q3",
        `d${download}: after the crash ${again} bytes are fetched again, ${allowed} would be in order`
      )
    }
  }
}
