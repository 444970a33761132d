/**
 * What fetches: a setting of the engine.
 */
import * as Schema from "effect/Schema"
import type { Rules } from "./Proxy.js"

/** `http`: the engine's own connections. `wget`: a process of wget for each request, one at a time for each download. */
export const TransportName = Schema.Literal("http", "wget")
export type TransportName = typeof TransportName.Type

/** What a transport may have to do beyond the usual. */
export interface Ways {
  readonly tls: { readonly ca?: string | undefined; readonly client?: object | undefined }
  readonly proxies: Rules
}

/**
 * Why wget can't go these ways; undefined where it can. It would have to be given certificates as files, and it knows HTTP proxies
 * without TLS only. A sentence without a full stop.
 */
export const objection = (
  transport: TransportName | undefined,
  { proxies, tls }: Ways
): string | undefined => {
  if (transport !== "wget") return undefined
  if (tls.client !== undefined) return "the transport wget can't show a client certificate"
  if (tls.ca !== undefined) return "the transport wget trusts the authorities of the system only"
  const other = [proxies.http, proxies.https].find((proxy) => proxy !== undefined && proxy.scheme !== "http")
  return other === undefined
    ? undefined
    : `the transport wget can use proxies of the kind http:// only, not ${other.scheme}://`
}
