/**
 * How secure connections are made: whom to trust, and as whom to introduce oneself. Reads PEM once and says in a sentence
 * what is wrong with it; which connection gets the client certificate is decided by who asks for one (UndiciConnections).
 */
import * as Effect from "effect/Effect"
import type { SecureContext, SecureContextOptions } from "node:tls"

/** A client certificate. */
export interface ClientCertificate {
  /** As PEM, with those between it and its authority behind it. */
  readonly certificate: string
  /** Its private key as PEM. @default it is beside the certificate */
  readonly key?: string | undefined
  /** For a key that is encrypted. */
  readonly passphrase?: string | undefined
}

/** @see {@link make} */
export interface TlsOptions {
  /** Authorities to trust instead of the usual ones: one or several certificates as PEM. @default those that Node trusts */
  readonly ca?: string | undefined
  /**
   * Shown to servers that ask for one, at the origin that a download is of and nowhere else: neither where redirects lead nor
   * to mirrors. @default none
   */
  readonly client?: ClientCertificate | undefined
  /**
   * Certificates of servers are not checked at all: whoever is on the way can read and change everything. It is logged as a
   * warning. @default false
   */
  readonly insecure?: boolean | undefined
}

/** Of tls.connect. */
interface ConnectionOptions {
  readonly secureContext?: SecureContext
  readonly rejectUnauthorized?: boolean
}

/** Options of connections, ready to use. */
export interface Tls {
  /** For whomever. */
  readonly anonymous: ConnectionOptions
  /** With the client certificate; undefined where there is none. */
  readonly identified: ConnectionOptions | undefined
}

/** What is logged where certificates are not checked. */
export const unchecked =
  "the certificates of servers are not checked: whoever is on the way can read and change everything"

/** Nothing but defaults. */
export const defaults: Tls = { anonymous: {}, identified: undefined }

const certificates = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "no known format"

/** What OpenSSL means. */
const meaningOf = (error: unknown): string => {
  const code = codeOf(error)
  if (/KEY_VALUES_MISMATCH|KEY_TYPE_MISMATCH/.test(code)) return "the key does not belong to the certificate"
  if (/BAD_DECRYPT|MISSING_PASSPHRASE|INTERRUPTED_OR_CANCELLED|BAD_PASSWORD/.test(code))
    return "the key is encrypted, and the passphrase is missing or wrong"
  return `it is no certificate with its private key as PEM (${code})`
}

/** Reads what was given. The error is a sentence without a full stop, and shows nothing of a key. */
export const make = ({ ca, client, insecure }: TlsOptions): Effect.Effect<Tls, string> =>
  Effect.gen(function* () {
    const how: ConnectionOptions = insecure === true ? { rejectUnauthorized: false } : {}
    if (ca === undefined && client === undefined) return { anonymous: how, identified: undefined }
    // neither is loaded before it is needed
    const { createSecureContext } = yield* Effect.promise(() => import("node:tls"))
    if (ca !== undefined) yield* checkAuthorities(ca)
    const trusting: SecureContextOptions = ca === undefined ? {} : { ca }
    const anonymous = { ...how, secureContext: createSecureContext(trusting) }
    if (client === undefined) return { anonymous, identified: undefined }
    const { certificate, key = certificate, passphrase } = client
    const secureContext = yield* Effect.try({
      try: () =>
        createSecureContext({
          ...trusting,
          cert: certificate,
          key,
          ...(passphrase === undefined ? {} : { passphrase })
        }),
      catch: meaningOf
    })
    return { anonymous, identified: { ...how, secureContext } }
  })

/** OpenSSL passes over what it can't read: nothing would be trusted, and nobody would say why. */
const checkAuthorities = (ca: string): Effect.Effect<void, string> =>
  Effect.gen(function* () {
    const found = ca.match(certificates) ?? []
    if (found.length === 0) return yield* Effect.fail("it holds no certificate as PEM")
    const { X509Certificate } = yield* Effect.promise(() => import("node:crypto"))
    for (const [index, text] of found.entries())
      yield* Effect.try({
        try: () => new X509Certificate(text),
        catch: (error) => `its certificate number ${index + 1} can't be read (${codeOf(error)})`
      })
  })
