/**
 * One connection's work for a download: asks for a span, judges the answer, and takes its body into the part. What is asked
 * for, by how many, and what follows from how it ended, is left to `Segments`.
 *
 * The first connection of a try leads: only it may give up what is held and begin anew. Any other brings bytes that are proved to
 * belong to that, or nothing.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Span } from "../domain/Coverage.js"
import type { Download, Source } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import * as Duplicates from "../domain/Duplicates.js"
import * as FileName from "../domain/FileName.js"
import { single } from "../domain/Headers.js"
import * as Identity from "../domain/Identity.js"
import { SourcesOffered, SourceUsed } from "../domain/Message.js"
import type { Stream } from "../domain/SegmentPlan.js"
import * as Sources from "../domain/Source.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Place } from "../domain/Validator.js"
import type { Handle } from "../services/PartFile.js"
import type { Reporter } from "../services/Transport.js"
import type { Activity, WireResponse } from "../services/Wire.js"
import { boundedSink } from "./BoundedSink.js"
import type { PartSession } from "./PartSession.js"
import type { PartWriter } from "./PartWriter.js"
import * as Redirects from "./Redirects.js"
import type { Sourcing } from "./Sourcing.js"
import type { Announced } from "./Room.js"
import { SpanSink } from "./SpanSink.js"

type Failures = DownloadError.DownloadError | StoreError

export type Body = Extract<Identity.Verdict, { readonly _tag: "Body" }>

/** How it ended, where it did not fail. */
export type Outcome =
  /** The body has come as announced, or as far as it was wanted. `last`: nobody knows more of the length than that it ended. */
  | { readonly _tag: "Fetched"; readonly last: boolean }
  /** What is held is all there is. */
  | { readonly _tag: "Complete" }
  | { readonly _tag: "Skipped"; readonly filename: string }
  /** Nothing of this answer counts. */
  | { readonly _tag: "AskPlainly"; readonly why: string }
  | {
      readonly _tag: "AskAgainFromZero"
      readonly why: string
      readonly changed: boolean
      readonly elsewhere: boolean
    }

/** What all connections of one try have in common. */
export interface Context {
  readonly download: Download
  readonly reporter: Reporter
  readonly session: PartSession
  /** One request to a source, its redirects followed; an answer that is there already is taken by the first. */
  readonly follow: (
    source: Source,
    headers: ReadonlyArray<readonly [string, string]>,
    segment: Segment
  ) => Effect.Effect<{ readonly response: WireResponse; readonly url: URL }, Failures, Scope.Scope>
  /** Fails where what is missing does not fit on the disk. */
  readonly ensureRoom: (announced: Announced) => Effect.Effect<void, DownloadError.DownloadError>
  readonly sourcing: Sourcing
  /** Told of the answer that a segment is to be filled from. */
  readonly onBody: (segment: Segment, body: Body) => void
  /** Asked at a segment's end whether it may go on. */
  readonly extend: (segment: Segment) => void
  /** What is held could not be continued: ask for all of it. */
  distrusted: boolean
  /** The server does not understand If-Range. */
  plainly: boolean
  /** Why the part can't be written to. */
  broken: DownloadError.DownloadError | undefined
}

/** A connection at work. */
export class Segment implements Stream {
  readonly activity: Activity
  /** Ends it, where others need its place at the host more. */
  yields: () => void = () => {}
  end: number
  rate: number | undefined = undefined
  private writer: PartWriter | undefined = undefined
  private mark: { readonly at: number; readonly time: number } | undefined = undefined
  private young = true
  private begun: number | undefined = undefined

  constructor(
    readonly leads: boolean,
    readonly span: Span,
    readonly source: Source,
    activity?: Activity
  ) {
    this.end = span[1]
    this.activity = activity ?? { phase: "connecting", bytes: 0, held: false }
  }

  /** How far it has come. */
  get at(): number {
    return this.writer?.position ?? this.span[0]
  }

  /** Bytes it has brought. */
  get brought(): number {
    return this.begun === undefined ? 0 : this.at - this.begun
  }

  attach(writer: PartWriter, end: number): void {
    this.writer = writer
    this.begun = writer.position
    this.end = end
  }

  /** Measures its rate over a second or more, at first over less; `now` in milliseconds. */
  look(now: number): void {
    if (this.writer === undefined) return
    const { at, mark } = this
    if (mark === undefined) {
      this.mark = { at, time: now }
      return
    }
    const age = now - mark.time
    const mature = age >= 1000
    if (age > 0 && (mature || this.young)) this.rate = ((at - mark.at) / age) * 1000
    if (!mature) return
    this.young = false
    this.mark = { at, time: now }
  }
}

/** Why nothing of a body can be trusted, not even what came before: its framing was broken. */
const misframed = (ended: Exit.Exit<void, DownloadError.DownloadError>) =>
  Exit.isFailure(ended)
    ? Option.getOrUndefined(
        Option.filter(Cause.failureOption(ended.cause), ({ reason }) => reason === "ProtocolViolation")
      )
    : undefined

/** The bytes held before an offset. */
const readBack = (handle: Handle, start: number, length: number) =>
  Effect.gen(function* () {
    const bytes = new Uint8Array(length)
    for (let got = 0; got < length;) {
      const read = yield* Effect.mapError(
        handle.readAt(bytes.subarray(got), start + got),
        DownloadError.fromFile
      )
      if (read === 0)
        return yield* DownloadError.make("DiskFailed", "the part file is shorter than was recorded")
      got += read
    }
    return bytes
  })

// uninterruptible but for the body itself: what has proved wrong must not be claimed on the way out
const receive = (
  context: Context,
  segment: Segment,
  response: WireResponse,
  body: Body,
  expected: Uint8Array,
  elsewhere: boolean
): Effect.Effect<Outcome, Failures> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const { download, session } = context
      const writer = session.write(body.start + expected.length, body, segment.source.url)
      const bodyEnd = body.bodyLength === undefined ? Infinity : body.start + body.bodyLength
      // an answer may be shorter than what was asked for (RFC 9110 section 15.3.7)
      segment.attach(writer, body.fresh ? bodyEnd : Math.min(segment.end, bodyEnd))
      context.onBody(segment, body)
      const sink = new SpanSink(writer, segment, {
        expected,
        bodyEnd,
        extend: () => context.extend(segment)
      })
      const bounded = boundedSink(
        sink,
        Identity.bodyLimit(body.bodyLength, body.start, Identity.limitOf(download.options))
      )
      const ended = yield* Effect.exit(restore(response.pipe(bounded)))
      const disowned = bounded.excess ?? misframed(ended)
      if (disowned !== undefined) session.condemn(disowned, body)
      const received = yield* Effect.tapError(session.settle(writer), (error) =>
        Effect.sync(() => (context.broken ??= error))
      )
      // what the session knows to be wrong, whoever runs it hears from the session
      if (disowned !== undefined) return { _tag: "Fetched", last: false }
      if (sink.different) {
        const why = "the bytes at the end of the part are others on the server"
        return { _tag: "AskAgainFromZero", why, changed: true, elsewhere }
      }
      if (sink.satisfied) return { _tag: "Fetched", last: false }
      yield* ended
      const fault = Identity.bodyFault(body.bodyLength, received + sink.compared)
      if (fault !== undefined) {
        // where the connection's end is the body's, it may have been cut; else framing and announcement contradict each other
        if (Identity.endsWithConnection(response.headers)) return yield* fault
        session.condemn(fault, body)
        return { _tag: "Fetched", last: false }
      }
      const { total } = body
      if (total !== undefined && received === 0 && session.held.bytes < total)
        return yield* DownloadError.make("ProtocolViolation", "the server sent an empty part")
      return { _tag: "Fetched", last: total === undefined }
    })
  )

/** Where a source's answers come from, as its validators have it. */
const placeOf = (download: Download, source: Source): Place => {
  const own = Sources.keyOf(new URL(source.url))
  return own === Sources.keyOf(new URL(download.url)) ? {} : { source: own }
}

/** Fetches what it can of a segment. */
export const fetch = (context: Context, segment: Segment): Effect.Effect<Outcome, Failures, Scope.Scope> =>
  Effect.gen(function* () {
    const { download, reporter, session } = context
    const { checksum, pieces } = download.options
    // whole pieces are verified one by one: what comes before them tells nothing of them
    const whole = pieces !== null && segment.span[0] % pieces.length === 0
    const held = context.distrusted ? Identity.nothing : session.held
    const place = placeOf(download, segment.source)
    const elsewhere = held.validator.source !== place.source
    const asked = Identity.ask(held, {
      span: segment.span,
      plainly: context.plainly,
      elsewhere,
      continues: segment.leads && !whole,
      verified:
        (segment.leads || elsewhere) &&
        (checksum !== null || pieces !== null || held.validator.digest !== undefined)
    })
    const { response, url } = yield* context.follow(segment.source, asked.headers, segment)
    const now = yield* Clock.currentTimeMillis
    const path = url.pathname === new URL(segment.source.url).pathname ? {} : { path: url.pathname }
    // other connections may have learnt more meanwhile
    const known = context.distrusted ? held : session.held
    const verdict = Identity.judge(known, asked, response.status, response.headers, now, {
      ...place,
      ...path
    })
    if (verdict._tag !== "Body") yield* response.discard
    switch (verdict._tag) {
      case "Failed":
        return yield* Redirects.happenedAt(url, new URL(download.url))(verdict.error)
      case "Complete":
        return verdict
      case "AskPlainly":
        return verdict
      case "AskAgainFromZero":
        return { ...verdict, elsewhere }
      case "Body":
    }
    const unwanted = Identity.announcedFault(download.options, verdict.total)
    if (unwanted !== undefined) {
      yield* response.discard
      return yield* unwanted
    }
    const { named: isNamed = false } = segment.source
    const declined = elsewhere && (isNamed || known.bytes > 0) && !context.sourcing.mayBegin(segment.source)
    if (verdict.fresh && (!segment.leads || declined)) {
      yield* response.discard
      return {
        _tag: "AskAgainFromZero",
        why: verdict.restart ?? "the whole was sent",
        changed: false,
        elsewhere
      }
    }
    if (verdict.fresh) {
      if (verdict.restart !== undefined) yield* Effect.logInfo(`starting again from 0: ${verdict.restart}`)
      const skipped = yield* session.begin({
        proposedName: () => FileName.propose(single(response.headers, "content-disposition"), url.href),
        total: verdict.total,
        validator: verdict.validator
      })
      if (Option.isSome(skipped)) return { _tag: "Skipped", filename: skipped.value }
      context.distrusted = false
    }
    const { sourcing } = context
    const named =
      verdict.fresh && (checksum !== null || verdict.validator.digest !== undefined)
        ? sourcing.news(Duplicates.offered(response.headers.get("link"), url))
        : []
    if (named.length > 0) sourcing.extend(yield* reporter.tell(SourcesOffered({ sources: named })))
    if (sourcing.several && sourcing.use(segment.source, verdict.fresh))
      yield* reporter.tell(SourceUsed({ url: segment.source.url }))
    if (segment.leads) {
      const { bodyLength, total } = verdict
      // others fetch what is missing elsewhere
      yield* context.ensureRoom({ start: verdict.fresh ? 0 : session.held.bytes, bodyLength, total })
    }
    const expected =
      asked.overlap === 0 || verdict.fresh
        ? new Uint8Array(0)
        : yield* readBack(session.part!.handle, asked.start, asked.overlap)
    reporter.gauge.state = "downloading"
    return yield* receive(context, segment, response, verdict, expected, elsewhere)
  })
