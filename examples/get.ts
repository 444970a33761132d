/**
 * Downloads one URL into the current directory, durably: run it again after a crash, and it goes on.
 *
 *     npx tsx examples/get.ts https://example.org/file.iso
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Downloads, layer } from "sluice"

const program = Effect.gen(function* () {
  const downloads = yield* Downloads
  const { id } = yield* downloads.enqueue({ url: process.argv[2] ?? "", directory: process.cwd() })
  const { failure, filename, status } = yield* downloads.await(id)
  yield* Console.log(status, status === "completed" ? filename : failure?.detail)
})

void Effect.runPromise(Effect.provide(program, layer({ database: "downloads.db" })))
