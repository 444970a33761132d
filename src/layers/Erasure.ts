/**
 * What a finished download's row has dropped is to be gone from the disk as well: its secrets. In the database's file SQLite
 * overwrites them (`secure_delete`); in the write-ahead log beside it they would stay as long as any engine has the database
 * open. So the log is emptied once rows have dropped secrets: a second later if the engine has nothing to do then, after a
 * minute if it is busy all the time. That costs a sync or two, which the next checkpoint then saves.
 *
 * Tricky interleavings: another process that reads holds the log; then it is tried again. The end of the last engine removes the
 * log altogether, so a command that ends sooner has nothing to do here; after a kill, the next one to open and close it does.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { type Download, noHeaders } from "../domain/Download.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Shape as Store } from "../services/Store.js"

/** How long to let a burst of endings pass, in milliseconds. */
const pause = 1000

/** So many pauses an engine may be busy. */
const patience = 60

const hasSecrets = ({ headers }: Download): boolean =>
  headers !== noHeaders && Redacted.value(headers).length > 0

/** Empties the log as long as it runs. `isIdle`: whether nobody is at work. */
export const make = (store: Store, isIdle: () => boolean): Effect.Effect<never, StoreError> =>
  Effect.gen(function* () {
    const bell = yield* Effect.makeLatch(false)
    yield* store.onCommit(({ before, changed, removed, touched }) => {
      if (touched.size > 0 || removed.size > 0) return void bell.unsafeOpen()
      for (const [id, row] of before) {
        const after = changed.get(id)
        // dropped, or replaced by others
        if (row === null || after === undefined || !hasSecrets(row) || row.headers === after.headers) continue
        bell.unsafeOpen()
        return
      }
    })
    for (;;) {
      yield* bell.await
      yield* Effect.sleep(pause)
      for (let i = 0; i < patience && !isIdle(); i++) yield* Effect.sleep(pause)
      yield* bell.close
      if (!(yield* store.emptyLog)) yield* bell.open
    }
  }).pipe(Effect.scoped)
