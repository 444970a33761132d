/**
 * The commands that look at the queue, and those that change what is in it: what they are called, what they take, what is
 * said about them, and whom they call.
 */
import * as CliArgs from "@effect/cli/Args"
import * as Effect from "effect/Effect"
import * as Control from "./Control.js"
import { make } from "./Definition.js"
import { UsageError } from "./Failures.js"
import * as Limit from "./Limit.js"
import * as Ls from "./Ls.js"
import * as QueueOptions from "./QueueOptions.js"
import * as Show from "./Show.js"
import * as Sources from "./Sources.js"
import * as Stats from "./Stats.js"
import * as Verify from "./Verify.js"
import * as Watch from "./Watch.js"

const ids = CliArgs.repeated(CliArgs.text({ name: "ID" }))

const named = "An id may be cut to its first characters, three at least."

const ls = make(
  {
    name: "ls",
    about: ["List downloads, newest last.", "Starts nothing."],
    usage: ["[OPTIONS]"],
    examples: [
      ["", "sluice ls --status failed,retrying"],
      ["a page of 20, and the one before it", "sluice ls --limit 20; sluice ls --limit 20 --before 3fk"],
      ["for programs", "sluice ls --tag photos --json"]
    ]
  },
  CliArgs.none,
  QueueOptions.ls,
  (found) => Ls.ls(Sources.valuesOf(found))
)

const show = make(
  {
    name: "show",
    about: [
      "Show a download in full, with its tries: when, by which engine, how far, how each ended.",
      named,
      "Starts nothing."
    ],
    usage: ["[OPTIONS] ID..."],
    examples: [
      ["", "sluice show 3fk"],
      ["why the last one failed", "sluice show --json $(sluice ls --limit 1 --json | jq -r .id) | jq .detail"]
    ],
    positional: "ID"
  },
  ids,
  QueueOptions.json,
  (found, ids) => Show.run({ ids, ...Sources.valuesOf(found) })
)

/** A command for downloads by id, or for many. */
const control = (
  name: "pause" | "resume" | "cancel" | "retry" | "rm",
  about: ReadonlyArray<string>,
  examples: ReadonlyArray<readonly [what: string, command: string]>
) =>
  make(
    {
      name,
      about: [...about, named],
      usage: ["[OPTIONS] ID...", "[OPTIONS] --all", "[OPTIONS] [--tag TAG] [--group NAME]"],
      examples,
      positional: "ID"
    },
    ids,
    { ...QueueOptions.selection, ...QueueOptions.json },
    (found, ids) => Control.run({ verb: name }, { ids, ...Sources.valuesOf(found) })
  )

const pause = control(
  "pause",
  [
    "Stop downloads until they are resumed; what has arrived is kept.",
    "Also those that another engine works on: it lets go before this returns."
  ],
  [
    ["", "sluice pause 3fk"],
    ["everything for now", "sluice pause --all"]
  ]
)

const resume = control(
  "resume",
  [
    "Go on with what is paused, or waits for its next try.",
    "Downloads nothing itself: an engine that runs takes it up, or the next sluice run."
  ],
  [
    ["", "sluice resume 3fk"],
    ["", "sluice resume --tag photos"]
  ]
)

const cancel = control(
  "cancel",
  ["End unfinished downloads for good, and remove what has arrived of them."],
  [
    ["", "sluice cancel 3fk 9zq"],
    ["", "sluice cancel --tag photos"]
  ]
)

const retry = control(
  "retry",
  [
    "Try failed or cancelled downloads once more: each as a new download, whose id is printed.",
    "It goes on with what a failed one has left. What waits for its next try goes on at once.",
    "With --all, --tag or --group: those that have failed; what was cancelled stays so.",
    "Header fields and credentials are not kept of what has ended: to send them again, add its URL again."
  ],
  [
    ["", "sluice retry 3fk"],
    ["all that has failed", "sluice retry --all && sluice run"]
  ]
)

const rm = control(
  "rm",
  [
    "Forget downloads that have ended, and their tries.",
    "Finished files stay; what a failed one has left goes. What is unfinished is left alone: cancel it first."
  ],
  [
    ["", "sluice rm 3fk"],
    ["the whole history", "sluice rm --all"]
  ]
)

const move = make(
  {
    name: "move",
    about: ["Change the priority of unfinished downloads: higher begins first.", named],
    usage: [
      "--priority N [OPTIONS] ID...",
      "--priority N [OPTIONS] --all",
      "--priority N [OPTIONS] --tag TAG"
    ],
    examples: [
      ["", "sluice move 3fk --priority 10"],
      ["last of all", "sluice move --tag photos --priority -1"]
    ],
    positional: "ID"
  },
  ids,
  { ...QueueOptions.move, ...QueueOptions.selection, ...QueueOptions.json },
  (found, ids) =>
    Effect.gen(function* () {
      const { priority, ...asked } = Sources.valuesOf(found)
      if (priority === undefined) {
        return yield* new UsageError({
          reason: "NoPriority",
          message: "it is not said where to move it",
          advice: "give --priority N: higher begins first, and may be negative"
        })
      }
      yield* Control.run({ verb: "move", priority }, { ids, ...asked })
    })
)

const source = make(
  {
    name: "source",
    about: [
      "Give a download another URL of the same file: its link has expired, or its server is gone.",
      "What has arrived is kept where it is proved to be of the same version (or a checksum was asked for).",
      "What is at work or waits goes on with it at once; what is paused stays so;",
      "what has failed keeps it for sluice retry, which goes on with what is there.",
      "Header fields and credentials go to the first URL's origin only.",
      named
    ],
    usage: ["--add URL [OPTIONS] ID"],
    examples: [
      ["", "sluice source 3fk --add 'https://example.org/file.iso?signature=new'"],
      ["its old link leads to a page by now", "sluice source 3fk --add URL --replace"],
      ["of one that has failed", "sluice source 3fk --add URL && sluice retry 3fk && sluice run"]
    ],
    positional: "ID"
  },
  ids,
  { ...QueueOptions.source, ...QueueOptions.json },
  (found, ids) =>
    Effect.gen(function* () {
      const { add, replace, ...asked } = Sources.valuesOf(found)
      if (add.length === 0) {
        return yield* new UsageError({
          reason: "NoSource",
          message: "it is not said which URL to add",
          advice: "give --add URL: another place of the same file"
        })
      }
      if (ids.length !== 1) {
        return yield* new UsageError({
          reason: "NoDownload",
          message:
            ids.length === 0
              ? "it is not said which download to add a source to"
              : "several downloads can't have the same source: it is a URL of one file",
          advice: "give one id; nothing was changed"
        })
      }
      yield* Control.run(
        { verb: "source", urls: add, replace },
        { ids, all: false, tag: undefined, group: undefined, ...asked }
      )
    })
)

const limit = make(
  {
    name: "limit",
    about: [
      "Set how fast bytes may come: for all downloads of an engine together, for a host, for single downloads.",
      "Engines that run take it up at once, others when they begin; it stays until it is lifted.",
      "Each engine keeps to it by itself, and where several limits concern a download (also --limit-rate),",
      "the lowest counts. A download's own goes with its end.",
      named,
      "Without --rate, shows what is set."
    ],
    usage: ["[OPTIONS]", "--rate BYTES_PER_S|off [OPTIONS] [--host ORIGIN] [ID...]"],
    examples: [
      ["", "sluice limit --rate 2MiB"],
      ["one host, one download", "sluice limit --rate 500K --host https://example.org 3fk"],
      ["as fast as it goes", "sluice limit --rate off"],
      ["what is set", "sluice limit"]
    ],
    positional: "ID"
  },
  ids,
  { ...QueueOptions.limit, ...QueueOptions.json },
  (found, ids) => Limit.run({ ids, ...Sources.valuesOf(found) })
)

const stats = make(
  {
    name: "stats",
    about: [
      "Count downloads: by status, in the last minute, hour and day, by reason and by host.",
      "Lists cooling hosts and engines too.",
      "Starts nothing, and changes nothing."
    ],
    usage: ["[OPTIONS]"],
    examples: [
      ["", "sluice stats"],
      ["how many are left to do", "sluice stats --json | jq .downloads.pending"]
    ]
  },
  CliArgs.none,
  QueueOptions.stats,
  (found) => Stats.run(Sources.valuesOf(found))
)

const watch = make(
  {
    name: "watch",
    about: [
      "Watch the engines that work on a queue, from another terminal; q leaves.",
      "Reads only: starts nothing, changes nothing, and holds nobody up.",
      "Where there is no terminal, a line now and then."
    ],
    usage: ["[OPTIONS]"],
    examples: [
      ["", "sluice watch"],
      ["for programs, an object for each change", "sluice watch --json | jq .speed"]
    ]
  },
  CliArgs.none,
  QueueOptions.watch,
  (found) => Watch.run(Sources.valuesOf(found))
)

const verify = make(
  {
    name: "verify",
    about: [
      "Read completed files again, and say which are still what was completed: all, or those named.",
      "Compared is the digest that is known: the checksum asked for, or what the server announced.",
      "Where none is known, size, time and inode are; that is called intact, not verified.",
      "Changes nothing. Exit code 1 if a file is altered, missing or can't be read.",
      named
    ],
    usage: ["[OPTIONS] [ID...]", "[OPTIONS] [--tag TAG] [--group NAME]"],
    examples: [
      ["", "sluice verify"],
      ["", "sluice verify 3fk"],
      ["what is damaged", "sluice verify --json | jq -r 'select(.result == \"altered\").path'"]
    ],
    positional: "ID"
  },
  ids,
  { ...QueueOptions.marked, ...QueueOptions.json },
  (found, ids) => Verify.run({ ids, ...Sources.valuesOf(found) })
)

/** In the order of the help. */
export const commands = [
  ls,
  show,
  pause,
  resume,
  cancel,
  retry,
  rm,
  move,
  source,
  limit,
  verify,
  watch,
  stats
] as const
