/**
 * Asking the server whether a file that is complete already is still what it has, without fetching it.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Download } from "../domain/Download.js"
import type { DownloadError } from "../domain/DownloadError.js"
import type { Kept } from "../domain/Refetch.js"

/** The server's answer. */
export type Answer = { readonly _tag: "Unchanged" } | { readonly _tag: "Changed"; readonly why: string }

/** @see {@link Revalidation} */
export interface Shape {
  /**
   * Asks, redirects followed, with the download's headers and within its timeouts. Fails as a transfer does where no answer can
   * be had. No socket is left, however it ends.
   */
  readonly ask: (download: Download, kept: Kept) => Effect.Effect<Answer, DownloadError>
}

/** Layers: http. */
export class Revalidation extends Context.Tag("sluice/Revalidation")<Revalidation, Shape>() {}
