/**
 * The options of the command line: their names, what they are for, their defaults. How a value is read is in Args, where
 * it comes from (argument, environment, config file) in Sources.
 */
import { ConflictPolicy, defaultOptions } from "../../domain/DownloadOptions.js"
import { Durability } from "../../domain/Durability.js"
import { TransportName } from "../../domain/TransportName.js"
import * as Args from "./Args.js"
import * as Setting from "./Setting.js"

/** Somebody is waiting for a `get`: without progress, waiting ends after 10 minutes, not after the queue's day. */
const giveUp = 10 * 60_000

/** More would only compete for the same line and disk. */
const maxConcurrency = 1000

/** Of every command. */
export const common = {
  db: Setting.one(Args.file, undefined, {
    name: "db",
    kind: "FILE",
    group: "Settings",
    path: "file",
    description: "The database. Default: $XDG_STATE_HOME/sluice/sluice.db, made on first use."
  }),
  config: Setting.one(Args.file, undefined, {
    name: "config",
    kind: "FILE",
    group: "Settings",
    path: "file",
    description:
      "The config file, TOML or JSON. Default: $XDG_CONFIG_HOME/sluice/config.toml (or .json), if it is there."
  })
}

export const display = {
  json: Setting.flag({
    name: "json",
    group: "What is shown",
    description: "One JSON object per line on stdout for each change."
  }),
  quiet: Setting.flag({
    name: "quiet",
    group: "What is shown",
    description: "Only results (on stdout) and errors."
  }),
  noProgress: Setting.flag({ name: "no-progress", group: "What is shown", description: "No progress line." })
}

/** How the engine works. */
export const engine = {
  concurrency: Setting.one(Args.countWithin(1, maxConcurrency), undefined, {
    name: "concurrency",
    kind: "N",
    group: "The engine",
    description: "Downloads at once. Default: 3."
  }),
  perHost: Setting.one(Args.countWithin(1, maxConcurrency), undefined, {
    name: "per-host",
    kind: "N",
    group: "The engine",
    description:
      "Connections to one host at once, of all downloads together; what needs one more waits in line. Default: 6, or " +
      "--connections where that is higher."
  }),
  limitRate: Setting.one(Args.positiveSize, undefined, {
    name: "limit-rate",
    kind: "BYTES_PER_S",
    group: "The engine",
    description:
      "Bytes per second of all downloads together: 500K, 2MiB. Whatever sluice limit sets holds beside it, the " +
      "lower counts. Default: no limit."
  }),
  durability: Setting.choice(Durability, undefined, {
    name: "durability",
    group: "The engine",
    description:
      "What survives. power-loss: everything recorded, also when the machine loses power. crash: that is true when " +
      "the process dies, but not the machine; faster for many small files, as nothing is synced. Default: power-loss."
  }),
  transport: Setting.choice(TransportName, undefined, {
    name: "transport",
    group: "The engine",
    description:
      "What fetches: http, or wget (to be installed), one process for each download, where the network wants that. Default: http."
  })
}

export const get = {
  input: Setting.one(Args.file, undefined, {
    name: "input",
    kind: "FILE|-",
    group: "What and where",
    path: "file",
    description:
      "A list of what to download, - for stdin: one URL a line (its mirrors after it, with tabs between), each followed by indented lines " +
      "out=NAME, dir=DIR, checksum=sha-256=HEX (or as --checksum has it), limit-rate=500K or header=K: V as needed (aria2's syntax); # begins a comment."
  }),
  metalinks: Setting.many(Args.file, {
    name: "metalink",
    kind: "FILE|URL",
    group: "What and where",
    path: "file",
    typed: true,
    description:
      "A Metalink 4 document (RFC 5854): each of its files is downloaded under the name it has there, from its sources by their " +
      "priorities, and must have the size and hash that it says; may be repeated. Secret headers go to the document's own origin only."
  }),
  dir: Setting.one(Args.directory, undefined, {
    name: "dir",
    kind: "DIR",
    group: "What and where",
    path: "directory",
    description: "Where files go; made if its parent exists. Default: the current directory."
  }),
  output: Setting.one(Args.file, undefined, {
    name: "output",
    kind: "NAME",
    group: "What and where",
    path: "file",
    description:
      "The file's name, for a single URL; it may be in directories below DIR, which are made. Default: what the server " +
      "proposes."
  }),
  mirrors: Setting.many(Args.url, {
    name: "mirror",
    kind: "URL",
    group: "What and where",
    typed: true,
    description:
      "Another URL of the same file, for a single URL; may be repeated. Asked where the first fails, and beside it where " +
      "checksum or validators prove that they have the same bytes."
  }),
  checksum: Setting.one(Args.checksum, null, {
    name: "checksum",
    kind: "ALGO:HEX|URL|FILE",
    group: "What and where",
    description:
      "What the file must have, for a single URL; ALGO is sha-256, sha-512, sha-1 or md5. " +
      "Or where it stands: the URL or the path of a list like SHA256SUMS, with ALGO: before it if need be. " +
      "Without it the file never gets its name."
  }),
  maxSize: Setting.one(Args.positiveSize, null, {
    name: "max-size",
    kind: "SIZE",
    group: "What and where",
    description: "A larger file fails: 500K, 8MiB, 1.5G, or bytes; K is 1024. Default: no limit."
  }),
  onConflict: Setting.choice(ConflictPolicy, defaultOptions.onConflict, {
    name: "on-conflict",
    group: "What and where",
    description: "What to do where a file of that name is there already. Default: rename, to `name (1).ext`."
  }),
  refetch: Setting.flag({
    name: "refetch",
    group: "What and where",
    description:
      "Fetch again what is complete already. Without it, a file that an earlier command has brought is left alone if it " +
      "was not altered, nor changed on the server."
  }),
  priority: Setting.one(Args.integer, 0, {
    name: "priority",
    kind: "N",
    group: "What and where",
    description: "Downloads of a higher priority begin first; may be negative. Default: 0."
  }),
  headers: Setting.many(Args.header, {
    name: "header",
    kind: "'K: V'",
    group: "Requests",
    secret: true,
    description:
      "A header field to send; may be repeated. Its value is never shown, nor sent to another origin. " +
      "(In SLUICE_HEADER: one a line.)"
  }),
  user: Setting.one(Args.user, undefined, {
    name: "user",
    kind: "U:P",
    group: "Requests",
    secret: true,
    description: "User and password, for basic authentication. As secret as headers are."
  }),
  bearer: Setting.one(Args.bearer, undefined, {
    name: "bearer",
    kind: "TOKEN",
    group: "Requests",
    secret: true,
    description: "A token, for bearer authentication. As secret as headers are."
  }),
  userAgent: Setting.one(Args.userAgent, undefined, {
    name: "user-agent",
    kind: "S",
    group: "Requests",
    description: "How sluice introduces itself. Default: sluice."
  }),
  referer: Setting.one(Args.referer, undefined, {
    name: "referer",
    kind: "URL",
    group: "Requests",
    description: "The page that led to the URL."
  }),
  connections: Setting.one(Args.connections, defaultOptions.connections, {
    name: "connections",
    kind: "N",
    group: "Requests",
    description:
      "Connections per download at most, 1 to 16: more than one where the server proves ranges and it helps. Default: 4."
  }),
  timeout: Setting.one(Args.positiveDuration, defaultOptions.timeout, {
    name: "timeout",
    kind: "D",
    group: "Time and retries",
    description: "For connecting, and for the answer to begin, each. Default: 30s."
  }),
  stallTimeout: Setting.one(Args.positiveDuration, defaultOptions.stallTimeout, {
    name: "stall-timeout",
    kind: "D",
    group: "Time and retries",
    description: "A connection that brings no byte for so long is given up. Default: 30s."
  }),
  limitEach: Setting.one(Args.positiveSize, null, {
    name: "limit-each",
    kind: "BYTES_PER_S",
    group: "What and where",
    description:
      "Bytes per second of each download by itself: 500K, 2MiB; kept with it. In a list, limit-rate=. What sluice limit ID " +
      "sets later holds beside it, the lower counts. Default: no limit."
  }),
  lowSpeedLimit: Setting.one(Args.positiveSize, null, {
    name: "low-speed-limit",
    kind: "BYTES_PER_S",
    group: "Time and retries",
    description:
      "A connection that is slower than this for --low-speed-time is given up, and replaced; what it brought is " +
      "kept. Default: no limit."
  }),
  lowSpeedTime: Setting.one(Args.positiveDuration, defaultOptions.lowSpeedTime, {
    name: "low-speed-time",
    kind: "D",
    group: "Time and retries",
    description: "How long a connection may be slower than --low-speed-limit. Default: 10s."
  }),
  maxRetries: Setting.one(Args.count(0), defaultOptions.maxRetries, {
    name: "max-retries",
    kind: "N",
    group: "Time and retries",
    description: "Tries in a row that may fail without progress. Default: 3."
  }),
  retryDelay: Setting.one(Args.duration, defaultOptions.retryDelay, {
    name: "retry-delay",
    kind: "D",
    group: "Time and retries",
    description: "The first pause between tries, then doubled. Default: 2s."
  }),
  maxTime: Setting.one(Args.positiveDuration, null, {
    name: "max-time",
    kind: "D",
    group: "Time and retries",
    description:
      "A download fails that takes longer as a whole, with its tries and pauses, but without its time in the queue. " +
      "What has come is kept. Default: no limit."
  }),
  giveUp: Setting.one(Args.duration, giveUp, {
    name: "give-up",
    kind: "D",
    group: "Time and retries",
    description:
      "Waiting (a server asked for it, the disk is full) without progress ends after this. Default: 10m."
  })
}

export const consumers = {
  json: Setting.flag({
    name: "json",
    group: "What is shown",
    description: "One JSON object per consumer and line."
  })
}
