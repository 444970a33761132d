/**
 * A Wire whose requests are answered by wget, a process each. Only its network code is made use of: the bytes come through a
 * pipe and are written by the same program as any others, so every promise about files holds whatever wget does, and however
 * it dies. (`wget -c` writes into the file by itself, and stitches two versions together without a word.)
 *
 * Each head that it prints is shown to whoever asks, before a byte of the body is taken. An answer that is not what was asked for
 * (200 instead of a range: wget then leaves out what it believes to be held) is given up, and asked for as a whole.
 *
 * What wget does not tell, it can't be trusted with: where a chunked body breaks off, it ends with exit code 0 (1.21). Such an answer
 * is refused at its head.
 *
 * Tricky interleavings: head and body come through different pipes, so nothing is read of the body before the head is known, and
 * stderr is read until its end, or wget would wait for us. The end of stdout means nothing before the exit code does.
 */
import * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Take from "effect/Take"
import { parseLength } from "../domain/ByteRange.js"
import { type DownloadError, make as makeError, type Reason } from "../domain/DownloadError.js"
import { single } from "../domain/Headers.js"
import * as Proxy from "../domain/Proxy.js"
import {
  type ByteSink,
  type Exchange,
  type ResponseHead,
  Wire,
  type WireRequest,
  type WireResponse
} from "../services/Wire.js"
import { firstToEnd } from "./Race.js"
import { unchecked } from "./Tls.js"
import { requestBy } from "./ScopedRequest.js"
import * as WgetCommand from "./WgetCommand.js"
import { type Head, WgetLog } from "./WgetLog.js"

/** How long wget may take to end when it is told to, before it is killed. */
const patience = "2 seconds"

/** What it says of a failure, where its exit code means several. */
const said: ReadonlyArray<readonly [words: RegExp, reason: Reason, what: string]> = [
  [/unable to resolve host/i, "DnsFailed", "the host name % could not be resolved"],
  [/Connection refused/i, "ConnectionRefused", "% refused the connection"],
  [/Network is unreachable/i, "Offline", "% can't be reached: there is no route to its network"],
  [/timed out/i, "ConnectTimeout", "% did not accept the connection in time"],
  [/reset by peer/i, "ConnectionReset", "the connection to % was reset"],
  // its name for a head of more than 64 KiB
  [/Cannot allocate memory/i, "ProtocolViolation", "the head of the answer from % is longer than 64 KiB"],
  [/No data received/i, "ConnectionReset", "% closed the connection before it answered"],
  [
    /Unable to establish SSL|certificate|SSL handshake/i,
    "TlsFailed",
    "no secure connection to % could be made"
  ],
  [
    /Connection closed at byte|Read error at byte/i,
    "Truncated",
    "% closed the connection before the body was complete"
  ]
]

/** Its exit codes (wget's manual, "Exit Status"), and those of the shell that starts it. */
const codes: Readonly<Record<number, readonly [Reason, string]>> = {
  1: ["Network", "wget failed"],
  2: ["Defect", "wget does not understand its command line"],
  3: ["DiskFailed", "wget could not write what it had got"],
  4: ["Network", "wget says that the exchange with % failed"],
  5: ["TlsFailed", "no secure connection to % could be made"],
  6: ["Unauthorized", "% wants credentials"],
  7: ["ProtocolViolation", "the answer from % is not valid HTTP"],
  8: ["BadStatus", "% refuses the request"],
  127: ["InvalidRequest", "wget is not installed: install it, or use the transport http"]
}

/** What wget says of an answer to CONNECT that is no success. */
const untunneled = /Proxy tunneling failed: ([^.]*)/i

/** What fails before anybody but the proxy is reached. */
const ofTheProxy: ReadonlySet<Reason> = new Set<Reason>(["DnsFailed", "ConnectionRefused", "ConnectTimeout"])

/** `proxy`: its name, where the request went by one. */
const failureOf = (code: number, log: WgetLog, host: string, proxy: string | undefined): DownloadError => {
  const why = untunneled.exec(log.complaint)?.[1]
  if (proxy !== undefined && why !== undefined) {
    return /authentication|forbidden|denied/i.test(why)
      ? makeError("ProxyRefused", `the proxy ${proxy} does not let this through: ${why}`)
      : makeError("ProxyFailed", `the proxy ${proxy} did not connect to ${host}: ${why}`)
  }
  const known = said.find(([words]) => words.test(log.complaint))
  const [reason, what] =
    known === undefined ? (codes[code] ?? (["Network", `wget ended with ${code}`] as const)) : known.slice(1)
  if (proxy !== undefined && ofTheProxy.has(reason as Reason))
    return makeError(
      "ProxyFailed",
      (what as string)
        .replace("%", `the proxy ${proxy}`)
        .replace("the host name the proxy", "the name of the proxy")
    )
  const detail = (what as string).replace("%", host)
  const words = known === undefined && code !== 127 && log.complaint !== "" ? ` (${log.complaint})` : ""
  return makeError(reason as Reason, `${detail}${words}`)
}

/** Of all other answers wget keeps the body to itself. */
const hasBody = ({ status }: Head): boolean => status === 200 || status === 206

/** A wget whose answer has begun. */
interface Answering {
  readonly head: Head
  readonly pipe: (sink: ByteSink) => Effect.Effect<void, DownloadError>
}

/** Tells it to end, and sees to it. */
const end = (child: CommandExecutor.Process): Effect.Effect<void> =>
  Effect.flatMap(child.isRunning, (isRunning) =>
    isRunning
      ? firstToEnd(
          // also in a finalizer, where nothing else could be interrupted
          Effect.interruptible(child.kill("SIGTERM")),
          Effect.interruptible(Effect.zipRight(Effect.sleep(patience), child.kill("SIGKILL")))
        )
      : Effect.void
  ).pipe(Effect.ignore)

const make = Effect.fnUntraced(function* (ways: WgetCommand.Ways) {
  if (ways.insecure) yield* Effect.logWarning(unchecked)
  const executor = yield* CommandExecutor.CommandExecutor
  const runtime = yield* Effect.runtime<never>()

  /** Starts one, and succeeds when the head of its answer is complete. It ends with the scope, whatever it is at. */
  const start = (request: WireRequest, host: string): Effect.Effect<Answering, DownloadError, Scope.Scope> =>
    Effect.gen(function* () {
      const { activity } = request
      const way = URL.canParse(request.url)
        ? Proxy.choose(ways.proxies, new URL(request.url).origin)
        : undefined
      const proxy = way === undefined ? undefined : Proxy.nameOf(way)
      const line = WgetCommand.make(request, ways)
      if (line === undefined) {
        return yield* makeError(
          "InvalidUrl",
          `the request to ${host} has an address or a header that can't be sent`
        )
      }
      const isOver = yield* Deferred.make<void>()
      const stdin = Stream.concat(Stream.make(line.input), Stream.execute(Deferred.await(isOver)))
      const child = yield* executor
        .start(Command.stdin(line.command, stdin))
        .pipe(
          Effect.mapError((error) => makeError("InvalidRequest", `wget can't be started: ${error.message}`))
        )
      yield* Effect.addFinalizer(() => Effect.zipRight(end(child), Deferred.succeed(isOver, undefined)))
      const log = new WgetLog()
      const headed = yield* Deferred.make<void>()
      const told = yield* Deferred.make<void>()
      const isSettled = (): boolean => log.head !== undefined || log.stage === "malformed"
      yield* child.stderr.pipe(
        Stream.runForEach((bytes) => {
          log.take(bytes)
          if (log.stage === "asking") activity.phase = "awaiting-head"
          return isSettled() ? Deferred.succeed(headed, undefined) : Effect.void
        }),
        Effect.ignore,
        Effect.zipRight(Effect.sync(() => log.end())),
        Effect.ensuring(
          Effect.zipRight(Deferred.succeed(headed, undefined), Deferred.succeed(told, undefined))
        ),
        Effect.forkScoped
      )
      // read from the start: node drops what a process has written if it ends before somebody listens
      const output = yield* Queue.bounded<Take.Take<Uint8Array, unknown>>(1)
      yield* Effect.forkScoped(Stream.runIntoQueue(child.stdout, output))
      const ended = Effect.zipRight(Deferred.await(told), child.exitCode).pipe(
        // ended by a signal
        Effect.orElseSucceed(() => 1),
        Effect.flatMap((code) => (code === 0 ? Effect.void : failureOf(code, log, host, proxy)))
      )
      yield* Deferred.await(headed)
      const { head } = log
      if (head === undefined) {
        if (log.stage !== "malformed") yield* ended
        return yield* makeError("ProtocolViolation", `the answer from ${host} is not valid HTTP/1.1`)
      }
      if (log.pid !== undefined && request.onProcess !== undefined) yield* request.onProcess(log.pid)
      activity.phase = "body"
      if (hasBody(head) && head.headers.has("transfer-encoding")) {
        return yield* makeError(
          "InvalidRequest",
          `the answer from ${host} is chunked, and wget does not tell a whole one from one that was cut: use the transport http`
        )
      }
      const announced = parseLength(single(head.headers, "content-length") ?? "")
      const pipe = (sink: ByteSink) =>
        Effect.suspend(() => {
          let count = 0
          let drained = true
          let go = (): void => {}
          sink.onDrain = () => {
            drained = true
            activity.held = false
            go()
          }
          const onDrain = Effect.async<void>((resume) => {
            go = () => resume(Effect.void)
            if (drained) go()
          })
          return Stream.fromQueue(output).pipe(
            Stream.flattenTake,
            Stream.runForEach((bytes) => {
              count += bytes.length
              activity.bytes += bytes.length
              drained = false
              if (sink.write(bytes)) return Effect.void
              activity.held = !drained
              return onDrain
            }),
            Effect.mapError((error) => makeError("Network", `wget's output can't be read: ${String(error)}`)),
            Effect.zipRight(ended),
            Effect.zipRight(
              Effect.suspend(() =>
                announced._tag === "None" || announced.value === count
                  ? Effect.void
                  : makeError("Truncated", `${host} closed the connection before the body was complete`)
              )
            )
          )
        })
      return { head, pipe: hasBody(head) ? pipe : () => Effect.void }
    })

  const exchange = (request: WireRequest, onHead: (head: ResponseHead) => ByteSink | undefined): Exchange => {
    const host = URL.canParse(request.url) ? new URL(request.url).host : request.url
    const scope = Runtime.runSync(runtime)(Scope.make())
    const givenUp = Deferred.unsafeMake<never, DownloadError>(FiberId.none)
    const close = Scope.close(scope, Exit.void)
    let isOver = false

    const abort = (error?: DownloadError): void => {
      if (isOver) return
      isOver = true
      Deferred.unsafeDone(givenUp, error ?? makeError("Network", `the request to ${host} was given up`))
      request.activity.held = false
      Runtime.runFork(runtime)(close)
    }

    /** Until it is given up; wget ends with it unless there is more to come. */
    const until = <A>(effect: Effect.Effect<A, DownloadError>): Effect.Effect<A, DownloadError> =>
      firstToEnd(effect, Deferred.await(givenUp))

    const finished = Effect.suspend(() => {
      isOver = true
      return close
    })

    const asked = Effect.gen(function* () {
      const answer = yield* start(request, host)
      if (answer.head.status !== 200 || WgetCommand.startOf(request) === 0) return answer
      // it leaves out of a whole what it was not asked for
      return yield* start(WgetCommand.whole(request), host)
    })

    const taking = (answer: Answering, sink: ByteSink): Effect.Effect<void, DownloadError> => {
      sink.onFailure = abort
      return Effect.ensuring(until(answer.pipe(sink)), finished)
    }

    const run = Effect.flatMap(until(Scope.extend(asked, scope)), (answer) => {
      const sink = onHead(answer.head)
      return sink === undefined
        ? Effect.succeed<WireResponse>({
            ...answer.head,
            pipe: (given) => taking(answer, given),
            discard: finished
          })
        : taking(answer, sink)
    }).pipe(Effect.onError(() => finished))

    return { run, abort }
  }

  return Wire.of({ exchange, request: (request) => requestBy(exchange(request, () => undefined)) })
})

/** Needs wget 1.16 or later, and a shell. */
export const layer = (
  ways: WgetCommand.Ways = WgetCommand.usual
): Layer.Layer<Wire, never, CommandExecutor.CommandExecutor> => Layer.effect(Wire, make(ways))
