/**
 * Proxies, and for what they are used: the usual variables of the environment or what an option says, with exceptions. Pure; how a
 * proxy is spoken to is left to layers/Tunnels.
 *
 * There is no standard for the variables. This follows curl: `http_proxy` in lower case only (a CGI program gets HTTP_PROXY from a
 * client's header Proxy), the others in either case, lower case first; `all_proxy` where there is none for the scheme; `no_proxy` as
 * names that stand for what is below them too, addresses, and networks in CIDR notation.
 */
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { Address4, Address6 } from "ip-address"
import { printable, redactUrl } from "./Redaction.js"

/**
 * `http`, `https`: HTTP proxies, reached in the clear or by TLS. `socks5`: names are resolved here; `socks5h`: by the proxy.
 */
export type Scheme = "http" | "https" | "socks5" | "socks5h"

/** One proxy. */
export interface Proxy {
  /** How it is spoken to. */
  readonly scheme: Scheme
  /** A name, or an address; IPv6 without brackets. */
  readonly hostname: string
  /** Where it listens. */
  readonly port: number
  /** For the proxy alone: no origin is sent them. */
  readonly credentials: Redacted.Redacted<{ readonly user: string; readonly password: string }> | undefined
}

/** What goes where. */
export interface Rules {
  /** For http URLs; undefined for none. */
  readonly http: Proxy | undefined
  /** For https URLs; undefined for none. */
  readonly https: Proxy | undefined
  /** What is reached without: names (and all below them), addresses, networks, each with a port or without; `*` is everything. */
  readonly except: ReadonlyArray<string>
}

/** Everything is reached without a proxy. */
export const direct: Rules = { http: undefined, https: undefined, except: [] }

/** As curl has them: what a URL leaves out. */
const ports: Record<Scheme, number> = { http: 1080, https: 443, socks5: 1080, socks5h: 1080 }

/** How it is called in messages: without credentials. */
export const nameOf = ({ hostname, port }: Proxy): string =>
  hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`

/** Whether it forwards requests for http URLs itself, instead of a connection. */
export const forwards = ({ scheme }: Proxy): boolean => scheme === "http" || scheme === "https"

const withoutBrackets = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, "$1")

const schemeOf = (name: string): Scheme | undefined => {
  switch (name) {
    case "http":
    case "https":
    case "socks5":
    case "socks5h":
      return name
    // its names are resolved by it, as in most programs that know this one only
    case "socks":
      return "socks5h"
    default:
      return undefined
  }
}

/** `http://proxy:3128`, `socks5h://user:password@proxy`; without a scheme it is `http`. The error is a sentence that shows no password. */
export const parse = (text: string): Either.Either<Proxy, string> => {
  const shown = `"${printable(redactUrl(text.trim()))}"`
  const [, name = "http", rest = ""] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(text.trim()) ?? []
  const scheme = schemeOf(name.toLowerCase())
  if (scheme === undefined)
    return Either.left(`${shown} is no proxy that can be used: http, https, socks5 and socks5h can`)
  // the rules of http for hosts, ports and escapes; a port that is the default of http stays told
  const given = `http://${rest}`
  if (rest === "" || !URL.canParse(given)) return Either.left(`${shown} is not the URL of a proxy`)
  const url = new URL(given)
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "")
    return Either.left(`${shown} is not the URL of a proxy: nothing may stand behind the port`)
  const isDefault = url.port === "" && /:0*80\/?$/.test(rest)
  try {
    const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)]
    return Either.right({
      scheme,
      hostname: withoutBrackets(url.hostname),
      port: url.port !== "" ? Number(url.port) : isDefault ? 80 : ports[scheme],
      credentials: user === "" && password === "" ? undefined : Redacted.make({ user, password })
    })
  } catch {
    return Either.left(`${shown} has an escape in its user or password that can't be decoded: write % as %25`)
  }
}

type Environment = Readonly<Record<string, string | undefined>>

/** The exceptions of a list with commas or white space. */
export const exceptions = (text: string | undefined): ReadonlyArray<string> =>
  (text ?? "").split(/[\s,]+/).filter((one) => one !== "")

/** What the environment excepts. */
export const exceptionsIn = (environment: Environment): ReadonlyArray<string> =>
  exceptions(environment["no_proxy"] ?? environment["NO_PROXY"])

/** By the variables of the environment. The error says which one is wrong: going without the proxy would be no answer. */
export const fromEnvironment = (environment: Environment): Either.Either<Rules, string> => {
  const of = (...names: ReadonlyArray<string>): Either.Either<Proxy | undefined, string> => {
    const name = names.find((one) => environment[one] !== undefined)
    const text = name === undefined ? "" : (environment[name]?.trim() ?? "")
    // set to nothing: none, also where there is one for all
    return text === "" ? Either.right(undefined) : Either.mapLeft(parse(text), (why) => `${name}: ${why}`)
  }
  return Either.all({
    http: of("http_proxy", "all_proxy", "ALL_PROXY"),
    https: of("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
    except: Either.right(exceptionsIn(environment))
  })
}

/**
 * What an option says: a URL for everything, `environment` for what the variables there say, or rules as they are. Nothing: no proxy.
 */
export const rules = (
  option: string | Rules | undefined,
  environment: Environment
): Either.Either<Rules, string> => {
  if (option === undefined) return Either.right(direct)
  if (typeof option !== "string") return Either.right(option)
  return option === "environment"
    ? fromEnvironment(environment)
    : Either.map(parse(option), (proxy) => only(proxy))
}

/** Everything by this one. */
export const only = (proxy: Proxy, except: ReadonlyArray<string> = []): Rules => ({
  http: proxy,
  https: proxy,
  except
})

type Address = Address4 | Address6

/** An address, or a network in CIDR notation. */
const addressOf = (text: string): Address | undefined =>
  Address4.isValid(text) ? new Address4(text) : Address6.isValid(text) ? new Address6(text) : undefined

/** One address, or all of a network. */
const covers = (entry: Address | undefined, address: Address): boolean =>
  entry !== undefined && entry.v4 === address.v4 && address.isInSubnet(entry)

const isExcepted = (hostname: string, port: string, entry: string): boolean => {
  if (entry === "*") return true
  // an IPv6 address has colons of its own: with a port it stands in brackets
  const [, inner, given] =
    addressOf(entry) !== undefined
      ? [entry, entry, undefined]
      : (/^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(entry) ?? [])
  if (inner === undefined || (given !== undefined && given !== port)) return false
  const address = addressOf(hostname)
  if (address !== undefined) return covers(addressOf(withoutBrackets(inner)), address)
  const name = inner
    .replace(/^\*?\./, "")
    .replace(/\.$/, "")
    .toLowerCase()
  return name !== "" && (hostname === name || hostname.endsWith(`.${name}`))
}

/** The proxy for an origin (`https://host`, `http://host:8080`); undefined for none. */
export const choose = (rules: Rules, origin: string): Proxy | undefined => {
  if (rules.http === undefined && rules.https === undefined) return undefined
  const url = new URL(origin)
  const isSecure = url.protocol === "https:"
  const proxy = isSecure ? rules.https : rules.http
  if (proxy === undefined) return undefined
  const hostname = withoutBrackets(url.hostname).replace(/\.$/, "").toLowerCase()
  const port = url.port || (isSecure ? "443" : "80")
  return rules.except.some((entry) => isExcepted(hostname, port, entry)) ? undefined : proxy
}

/** For the header field Proxy-Authorization: basic authentication (RFC 7617), in UTF-8. */
export const authorization = ({ credentials }: Proxy): string | undefined => {
  if (credentials === undefined) return undefined
  const { password, user } = Redacted.value(credentials)
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`
}

/** Written as a URL with its credentials, for programs that take one. A secret. */
export const toUrl = (proxy: Proxy): Redacted.Redacted => {
  const { credentials, scheme } = proxy
  const { password, user } =
    credentials === undefined ? { user: "", password: "" } : Redacted.value(credentials)
  const who = credentials === undefined ? "" : `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`
  return Redacted.make(`${scheme}://${who}${nameOf(proxy)}`)
}
