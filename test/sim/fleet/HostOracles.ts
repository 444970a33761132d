/**
 * The oracles over how several engines treat the hosts that they share: who is in trouble is left alone, then asked by one alone;
 * who is well is asked soon, whatever becomes of others. Judged by the tries that are on record and by what went over the network.
 */
import type { Download } from "../../../src/domain/Download.js"
import { type DownloadId, fromKey } from "../../../src/domain/DownloadId.js"
import type { Reason } from "../../../src/domain/DownloadError.js"
import { probeWindow } from "../../../src/domain/Host.js"
import { dawn } from "../Simulator.js"
import type { AtWork, Book } from "./Book.js"

/** A try as logged. */
export interface Try {
  readonly id: DownloadId
  /** Its download, as the world knows it. */
  readonly key: string
  /** Of the download. */
  readonly origin: string
  /** That failed it: where it was led, which may be another. */
  readonly failed: string
  readonly startedAt: number
  /** Infinity: it has not. */
  readonly endedAt: number
  readonly reason: Reason | null
  readonly next: number | null
}

type Logged = Omit<Try, "id" | "key" | "endedAt"> & {
  readonly id: number
  readonly url: string
  readonly endedAt: number | null
}

/** Failures after which a host is left alone by everybody. */
const cooling: ReadonlySet<string> = new Set<Reason>(["TooManyRequests", "ConnectionRefused", "HostCooling"])

/** A claim is stamped with the time at which its transaction began, and looks at the clock itself, in milliseconds. */
const stamping = 20

/** So many of a crowd may go before a newcomer from another host. */
const crowdBound = 12

const at = (time: number): string => `${Math.floor(time - dawn)} ms`

export const triesOf = (all: <A>(statement: string) => ReadonlyArray<A>): ReadonlyArray<Try> =>
  all<Logged>(
    `SELECT a.download_id AS id, d.url AS url, h.origin AS origin,
       coalesce(json_extract(a.failure, '$.origin'), h.origin) AS failed, a.started_at AS startedAt, a.ended_at AS endedAt,
       json_extract(a.failure, '$.reason') AS reason, a.next_attempt_at AS next
     FROM sluice_attempts AS a JOIN sluice_downloads AS d ON d.id = a.download_id JOIN sluice_hosts AS h ON h.id = d.host_id`
  ).map(({ endedAt, id, url, ...one }) => ({
    ...one,
    id: fromKey(id),
    key: new URL(url).searchParams.get("d")!,
    endedAt: endedAt ?? Infinity
  }))

/** C4: nothing was claimed from a host that was known to be cooling. */
export const checkCooling = ({ world }: Book, tries: ReadonlyArray<Try>): void => {
  for (const { endedAt, failed, next, reason } of tries) {
    if (next === null || !cooling.has(reason ?? "")) continue
    const early = tries.find(
      (one) => one.origin === failed && one.startedAt > endedAt && one.startedAt < next - stamping
    )
    if (early === undefined) continue
    return world.violation(
      "C4",
      `${failed} was to be left alone from ${at(endedAt)} to ${at(next)} (${reason}), and was asked at ${at(early.startedAt)}`
    )
  }
}

/** An answer that says that a host is well, or whose fault the trouble is. */
const isGood = (status: number | undefined): boolean =>
  status !== undefined && status < 500 && status !== 429 && status !== 408

/**
 * C4: of a host that has failed, and has not been heard well of since, one download alone asks at a time, over all engines. Where
 * some download had an answer, and may not have told of it yet, nothing is concluded.
 */
export const checkProbes = (book: Book, tries: ReadonlyArray<Try>): void => {
  const { world } = book
  if (world.ledger.removed.size > 0) return
  const { exchanges } = world.wire
  /** Since when a try may have said that its host is well. */
  const heard = tries.flatMap((one): ReadonlyArray<readonly [Try, number]> => {
    const answers = exchanges.flatMap(({ answeredAt, asked, status }) =>
      asked.download === one.key &&
      `http://${asked.host}` === one.origin &&
      isGood(status) &&
      answeredAt! >= one.startedAt - stamping &&
      answeredAt! <= one.endedAt + stamping
        ? [answeredAt!]
        : []
    )
    return answers.length === 0 ? [] : [[one, Math.min(...answers)]]
  })
  for (const first of tries) {
    const before = tries.filter(
      ({ endedAt, failed, reason }) =>
        failed === first.origin && cooling.has(reason ?? "") && endedAt + stamping < first.startedAt
    )
    if (before.length === 0) continue
    const since = Math.max(...before.map(({ endedAt }) => endedAt))
    const second = tries.find(
      (one) =>
        one !== first &&
        one.origin === first.origin &&
        one.startedAt >= first.startedAt &&
        one.startedAt < Math.min(first.endedAt, first.startedAt + probeWindow) - stamping
    )
    if (second === undefined) continue
    const isWell = heard.some(
      ([one, from]) =>
        one.origin === first.origin && one.endedAt + stamping >= since && from <= second.startedAt + stamping
    )
    if (isWell) continue
    return world.violation(
      "C4",
      `${first.origin} was in trouble, and ${second.id} asked it at ${at(second.startedAt)}, where ${first.id} had since ${at(first.startedAt)}`
    )
  }
}

/** C4: what is taken up of a host that is well is asked for soon, whatever becomes of other hosts. */
export const checkAsked = (
  { keyOf, plan: { scenario }, world }: Book,
  rows: ReadonlyArray<Download>,
  engines: ReadonlyArray<AtWork>,
  patience: number
): void => {
  const { disk, sim, violation, wire } = world
  const { perHost, troubles } = scenario
  for (const row of rows) {
    if (row.status !== "processing" || row.publishing !== null) continue
    const since = row.attemptStartedAt
    // nothing is left to be asked for
    if (row.total !== null && row.checkpoint >= row.total) continue
    const engine = engines.find(({ id }) => id === row.owner)
    if (since === null || engine === undefined) continue
    // what it has is read first, to be resumed
    if (sim.now - since < patience + row.checkpoint / scenario.diskSpeed) continue
    const { host } = new URL(row.url)
    const isWell = !troubles.some(
      (one) => (one.host ?? host) === host && one.from <= sim.now - dawn && since - dawn < one.until
    )
    const mine = wire.exchanges.filter(({ asked }) => `engine-${asked.process}` === row.owner)
    const asked = mine.some((one) => one.asked.download === keyOf(row) && one.startedAt >= since - stamping)
    const isFull = mine.filter((one) => one.asked.host === host && !one.over).length >= perHost
    if (!isWell || asked || isFull || disk.full) continue
    violation("C4", `${row.id} was taken up ${Math.floor(sim.now - since)} ms ago, and ${host} was not asked`)
  }
}

/** C4, no starvation: one download of another host comes soon, however many there are of the first. */
export const checkCrowd = ({ orders, plan, wishes, world }: Book): void => {
  const { exchanges } = world.wire
  const lone = orders.find(({ output }) => output === "lone")
  const entry = world.ledger.entries.find(({ order }) => order === lone)
  const wanted = lone !== undefined && !wishes.paused.has(lone.key) && !wishes.cancelled.has(lone.key)
  if (entry?.askedAt === undefined || !wanted) return
  const first = exchanges.find(({ asked }) => asked.download === lone!.key)
  const before = new Set(
    exchanges
      .filter(({ asked, startedAt }) => asked.host === "crowd.test" && startedAt > entry.askedAt!)
      .filter(({ startedAt }) => first === undefined || startedAt < first.startedAt)
      .map(({ asked }) => asked.download)
  )
  // whom its owner does not work for has to wait for the next engine
  if (before.size > crowdBound && entry.id !== undefined && plan.engines.length === 1)
    world.violation("C4", `${before.size} downloads of a crowd went before the only one of its host`)
}
