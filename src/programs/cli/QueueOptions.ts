/**
 * The options of the commands for the queue: which downloads, how they are told apart, what is listed. Those of what is
 * downloaded, and how, are in Options.
 */
import { Status } from "../../domain/Download.js"
import { defaultOptions } from "../../domain/DownloadOptions.js"
import * as Args from "./Args.js"
import * as Options from "./Options.js"
import * as Setting from "./Setting.js"

/** As the engine limits them. */
const maxTag = 64
const maxTags = 16
const maxKey = 200
const maxGroup = 200

/** Of every command that is not `get` or `run`. */
export const json = {
  json: Setting.flag({
    name: "json",
    group: "What is shown",
    description: "One JSON object per download and line."
  })
}

export const stats = {
  hosts: Setting.one(Args.count(0), 10, {
    name: "hosts",
    kind: "N",
    group: "What is shown",
    description: "So many hosts are listed, those with most downloads. Default: 10."
  }),
  json: Setting.flag({
    name: "json",
    group: "What is shown",
    description: "One JSON object."
  })
}

export const watch = {
  json: Setting.flag({
    name: "json",
    group: "What is shown",
    description: "One JSON object per line for each change, one a second at most."
  })
}

/** By what downloads are found again. */
export const marks = {
  tags: Setting.atMost(
    maxTags,
    Setting.many(Args.label(maxTag), {
      name: "tag",
      kind: "TAG",
      group: "What and where",
      description: "A name to find and command it by, together with others; may be repeated."
    })
  ),
  group: Setting.one(Args.label(maxGroup), undefined, {
    name: "group",
    kind: "NAME",
    group: "What and where",
    description:
      "Makes it a member of this group, which is made if there is none and counts what belongs together."
  }),
  seal: Setting.flag({
    name: "seal",
    group: "What and where",
    typed: true,
    description: "Seals the group afterwards: nothing more belongs to it, and there is a percentage."
  }),
  key: Setting.one(Args.label(maxKey), undefined, {
    name: "request-key",
    kind: "KEY",
    group: "What and where",
    typed: true,
    description:
      "Your own name for it, for a single URL: while one with this key is unfinished, it is the same download."
  })
}

/** Nobody waits for what is added: without progress, waiting ends after the queue's day. */
export const add = {
  ...Options.get,
  ...marks,
  giveUp: Setting.one(Args.duration, defaultOptions.giveUp, {
    name: "give-up",
    kind: "D",
    group: "Time and retries",
    description:
      "Waiting (a server asked for it, the disk is full) without progress ends after this. Default: 24h."
  }),
  json: Setting.flag({
    name: "json",
    group: "What is shown",
    description: "One JSON object per download and line, instead of its id."
  }),
  quiet: Options.display.quiet
}

export const run = {
  watch: Setting.flag({
    name: "watch",
    group: "The engine",
    typed: true,
    description: "Stay when the queue is empty, and take up what is added."
  })
}

const tag = Setting.one(Args.label(maxTag), undefined, {
  name: "tag",
  kind: "TAG",
  group: "Which downloads",
  typed: true,
  description: "Those with this tag."
})

const group = Setting.one(Args.label(maxGroup), undefined, {
  name: "group",
  kind: "NAME",
  group: "Which downloads",
  typed: true,
  description: "Members of this group."
})

/** By what several are named together. */
export const marked = { tag, group }

/** Of commands for many downloads. */
export const selection = {
  all: Setting.flag({
    name: "all",
    group: "Which downloads",
    typed: true,
    description: "All of which the command makes sense."
  }),
  tag,
  group
}

export const move = {
  priority: Setting.one(Args.integer, undefined, {
    name: "priority",
    kind: "N",
    group: "What and where",
    typed: true,
    description: "Higher begins first; may be negative."
  })
}

export const source = {
  add: Setting.many(Args.url, {
    name: "add",
    kind: "URL",
    group: "What and where",
    typed: true,
    description: "Another URL of the same file, http or https, without user and password; may be repeated."
  }),
  replace: Setting.flag({
    name: "replace",
    group: "What and where",
    typed: true,
    description:
      "Ask there alone from now on: for a link that has expired, and answers with a page that says so."
  })
}

export const limit = {
  rate: Setting.one(Args.rate, undefined, {
    name: "rate",
    kind: "BYTES_PER_S|off",
    group: "What and where",
    typed: true,
    description: "Bytes per second: 500K, 2MiB. off lifts the limit. Without it, what is set is shown."
  }),
  hosts: Setting.many(Args.origin, {
    name: "host",
    kind: "ORIGIN",
    group: "Which downloads",
    typed: true,
    description: "All downloads from this host together, such as https://example.org; may be repeated."
  })
}

export const ls = {
  status: Setting.list(Args.choice(Status), {
    name: "status",
    kind: "STATUS",
    group: "Which downloads",
    values: Status.literals,
    description: "Those in this status; several by commas or by repeating it."
  }),
  tag,
  group,
  before: Setting.one(Args.label(maxKey), undefined, {
    name: "before",
    kind: "ID",
    group: "Which downloads",
    typed: true,
    description: "Those added before this one: the page before it."
  }),
  limit: Setting.one(Args.count(1), 1000, {
    name: "limit",
    kind: "N",
    group: "Which downloads",
    description: "At most so many, the newest. Default: 1000."
  }),
  ...json
}
