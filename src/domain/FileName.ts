/**
 * The names that files get. A server proposes; one safe path component comes out (PROMISES H1).
 *
 * Order of sources: the caller's own name, Content-Disposition (RFC 6266, parsed by a library), the last path
 * segment of the URL after redirects, "download". What a server proposes is reduced to its last component,
 * freed of what file systems, shells and terminals could take for something else, and cut to 255 bytes less room for
 * what sluice appends, its extension kept.
 */
import contentDisposition from "content-disposition"
import * as Either from "effect/Either"
import { printable } from "./Redaction.js"

/** Appended to the final name while a download is unfinished. */
export const partSuffix = ".sluice-part"

/** ext4, APFS and NTFS allow 255 bytes or units a component; the rest is room for `.ID.sluice-part` and ` (999)`. */
const maxBytes = 255 - partSuffix.length - 12 - 6

export const fallbackName = "download"

const encoder = new TextEncoder()
const byteLength = (text: string): number => encoder.encode(text).length

// C0, DEL, C1, and what reorders or hides text on a terminal (bidi, zero width, fillers, tags, BOM)
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu
const reserved = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\.|$)/i
// the look-behind keeps a run of dots within a name from being tried from each of them
const trailing = /(?<![. ])[. ]+$/
const lone = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/** Most names: nothing below would change anything about one like this. */
const plain = /^[a-z0-9_][a-z0-9_.-]*(?<!\.)$/i

/** Reduces a proposed name to one safe path component; undefined if nothing is left of it. */
export const sanitize = (proposed: string): string | undefined => {
  const asItIs =
    proposed.length <= maxBytes &&
    plain.test(proposed) &&
    !reserved.test(proposed) &&
    !proposed.toLowerCase().endsWith(partSuffix)
  return asItIs ? proposed : reduce(proposed)
}

const reduce = (proposed: string): string | undefined => {
  const component = proposed.replaceAll("\\", "/").split("/").at(-1) ?? ""
  const name = component
    .replaceAll(lone, "_")
    .replaceAll(invisible, "")
    // after the removals, which may have brought a letter and its accent together
    .normalize("NFC")
    .replaceAll(/[<>:"|?*]/g, "_")
    // a run of spaces pushes an extension out of sight
    .replaceAll(/\s+/g, " ")
    // a leading dot hides the file, a leading dash reads as an option
    .replace(/^[. ]+/, "")
    .replace(/^-/, "_")
  // a trailing dot or space vanishes on Windows; cutting may bring one to the end
  const cut = shorten(name.replace(trailing, ""), maxBytes).replace(trailing, "")
  if (cut === "") return undefined
  // last, so that a proposed name of the right length can't be cut into one of these
  const safe = reserved.test(cut) ? shorten(`_${cut}`, maxBytes).replace(trailing, "") : cut
  // a server must not make its file pass for an unfinished one of ours
  if (!safe.toLowerCase().endsWith(partSuffix)) return safe
  return `${safe.slice(0, -partSuffix.length)}_${safe.slice(1 - partSuffix.length)}`
}

/** Cuts the stem so that the name fits in `limit` bytes of UTF-8, keeping an extension of up to 16 bytes. */
const shorten = (name: string, limit: number): string => {
  if (byteLength(name) <= limit) return name
  const [stem, extension] = split(name)
  const kept = byteLength(extension) <= 16 ? extension : ""
  let text = ""
  let used = byteLength(kept)
  for (const character of kept === "" ? name : stem) {
    used += byteLength(character)
    if (used > limit) break
    text += character
  }
  return `${text.trimEnd()}${kept}`
}

/** Splits `name.tar.gz` into its stem and its extension, double for compressed tarballs. */
const split = (name: string): readonly [stem: string, extension: string] => {
  const match = /(\.tar)?\.[^.]+$/i.exec(name)
  return match === null || match.index === 0 ? [name, ""] : [name.slice(0, match.index), match[0]]
}

/** `name (n).ext`, for the conflict policy `rename`. */
export const numbered = (name: string, n: number): string => {
  const [stem, extension] = split(name)
  return `${stem} (${n})${extension}`
}

/** The unfinished file's name. With `id`, the one used where the plain one is taken by a stranger. */
export const partName = (name: string, id?: string): string =>
  id === undefined ? `${name}${partSuffix}` : `${name}.${id}${partSuffix}`

/** The part of a small file, which exists for an instant: known from the id alone, so that a crash leaves none that nobody finds. */
export const ownPartName = (id: string): string => `${id}${partSuffix}`

const fromDisposition = (field: string | undefined): string | undefined => {
  if (field === undefined) return undefined
  try {
    const { "filename*": extended = "", filename } = contentDisposition.parse(field).parameters
    // some quote the extended form, which the library then leaves as it is
    const name = contentDisposition.decodeExtended(extended) ?? filename
    return name === undefined ? undefined : sanitize(name)
  } catch {
    // a malformed field proposes nothing
    return undefined
  }
}

const fromUrl = (url: string): string | undefined => {
  const segment = new URL(url).pathname.split("/").at(-1) ?? ""
  // a run that is no UTF-8 stays as it is, and the rest is read all the same
  return sanitize(segment.replaceAll(/(?:%[0-9a-f]{2})+/gi, decodeRun))
}

const decodeRun = (run: string): string => {
  try {
    return decodeURIComponent(run)
  } catch {
    return run
  }
}

/** The name for a download that the caller gave none: `url` is the address after redirects. */
export const propose = (disposition: string | undefined, url: string): string =>
  fromDisposition(disposition) ?? fromUrl(url) ?? fallbackName

/** Checks a name the caller gave: it is used as it is, or refused with the reason. */
export const check = (name: string): Either.Either<string, string> => {
  if (name === "" || name === "." || name === "..") return Either.left("it is empty or a directory")
  if (name.includes("/") || name.includes("\u0000"))
    return Either.left("it must be one name without / (use --dir for the directory)")
  if (name.toLowerCase().endsWith(partSuffix))
    return Either.left(`names ending in ${partSuffix} are those of unfinished files`)
  // a UTF-16 unit takes at most three bytes: most names need not be encoded to know
  if (name.length * 3 > maxBytes && byteLength(name) > maxBytes)
    return Either.left(`it is longer than ${maxBytes} bytes`)
  return Either.right(name)
}

/** A file's name, and the directories that lead to it from the one chosen. */
export interface Below {
  readonly below: ReadonlyArray<string>
  readonly name: string
}

/**
 * Checks a name that may lead into directories below the one chosen, and never elsewhere. Whoever wrote it may be somebody
 * else than who chose the directory (the author of a list), so what another system would take for a way out is refused too.
 */
export const checkPath = (text: string): Either.Either<Below, string> => {
  if (text.startsWith("/") || /^[a-z]:/i.test(text))
    return Either.left("it must be below the target directory, and not begin with / or a drive")
  if (text.includes("\\")) return Either.left("it has a \\; directories are separated by /")
  if (text.endsWith("/")) return Either.left("it names a directory; a file's name must follow the /")
  const parts = text.split("/").filter((part) => part !== "" && part !== ".")
  if (parts.includes("..")) return Either.left("it must stay below the target directory, without ..")
  for (const part of parts) {
    const checked = check(part)
    if (Either.isLeft(checked)) return Either.left(`"${printable(part)}" can't be used: ${checked.left}`)
  }
  const name = parts.at(-1)
  return name === undefined ? Either.left("it is empty") : Either.right({ below: parts.slice(0, -1), name })
}
