/**
 * What must hold when everything has come to its end: every download has one outcome that the world explains, and the
 * directories hold what they should and nothing else.
 */
import { terminal, type Download } from "../../src/domain/Download.js"
import type { Reason } from "../../src/domain/DownloadError.js"
import { ownPartName, partSuffix } from "../../src/domain/FileName.js"
import { demandsOf } from "./Demands.js"
import { checkDelivered, checkOutbox, peekOutbox } from "./OutboxOracles.js"
import { checkRows, resourceOf } from "./Oracles.js"
import { checkRetries, readTries } from "./Retries.js"
import { peek } from "./Rows.js"
import type { World } from "./World.js"

/** Reasons that a download may fail for, given what happened to it. */
const excuses = (world: World, row: Download): ReadonlySet<Reason> => {
  const key = new URL(row.url).searchParams.get("d")!
  const seen = new Set(
    world.wire.exchanges
      .filter((exchange) => exchange.asked.download === key)
      .map((exchange) => exchange.fault)
  )
  const reasons = new Set<Reason>()
  const excuse = (when: boolean, ...excused: ReadonlyArray<Reason>): void => {
    if (when) for (const reason of excused) reasons.add(reason)
  }
  excuse(seen.has("notFound"), "NotFound", "Gone", "Forbidden")
  excuse(seen.has("refusesAll"), "BadStatus")
  excuse(seen.has("coding"), "UnwantedCoding")
  excuse(seen.has("redirectAgain"), "TooManyRedirects")
  excuse(row.options.onConflict === "fail", "DestinationExists")
  const order = world.scenario.orders.find((one) => one.key === key)!
  const { options, versions } = resourceOf(world.resources, row)
  const { maxSize } = demandsOf(world.scenario.resources, order)
  excuse(
    order.checksum === "wrong" ||
      (order.checksum === "right" && (seen.has("corrupt") || versions.length > 1)) ||
      (options.announces === true && seen.has("corrupt")),
    "ChecksumMismatch"
  )
  excuse(maxSize !== null && versions.some(({ size }) => size > maxSize), "TooLarge")
  if (row.options.maxRetries < 100) {
    excuse(
      true,
      "ConnectionRefused",
      "ConnectionReset",
      "ConnectTimeout",
      "DnsFailed",
      "HeadersTimeout",
      "Stalled",
      "Truncated"
    )
    excuse(true, "ServerError", "TooManyRequests", "ProtocolViolation", "IdentityLost", "DiskFailed")
  }
  return reasons
}

/** One download, when all is over. `cancelled` tells whether somebody asked for that. */
export const checkOutcome = (
  world: World,
  row: Download,
  cancelled: (key: string) => boolean = (key) =>
    world.ledger.entries.some(({ order }) => order.key === key && order.interference?.kind === "cancel")
): void => {
  const { disk, ledger, violation, wire } = world
  if (!terminal.has(row.status)) return violation("Q2", `${row.id} is left ${row.status}`)
  if (row.owner !== null) violation("Q2", `${row.id} is ${row.status} and has the owner ${row.owner}`)
  if (row.status === "failed" && (row.failure === null || !excuses(world, row).has(row.failure.reason))) {
    violation(
      "Engine",
      `${row.id} failed without a cause in this world: ${row.failure?.reason}: ${row.failure?.detail}`
    )
  }
  const key = new URL(row.url).searchParams.get("d")!
  if (row.status === "cancelled") {
    if (!cancelled(key)) violation("Q2", `${row.id} is cancelled, and nobody asked for it`)
    const part = row.part ?? ledger.parts.get(row.id)
    if (part !== undefined && disk.at(`${row.directory}/${part.name}`)?.is(part) === true) {
      violation("C1", `${row.id} is cancelled and its part is still there`)
    }
  }
  if (row.status === "completed" && row.outcome === "skipped" && row.options.onConflict !== "skip") {
    violation("Engine", `${row.id} was skipped though its policy is ${row.options.onConflict}`)
  }
  if (wire.exchanges.length === 0) violation("Engine", "nothing was ever fetched")
}

/** Nothing but users' files, finished files and leftover parts lies about. */
export const checkDirectories = (world: World, rows: ReadonlyArray<Download>): void => {
  const { disk, touched, userFiles, violation } = world
  for (const [path, inode] of userFiles) {
    if (touched.has(path) && disk.at(path) !== inode) violation("B5", `the user's file ${path} is gone`)
    else if (inode.bytes.length !== 1000 || inode.bytes.some((byte) => byte !== 1)) {
      violation("B5", `the user's file ${path} was changed`)
    }
  }
  for (const path of disk.entries.all.keys()) {
    const inode = disk.at(path)!
    const maker = rows.find(({ directory, id }) => path === `${directory}/${ownPartName(id)}`)
    // one that is paused finds it again when it goes on, or is cancelled
    if (maker !== undefined && terminal.has(maker.status))
      violation("Engine", `${path} is left behind, and ${maker.id} is ${maker.status}`)
    if (inode.maker === "user" || path.endsWith(partSuffix)) continue
    // failed, cancelled or paused at the very last step, after its file had got its name
    const claimed = rows.some(
      ({ directory, publishing }) =>
        publishing !== null && `${directory}/${publishing.name}` === path && inode.is(publishing)
    )
    // a crash in the fallback for file systems without hard links leaves the empty file that reserved the name
    const placeholder = inode.size === 0 && !world.scenario.hardLinks
    if (!claimed && !placeholder) {
      violation("B1", `${path} has a final name, and no completed download made it`)
    }
  }
}

export const checkEnd = (world: World, rows: ReadonlyArray<Download>): void => {
  checkRows(world, rows)
  const outbox = peekOutbox(world.database)
  checkOutbox(world, rows, outbox)
  checkDelivered(world, outbox)
  for (const entry of world.ledger.entries) {
    if (entry.finished === undefined) world.violation("Q2", `order ${entry.order.key} was never answered`)
  }
  for (const row of rows) checkOutcome(world, row)
  checkRetries(world, rows, peek(world.database, readTries))
  checkDirectories(world, rows)
}
