/**
 * `sluice pause`, `resume`, `cancel`, `retry`, `rm` and `move`: what people want of downloads that are there. Each of those
 * that were named is looked up before anything is done; one that its status keeps from it is told, with what to do
 * instead, and keeps no other from it. An engine that runs elsewhere does its part; nothing is downloaded here.
 *
 * Ids of downloads that are now as asked go to stdout, and of a retried one that of the new download.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Download } from "../../domain/Download.js"
import type { DownloadError } from "../../domain/DownloadError.js"
import { printable } from "../../domain/Redaction.js"
import type { Affected, Selection } from "../../domain/Selection.js"
import type { StoreError } from "../../domain/StoreError.js"
import { Downloads } from "../../services/Downloads.js"
import { allowed } from "./Allowed.js"
import * as Events from "./Events.js"
import type { Verb } from "./EventSchema.js"
import { type CommandError, Unfinished } from "./Failures.js"
import * as Ids from "./Ids.js"
import * as Invocation from "./Invocation.js"
import { Output } from "./Output.js"
import * as Queue from "./Queue.js"
import { style } from "./Style.js"
import { Surroundings } from "./Surroundings.js"
import * as Which from "./Which.js"

/** What is to be done. */
export type Task =
  | { readonly verb: Exclude<Verb, "move" | "source"> }
  | { readonly verb: "move"; readonly priority: number }
  | {
      readonly verb: "source"
      readonly urls: ReadonlyArray<string>
      /** All others are not asked any more. */
      readonly replace: boolean
    }

/** At once: the engine commits them together. */
const concurrency = 16

const past: Record<Verb, string> = {
  pause: "paused",
  resume: "resumed",
  cancel: "cancelled",
  retry: "retried",
  rm: "removed",
  move: "moved",
  source: "given a source"
}

/** A download as it is now, and what has come of the command. */
interface Told {
  readonly download: Download
  readonly answer: Omit<Events.Answer, "command">
}

const done = (download: Download): Told => ({ download, answer: { answer: "done" } })

/** It may have ended by itself before it could be stopped. */
const stopped =
  (verb: "pause" | "cancel") =>
  (download: Download): Told => {
    const verdict = allowed(verb, download)
    return verdict.verdict === "refused"
      ? { download, answer: { answer: "refused", detail: verdict.how, advice: verdict.instead } }
      : done(download)
  }

const act = (task: Task, download: Download): Effect.Effect<Told, StoreError | DownloadError, Downloads> =>
  Effect.flatMap(Downloads, (downloads): Effect.Effect<Told, StoreError | DownloadError> => {
    switch (task.verb) {
      case "pause":
        return Effect.map(downloads.pause(download.id), stopped("pause"))
      case "resume":
        return Effect.map(downloads.resume(download.id), done)
      case "cancel":
        return Effect.map(downloads.cancel(download.id), stopped("cancel"))
      case "retry":
        return Effect.map(downloads.retry(download.id), ({ id }) => ({
          download,
          answer: { answer: "done", next: id }
        }))
      case "rm":
        return Effect.as(downloads.remove(download.id), done(download))
      case "move":
        return Effect.as(
          downloads.move({ ids: [download.id] }, task.priority),
          done({ ...download, priority: task.priority })
        )
      case "source":
        return Effect.map(
          // the first takes the place of the others, and those that follow stand beside it
          Effect.reduce(task.urls, download, ({ id }, url, index) =>
            downloads.addSource(id, url, { replace: task.replace && index === 0 })
          ),
          done
        )
    }
  })

/** What one download could not do keeps no other from it; what is wrong with the database ends the command. */
const orTold =
  (download: Download) =>
  (error: StoreError | DownloadError): Effect.Effect<Told, StoreError> => {
    const told = (answer: "refused" | "unanswered", detail: string, advice: string) =>
      Effect.succeed({ download, answer: { answer, detail, advice } })
    if (error._tag === "DownloadError") return told("refused", error.detail, error.advice)
    switch (error.reason) {
      case "Unanswered":
        return told(
          "unanswered",
          "it is on record, but the engine that owns it has not followed yet",
          `it will as soon as it can; look with sluice show ${download.id}`
        )
      case "NotFound":
        return told("refused", "it has been removed meanwhile", "sluice ls lists what there is")
      case "Refused":
      case "Fenced":
        return told(
          "refused",
          error.detail ?? "it has changed meanwhile",
          `look with sluice show ${download.id}`
        )
      default:
        return Effect.fail(error)
    }
  }

const one = (task: Task, download: Download): Effect.Effect<Told, StoreError, Downloads> => {
  const verdict = allowed(task.verb, download)
  switch (verdict.verdict) {
    case "go":
      return Effect.catchAll(act(task, download), orTold(download))
    case "already":
      return Effect.succeed({ download, answer: { answer: "already", detail: verdict.how } })
    case "refused":
      return Effect.succeed({
        download,
        answer: { answer: "refused", detail: verdict.how, advice: verdict.instead }
      })
  }
}

/** For people: nothing about what went as asked. */
const sentence = (verb: Verb, { answer, download }: Told, color: boolean): string => {
  const name = `${download.id} ${printable(download.url)}`
  const { advice = "", detail = "", next } = answer
  switch (answer.answer) {
    case "done":
      return next === undefined || next === download.id ? "" : `sluice: ${next} retries ${name}\n`
    case "already":
      return `sluice: ${name}: ${detail}\n`
    case "refused":
      return `sluice: ${style(color).red(`not ${past[verb]}`)}: ${name}\n        ${printable(detail, 1000)}\n        ${advice}\n`
    case "unanswered":
      return `sluice: ${style(color).yellow(`not ${past[verb]} yet`)}: ${name}\n        ${detail}\n        ${advice}\n`
  }
}

interface Manner {
  readonly json: boolean
}

const byId = (task: Task, ids: ReadonlyArray<string>, { json }: Manner) =>
  Effect.gen(function* () {
    const output = yield* Output
    const rows = yield* Ids.resolve(ids)
    const tell = (told: Told) =>
      Effect.gen(function* () {
        const { answer, download } = told
        yield* output.err(sentence(task.verb, told, output.color))
        if (json) {
          const at = yield* Clock.currentTimeMillis
          yield* output.out(Events.encode(Events.commanded(download, { command: task.verb, ...answer }, at)))
        } else if (answer.answer === "done" || answer.answer === "already") {
          yield* output.out(`${answer.next ?? download.id}\n`)
        }
        return answer.answer
      })
    const answers = yield* Effect.forEach(rows, (download) => Effect.flatMap(one(task, download), tell), {
      concurrency
    })
    return {
      asked: answers.some((answer) => answer === "done"),
      failed: answers.some((answer) => answer === "refused" || answer === "unanswered")
    }
  })

const actOnAll = (task: Task, selection: Selection): Effect.Effect<Affected, StoreError, Downloads> =>
  Effect.flatMap(Downloads, (downloads) => {
    switch (task.verb) {
      case "pause":
        return downloads.pauseAll(selection)
      case "resume":
        return downloads.resumeAll(selection)
      case "cancel":
        return downloads.cancelAll(selection)
      case "retry":
        // what was cancelled was meant to end
        return downloads.retryAll({ ...selection, status: ["failed"] })
      case "rm":
        return downloads.removeAll(selection)
      case "move":
        return downloads.move(selection, task.priority)
      case "source":
        // it can only be typed for ids
        return Effect.dieMessage("a source is of one download")
    }
  })

const counted = (count: number): string => `${count} download${count === 1 ? "" : "s"}`

/** `paused 3 downloads; 2 more are asked of ...`. */
const summary = (verb: Verb, { asked, changed }: Affected, which: string): string => {
  const where = which === "" ? "" : ` ${which}`
  if (changed + asked === 0)
    return `sluice: there is no download${where} to ${verb === "rm" ? "remove" : verb}\n`
  const begun = changed === 0 ? "" : `${past[verb]} ${counted(changed)}${where}`
  const elsewhere =
    asked === 0
      ? ""
      : `${asked}${changed === 0 ? "" : " more"} asked of the engines at work, which follow in a moment`
  return `sluice: ${[begun, elsewhere].filter((part) => part !== "").join("; ")}\n`
}

const bySelection = (task: Task, marks: Pick<Which.Asked, "tag" | "group">, { json }: Manner) =>
  Effect.gen(function* () {
    const output = yield* Output
    const selection = yield* Which.select(marks)
    const affected = selection === undefined ? { changed: 0, asked: 0 } : yield* actOnAll(task, selection)
    if (json) {
      const at = yield* Clock.currentTimeMillis
      yield* output.out(Events.encode(Events.affected(task.verb, affected, at)))
    } else yield* output.err(summary(task.verb, affected, Which.words(marks)))
    return { asked: affected.changed > 0, failed: false }
  })

/** What is in the queue now, and nobody works on. */
const hint = (verb: Verb) =>
  Effect.gen(function* () {
    if ((verb !== "resume" && verb !== "retry" && verb !== "source") || (yield* Queue.isAttended)) return
    const command = Invocation.run(yield* Surroundings)
    yield* (yield* Output).err(`sluice: no engine is running; to download it:\n        ${command}\n`)
  })

/** The program over a queue. */
export const control = (
  task: Task,
  which: Which.Which,
  manner: Manner
): Effect.Effect<void, CommandError, Downloads | Output | Surroundings> =>
  Effect.gen(function* () {
    const { asked, failed } = yield* which.of === "ids"
      ? byId(task, which.ids, manner)
      : bySelection(task, which, manner)
    if (asked) yield* hint(task.verb)
    if (failed) return yield* new Unfinished()
  })

/** The arguments of these commands, read. */
export interface Asked extends Which.Asked, Manner {
  readonly db: string | undefined
}

export const run = Effect.fn("sluice.control")(function* (task: Task, asked: Asked) {
  const which = yield* Which.read(task.verb === "rm" ? "remove" : task.verb, asked)
  const queue = yield* Queue.open(asked.db)
  yield* Effect.provide(control(task, which, asked), queue)
})
