/**
 * Digest authentication (RFC 7616): reading challenges, and answering one. Pure: digests and random text are the caller's.
 *
 * Why not a library: those to be had know MD5 only, split fields at commas within quotes or passwords at colons, or read one
 * challenge of several.
 */

/** One challenge of a WWW-Authenticate field (RFC 9110 section 11.6.1); names in lower case. */
export interface Challenge {
  readonly scheme: string
  readonly parameters: ReadonlyMap<string, string>
}

/** What stands between commas that are in no quotes. */
const item = /(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
/** `name=value`, or `scheme name=value` where a challenge begins. */
const parameter = new RegExp(`^(?:(${token})\\s+)?(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))$`)
/** A challenge without parameters, or with one word in their place. */
const bare = new RegExp(`^(${token})(?:\\s+[A-Za-z0-9._~+/-]+=*)?$`)

/** All that can be read; what can't be is passed over. */
export const challengesOf = (values: ReadonlyArray<string>): ReadonlyArray<Challenge> => {
  const found: Array<{ readonly scheme: string; readonly parameters: Map<string, string> }> = []
  const begin = (scheme: string) => {
    const challenge = { scheme: scheme.toLowerCase(), parameters: new Map<string, string>() }
    found.push(challenge)
    return challenge
  }
  for (const text of values.flatMap((value) => value.match(item) ?? [])) {
    const [, scheme, name, quoted, plain] = parameter.exec(text.trim()) ?? []
    if (name === undefined) {
      const alone = bare.exec(text.trim())
      if (alone !== null) begin(alone[1]!)
      continue
    }
    const challenge = scheme === undefined ? found.at(-1) : begin(scheme)
    const value = quoted?.replaceAll(/\\(.)/g, "$1") ?? plain
    if (value !== undefined && challenge?.parameters.has(name.toLowerCase()) === false)
      challenge.parameters.set(name.toLowerCase(), value)
  }
  return found
}

/** By name as in the field, with the name of the digest, the strongest first. */
const algorithms = [
  ["sha-512-256", "SHA-512-256"],
  ["sha-256", "SHA-256"],
  ["md5", "MD5"]
] as const

export type Algorithm = (typeof algorithms)[number][1]

/** What a server wants to be answered. */
export interface Wish {
  readonly realm: string
  readonly nonce: string
  readonly opaque: string | undefined
  readonly algorithm: Algorithm
  /** As it was written, undefined where it was not. */
  readonly named: string | undefined
  readonly session: boolean
  /** Undefined: as RFC 2069 had it. */
  readonly qop: "auth" | "auth-int" | undefined
  readonly userhash: boolean
  /** The last answer was right, but for its nonce. */
  readonly stale: boolean
}

const wishOf = ({ parameters, scheme: name }: Challenge): Wish | undefined => {
  if (name !== "digest") return undefined
  const [realm, nonce] = [parameters.get("realm"), parameters.get("nonce")]
  if (realm === undefined || nonce === undefined) return undefined
  const named = parameters.get("algorithm")
  const [base, session] = /^(.*?)(-sess)?$/i.exec((named ?? "MD5").toLowerCase())!.slice(1)
  const known = algorithms.find(([key]) => key === base)
  const offers = parameters
    .get("qop")
    ?.toLowerCase()
    .split(/[\s,]+/)
  const qop = offers?.includes("auth") ? "auth" : offers?.includes("auth-int") ? "auth-int" : undefined
  if (known === undefined || (offers !== undefined && qop === undefined)) return undefined
  return {
    realm,
    nonce,
    opaque: parameters.get("opaque"),
    algorithm: known[1],
    named,
    session: session !== undefined,
    qop,
    userhash: parameters.get("userhash")?.toLowerCase() === "true",
    stale: parameters.get("stale")?.toLowerCase() === "true"
  }
}

/** The strongest that can be answered, of all that a server offers. */
export const wish = (values: ReadonlyArray<string>): Wish | undefined => {
  const wishes = challengesOf(values).flatMap((challenge) => wishOf(challenge) ?? [])
  for (const [, algorithm] of algorithms) {
    const found = wishes.find((one) => one.algorithm === algorithm)
    if (found !== undefined) return found
  }
  return undefined
}

export interface Answer {
  readonly user: string
  readonly password: string
  /** The request-target: path and query. */
  readonly uri: string
  /** How often the nonce has been used, this time included. */
  readonly count: number
  /** Random, printable, without quotes. */
  readonly cnonce: string
  /** Of octets (each a character), in hexadecimal. */
  readonly hash: (algorithm: Algorithm, text: string) => string
}

/** UTF-8. A realm is octets already, as fields of answers are: what they mean nobody says. */
const octets = (text: string): string => String.fromCharCode(...new TextEncoder().encode(text))

const quoted = (text: string): string => `"${text.replaceAll(/(["\\])/g, "\\$1")}"`

// oxlint-disable-next-line no-control-regex
const isPlain = (text: string): boolean => /^[\x20-\x7e]*$/.test(text)

/** RFC 8187 */
const extended = (text: string): string =>
  `UTF-8''${encodeURIComponent(text).replaceAll(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)}`

/** The value of the field Authorization for a GET. */
export const answer = (
  { algorithm, named, nonce, opaque, qop, realm, session, userhash }: Wish,
  { cnonce, count, hash, password, uri, user }: Answer
): string => {
  const h = (text: string): string => hash(algorithm, text)
  const nc = count.toString(16).padStart(8, "0")
  const secret = h(`${octets(user)}:${realm}:${octets(password)}`)
  const a1 = session ? h(`${secret}:${nonce}:${cnonce}`) : secret
  // auth-int: a GET has no body
  const a2 = h(qop === "auth-int" ? `GET:${uri}:${h("")}` : `GET:${uri}`)
  const response = h(
    qop === undefined ? `${a1}:${nonce}:${a2}` : `${a1}:${nonce}:${nc}:${cnonce}:${qop}:${a2}`
  )
  const name = userhash
    ? `username="${h(`${octets(user)}:${realm}`)}"`
    : isPlain(user)
      ? `username=${quoted(user)}`
      : `username*=${extended(user)}`
  return [
    `Digest ${name}`,
    `realm=${quoted(realm)}`,
    `nonce=${quoted(nonce)}`,
    `uri=${quoted(uri)}`,
    ...(named === undefined ? [] : [`algorithm=${named}`]),
    `response="${response}"`,
    ...(opaque === undefined ? [] : [`opaque=${quoted(opaque)}`]),
    ...(qop === undefined ? [] : [`qop=${qop}`, `nc=${nc}`]),
    ...(qop === undefined && !session ? [] : [`cnonce=${quoted(cnonce)}`]),
    ...(userhash ? ["userhash=true"] : [])
  ].join(", ")
}
