/**
 * Downloads one URL into the current directory, durably: run it again after a crash, and it goes on.
 *
 *     npx tsx examples/get.ts https://example.org/file.iso
 */
import * as Effect from "effect/Effect"
import { Downloads, layer } from "sluice"

const program = Effect.flatMap(Downloads, (downloads) => downloads.download({ url: process.argv[2] ?? "" }))
const { path } = await program.pipe(Effect.provide(layer({ database: "downloads.db" })), Effect.runPromise)
console.log(path)
