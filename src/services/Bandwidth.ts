/**
 * How fast bytes may come, in one engine: a Wire for each download that obeys what is set for the engine, for the host it asks, and
 * for the download, also where that changes while a body is on its way. What is counted are bytes of bodies, as they are handed
 * on; heads are not.
 *
 * Over 5 s, what comes is within a tenth of a limit that the network could exceed, and in no second is it more than 1.2 times
 * the rate. Downloads that share a limit get equal shares, however many connections each has. The limits of one
 * engine are its own: two engines of one database get as much each.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Download } from "../domain/Download.js"
import type { Limits } from "../domain/Limits.js"
import type { Shape as Wire } from "./Wire.js"

/** @see {@link Bandwidth} */
export interface Shape {
  /** The network, as this download may use it. Costs next to nothing where there is no limit. */
  readonly wireFor: (download: Pick<Download, "id" | "options">) => Wire
  /** What is set for this database, beside what the engine's options say. Takes effect at once. */
  readonly govern: (limits: Limits) => Effect.Effect<void>
}

/** Layers: over a Wire. */
export class Bandwidth extends Context.Tag("sluice/Bandwidth")<Bandwidth, Shape>() {}
