/**
 * A request that ends with its scope, over an exchange that somebody has to end by hand.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DownloadError } from "../domain/DownloadError.js"
import type { Exchange, WireResponse } from "../services/Wire.js"

/** Of an exchange whose body nobody has taken at its head. */
export const requestBy = (exchange: Exchange): Effect.Effect<WireResponse, DownloadError, Scope.Scope> =>
  Effect.zipRight(
    Effect.addFinalizer(() => Effect.sync(() => exchange.abort())),
    exchange.run
  ).pipe(
    Effect.flatMap((response) =>
      response === undefined
        ? Effect.dieMessage("a response was taken by nobody and has ended")
        : Effect.succeed(response)
    )
  )
