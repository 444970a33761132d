/**
 * How the engine of a command reaches others: files of certificates are read and tried before anything starts, so that a
 * mistake in them is one in the command and no failure of its downloads.
 */
import * as Effect from "effect/Effect"
import { readFile } from "node:fs/promises"
import { resolve } from "node:path"
import { printable } from "../../domain/Redaction.js"
import * as Tls from "../../layers/Tls.js"
import type { Options } from "../engine.js"
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

/** As the engine takes it. */
export const options = (
  asked: Asked
): Effect.Effect<Pick<Options, "tls" | "family">, UsageError, Surroundings> =>
  Effect.gen(function* () {
    const { cwd } = yield* Surroundings
    if (asked.ipv4 && asked.ipv6)
      return yield* wrong("-4 and -6 exclude each other", "leave both out to use all addresses")
    return {
      tls: yield* tlsOf(asked, cwd),
      ...(asked.ipv4 ? { family: 4 } : asked.ipv6 ? { family: 6 } : {})
    } as const
  })
