/**
 * A mixed load for tests that kill: files of all sizes from origins that pace them, cut them, redirect, announce no length,
 * or ask to come back later. What each file must be is known beforehand; what was served of it is told from the requests
 * that the origins remember. Who downloads them, and what is done to it meanwhile, is the test's business.
 */
import { expect } from "@effect/vitest"
import type { Seeded } from "../../sim/Seeded.js"
import type { Behaviour, Origin, Received } from "../Origin.js"

const KiB = 1024
const MiB = 1024 * KiB

/** Files up to this size are taken whole: a kill costs all of one, and nothing of it is resumed. */
const wholeSize = 64 * KiB

/** By one connection each: their bytes come in order, so that what a kill costs is what was served twice. */
export const alone = ["--connections", "1"] as const

/** The larger of these and of one second of transfer may be fetched again, per connection (PROMISES Q3). */
const allowance = 8 * MiB

type Kind = "small" | "paced" | "chunked" | "redirected" | "cut" | "busy" | "large"

export interface Item {
  readonly kind: Kind
  /** The final name. */
  readonly name: string
  readonly origin: Origin
  readonly url: string
  /** Where the bytes are, after redirects. */
  readonly path: string
  readonly size: number
  /** Bytes per second, until `hurry`. */
  readonly rate: number
}

/** How many of each kind. */
export type Shares = Readonly<Record<Kind, number>>

/** Decides how an item's path behaves: `rate` undefined is as fast as can be. */
const behave = (item: Item, chance: Seeded, rate: number | undefined): void => {
  const { kind, origin, path, size, url } = item
  const usual: Behaviour = {
    size,
    ...(rate === undefined ? {} : { rate }),
    ...(kind === "chunked" ? { framing: "chunked" } : {})
  }
  if (kind === "redirected") origin.set(new URL(url).pathname, { redirect: path })
  if (kind === "busy") origin.set(path, [{ status: 503, retryAfter: "1" }, usual])
  else if (kind === "cut") {
    const cut = chance.chance(0.5) ? "fin" : "rst"
    origin.set(path, [{ ...usual, cutAfter: chance.int(1, size - 1), cut }, usual])
  } else origin.set(path, usual)
}

/** `seconds`: how long a paced file takes at most. Those that are busy come from an origin of their own, which cools down alone. */
export const make = (
  chance: Seeded,
  shares: Shares,
  origins: { readonly usual: Origin; readonly busy: Origin },
  seconds: number
): ReadonlyArray<Item> => {
  const left: Record<Kind, number> = { ...shares }
  const count = Object.values(left).reduce((sum, share) => sum + share, 0)
  return Array.from({ length: count }, (_, index) => {
    const kind = chance.weighted(left)
    left[kind]--
    const name = `${kind}-${index}`
    const origin = kind === "busy" ? origins.busy : origins.usual
    const size =
      kind === "small"
        ? Math.floor(chance.log(4 * KiB, wholeSize))
        : kind === "large"
          ? chance.int(24 * MiB, 32 * MiB)
          : Math.floor(chance.log(wholeSize, 4 * MiB)) + 1
    const item: Item = {
      kind,
      name,
      origin,
      url: origin.url(`${kind === "redirected" ? "/elsewhere" : "/files"}/${name}`),
      path: `/files/${name}`,
      size,
      // large ones slowly enough that the kernel's buffers stay empty: the origin counts what lies in there as served
      rate:
        kind === "small"
          ? 10 * MiB
          : Math.ceil(kind === "large" ? chance.between(3 * MiB, 4 * MiB) : size / chance.between(1, seconds))
    }
    behave(item, chance, item.rate)
    return item
  })
}

/** From now on all come as fast as they can, and nothing is cut or busy any more. */
export const hurry = (items: ReadonlyArray<Item>): void => {
  for (const { origin, path, size } of items) origin.set(path, { size })
}

export const sizeOf = (items: ReadonlyArray<Item>): number => items.reduce((sum, { size }) => sum + size, 0)

const startOf = ({ headers, status }: Received): number =>
  status === 206 ? Number(/^bytes=(\d+)-/.exec(headers["range"] ?? "")?.[1]) : 0

export interface Waste {
  /** Body bytes of the files that the origins have sent. */
  readonly served: number
  /** Those sent more than once. */
  readonly again: number
  /** What PROMISES Q3 allows to be sent more than once, for the connections that were lost. */
  readonly bound: number
  /** The same, were it one second of transfer alone. */
  readonly second: number
  /** Requests that were not the last for their file. */
  readonly lost: number
}

/**
 * What was served of files that are complete now, each request held against the one before it: none begins before the one
 * before began, so no checkpoint is ever lost. After a kill none asks again for more than may be lost; after a power cut that
 * can't be told from here, as the engine goes on receiving, in vain, until it is killed too.
 */
export const wasteOf = (items: ReadonlyArray<Item>, after: "kill" | "power cut"): Waste => {
  const waste = { served: 0, again: 0, bound: 0, second: 0, lost: 0 }
  for (const { name, origin, path, rate, size } of items) {
    const bodies = origin.requestsFor(path).filter(({ status }) => status === 200 || status === 206)
    expect(bodies.length, `requests for ${name}`).toBeGreaterThan(0)
    bodies.forEach((body, index) => {
      const [start, next] = [startOf(body), bodies[index + 1]]
      waste.served += body.sent
      if (next === undefined) {
        expect([name, start + body.sent]).toEqual([name, size])
        return
      }
      const again = start + body.sent - startOf(next)
      const allowed = Math.min(body.sent, Math.max(allowance, rate))
      if (size > wholeSize) expect(startOf(next), `a restart of ${name}`).toBeGreaterThanOrEqual(start)
      if (after === "kill") expect(again, `bytes of ${name} fetched again`).toBeLessThanOrEqual(allowed)
      waste.again += again
      waste.bound += allowed
      waste.second += Math.min(body.sent, rate)
      waste.lost++
    })
  }
  expect(waste.again).toBe(waste.served - sizeOf(items))
  return waste
}
