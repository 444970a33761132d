/**
 * The engine for a command. It is loaded when a command needs it, not before: usage errors and help don't wait for it.
 */
import * as Effect from "effect/Effect"

/** The module that puts the layers together. */
export const load = Effect.promise(() => import("../engine.js"))
