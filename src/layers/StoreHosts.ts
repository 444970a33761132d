/**
 * What downloads say of their hosts, in the transactions in which they say it (`domain/Host`): failures open a host's breaker,
 * the probe's answer closes it.
 *
 * | step | durable after it | after a crash here |
 * |---|---|---|
 * | a try failed, and its host's row says until when | both, in one transaction | nobody asks before that time |
 * | the probe is claimed, and the door closed behind it | both | another probe when the window is over |
 * | the probe has an answer, and the row says so | both | the host is well, or cools down |
 *
 * A success costs nothing here unless its host is in doubt, which is known in memory: from a failure that this engine has seen, or
 * from the claim of a probe. A host that cools down is not well because a download that had begun before goes on.
 *
 * Tricky interleavings: what is kept in memory may be ahead of a transaction that is rolled back; then the engine has failed.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { Download, Failure } from "../domain/Download.js"
import type { DownloadId } from "../domain/DownloadId.js"
import {
  type BreakerPolicy,
  type Cooling,
  type Health,
  type HostState,
  originOf,
  probeWhy,
  probeWindow,
  saysOfHost,
  troubled,
  well
} from "../domain/Host.js"
import type { CoolingHost } from "../domain/Stats.js"
import type { Message, Verdict } from "../domain/Message.js"

/** What has been said of a host. */
type Heard = { readonly origin: string; readonly probe: boolean } & (
  | { readonly says: "trouble"; readonly failure: Failure; readonly verdict: Verdict }
  /** `nothing`: of a probe, which leaves the question open. */
  | { readonly says: "answers" | "nothing" }
)

interface Row {
  readonly origin: string
  readonly failures: number
  readonly since: number | null
  readonly until: number | null
  readonly why: string | null
}

/** Cools a host until then, for what one of its answers has said. */
const coolStatement = `UPDATE sluice_hosts SET cooling_until = ?, cooling_why = ?, troubled_since = coalesce(troubled_since, ?)
  WHERE origin = ? AND (coalesce(cooling_until, 0) < ? OR cooling_why = ?)`

/** Not a verdict on the host: the door closed behind a probe. */
const isWindow = ({ why }: Cooling): boolean => why === probeWhy

/** Of one store. */
export class StoreHosts {
  /** The downloads of this engine that ask for all. */
  private readonly probes = new Map<DownloadId, string>()
  private readonly doubted = new Set<string>()

  constructor(
    private readonly sql: SqlClient.SqlClient,
    private readonly policy: (origin: string) => BreakerPolicy
  ) {}

  /** Of these rows, in the order in which they are to be claimed, those that may be: of a half-open host the first alone. */
  admit(rows: ReadonlyArray<Download>, now: number): Effect.Effect<ReadonlyArray<Download>, SqlError> {
    const origins = JSON.stringify([...new Set(rows.map(({ url }) => originOf(url)))])
    return Effect.gen(this, function* () {
      const found = yield* this.sql.unsafe<{ origin: string }>(
        `SELECT origin FROM sluice_hosts WHERE cooling_until <= ? AND origin IN (SELECT value FROM json_each(?))`,
        [now, origins]
      )
      if (found.length === 0) return rows
      const halfOpen = new Set(found.map(({ origin }) => origin))
      const taken = new Set<string>()
      const admitted = rows.filter(({ id, url }) => {
        const origin = originOf(url)
        if (!halfOpen.has(origin)) return true
        if (taken.has(origin)) return false
        taken.add(origin)
        this.probes.set(id, origin)
        return true
      })
      yield* this.sql.unsafe(
        `UPDATE sluice_hosts SET cooling_until = ?, cooling_why = ? WHERE origin IN (SELECT value FROM json_each(?))`,
        [now + probeWindow, probeWhy, JSON.stringify([...taken])]
      )
      return admitted
    })
  }

  /** What a message says of hosts; `ends`: the download is not processed any more. */
  hear({ id, url }: Download, message: Message, ends: boolean): ReadonlyArray<Heard> {
    const origin = originOf(url)
    const probe = this.probes.has(id)
    const own = (says: "answers" | "nothing"): ReadonlyArray<Heard> => {
      if (says === "answers" || ends) this.probes.delete(id)
      return probe || (says === "answers" && this.doubted.has(origin)) ? [{ origin, probe, says }] : []
    }
    switch (message._tag) {
      case "Identified":
      case "Publishing":
      case "Succeeded":
        return own("answers")
      case "Failed": {
        const { failure, verdict } = message
        const says = saysOfHost(failure.reason)
        if (says !== "trouble") return own(says)
        // it has led elsewhere, and has answered therefore
        if (failure.origin !== undefined && failure.origin !== origin)
          return [...own("answers"), { origin: failure.origin, probe: false, says, failure, verdict }]
        this.probes.delete(id)
        this.doubted.add(origin)
        return [{ origin, probe, says, failure, verdict }]
      }
      default:
        return ends ? own("nothing") : []
    }
  }

  /** Records what has been heard; succeeds with how the hosts concerned are now. */
  record(heard: ReadonlyArray<Heard>, now: number): Effect.Effect<ReadonlyMap<string, Health>, SqlError> {
    const origins = JSON.stringify([...new Set(heard.map(({ origin }) => origin))])
    return Effect.gen(this, function* () {
      yield* this.sql.unsafe(
        `INSERT INTO sluice_hosts (origin) SELECT value FROM json_each(?) WHERE true ON CONFLICT DO NOTHING`,
        [origins]
      )
      const rows = yield* this.sql.unsafe<Row>(
        `SELECT origin, failures, troubled_since AS since, cooling_until AS until, cooling_why AS why FROM sluice_hosts
         WHERE origin IN (SELECT value FROM json_each(?))`,
        [origins]
      )
      const before = new Map(rows.map((row) => [row.origin, healthOf(row)]))
      const after = new Map(before)
      for (const one of heard) after.set(one.origin, this.apply(after.get(one.origin)!, one, now))
      for (const [origin, health] of after) {
        if (health === before.get(origin)) after.delete(origin)
        else yield* this.write(origin, health)
      }
      return after
    })
  }

  /** An answer has said that nobody should come back before then. */
  cool(origin: string, { until, why }: Cooling, now: number): Effect.Effect<Health, SqlError> {
    this.doubted.add(origin)
    return Effect.as(
      Effect.zipRight(
        this.sql.unsafe(`INSERT INTO sluice_hosts (origin) VALUES (?) ON CONFLICT DO NOTHING`, [origin]),
        this.sql.unsafe(coolStatement, [until, why, now, origin, until, probeWhy])
      ),
      { failures: 0, since: now, cooling: { until, why } }
    )
  }

  /** Hosts that are left alone now, those that one download asks included. */
  closed(now: number): Effect.Effect<ReadonlyArray<CoolingHost>, SqlError> {
    return this.sql.unsafe<CoolingHost>(
      `SELECT origin, cooling_until AS until, coalesce(cooling_why, '') AS why FROM sluice_hosts
       WHERE cooling_until > ? ORDER BY cooling_until`,
      [now]
    )
  }

  /** Those of them that have said so or failed. */
  cooling(now: number): Effect.Effect<ReadonlyArray<CoolingHost>, SqlError> {
    return Effect.map(this.closed(now), (hosts) => hosts.filter(({ why }) => why !== probeWhy))
  }

  /** How all hosts stand. Looks at those in doubt alone, and counts the others. */
  standing(now: number): Effect.Effect<Readonly<Record<HostState, number>>, SqlError> {
    return Effect.map(
      this.sql.unsafe<{ known: number; open: number; halfOpen: number; cooling: number }>(
        `SELECT (SELECT count(*) FROM sluice_hosts) AS known, count(*) FILTER (WHERE ajar) AS halfOpen,
           count(*) FILTER (WHERE NOT ajar AND failures > 0) AS open,
           count(*) FILTER (WHERE NOT ajar AND failures = 0) AS cooling
         FROM (SELECT failures, (cooling_until <= ? OR cooling_why IS ?) AS ajar FROM sluice_hosts
               WHERE cooling_until IS NOT NULL)`,
        [now, probeWhy]
      ),
      ([row]) => {
        const { cooling, halfOpen, known, open } = row!
        return { closed: known - open - halfOpen - cooling, open, "half-open": halfOpen, cooling }
      }
    )
  }

  private apply(health: Health, heard: Heard, now: number): Health {
    switch (heard.says) {
      case "trouble": {
        // the window of a probe was no verdict; what an answer to it has said since is one
        const { cooling } = health
        const open =
          heard.probe && cooling !== null && isWindow(cooling) ? { ...cooling, until: now } : cooling
        return troubled(
          this.policy(heard.origin),
          { ...health, cooling: open },
          heard.failure,
          heard.verdict,
          now
        )
      }
      case "answers":
        // what the host itself has said since stands
        if (
          health.cooling !== null &&
          health.cooling.until > now &&
          !(heard.probe && isWindow(health.cooling))
        )
          return health
        this.doubted.delete(heard.origin)
        return health.failures === 0 && health.cooling === null ? health : well
      case "nothing":
        return health.cooling === null || !isWindow(health.cooling)
          ? health
          : { ...health, cooling: { ...health.cooling, until: now } }
    }
  }

  private write(origin: string, { cooling, failures, since }: Health): Effect.Effect<unknown, SqlError> {
    return this.sql.unsafe(
      `UPDATE sluice_hosts SET failures = ?, troubled_since = ?, cooling_until = ?, cooling_why = ? WHERE origin = ?`,
      [failures, since, cooling?.until ?? null, cooling?.why ?? null, origin]
    )
  }
}

const healthOf = ({ failures, since, until, why }: Row): Health =>
  failures === 0 && until === null
    ? well
    : { failures, since, cooling: until === null ? null : { until, why: why ?? "" } }
