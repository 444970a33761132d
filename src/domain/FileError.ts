/**
 * Everything the disk can answer, as a closed set of reasons. What a reason means for a download
 * (a wait, a retry, the end) is decided by `DownloadError.fromFile`.
 */
import * as Schema from "effect/Schema"

export const FileErrorReason = Schema.Literal(
  "Exists",
  "Missing",
  "NotPermitted",
  "ReadOnly",
  "NoSpace",
  "IsDirectory",
  "NotADirectory",
  "NotAFile",
  "NameTooLong",
  "FileTooLarge",
  "NoHardLinks",
  "Outside",
  "TooManyOpenFiles",
  "Changed",
  "Io"
)
export type FileErrorReason = typeof FileErrorReason.Type

/** A file operation failed. `operation` is the verb ("create", "sync" ...), `path` the file it was meant for. */
export class FileError extends Schema.TaggedError<FileError>()("FileError", {
  reason: FileErrorReason,
  operation: Schema.String,
  path: Schema.String,
  /** The system's own code, such as ENOSPC. */
  code: Schema.optional(Schema.String)
}) {
  override get message(): string {
    const text: Record<FileErrorReason, string> = {
      Exists: "a file of that name is already there",
      Missing: "there is no such file or directory",
      NotPermitted: "permission denied",
      ReadOnly: "the file system is read-only",
      NoSpace: "the disk is full",
      IsDirectory: "it is a directory",
      NotADirectory: "a part of the path is not a directory",
      NotAFile: "it is not a regular file",
      FileTooLarge: "the file system can't hold a file of this size",
      NameTooLong: "the name is too long for this file system",
      NoHardLinks: "the file system has no hard links",
      Outside: "a symbolic link leads outside of the directory chosen",
      TooManyOpenFiles: "too many files are open",
      Changed: "it was changed by somebody else while it was written",
      Io: "the disk reported an error"
    }
    return `cannot ${this.operation} ${this.path}: ${text[this.reason]}${this.code === undefined ? "" : ` (${this.code})`}`
  }
}

const reasonOf: Record<string, FileErrorReason> = {
  EEXIST: "Exists",
  ENOENT: "Missing",
  EACCES: "NotPermitted",
  EPERM: "NotPermitted",
  EROFS: "ReadOnly",
  ENOSPC: "NoSpace",
  EDQUOT: "NoSpace",
  EISDIR: "IsDirectory",
  ENOTDIR: "NotADirectory",
  ELOOP: "NotAFile",
  EFBIG: "FileTooLarge",
  ENAMETOOLONG: "NameTooLong",
  ENOTSUP: "NoHardLinks",
  EOPNOTSUPP: "NoHardLinks",
  EMLINK: "NoHardLinks",
  EMFILE: "TooManyOpenFiles",
  ENFILE: "TooManyOpenFiles"
}

/**
 * From the `code` of a system error; unknown codes become `Io`. For the operation "link", EPERM says that the file
 * system has no hard links (link(2)).
 */
export const fromCode = (code: string | undefined, operation: string, path: string): FileError =>
  new FileError({
    reason:
      code === "EPERM" && operation === "link"
        ? "NoHardLinks"
        : ((code === undefined ? undefined : reasonOf[code]) ?? "Io"),
    operation,
    path,
    ...(code === undefined ? {} : { code })
  })
