/**
 * What identifies a file on this machine, and what can be read about one without opening it.
 */
import * as Schema from "effect/Schema"

/**
 * Device and inode number, as decimal strings (inode numbers can exceed 2^53), and the time of birth in nanoseconds since
 * the epoch, where the file system keeps it. Without it, two files that had the same number one after the other could
 * be taken for one: ext4 gives the number of a file that is gone, by a user's hand or a power cut, to the very next one.
 */
export const FileIdentity = Schema.Struct({
  dev: Schema.String,
  ino: Schema.String,
  birth: Schema.optional(Schema.String)
})
export type FileIdentity = typeof FileIdentity.Type

/** lstat, reduced. `mtime` is the modification time in nanoseconds since the epoch, as a decimal string. */
export interface FileFacts extends FileIdentity {
  readonly kind: "file" | "directory" | "symlink" | "other"
  /** Bytes. */
  readonly size: number
  readonly mtime: string
}

/** Whether two records speak of the same file. */
export const sameFile = (a: FileIdentity, b: FileIdentity): boolean =>
  a.dev === b.dev && a.ino === b.ino && a.birth === b.birth
