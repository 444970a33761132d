/**
 * Q3 after a crash: what had come and is fetched again. Each connection may lose the larger of 8 MiB and one second of
 * its transfer, and the next process begins at the first byte that the row does not claim.
 *
 * What was given up for a reason (another version, a lying server, a disk that lost pages) is no waste, and what nothing could
 * have proved is none either.
 */
import { isList } from "../../src/domain/Checksum.js"
import * as Coverage from "../../src/domain/Coverage.js"
import { terminal, type Download } from "../../src/domain/Download.js"
import { claims } from "../../src/domain/Publication.js"
import { canProve } from "../../src/domain/Validator.js"
import type { Exchange } from "./Exchange.js"
import { corrupted, keyOf, resourceOf, type Evidence } from "./Oracles.js"
import { sha256 } from "./Demands.js"

/** What a crash may cost at most of one connection, in bytes that were transferred before. */
const allowance = 8 * 1024 * 1024

/** What a download had when its process died. */
export interface Reached {
  readonly download: string
  /** The first byte that its row did not claim. */
  readonly from: number
}

/** Of which it is known that they were honest, from the last answer that brought the whole anew. */
const sinceBeginning = (exchanges: ReadonlyArray<Exchange>): ReadonlyArray<Exchange> => {
  const first = exchanges.map(({ status }) => status).lastIndexOf(200)
  return exchanges.slice(Math.max(0, first))
}

/** What a connection had brought and the row does not claim. */
const unclaimed = (exchange: Exchange, row: Download): number => {
  const { delivered } = exchange
  const { start } = exchange.body!
  const held = claims(row)
  const together = Coverage.add(held, start, start + delivered)
  return Coverage.count(together) - Coverage.count(held)
}

/** At a crash: checks what it costs, and says where the next process has to begin. */
export const checkCost = (
  evidence: Evidence,
  rows: ReadonlyArray<Download>,
  process: number,
  now: number
): ReadonlyArray<Reached> => {
  const { disk, ledger, touched, watch, wire } = evidence
  if (touched.size > 0) return []
  return rows.flatMap((row) => {
    const download = keyOf(row)
    // cancelled meanwhile, and asked for anew
    if (ledger.entries.some(({ order }) => order.key === download && order.interference?.kind === "cancel"))
      return []
    if (terminal.has(row.status) || row.part === null || row.publishing !== null || row.validator === null)
      return []
    const part = disk.find(row.part)
    if (part === undefined || disk.mishaps.has(part) || !canProve(row.validator)) return []
    // of an earlier download of the same address
    const mine = wire.exchanges.filter(
      ({ asked, startedAt }) => asked.download === download && startedAt >= row.createdAt
    )
    const recent = sinceBeginning(mine).filter(({ asked }) => asked.process === process)
    // what has another checksum than was asked for is to be fetched again
    const { checksum } = row.options
    const resource = resourceOf(evidence.resources, row)
    if (resource.options.announces === true && corrupted(wire, download)) return []
    if (checksum !== null && !isList(checksum)) {
      const versions = recent.flatMap(({ body }) => (body === undefined ? [] : [body.version]))
      if (corrupted(wire, download)) return []
      if (versions.some((version) => sha256(resource.bytes(version, 0, version.size)) !== checksum.hex))
        return []
    }
    const brought = recent.filter(({ body, delivered }) => body !== undefined && delivered > 0)
    const current = brought.at(-1)?.body?.version
    // the row of what was begun anew knows nothing of it yet
    const begun =
      brought.every(({ body }) => body?.version === current) &&
      (row.validator.etag ?? row.validator.lastModified) === brought[0]?.validator
    if (begun && !recent.some(({ provokes }) => provokes)) {
      const window = 1000 + 2 * disk.opened.longestSync + 300
      for (const exchange of brought) {
        const lost = unclaimed(exchange, row)
        const allowed = Math.max(allowance, exchange.deliveredSince(now - window))
        if (lost > allowed) {
          watch.violation(
            "Q3",
            `d${download}: a connection's ${lost} bytes are lost in the crash, ${allowed} would be in order`
          )
        }
      }
    }
    const from = Coverage.gaps(claims(row), row.total ?? Infinity)[0]?.[0]
    return row.checkpoint === 0 || from === undefined ? [] : [{ download, from }]
  })
}

/** Afterwards: what the next process asked for first. */
export const checkResumed = (
  { touched, watch, wire }: Evidence,
  reached: ReadonlyArray<Reached>,
  process: number
): void => {
  if (touched.size > 0) return
  for (const { download, from } of reached) {
    const first = wire.exchanges.find(({ asked }) => asked.process === process && asked.download === download)
    if (first !== undefined && first.asked.range?.start !== from) {
      watch.violation(
        "Q3",
        `d${download}: after the crash bytes are asked for from ${first.asked.range?.start ?? 0} on, ${from} would do`
      )
    }
  }
}
