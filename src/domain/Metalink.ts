/**
 * Metalink 4 (RFC 5854): what a document says of files, where they are to be had, and what their bytes are. Reading the document
 * and making requests of it is left to others.
 *
 * Whoever wrote it is trusted as little as any server: names lead below the target directory or are refused, only http and https
 * count, nothing is expanded or fetched while parsing, and what makes no sense is refused with the line it stands in rather
 * than guessed at. What is well-formed and unknown (elements of other namespaces, other kinds of hashes, torrents) is left out.
 */
import * as Either from "effect/Either"
import { SaxesParser, type SaxesTagNS } from "saxes"
import { type Algorithm, algorithmOf, type Checksum, ofHex, strength } from "./Checksum.js"
import * as FileName from "./FileName.js"
import { countOf, maxPieces, type Pieces } from "./Pieces.js"
import { printable, redactUrl } from "./Redaction.js"

const namespace = "urn:ietf:params:xml:ns:metalink"

/** The longest document that is read, in bytes. One with piece hashes of 50 GB in pieces of 256 KiB has some 20 MB. */
export const maxBytes = 32 * 1024 * 1024

/** Files and sources that one document may name. */
const maxFiles = 100_000
const maxUrls = 1000
/** Deeper than any element of the RFC. */
const maxDepth = 32

/** One place to fetch a file from. */
export interface Source {
  readonly url: string
  /** 1 is the best (RFC 5854 section 4.2.16.2). @default 999999 */
  readonly priority: number
  /** A country's code (ISO 3166), in lower case. */
  readonly location: string | undefined
}

export interface File {
  /** Where its element begins. */
  readonly line: number
  /** Relative, leading below the target directory, separated by `/`. */
  readonly name: string
  /** In bytes. */
  readonly size: number | undefined
  /** The strongest known. */
  readonly checksum: Checksum | undefined
  /** The strongest known, where there are not too many. */
  readonly pieces: Pieces | undefined
  /** The best first. Never empty. */
  readonly sources: ReadonlyArray<Source>
}

const lowest = 999_999

/** What is known of a file while its element is open. */
class Draft {
  size: number | undefined
  readonly checksums: Array<Checksum> = []
  readonly pieces: Array<Pieces> = []
  readonly sources: Array<Source> = []
  /** Hashes that are to follow, of the element `pieces` that is open; undefined algorithm: not known here. */
  gathering:
    | { readonly algorithm: Algorithm | undefined; readonly length: number; readonly hashes: Array<string> }
    | undefined
  /** There are more of them than can be kept. */
  tooMany = false

  constructor(
    readonly name: string,
    readonly line: number
  ) {}
}

/** Why a document is not taken, in one sentence without a full stop. */
class Refusal extends Error {}

const strongest = <A extends { readonly algorithm: Algorithm }>(all: ReadonlyArray<A>): A | undefined =>
  all.reduce<A | undefined>(
    (best, one) => (best === undefined || strength(one.algorithm) > strength(best.algorithm) ? one : best),
    undefined
  )

const whole = (text: string): number | undefined => {
  const number = /^\s*\d{1,16}\s*$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(number) ? number : undefined
}

class Reader {
  readonly files: Array<File> = []
  private readonly names = new Set<string>()
  private readonly parser = new SaxesParser({ xmlns: true })
  /** Local names of the open elements of this namespace; null for one of another. */
  private readonly open: Array<string | null> = []
  private text = ""
  private tag: SaxesTagNS | undefined
  private draft: Draft | undefined

  constructor() {
    const { parser } = this
    parser.on("error", ({ message }) => {
      // it begins with line and column
      const [, line = String(parser.line), what = message] = /^(\d+):\d+: ([^]*)$/.exec(message) ?? []
      throw new Refusal(`line ${line}: it is not well-formed XML: ${printable(what.replace(/\.$/, ""), 200)}`)
    })
    // entities could make a small document a huge one
    parser.on("doctype", () => {
      this.refuse("it has a DOCTYPE, which a metalink has not")
    })
    parser.on("opentag", (tag) => this.enter(tag))
    parser.on("closetag", () => this.leave())
    parser.on("text", (text) => this.gather(text))
    parser.on("cdata", (text) => this.gather(text))
  }

  read(document: string): ReadonlyArray<File> {
    this.parser.write(document).close()
    if (this.files.length === 0) throw new Refusal("it names no file")
    return this.files
  }

  private refuse(what: string): never {
    throw new Refusal(`line ${this.parser.line}: ${what}`)
  }

  private gather(text: string): void {
    if (this.tag !== undefined) this.text += text
  }

  /** The element that is open, by its place in the document. */
  private get place(): string {
    return this.open.join("/")
  }

  private attribute(name: string): string | undefined {
    return this.tag?.attributes[name]?.value
  }

  private enter(tag: SaxesTagNS): void {
    const { open } = this
    if (open.length === 0 && (tag.local !== "metalink" || tag.uri !== namespace)) {
      this.refuse(
        tag.local === "metalink"
          ? "it is a metalink of another version than 4 (RFC 5854)"
          : `it is no metalink: it begins with the element "${printable(tag.local, 40)}"`
      )
    }
    if (open.length >= maxDepth) this.refuse("its elements are nested too deeply")
    open.push(tag.uri === namespace ? tag.local : null)
    this.tag = tag
    this.text = ""
    switch (this.place) {
      case "metalink/file":
        return this.begin()
      case "metalink/file/pieces":
        return this.beginPieces()
    }
  }

  private begin(): void {
    const name = this.attribute("name") ?? ""
    const checked = FileName.checkPath(name)
    if (Either.isLeft(checked))
      this.refuse(`the file name "${printable(name, 100)}" can't be used: ${checked.left}`)
    const path = [...checked.right.below, checked.right.name].join("/")
    if (this.names.has(path)) this.refuse(`it names the file "${printable(path, 100)}" twice`)
    if (this.names.size >= maxFiles) this.refuse(`it names more than ${maxFiles} files`)
    this.names.add(path)
    this.draft = new Draft(path, this.parser.line)
  }

  private beginPieces(): void {
    const length = whole(this.attribute("length") ?? "")
    if (length === undefined || length === 0) this.refuse("the length of its pieces is no positive number")
    this.draft!.gathering = { algorithm: algorithmOf(this.attribute("type") ?? ""), length, hashes: [] }
  }

  private leave(): void {
    const { draft, place } = this
    const text = this.text.trim()
    if (draft !== undefined) this.take(draft, place, text)
    this.open.pop()
    this.tag = undefined
    this.text = ""
  }

  private take(draft: Draft, place: string, text: string): void {
    switch (place) {
      case "metalink/file/size":
        draft.size = whole(text) ?? this.refuse(`"${printable(text, 40)}" is no size in bytes`)
        return
      case "metalink/file/url":
        return this.addSource(draft, text)
      case "metalink/file/hash": {
        const algorithm = algorithmOf(this.attribute("type") ?? "")
        if (algorithm !== undefined) draft.checksums.push(this.digest(algorithm, text))
        return
      }
      case "metalink/file/pieces/hash": {
        const { algorithm, hashes } = draft.gathering!
        if (algorithm === undefined || hashes.length > maxPieces) return
        hashes.push(this.digest(algorithm, text).hex)
        return
      }
      case "metalink/file/pieces": {
        const { algorithm, hashes, length } = draft.gathering!
        if (hashes.length > maxPieces) draft.tooMany = true
        else if (algorithm !== undefined) draft.pieces.push({ algorithm, hashes, length })
        draft.gathering = undefined
        return
      }
      case "metalink/file":
        this.end(draft)
    }
  }

  private digest(algorithm: Algorithm, text: string): Checksum {
    const checksum = ofHex(algorithm, text)
    return Either.isRight(checksum) ? checksum.right : this.refuse(checksum.left)
  }

  private addSource(draft: Draft, text: string): void {
    const url = URL.canParse(text) ? new URL(text) : this.refuse(`"${printable(redactUrl(text))}" is no URL`)
    if (url.protocol !== "http:" && url.protocol !== "https:") return
    const priority = whole(this.attribute("priority") ?? String(lowest))
    if (priority === undefined || priority < 1 || priority > lowest)
      this.refuse(`a priority is a number from 1 to ${lowest}`)
    // credentials in a public document are its author's idea, not the user's
    url.username = ""
    url.password = ""
    url.hash = ""
    if (draft.sources.some((source) => source.url === url.href)) return
    if (draft.sources.length >= maxUrls) this.refuse(`a file has more than ${maxUrls} sources`)
    draft.sources.push({ url: url.href, priority, location: this.attribute("location")?.toLowerCase() })
  }

  private end(draft: Draft): void {
    const { checksums, line, name, size, sources } = draft
    this.draft = undefined
    if (sources.length === 0)
      throw new Refusal(`line ${line}: the file "${printable(name, 100)}" has no http or https source`)
    const pieces = strongest(draft.pieces)
    if (draft.tooMany && pieces === undefined && checksums.length === 0) {
      throw new Refusal(
        `line ${line}: the file "${printable(name, 100)}" has more than ${maxPieces} pieces, and no hash of the whole`
      )
    }
    if (pieces !== undefined) {
      const fitting = size === undefined ? undefined : countOf(size, pieces.length)
      if (fitting === undefined)
        throw new Refusal(`line ${line}: the file "${printable(name, 100)}" has pieces but no size`)
      if (fitting !== pieces.hashes.length) {
        throw new Refusal(
          `line ${line}: the file "${printable(name, 100)}" has ${pieces.hashes.length} pieces of ${pieces.length} bytes, and ${size} bytes make ${fitting}`
        )
      }
    }
    this.files.push({
      line,
      name,
      size,
      checksum: strongest(checksums),
      pieces,
      sources: [...sources].sort((a, b) => a.priority - b.priority)
    })
  }
}

/** Reads a document. Left is one sentence about what is wrong with it, without a full stop. */
export const parse = (document: string): Either.Either<ReadonlyArray<File>, string> =>
  Either.mapLeft(
    Either.try(() => new Reader().read(document)),
    (error) => {
      if (error instanceof Refusal) return error.message
      throw error
    }
  )
