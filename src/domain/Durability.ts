/**
 * What finished and unfinished work survives: a setting of the engine, since the database is one for all downloads.
 */
import * as Schema from "effect/Schema"

/**
 * `power-loss`: nothing that was recorded is lost, whatever happens to the machine. `crash`: that holds when the process
 * dies, however it dies, but not when the machine does: parts and directories are not synced, and the database may
 * forget its last transactions (it stays whole). A part may then hold less than the database believes.
 */
export const Durability = Schema.Literal("power-loss", "crash")
export type Durability = typeof Durability.Type
