/**
 * The live engine, put together, for programs and for our own commands: over a database file, over the caller's SQLite client,
 * or with a queue in memory; with options as values or from a `Config`.
 *
 * All time comes from Clock: give the layer another one (`Layer.setClock`, `TestClock`), and the engine lives by it. Nothing is
 * global: each built layer is an engine of its own, and closing its scope stops it (fibers, sockets, files, lock).
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Dispatcher } from "undici"
import { defined, type DownloadOptions } from "../domain/DownloadOptions.js"
import * as Milliseconds from "../domain/Milliseconds.js"
import * as SegmentPlan from "../domain/SegmentPlan.js"
import type { StoreError } from "../domain/StoreError.js"
import * as Proxy from "../domain/Proxy.js"
import { objection, type TransportName } from "../domain/TransportName.js"
import * as Database from "../layers/Database.js"
import * as Engine from "../layers/Engine.js"
import * as IdentifiedWire from "../layers/IdentifiedWire.js"
import * as NodePartFile from "../layers/NodePartFile.js"
import * as SidecarLock from "../layers/SidecarLock.js"
import * as SqlSurvey from "../layers/SqlSurvey.js"
import * as SqlStore from "../layers/SqlStore.js"
import * as ThreadHasher from "../layers/ThreadHasher.js"
import type { TlsOptions } from "../layers/Tls.js"
import * as UndiciWire from "../layers/UndiciWire.js"
import { Downloads } from "../services/Downloads.js"
import * as EngineOptions from "../services/EngineOptions.js"
import type { Outbox } from "../services/Outbox.js"
import type { Store } from "../services/Store.js"
import type { Survey } from "../services/Survey.js"
import type { Wire } from "../services/Wire.js"

/** Options of an engine, whatever its database. See EngineOptionsShape for each, its trade-off and its default. */
export interface Options extends Partial<EngineOptions.EngineOptionsShape>, IdentifiedWire.Options {
  /**
   * Take up downloads that no living engine owns. A library's engine does, so that a program that was killed goes on when it is
   * started again; `false` works only on what this process asks for. @default true
   */
  readonly adopt?: boolean
  /**
   * Requests go through this undici dispatcher (a ProxyAgent, an Agent with your TLS settings, a MockAgent), which you close
   * yourself. Its connect timeout and its pool are its own. @default connections of the engine's own, HTTP/1.1
   */
  readonly dispatcher?: Dispatcher
  /**
   * What fetches. `wget` (1.16 or later, to be installed) is for networks that are set up for it: slower, one connection for each
   * download, and no chunked answers, as it does not tell a whole one from one that was cut. @default "http"
   */
  readonly transport?: TransportName
  /** Whom to trust, and the client certificate. It is this engine's, and stored nowhere. @default the authorities that Node trusts */
  readonly tls?: TlsOptions
  /** Connect to addresses of this family only: 4 for IPv4, 6 for IPv6. @default both, whichever answers first (RFC 8305) */
  readonly family?: 4 | 6
  /**
   * Through which proxies: a URL (`http://`, `https://`, `socks5://` with names resolved here, `socks5h://` with names resolved by it;
   * with `user:password@` where it wants them), or `environment` for the variables http_proxy, https_proxy, all_proxy and no_proxy, or
   * rules of your own. It is this engine's, and stored nowhere. @default none, whatever the environment says
   */
  readonly proxy?: string | Proxy.Rules
}

/** @see {@link layer} */
export interface FileOptions extends Options {
  /** The database file, made if it is missing, mode 0600; its directory must exist. Several processes may share it. */
  readonly database: string
}

/** Small files in great numbers cost few transactions, see EngineOptions. */
const commitInterval = 2

const positive = ["concurrency", "checkpointInterval", "progressInterval", "pollInterval"] as const

/** One connection for each download. */
const undivided = { ...SegmentPlan.defaultPolicy, minLeft: Infinity }

/** A wrong option is a mistake in the program, not a state of the world: it dies. */
const complete = (options: Options): Effect.Effect<EngineOptions.EngineOptionsShape> => {
  const {
    cookies: _cookies,
    credentials: _credentials,
    digestOnly: _digestOnly,
    dispatcher: _dispatcher,
    family: _family,
    proxy: _proxy,
    tls: _tls,
    transport,
    ...engine
  } = options
  const alone = transport === "wget" ? { segmentation: undivided } : {}
  const all = { ...EngineOptions.defaults, commitInterval, adopt: true, ...defined(engine), ...alone }
  for (const name of positive) {
    if (!(Number.isFinite(all[name]) && all[name] > 0)) {
      return Effect.die(new RangeError(`the option ${name} must be a number above 0, not ${all[name]}`))
    }
  }
  return Number.isInteger(all.concurrency)
    ? Effect.succeed(all)
    : Effect.die(new RangeError(`the option concurrency must be a whole number, not ${all.concurrency}`))
}

const wireOf = ({ dispatcher, family, proxy, tls = {}, transport }: Options): Layer.Layer<Wire> => {
  if (dispatcher !== undefined && transport !== "wget") return UndiciWire.layerWith(dispatcher)
  return Layer.unwrapEffect(
    Effect.gen(function* () {
      const proxies = yield* Effect.orDieWith(
        Proxy.rules(proxy, process.env),
        (why) => new RangeError(`the option proxy can't be used: ${why}`)
      )
      const why = objection(transport, { tls, proxies })
      if (why !== undefined) return yield* Effect.die(new RangeError(why))
      if (transport !== "wget") return UndiciWire.layerConfigured({ tls, family, proxies })
      const wget = yield* Effect.promise(() => import("./wget.js"))
      return wget.layer({ family, proxies, insecure: tls.insecure === true })
    })
  )
}

const engineWith = (options: Options) =>
  Layer.effect(Downloads, Downloads).pipe(
    Layer.provide(Layer.provide(Engine.layer, ThreadHasher.layer)),
    Layer.provide(Layer.provide(IdentifiedWire.layer(options), wireOf(options))),
    Layer.provide(options.durability === "crash" ? NodePartFile.layerUnsynced : NodePartFile.layer),
    Layer.provide(Layer.effect(EngineOptions.EngineOptions, complete(options)))
  )

/**
 * An engine over a SQLite file of its own. It starts at once (unless `autoStart` is false); closing the layer stops it within
 * its bound and gives its downloads up to whoever comes next.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Downloads, layer } from "sluice"
 *
 * const program = Effect.flatMap(Downloads, (downloads) =>
 *   downloads.download({ url: "https://example.org/file.iso" })
 * )
 * void program.pipe(
 *   Effect.provide(layer({ database: "downloads.db", directory: "/data", concurrency: 8 })),
 *   Effect.runPromise
 * )
 * ```
 */
export const layer = ({ database, ...options }: FileOptions): Layer.Layer<Downloads, StoreError> =>
  engineWith(options).pipe(
    Layer.provide(SidecarLock.layer(database)),
    Layer.provide(Database.layerFile(database, options.durability))
  )

/** An engine whose queue is in memory and gone with the process; the files are real. */
export const layerMemory = (options: Options = {}): Layer.Layer<Downloads, StoreError> =>
  engineWith(options).pipe(
    Layer.provide(SidecarLock.layerAlone),
    Layer.provide(Layer.fresh(Database.layerMemory))
  )

/**
 * An engine over your own SQLite client: its tables (all named `sluice_…`) live beside yours, in one file to back up. What this
 * changes on the connection, and what to mind with transactions, stands at `Database.layerClient`.
 *
 * @example
 * ```ts
 * import { SqliteClient } from "@effect/sql-sqlite-node"
 * import * as Layer from "effect/Layer"
 * import { layerClient } from "sluice"
 *
 * const sql = SqliteClient.layer({ filename: "app.db" })
 * export const downloads = layerClient({ concurrency: 4 }).pipe(Layer.provideMerge(sql))
 * ```
 */
export const layerClient = (options: Options = {}): Layer.Layer<Downloads, StoreError, SqlClient.SqlClient> =>
  engineWith(options).pipe(
    Layer.provide(SidecarLock.layerBeside),
    Layer.provide(Database.layerClient(options.durability))
  )

/** The store alone: to look, without downloading anything. */
export const layerStore = ({
  database
}: Pick<FileOptions, "database">): Layer.Layer<Store | Outbox, StoreError> =>
  SqlStore.layer.pipe(Layer.provide(SidecarLock.layer(database)), Layer.provide(Database.layerFile(database)))

/** To look at a queue without being part of it: reads a database that is there, and changes nothing. */
export const layerSurvey = ({ database }: Pick<FileOptions, "database">): Layer.Layer<Survey, StoreError> =>
  SqlSurvey.layer(database)

/** What can be configured from outside a program: everything but code. */
export interface ConfigOptions extends Omit<
  FileOptions,
  "retryPolicy" | "refresh" | "dispatcher" | "tls" | "family" | "downloadDefaults"
> {
  /** What requests leave open, see EngineOptions. @default none */
  readonly downloadDefaults?: Partial<DownloadOptions>
}

/** A hundred years, in milliseconds. */
const longestRetention = 36_500 * 86_400_000

const millis = (name: string, longest?: number): Config.Config<number> =>
  Config.mapOrFail(Config.string(name), (text) =>
    Either.mapLeft(Milliseconds.parse(text, longest), (message) => ConfigError.InvalidData([], message))
  )

/** What may be undefined may be missing instead, but not be there as undefined. */
type Present<A> = { readonly [K in keyof A as undefined extends A[K] ? never : K]: A[K] } & {
  readonly [K in keyof A as undefined extends A[K] ? K : never]?: Exclude<A[K], undefined>
}

// `defined` drops exactly what Present makes optional, which its own type does not tell
const present = <A extends object>(values: A): Present<A> => defined(values) as unknown as Present<A>

const optional = <A>(config: Config.Config<A>): Config.Config<A | undefined> =>
  Config.map(Config.option(config), Option.getOrUndefined)

/**
 * Reads the options from the environment (or whatever the `ConfigProvider` is): `SLUICE_DB` (the database file; required),
 * `SLUICE_DIR` (the default directory), `SLUICE_CONCURRENCY`, `SLUICE_ADOPT`, `SLUICE_AUTO_START` (true or false),
 * `SLUICE_CHECKPOINT_INTERVAL`, `SLUICE_PROGRESS_INTERVAL`, `SLUICE_POLL_INTERVAL`, `SLUICE_SHUTDOWN_TIMEOUT`, `SLUICE_RETENTION` (`200ms`, `30s`,
 * `5m`), `SLUICE_DURABILITY` (power-loss or crash), `SLUICE_TRANSPORT` (http or wget), and as defaults of downloads `SLUICE_MAX_RETRIES`, `SLUICE_RETRY_DELAY`, `SLUICE_TIMEOUT`, `SLUICE_STALL_TIMEOUT`,
 * `SLUICE_GIVE_UP`, `SLUICE_MAX_TIME`, `SLUICE_ON_CONFLICT` (rename, overwrite, skip or fail).
 */
export const fromEnvironment: Config.Config<ConfigOptions> = Config.nested(
  Config.all({
    database: Config.string("DB"),
    directory: optional(Config.string("DIR")),
    concurrency: optional(Config.integer("CONCURRENCY")),
    adopt: optional(Config.boolean("ADOPT")),
    autoStart: optional(Config.boolean("AUTO_START")),
    checkpointInterval: optional(millis("CHECKPOINT_INTERVAL")),
    progressInterval: optional(millis("PROGRESS_INTERVAL")),
    pollInterval: optional(millis("POLL_INTERVAL")),
    shutdownTimeout: optional(millis("SHUTDOWN_TIMEOUT")),
    retention: optional(millis("RETENTION", longestRetention)),
    durability: optional(Config.literal("power-loss", "crash")("DURABILITY")),
    transport: optional(Config.literal("http", "wget")("TRANSPORT")),
    downloadDefaults: Config.map(
      Config.all({
        maxRetries: optional(Config.integer("MAX_RETRIES")),
        retryDelay: optional(millis("RETRY_DELAY")),
        timeout: optional(millis("TIMEOUT")),
        stallTimeout: optional(millis("STALL_TIMEOUT")),
        giveUp: optional(millis("GIVE_UP")),
        maxTime: optional(millis("MAX_TIME")),
        onConflict: optional(Config.literal("rename", "overwrite", "skip", "fail")("ON_CONFLICT"))
      }),
      present
    )
  }),
  "SLUICE"
).pipe(Config.map(present))

/**
 * As `layer`, with options from a `Config`: the environment's, or one of your own for each option.
 *
 * @example
 * ```ts
 * import * as Config from "effect/Config"
 * import { layerConfig } from "sluice"
 *
 * export const downloads = layerConfig({
 *   database: Config.string("QUEUE_FILE"),
 *   concurrency: Config.withDefault(Config.integer("DOWNLOADS_AT_ONCE"), 8)
 * })
 * ```
 */
export const layerConfig = (
  config: Config.Config.Wrap<ConfigOptions> = fromEnvironment
): Layer.Layer<Downloads, StoreError | ConfigError.ConfigError> =>
  Layer.unwrapEffect(Effect.map(Config.unwrap(config), layer))
