/**
 * What SQLite and the file system say, by their codes, as what has become of the database. What a person can do about each of
 * these is the domain's (see StoreError).
 */
import { SqlError } from "@effect/sql/SqlError"
import { StoreError, type StoreErrorReason } from "../domain/StoreError.js"

const reasonOf = (code: string): StoreErrorReason => {
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) return "Locked"
  if (code.startsWith("SQLITE_CORRUPT")) return "Corrupt"
  if (code.startsWith("SQLITE_NOTADB")) return "NotADatabase"
  if (code.startsWith("SQLITE_READONLY") || code === "EACCES" || code === "EROFS" || code === "EPERM")
    return "ReadOnly"
  // SHMSIZE: the shared memory beside the file could not grow
  if (/^SQLITE_(FULL|IOERR_SHMSIZE)/.test(code) || code === "ENOSPC" || code === "EDQUOT") return "Full"
  if (code.startsWith("SQLITE_CANTOPEN") || code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR")
    return "Unavailable"
  return "Io"
}

const codeOf = (cause: unknown): string => {
  if (cause instanceof SqlError) return codeOf(cause.cause)
  return typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : ""
}

/** For errors of SQLite and of node:fs alike. */
export const toStoreError = (path: string, cause: unknown): StoreError => {
  if (cause instanceof StoreError) return cause
  const code = codeOf(cause)
  const inner = cause instanceof SqlError ? cause.cause : cause
  const message = inner instanceof Error ? inner.message : String(inner)
  return new StoreError({
    reason: reasonOf(code),
    path,
    // node's own messages begin with the code, SQLite's don't
    detail: code === "" || message.startsWith(code) ? message : `${code}: ${message}`
  })
}
