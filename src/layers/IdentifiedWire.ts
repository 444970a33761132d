/**
 * A Wire that knows who asks: it adds credentials that are looked up, and cookies, to each request, answers challenges of digest
 * authentication, and keeps the cookies of answers. It stands right above the network, so redirects, segments, lists and every
 * transport have the same.
 *
 * Never across origins: what a request brings itself was given for its origin (Redirect sees to it), what is looked up belongs to the
 * host (Credentials), cookies follow RFC 6265, and a challenge is answered to the origin that has sent it, with the credentials of that
 * very request.
 *
 * Tricky interleavings: a challenge costs a second exchange within the first, over the same place at the host; whoever gives the
 * first up gives up whichever is on its way. A challenge is remembered by origin, so many requests may answer the same one at once,
 * each with a number of its own; one that finds its nonce stale takes the new one, and a server that refuses that too has refused.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createHash, randomBytes } from "node:crypto"
import * as DigestAuth from "../domain/DigestAuth.js"
import { type DownloadError, make as makeError } from "../domain/DownloadError.js"
import type { Headers } from "../domain/Headers.js"
import {
  type ByteSink,
  type Exchange,
  type ResponseHead,
  type Shape,
  Wire,
  type WireRequest,
  type WireResponse
} from "../services/Wire.js"
import * as Cookies from "./Cookies.js"
import type * as Credentials from "./Credentials.js"
import { firstToEnd } from "./Race.js"
import { requestBy } from "./ScopedRequest.js"

/** @see {@link over} */
export interface Settings {
  /** Undefined: nobody is looked up. */
  readonly lookup: Credentials.Lookup | undefined
  /** Undefined: no cookies. */
  readonly jar: Cookies.Jar | undefined
  /** A password is never sent, only answers to challenges that prove it. */
  readonly digestOnly: boolean
}

/** Challenges remembered, the last of each origin. */
const maxChallenges = 1000

/** Of one request: a stale nonce may be followed by another. */
const maxAnswers = 2

interface Standing {
  readonly wish: DigestAuth.Wish
  /** The same for all requests: servers differ in which one they take for the key of a session (-sess). */
  readonly cnonce: string
  /** How often its nonce was used. */
  count: number
}

interface Login {
  readonly user: string
  readonly password: string
}

type Fields = WireRequest["headers"]

const hashNames: Record<DigestAuth.Algorithm, string> = {
  MD5: "md5",
  "SHA-256": "sha256",
  "SHA-512-256": "sha512-256"
}

const hash = (algorithm: DigestAuth.Algorithm, text: string): string =>
  createHash(hashNames[algorithm]).update(text, "latin1").digest("hex")

const valueOf = (fields: Fields, name: string): string | undefined =>
  fields.find(([one]) => one.toLowerCase() === name)?.[1]

const without = (fields: Fields, name: string): Fields => fields.filter(([one]) => one.toLowerCase() !== name)

/** User and password of a field for basic authentication (RFC 7617). */
const loginOf = (field: string | undefined): Login | undefined => {
  const encoded = /^basic +([A-Za-z0-9+/]+=*)$/i.exec(field?.trim() ?? "")?.[1]
  if (encoded === undefined) return undefined
  const [, user, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, "base64").toString("utf8")) ?? []
  return user === undefined || password === undefined ? undefined : { user, password }
}

const basic = ({ password, user }: Login): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`

export const over = (wire: Shape, { digestOnly, jar, lookup }: Settings): Shape => {
  const challenges = new Map<string, Standing>()

  const remember = (origin: string, wish: DigestAuth.Wish): Standing => {
    const standing: Standing = { wish, cnonce: randomBytes(16).toString("base64url"), count: 0 }
    challenges.delete(origin)
    challenges.set(origin, standing)
    const [oldest] = challenges.keys()
    if (challenges.size > maxChallenges && oldest !== undefined) challenges.delete(oldest)
    return standing
  }

  const answer = (standing: Standing, login: Login, url: URL): string =>
    DigestAuth.answer(standing.wish, {
      ...login,
      uri: `${url.pathname}${url.search}`,
      count: ++standing.count,
      cnonce: standing.cnonce,
      hash
    })

  /** What a request is sent with, and who has sent it. */
  const introduced = (
    request: WireRequest,
    url: URL
  ): Effect.Effect<{ readonly fields: Fields; readonly login: Login | undefined }, DownloadError> =>
    Effect.gen(function* () {
      const given = valueOf(request.headers, "authorization")
      const found =
        given !== undefined || lookup === undefined
          ? Option.none()
          : yield* lookup({ url, personal: request.personal === true })
      const login = Option.match(found, {
        onNone: () => loginOf(given),
        onSome: (one) =>
          "user" in one ? { user: one.user, password: Redacted.value(one.password) } : undefined
      })
      const bearer = Option.isSome(found) && "token" in found.value ? found.value.token : undefined
      if (bearer !== undefined)
        return {
          fields: [...request.headers, ["Authorization", `Bearer ${Redacted.value(bearer)}`]],
          login
        }
      return { fields: request.headers, login }
    })

  /** The cookies there are now: an answer may have brought some since the last time. */
  const withCookies = (fields: Fields, url: URL): Fields => {
    const cookie =
      jar === undefined || valueOf(fields, "cookie") !== undefined ? undefined : jar.header(url.href)
    return cookie === undefined ? fields : [...fields, ["Cookie", cookie]]
  }

  /** Credentials as the origin has asked for them, if it has. */
  const authorized = (fields: Fields, login: Login | undefined, url: URL): Fields => {
    if (login === undefined) return fields
    const standing = challenges.get(url.origin)
    if (standing === undefined && !digestOnly)
      return valueOf(fields, "authorization") === undefined
        ? [...fields, ["Authorization", basic(login)]]
        : fields
    const rest = without(fields, "authorization")
    return standing === undefined ? rest : [...rest, ["Authorization", answer(standing, login, url)]]
  }

  const stored = (url: URL, headers: Headers): void => {
    const values = headers.get("set-cookie")
    if (values !== undefined) jar?.store(url.href, values)
  }

  const exchange: Shape["exchange"] = (request, onHead) => {
    const isPlain =
      lookup === undefined && jar === undefined && valueOf(request.headers, "authorization") === undefined
    if (isPlain || !URL.canParse(request.url)) return wire.exchange(request, onHead)
    const url = new URL(request.url)
    let current: Exchange | undefined
    const givenUp = Deferred.unsafeMake<never, DownloadError>(FiberId.none)
    let isOver = false

    const ask = (
      fields: Fields,
      login: Login | undefined,
      answers: number
    ): Effect.Effect<WireResponse | void, DownloadError> =>
      Effect.suspend(() => {
        const standing = challenges.get(url.origin)
        let wanted: DigestAuth.Wish | "basic" | undefined
        const shown = (head: ResponseHead): ByteSink | undefined => {
          stored(url, head.headers)
          if (head.status === 401 && login !== undefined && answers < maxAnswers) {
            const offers = head.headers.get("www-authenticate") ?? []
            const wish = DigestAuth.wish(offers)
            // what has been answered once is refused, unless it says that only the nonce was too old
            if (wish !== undefined && (answers === 0 || wish.stale)) {
              wanted = wish
              return undefined
            }
            // another part of the origin may want what this one does not
            if (wish === undefined && answers === 0 && standing !== undefined && !digestOnly) {
              if (DigestAuth.challengesOf(offers).some(({ scheme }) => scheme === "basic")) {
                wanted = "basic"
                return undefined
              }
            }
          }
          return onHead(head)
        }
        if (isOver) return Deferred.await(givenUp)
        current = wire.exchange(
          { ...request, headers: withCookies(authorized(fields, login, url), url) },
          shown
        )
        return Effect.flatMap(current.run, (response) => {
          if (wanted === undefined || response === undefined) return Effect.succeed(response)
          // somebody may have got a newer one meanwhile
          if (challenges.get(url.origin) === standing) {
            if (wanted === "basic") challenges.delete(url.origin)
            else remember(url.origin, wanted)
          }
          return Effect.zipRight(
            response.discard,
            Effect.suspend(() => {
              request.activity.phase = "connecting"
              return ask(fields, login, answers + 1)
            })
          )
        })
      })

    return {
      // looking up may take long, and is no business of the network's
      run: Effect.flatMap(
        firstToEnd(introduced(request, url), Deferred.await(givenUp)),
        ({ fields, login }) => ask(fields, login, 0)
      ),
      abort: (error) => {
        if (isOver) return
        isOver = true
        Deferred.unsafeDone(givenUp, error ?? makeError("Network", `the request to ${url.host} was given up`))
        current?.abort(error)
      }
    }
  }

  return Wire.of({ exchange, request: (request) => requestBy(exchange(request, () => undefined)) })
}

/** Options of an engine. */
export interface Options {
  /**
   * Asked who one is at a host, for requests without an Authorization of their own: `Credentials.netrc(file)`, or a function of the
   * program's. Nothing of it is stored. @default nobody is introduced
   */
  readonly credentials?: Credentials.Lookup | undefined
  /** Cookies are taken and sent, in memory, and may be read from a file and written to one. @default there are none */
  readonly cookies?: Cookies.Options | undefined
  /**
   * Passwords are never sent, neither at once nor to a server that asks for basic authentication: only challenges of digest
   * authentication are answered (RFC 7616). @default they are sent at once, unless the origin has asked for digest authentication
   */
  readonly digestOnly?: boolean | undefined
}

/** Over the Wire that is provided to it. A file of cookies that can't be used is a mistake in the program: it dies. */
export const layer = ({
  cookies,
  credentials,
  digestOnly = false
}: Options): Layer.Layer<Wire, never, Wire> =>
  Layer.scoped(
    Wire,
    Effect.gen(function* () {
      const clock = yield* Effect.clock
      const jar =
        cookies === undefined
          ? undefined
          : yield* Effect.orDieWith(
              Cookies.make(cookies, () => clock.unsafeCurrentTimeMillis()),
              (why) => new RangeError(`the option cookies can't be used: ${why}`)
            )
      return over(yield* Wire, { lookup: credentials, jar, digestOnly })
    })
  )
