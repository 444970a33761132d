/**
 * How the engine of a command reaches others: files of certificates are read and tried before anything starts, so that a
 * mistake in them is one in the command and no failure of its downloads.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { access, constants, readFile } from "node:fs/promises"
import { dirname, resolve } from "node:path"
import * as Proxy from "../../domain/Proxy.js"
import { printable } from "../../domain/Redaction.js"
import { objection, type TransportName } from "../../domain/TransportName.js"
import * as Cookies from "../../layers/Cookies.js"
import * as Credentials from "../../layers/Credentials.js"
import type * as IdentifiedWire from "../../layers/IdentifiedWire.js"
import * as Tls from "../../layers/Tls.js"
import { UsageError } from "./Failures.js"
import type { network } from "./NetworkOptions.js"
import type { Values } from "./Setting.js"
import { Surroundings } from "./Surroundings.js"

/** The options, read. */
export type Asked = Values<typeof network>

/** Nothing but defaults. */
export const none: Asked = {
  cacert: undefined,
  certificate: undefined,
  privateKey: undefined,
  keyPassphrase: undefined,
  netrc: false,
  netrcFile: undefined,
  digest: false,
  loadCookies: undefined,
  saveCookies: undefined,
  proxy: undefined,
  noProxy: undefined,
  insecure: false,
  ipv4: false,
  ipv6: false
}

const wrong = (message: string, advice: string): UsageError =>
  new UsageError({ reason: "BadNetwork", message, advice })

const contents = (option: string, file: string, cwd: string): Effect.Effect<string, UsageError> => {
  const path = resolve(cwd, file)
  return Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (error) => {
      const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : ""
      return wrong(`${option}: ${printable(path)} can't be read${code}`, "check the path and its permissions")
    }
  })
}

const tlsOf = (asked: Asked, cwd: string): Effect.Effect<Tls.TlsOptions, UsageError> =>
  Effect.gen(function* () {
    const { cacert, certificate: cert, insecure, keyPassphrase, privateKey: key } = asked
    if (cert === undefined && key !== undefined)
      return yield* wrong("--key is the key of a certificate, and there is none", "give it with --cert FILE")
    const ca = cacert === undefined ? undefined : yield* contents("--cacert", cacert, cwd)
    const authorities: Tls.TlsOptions = { ca }
    yield* Effect.mapError(Tls.make(authorities), (why) =>
      wrong(`--cacert ${printable(cacert ?? "")}: ${why}`, "give certificates as PEM")
    )
    const client =
      cert === undefined
        ? undefined
        : {
            certificate: yield* contents("--cert", cert, cwd),
            key: key === undefined ? undefined : yield* contents("--key", key, cwd),
            passphrase: keyPassphrase
          }
    yield* Effect.mapError(Tls.make({ client }), (why) =>
      wrong(
        `--cert ${printable(cert ?? "")}${key === undefined ? "" : ` and --key ${printable(key)}`}: ${why}`,
        "give the certificate and its private key as PEM"
      )
    )
    return { ca, client, insecure }
  })

/** What the options say goes before what the environment says. */
const proxiesOf = (
  { noProxy, proxy }: Asked,
  environment: Readonly<Record<string, string | undefined>>
): Either.Either<Proxy.Rules, UsageError> =>
  noProxy?.trim() === "*"
    ? Either.right(Proxy.direct)
    : Either.map(
        proxy === undefined
          ? Either.mapLeft(Proxy.fromEnvironment(environment), (why) =>
              wrong(why, "correct the variable, or say --proxy; --no-proxy '*' goes without")
            )
          : Either.right(Proxy.only(proxy, Proxy.exceptionsIn(environment))),
        (rules) => (noProxy === undefined ? rules : { ...rules, except: Proxy.exceptions(noProxy) })
      )

/** Tried once before anything starts. */
const credentialsOf = (
  { netrc, netrcFile }: Asked,
  { cwd, environment, home }: Surroundings["Type"]
): Effect.Effect<Credentials.Lookup | undefined, UsageError> =>
  Effect.gen(function* () {
    if (!netrc && netrcFile === undefined) return undefined
    const file = resolve(cwd, netrcFile ?? environment["NETRC"] ?? resolve(home, ".netrc"))
    const { exposed } = yield* Effect.mapError(Credentials.readNetrc(file), (why) =>
      wrong(`--netrc: ${why}`, "correct the file, or name another with --netrc-file")
    )
    if (exposed)
      yield* Effect.logWarning(`others can read ${printable(file)}, which holds passwords: chmod 600`)
    return Credentials.netrc(file)
  })

/** Tried once before anything starts. */
const cookiesOf = (
  { loadCookies, saveCookies }: Asked,
  { cwd }: Surroundings["Type"]
): Effect.Effect<Cookies.Options | undefined, UsageError> =>
  Effect.gen(function* () {
    if (loadCookies === undefined && saveCookies === undefined) return undefined
    const [load, save] = [loadCookies, saveCookies].map((file) =>
      file === undefined ? undefined : resolve(cwd, file)
    )
    yield* Effect.mapError(Cookies.begin({ load, save }), (why) =>
      wrong(`--load-cookies: ${why}`, "give a file of cookies in Netscape's format")
    )
    if (save !== undefined)
      yield* Effect.tryPromise({
        try: () => access(dirname(save), constants.W_OK),
        catch: () =>
          wrong(
            `--save-cookies: ${printable(dirname(save))} is no directory that can be written to`,
            "choose another place"
          )
      })
    return { load, save }
  })

/** @see {@link options} */
export interface Ways extends IdentifiedWire.Options {
  readonly tls: Tls.TlsOptions
  readonly family?: 4 | 6
  readonly proxy: Proxy.Rules
}

/** As the engine takes it. */
export const options = (
  asked: Asked,
  transport?: TransportName
): Effect.Effect<Ways, UsageError, Surroundings> =>
  Effect.gen(function* () {
    const surroundings = yield* Surroundings
    const { cwd, environment } = surroundings
    if (asked.ipv4 && asked.ipv6)
      return yield* wrong("-4 and -6 exclude each other", "leave both out to use all addresses")
    const tls = yield* tlsOf(asked, cwd)
    const proxy = yield* proxiesOf(asked, environment)
    const why = objection(transport, { tls, proxies: proxy })
    if (why !== undefined)
      return yield* wrong(why, "leave out --transport wget, or the option that it can't follow")
    return {
      tls,
      proxy,
      credentials: yield* credentialsOf(asked, surroundings),
      cookies: yield* cookiesOf(asked, surroundings),
      digestOnly: asked.digest,
      ...(asked.ipv4 ? { family: 4 } : asked.ipv6 ? { family: 6 } : {})
    } as const
  })
