/**
 * What wget tells on stderr while it answers one request (`--server-response`, 1.16 to 1.25): its process, the heads of the answer, and why it has
 * failed. Fed with bytes as they come; a plain data structure.
 *
 * Header lines are set off by two spaces, and what is not printable in them is escaped, so nothing that a server sends can
 * pass for wget's own words.
 */
import type { Headers } from "../domain/Headers.js"
import * as UndiciHeaders from "./UndiciHeaders.js"

/** As long as undici permits, in bytes. */
const longestHead = 64 * 1024

export interface Head {
  readonly status: number
  readonly headers: Headers
}

/** What is known so far. */
export type Stage = "starting" | "connecting" | "asking" | "answered" | "malformed"

/** Octets that wget has escaped as `\ooo`, and backslashes, which it doubles. */
const octets = (text: string): Buffer =>
  Buffer.from(
    text.replace(/\\(?:\\|([0-3][0-7]{2}))/g, (_, octal?: string) =>
      octal === undefined ? "\\" : String.fromCharCode(Number.parseInt(octal, 8))
    ),
    "latin1"
  )

export class WgetLog {
  /** Of the wget that is at work. */
  pid: number | undefined
  /** Of the final answer, as soon as it is complete. */
  head: Head | undefined
  stage: Stage = "starting"
  private rest = ""
  private status = 0
  private fields: Array<string | Buffer> = []
  private size = 0
  private inHead = false
  /** The last of its own words. */
  private readonly words: Array<string> = []

  /** Takes some of it. */
  take(bytes: Uint8Array): void {
    const lines = (this.rest + Buffer.from(bytes).toString("latin1")).split("\n")
    this.rest = lines.pop()!
    for (const line of lines) this.line(line)
    // said before the answer, and without an end of line
    if (this.stage === "connecting" && this.rest.startsWith("HTTP request sent")) this.stage = "asking"
    if (this.rest.length > longestHead) this.stage = "malformed"
  }

  /** There is no more of it. */
  end(): void {
    if (this.rest !== "") this.line(this.rest)
    this.rest = ""
    if (this.inHead) this.complete()
  }

  /** What it has said last, in a line. */
  get complaint(): string {
    return this.words.join(" ")
  }

  private line(line: string): void {
    if (this.stage === "answered" || this.stage === "malformed") return this.note(line)
    const pid = this.pid === undefined ? /^pid (\d+)$/.exec(line) : null
    if (pid !== null) {
      this.pid = Number(pid[1])
      this.stage = "connecting"
      return
    }
    const status = /^ {2}HTTP\/1\.[01] +(\d{3})(?: |$)/.exec(line)
    if (status !== null && !this.inHead) {
      this.inHead = true
      this.status = Number(status[1])
      this.fields = []
      return
    }
    if (!this.inHead) {
      if (line.startsWith("HTTP request sent")) this.stage = "asking"
      // it takes an answer without a head for one of HTTP/0.9
      else if (this.stage === "asking" && /^(Length: |Saving to: )/.test(line)) this.stage = "malformed"
      return this.note(line)
    }
    const field = /^ {2}([^\s:]+):[ \t]*(.*)$/.exec(line)
    this.size += line.length
    if (this.size > longestHead || (line.startsWith("  ") && field === null)) this.stage = "malformed"
    else if (field !== null) this.fields.push(field[1]!, octets(field[2]!.trimEnd()))
    else {
      this.complete()
      this.note(line)
    }
  }

  private complete(): void {
    this.inHead = false
    // an interim answer: the final one follows
    if (this.status < 200) return
    this.head = { status: this.status, headers: UndiciHeaders.decode(this.fields) }
    this.stage = "answered"
  }

  private note(line: string): void {
    const words = line.trim()
    if (words === "" || /^\d+K[ .]/.test(words) || words.startsWith("--")) return
    this.words.push(words.slice(0, 300))
    if (this.words.length > 3) this.words.shift()
  }
}
