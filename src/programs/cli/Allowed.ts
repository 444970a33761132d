/**
 * What a download's status has to say to a command: go on, it is so already, or no (how it stands, and what to do instead).
 * Pure. The engine has the last word, as a status can change in between.
 */
import type { Download, Status } from "../../domain/Download.js"
import { terminal } from "../../domain/Download.js"
import type { Verb } from "./EventSchema.js"

export type Verdict =
  | { readonly verdict: "go" }
  /** What is asked for is so; `how` says it. */
  | { readonly verdict: "already"; readonly how: string }
  /** Sentences without a full stop. */
  | { readonly verdict: "refused"; readonly how: string; readonly instead: string }

const go: Verdict = { verdict: "go" }
const already = (how: string): Verdict => ({ verdict: "already", how })

const stands: Record<Status, string> = {
  pending: "it is in the queue",
  processing: "it is being downloaded",
  retrying: "it waits for its next try",
  waiting: "it waits for its host or the disk",
  paused: "it is paused",
  completed: "it is completed",
  failed: "it has failed",
  cancelled: "it was cancelled"
}

const anew = "sluice add --refetch with its URL fetches it anew"

/** What to do about one that has ended. */
const instead: Record<Verb, (id: string, status: Status) => string> = {
  pause: (id, status) =>
    status === "completed" ? "its file is there" : `sluice retry ${id} tries once more`,
  resume: (id, status) => (status === "completed" ? anew : `sluice retry ${id} tries once more`),
  cancel: (id, status) =>
    status === "completed"
      ? `its file stays; sluice rm ${id} forgets the download`
      : `sluice rm ${id} forgets it, and removes what it has left`,
  retry: () => anew,
  rm: (id) => `sluice cancel ${id} ends it; then sluice rm ${id} forgets it`,
  move: (id, status) => (status === "completed" ? anew : `sluice retry ${id} tries once more`),
  source: (_, status) => (status === "completed" ? anew : "sluice add with its URL and --mirror begins anew")
}

/** What `verb` can do about this download. */
export const allowed = (verb: Verb, { desired, id, status }: Download): Verdict => {
  const no: Verdict = { verdict: "refused", how: stands[status], instead: instead[verb](id, status) }
  const ended = terminal.has(status)
  switch (verb) {
    case "pause":
      return status === "paused" ? already("it is paused already") : ended ? no : go
    case "cancel":
      return status === "cancelled" ? already("it was cancelled already") : ended ? no : go
    case "resume":
      if (ended) return no
      // one that is about to pause or to end is to go on
      return (status === "pending" || status === "processing") && desired === "run"
        ? already(`${stands[status]} already`)
        : go
    case "retry":
      if (status === "completed") return no
      return (status === "pending" || status === "processing") && desired === "run"
        ? already(`${stands[status]} already`)
        : go
    case "rm":
      return ended ? go : no
    case "move":
      return ended ? no : go
    case "source":
      // a failed one keeps it for its retry
      return ended && status !== "failed" ? no : go
  }
}
