/**
 * What a restart concludes from the names it finds on disk, for an unfinished part and for a file that was about to get
 * its final name. Pure; the worker does what is concluded here.
 */
import { type Coverage, empty, endOf, prefix } from "./Coverage.js"
import type { Download, FinalRecord, PartRecord } from "./Download.js"
import type { FileFacts } from "./FileFacts.js"
import { ownPartName } from "./FileName.js"
import { sameFile } from "./FileFacts.js"

const isOurs = (record: FinalRecord, facts: FileFacts | undefined): facts is FileFacts =>
  facts !== undefined && facts.kind === "file" && sameFile(record, facts)

/** Whether these facts are of the file that was recorded: same inode, same length, untouched since. */
const isRecorded = (record: FinalRecord, facts: FileFacts | undefined): boolean =>
  isOurs(record, facts) && facts.size === record.size && facts.mtime === record.mtime

export type Conclusion =
  /** The final name is ours: only the bookkeeping is missing. `leftover`: the part name is still there as well. */
  | { readonly _tag: "Published"; readonly record: FinalRecord; readonly leftover: boolean }
  /** The part is whole and ours: it only wants its name. */
  | { readonly _tag: "Publish"; readonly record: FinalRecord }
  /** Neither is ours any more: fetch again. A stranger's file of the same name and size is not ours. */
  | { readonly _tag: "Lost" }

/** After a crash at or after the commit of `publishing`. */
export const conclude = (
  record: FinalRecord,
  part: FileFacts | undefined,
  final: FileFacts | undefined
): Conclusion => {
  const leftover = isOurs(record, part)
  // Both names on our inode: we linked it, whatever was done to the file since. Writing to the part would write to it.
  const linked = leftover && isOurs(record, final)
  if (linked || isRecorded(record, final)) return { _tag: "Published", record, leftover }
  return isRecorded(record, part) ? { _tag: "Publish", record } : { _tag: "Lost" }
}

/**
 * Why nothing of an opened part can be built upon; undefined where what the row claims is there. It has to be the inode we made,
 * to go as far as the claim (bytes beyond prove nothing and are ignored), and, where it is known how the last try has left it,
 * to be as it was left.
 */
export const spoiled = (download: Download, part: PartRecord, facts: FileFacts): string | undefined => {
  if (!sameFile(part, facts) || facts.kind !== "file") return "the part file was replaced by another"
  if (facts.size < endOf(claims(download))) return "the part file was cut by somebody else"
  return (part.size === undefined || part.size === facts.size) &&
    (part.mtime === undefined || part.mtime === facts.mtime)
    ? undefined
    : "the part file was changed by somebody else since the last try"
}

/** What of an opened part can be built upon. */
export const usable = (download: Download, part: PartRecord, facts: FileFacts): Coverage =>
  spoiled(download, part, facts) === undefined ? claims(download) : empty

/** Where the bytes are that the row claims. */
export const claims = ({ checkpoint, segments }: Pick<Download, "checkpoint" | "segments">): Coverage =>
  segments ?? prefix(checkpoint)

/**
 * The name under which a crash may have left a part that the row does not know: a small file is written before its row is.
 * Only a crash leaves one, and it is counted; the name can only be this download's.
 */
export const unrecordedPart = ({ crashes, id, part }: Download): string | undefined =>
  part === null && crashes > 0 ? ownPartName(id) : undefined

/** Cancelled, and something of it may still be on disk. */
export const isSpoiled = ({ crashes, part, status }: Download): boolean =>
  status === "cancelled" && (part !== null || crashes > 0)
