/**
 * What fetches: a setting of the engine.
 */
import * as Schema from "effect/Schema"

/** `http`: the engine's own connections. `wget`: a process of wget for each request, one at a time for each download. */
export const TransportName = Schema.Literal("http", "wget")
export type TransportName = typeof TransportName.Type
