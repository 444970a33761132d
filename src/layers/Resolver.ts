/**
 * Host names to addresses for outgoing connections, without letting dead DNS stall the disk.
 *
 * Where no name at all can be resolved, that is said (`noNameServer`): it is this machine's network then, and no host's trouble.
 *
 * getaddrinfo runs on the same four libuv threads as every file operation and may hang for tens of seconds, so at
 * most two look-ups run at once; the others queue, and look-ups of the same name share one. Answers are kept for a
 * minute. Which address is connected to, and in what order, is left to node:net (RFC 8305).
 *
 * Tricky interleavings: a caller can't withdraw a look-up, so answers may come back to connections that are gone
 * (node:net ignores them); the queue is bounded for the same reason, and what no longer fits fails like an
 * overloaded name server. A name that is forgotten while it is being looked up gets the newer answer.
 */
import type { LookupAddress } from "node:dns"
import { ADDRCONFIG, lookup as getaddrinfo } from "node:dns"
import type { LookupFunction } from "node:net"
import { isIP } from "node:net"
import { noNameServer } from "./UndiciError.js"

type Failure = NodeJS.ErrnoException | null
type Answer = (error: Failure, addresses: ReadonlyArray<LookupAddress>) => void

/** What is looked up: a name, for one family (4, 6, or 0 for both) and with getaddrinfo's hints. */
export interface Question {
  readonly hostname: string
  readonly family: number
  readonly hints: number
}

/** Finds all addresses of a name, and calls back once, now or later. */
export type Resolve = (question: Question, answer: Answer) => void

export interface Settings {
  /** Milliseconds, on any monotonic scale. */
  readonly now: () => number
  readonly resolve: Resolve
}

export interface Resolver {
  /** For node:net's and node:tls's option `lookup`. */
  readonly lookup: LookupFunction
  /** Drops the answers kept for a name, because its addresses did not work. */
  readonly forget: (hostname: string) => void
}

/** Look-ups in flight. */
const maxInFlight = 2
/** Look-ups of different names that wait for their turn. */
const maxWaiting = 256
/** Answers kept. */
const maxNames = 1000
/** How long an answer is good for, in milliseconds. Failures are not kept. */
const lifetime = 60_000
/** After an answer, it is a name's own fault for so long if it can't be resolved, in milliseconds. */
const trust = 60_000

interface Known {
  readonly hostname: string
  readonly addresses: ReadonlyArray<LookupAddress>
  readonly until: number
}

/** getaddrinfo, addresses in the order of the system. */
export const viaSystem: Resolve = ({ family, hints, hostname }, answer) =>
  // with an error there are no addresses, whatever the types say
  getaddrinfo(hostname, { family, hints, all: true }, (error, addresses) =>
    answer(error, error === null ? addresses : [])
  )

const failure = (code: string, hostname: string): NodeJS.ErrnoException =>
  Object.assign(new Error(`${code} ${hostname}`), { code, hostname, syscall: "getaddrinfo" })

export const make = ({ now, resolve }: Settings): Resolver => {
  // a Map keeps the order of insertion: the first entry is the oldest
  const known = new Map<string, Known>()
  const asked = new Map<string, Array<Answer>>()
  const waiting: Array<readonly [key: string, question: Question]> = []
  let inFlight = 0
  let answeredAt = -Infinity

  /** A temporary failure, where nothing else can be resolved either, is one of this machine's network. */
  const blamed = (error: Failure, { hostname }: Question): Failure =>
    error?.code === "EAI_AGAIN" && now() - answeredAt > trust ? failure(noNameServer, hostname) : error

  const remember = (key: string, entry: Known): void => {
    known.delete(key)
    known.set(key, entry)
    if (known.size > maxNames) {
      for (const oldest of known.keys()) {
        known.delete(oldest)
        break
      }
    }
  }

  const start = (key: string, question: Question): void => {
    inFlight++
    resolve(question, (error, addresses) => {
      inFlight--
      const askers = asked.get(key) ?? []
      asked.delete(key)
      if (error === null && addresses.length > 0) {
        remember(key, { hostname: question.hostname, addresses, until: now() + lifetime })
      }
      const next = waiting.shift()
      if (next !== undefined) start(...next)
      // that a name does not exist is an answer too
      if (error === null || error.code === "ENOTFOUND") answeredAt = now()
      const outcome =
        blamed(error, question) ?? (addresses.length === 0 ? failure("ENOTFOUND", question.hostname) : null)
      for (const answer of askers) answer(outcome, addresses)
    })
  }

  const find = (question: Question, answer: Answer): void => {
    const literal = isIP(question.hostname)
    if (literal !== 0) {
      process.nextTick(answer, null, [{ address: question.hostname, family: literal }])
      return
    }
    const key = `${question.hostname.toLowerCase()} ${question.family} ${question.hints}`
    const entry = known.get(key)
    if (entry !== undefined && now() < entry.until) {
      // never in the same tick: node:net has not finished setting up the socket when it asks
      process.nextTick(answer, null, entry.addresses)
      return
    }
    const askers = asked.get(key)
    if (askers !== undefined) {
      askers.push(answer)
      return
    }
    if (inFlight >= maxInFlight && waiting.length >= maxWaiting) {
      process.nextTick(answer, failure("EAI_AGAIN", question.hostname), [])
      return
    }
    asked.set(key, [answer])
    if (inFlight < maxInFlight) start(key, question)
    else waiting.push([key, question])
  }

  return {
    lookup: (hostname, options, callback) => {
      const family = options.family === "IPv4" ? 4 : options.family === "IPv6" ? 6 : (options.family ?? 0)
      find({ hostname, family, hints: options.hints ?? ADDRCONFIG }, (error, addresses) => {
        if (options.all === true) callback(error, error === null ? [...addresses] : [])
        else callback(error, addresses[0]?.address ?? "", addresses[0]?.family)
      })
    },
    forget: (hostname) => {
      for (const [key, entry] of known) if (entry.hostname === hostname) known.delete(key)
    }
  }
}
