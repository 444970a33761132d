/**
 * `sluice add`: puts downloads into the queue and says their ids, without downloading anything.
 *
 * A list may have millions of lines, so it is read and recorded in portions. One that can be read twice is checked as a
 * whole before anything is recorded; one that comes through a pipe is checked as it comes, and where it has a mistake,
 * portions before it are in the queue already, which is said.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { DownloadRequest } from "../../domain/DownloadRequest.js"
import { printable } from "../../domain/Redaction.js"
import type { Enqueued } from "../../services/Downloads.js"
import * as Events from "./Events.js"
import type { UsageError } from "./Failures.js"
import type * as InputFile from "./InputFile.js"
import * as InputLines from "./InputLines.js"
import * as Invocation from "./Invocation.js"
import { Output } from "./Output.js"
import * as Queue from "./Queue.js"
import { Refusals } from "./Refusals.js"
import * as Requests from "./Requests.js"
import * as SumsFiles from "./SumsFiles.js"
import * as Subdirectories from "./Subdirectories.js"
import { Surroundings } from "./Surroundings.js"
import * as Target from "./Target.js"

/** The arguments of `add`, read. */
export interface Asked extends Requests.Inputs, Target.Asked {
  readonly db: string | undefined
  readonly json: boolean
}

/** So many lines of a list are read, checked and recorded together. */
const portion = 2000

/** What comes through a pipe waits so long for more of it. */
const patience = "1000 millis"

/** Told one by one; further ones are counted. */
const shown = 10

/** Where a mistake comes to light after a part was recorded. */
const goOn = "correct it and run the same command again: what is in the queue already is not added twice"

/** What has become of what was asked for. */
class Tally {
  /** In the queue now, those that were there before included. */
  taken = 0
  attached = 0
  /** URLs seen. */
  seen = 0
  readonly refusals = new Refusals()
}

/** The whole list (so many downloads stand before it), before anything of it is recorded; the directories that it names below others are made. */
const check = (asked: Asked, lists: Stream.Stream<InputFile.List, UsageError>, before: number) =>
  Effect.gen(function* () {
    const { cwd } = yield* Surroundings
    const problems: Array<InputFile.Problem> = []
    const directories = new Map<string, Subdirectories.Wanted>()
    let count = 0
    let seen = before
    yield* Stream.runForEach(lists, (list) =>
      Effect.sync(() => {
        const found = Requests.ofList(asked, list, cwd)
        count += found.problems.length
        seen += list.entries.length
        problems.push(...found.problems)
        // the first are told
        problems.splice(shown)
        for (const wanted of Requests.subdirectories(asked, list, cwd))
          directories.set(JSON.stringify([wanted.root, wanted.below]), wanted)
      })
    )
    const several = Requests.oneForSeveral(asked, seen)
    if (several !== undefined) return yield* several
    if (count > 0) return yield* Requests.badList(asked.input, problems, { count })
    yield* Subdirectories.make(directories.values())
  })

const tell = (asked: Asked, taken: ReadonlyArray<Enqueued>, tally: Tally) =>
  Effect.gen(function* () {
    const output = yield* Output
    const now = yield* Clock.currentTimeMillis
    const attached = taken.filter(({ attached }) => attached)
    if (!asked.quiet) {
      yield* output.err(
        attached
          .slice(0, Math.max(0, shown - tally.attached))
          .map(({ download, id }) => `sluice: ${id} is in the queue already: ${printable(download.url)}\n`)
          .join("")
      )
    }
    tally.attached += attached.length
    yield* output.out(
      taken
        .map(({ attached, download, id }) =>
          asked.json ? Events.encode(Events.enqueued(download, attached, now)) : `${id}\n`
        )
        .join("")
    )
  })

/** What is to be known at the end. */
const conclude = (asked: Asked, tally: Tally) =>
  Effect.gen(function* () {
    const output = yield* Output
    if (asked.quiet) return
    if (asked.input !== undefined && tally.seen === 0) return yield* output.err(Requests.nothing(asked.input))
    if (tally.seen > 1) {
      const before = tally.attached === 0 ? "" : `, ${tally.attached} of them were there already`
      yield* output.err(`sluice: ${tally.taken} downloads are in the queue${before}\n`)
    }
    if (tally.taken > 0 && !(yield* Queue.isAttended)) {
      const command = Invocation.run(yield* Surroundings)
      yield* output.err(
        `sluice: no engine is running; to download what is in the queue:\n        ${command}\n`
      )
    }
  })

/** What was recorded before something came in between. */
const before = ({ taken }: Tally, what: string) =>
  taken === 0
    ? Effect.void
    : Effect.flatMap(Output, ({ err }) =>
        err(`sluice: ${what}${taken} download${taken === 1 ? " is" : "s are"} in the queue already\n`)
      )

/** The program over a queue: `urls` are recorded with the first portion of the list. */
export const add = (
  asked: Asked,
  urls: ReadonlyArray<DownloadRequest>,
  lists: Stream.Stream<InputFile.List, UsageError>
) =>
  Effect.suspend(() => {
    const tally = new Tally()
    let waiting = urls
    return Effect.gen(function* () {
      const { cwd } = yield* Surroundings
      const target = yield* Target.open(asked)
      const record = (requests: ReadonlyArray<DownloadRequest>) =>
        Effect.gen(function* () {
          const taken = tally.refusals.sort(yield* target.enqueueAll(requests))
          tally.taken += taken.length
          yield* tell(asked, taken, tally)
        })
      yield* Stream.runForEach(lists, (list) =>
        Effect.gen(function* () {
          const { problems, wanted } = Requests.ofList(asked, list, cwd)
          if (problems.length > 0) {
            return yield* Requests.badList(asked.input, problems, tally.taken === 0 ? {} : { advice: goOn })
          }
          const all = [...waiting, ...wanted]
          waiting = []
          tally.seen += all.length
          const several = Requests.oneForSeveral(asked, tally.seen)
          if (several !== undefined) return yield* several
          yield* Subdirectories.make(Requests.subdirectories(asked, list, cwd))
          for (let i = 0; i < all.length; i += portion) yield* record(all.slice(i, i + portion))
        })
      )
      const refused = tally.refusals.error()
      if (refused === undefined) yield* target.close
      yield* conclude(asked, tally)
      if (refused !== undefined) return yield* refused
    }).pipe(
      Effect.tapError(() => (tally.refusals.count === 0 ? before(tally, "") : Effect.void)),
      Effect.onInterrupt(() => before(tally, "interrupted; "))
    )
  })

export const run = Effect.fn("sluice.add")(function* (asked: Asked) {
  const surroundings = yield* Surroundings
  const { input } = asked
  yield* Target.check(asked)
  yield* Requests.begin(asked, "add")
  const sums = SumsFiles.make(surroundings.cwd)
  const metalinks = yield* Requests.documents(asked, surroundings.cwd)
  const urls = yield* sums.inRequests(yield* Requests.named(asked, metalinks, surroundings.cwd))
  const twice = input !== undefined && (yield* InputLines.isRegular(input, surroundings))
  const lines =
    input === undefined
      ? Stream.make(Requests.empty)
      : InputLines.portions(input, surroundings, {
          lines: portion,
          // what is for one URL alone is refused before the first of several is recorded
          within: twice || Requests.oneOnly(asked) !== undefined ? undefined : patience
        })
  const lists = Stream.mapEffect(lines, (list) => sums.inList(list, asked.output))
  if (twice) yield* check(asked, lists, urls.length)
  yield* Subdirectories.make(Requests.subdirectories(asked, Requests.entriesOf(metalinks), surroundings.cwd))
  const queue = yield* Queue.openToAdd(asked.db)
  yield* Effect.provide(add(asked, urls, lists), queue)
})
