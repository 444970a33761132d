/**
 * The oracles that look at the whole: the database against the disk, against what was served and against what was
 * acknowledged. Those that need the very instant (names given, files written, exchanges) sit in the simulated parts and
 * report through the watch.
 */
import { endOf } from "../../src/domain/Coverage.js"
import { terminal, type Download, type FinalRecord } from "../../src/domain/Download.js"
import { claims } from "../../src/domain/Publication.js"
import { mismatch, versionOf } from "./Content.js"
import type { Inode } from "./Inode.js"
import { demandsOf, sha256 } from "./Demands.js"
import type { Entry, Ledger } from "./Ledger.js"
import type { Resource, Version } from "./Origin.js"
import type { Order } from "./Scenario.js"
import type { SimDisk } from "./SimDisk.js"
import type { SimWire } from "./SimWire.js"
import type { Watch } from "./Watch.js"

/** The version of which all these bytes are; undefined if there is none. Any version will do for no bytes. */
export const versionOfBytes = (resource: Resource, bytes: Uint8Array, offset = 0): Version | undefined => {
  if (bytes.length === 0) return resource.versions[0]
  const version = resource.versions[versionOf(bytes[0]!) - 1]
  return version !== undefined && mismatch(bytes, resource.index, version.number, offset) === undefined
    ? version
    : undefined
}

/** Whether bytes of a download may have been changed on the way: what they are then is for its checksum to tell. */
export const corrupted = (wire: SimWire, key: string): boolean =>
  wire.exchanges.some(({ asked, fault }) => asked.download === key && fault === "corrupt")

export const keyOf = (row: Download): string => new URL(row.url).searchParams.get("d")!

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

/** Q3, B2: what the row claims, the disk holds durably, all of one version, the one that the row names. */
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
  const spans = claims(row)
  const claimed = spans.map(([start, end]) => `${start}-${end}`).join(", ")
  if (corrupted(wire, keyOf(row)) && inode.durableSize >= endOf(spans)) return
  const resource = resourceOf(resources, row)
  const held = spans.map(([start, end]) => ({ start, end, bytes: inode.durableBytes.subarray(start, end) }))
  const wrong = held.find(
    ({ bytes, end, start }) =>
      bytes.length < end - start || versionOfBytes(resource, bytes, start) === undefined
  )
  if (wrong !== undefined) {
    return watch.violation(
      "Q3",
      `${row.id} claims ${claimed} of ${path}, the disk has from ${wrong.start} on ${describe(resource, wrong.bytes)}`
    )
  }
  const versions = new Set(held.map(({ bytes }) => versionOf(bytes[0]!)))
  if (versions.size > 1) {
    return watch.violation(
      "B2",
      `${row.id} claims ${claimed} of ${path}, which are of ${versions.size} versions`
    )
  }
  const version = versionOfBytes(resource, held[0]!.bytes, held[0]!.start)!
  const { etag } = row.validator ?? {}
  if (etag !== undefined && !resource.hasTag(version, etag)) {
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
