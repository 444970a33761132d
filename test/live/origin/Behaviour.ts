/**
 * How the origin answers requests for a path. Plain data (so that it can be sent to an origin in another process), every
 * field optional: `{}` is a well-behaved resource of 1 MiB with a strong ETag, Last-Modified and ranges.
 */
export interface Behaviour {
  /** Bytes. @default 1 MiB */
  readonly size?: number
  /** Another version has other bytes and other validators. @default 1 */
  readonly version?: number
  /** Offsets of bytes that are wrong, whatever the validators say. */
  readonly corrupt?: ReadonlyArray<number>
  /** @default "both" (a strong ETag and Last-Modified) */
  readonly validators?: "both" | "etag" | "weak" | "last-modified" | "none"
  /** Milliseconds since the epoch. @default a day that depends on the version, long ago */
  readonly lastModified?: number
  /**
   * What becomes of If-None-Match and If-Modified-Since: obeyed (304); ignored (200); refused with a 412; a 304 with another
   * version's ETag. @default "obeyed"
   */
  readonly conditions?: "obeyed" | "ignored" | "refused" | "contradicted"
  /** Sent after the origin's own, as they are; strings are sent as UTF-8. */
  readonly headers?: ReadonlyArray<readonly [name: string, value: string]>
  /** The type of the body. @default application/octet-stream */
  readonly type?: string
  /** Compress the body, whatever was asked for. */
  readonly coding?: "gzip"

  /**
   * What becomes of Range: obeyed (with If-Range); ignored (200); a 206 also where no range was asked for; a
   * Content-Range that starts one byte late or has another total; multipart/byteranges; always 416. @default "obeyed"
   */
  readonly ranges?:
    "obeyed" | "ignored" | "unasked" | "wrong-start" | "wrong-total" | "multipart" | "unsatisfiable"
  /** Obey a range though If-Range names another version. */
  readonly ignoreIfRange?: boolean
  /** Serve at most so many bytes of a range. */
  readonly rangeLimit?: number

  /** @default "length" */
  readonly framing?: "length" | "chunked" | "close"
  /** The Content-Length sent instead of the true one. */
  readonly announced?: number
  /** Close the connection where the last chunk should come. */
  readonly unfinished?: boolean
  /** @default "1.1" */
  readonly protocol?: "1.1" | "1.0"
  /** Say so and close the connection after the response. Always so for HTTP/1.0. */
  readonly close?: boolean

  /** An answer without content: the status, and a Retry-After field if given. */
  readonly status?: number
  readonly retryAfter?: string
  /** Bytes of filler in the body of an answer without content. @default a short sentence */
  readonly filler?: number
  /** The Location of a redirect, verbatim; `status` is 302 unless given. */
  readonly redirect?: string

  /** Bytes of body per second. */
  readonly rate?: number
  /** Body bytes after which nothing more comes, the connection staying open. */
  readonly stallAfter?: number
  /** Body bytes after which the connection ends. */
  readonly cutAfter?: number
  /** How it ends. @default "fin" */
  readonly cut?: "fin" | "rst"
  /** End the connection instead of answering. */
  readonly hangUp?: "fin" | "rst"
  /** Never answer. */
  readonly silent?: boolean
  /** Milliseconds before the head. */
  readonly delay?: number
  /** Milliseconds between two bytes of the head. */
  readonly headPace?: number
  /** Bytes (as latin1) sent instead of a response. */
  readonly raw?: string
  /** How the connection goes on after `raw`. @default "fin" */
  readonly rawEnd?: "fin" | "rst" | "stays"
}

/** One behaviour for all requests, or one for each in turn (the last one for all further ones). */
export type Script = Behaviour | ReadonlyArray<Behaviour>

/** Like `python3 -m http.server`: HTTP/1.0, Last-Modified only, no ranges. */
export const pythonLike: Behaviour = {
  protocol: "1.0",
  validators: "last-modified",
  ranges: "ignored",
  headers: [["Server", "SimpleHTTP/0.6 Python/3.11.2"]]
}
