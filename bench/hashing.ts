/**
 * What it costs to verify a large file, and what it costs everything else meanwhile: the engine by itself and with threads,
 * each beside `sha256sum`, over one file in the page cache. How busy the event loop was is what is lost to transfers that go on
 * meanwhile; its delay is what a timer of 1 ms saw.
 *
 * `npm run bench:hashing -- [BYTES] [DIRECTORY]`; the file is removed however it ends.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { monitorEventLoopDelay, performance } from "node:perf_hooks"
import type { Algorithm } from "../src/domain/Checksum.js"
import * as InlineHasher from "../src/layers/InlineHasher.js"
import * as NodePartFile from "../src/layers/NodePartFile.js"
import * as ThreadHasher from "../src/layers/ThreadHasher.js"
import { Hasher, type Shape } from "../src/services/Hasher.js"
import { PartFile } from "../src/services/PartFile.js"

const size = Number(process.argv[2] ?? 2 ** 30)
const directory = process.argv[3] ?? tmpdir()

const millis = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`

/** Hashes the file once, and tells how long it took and what a timer saw. */
const measure = (name: string, hasher: Shape, path: string, algorithm: Algorithm) =>
  Effect.gen(function* () {
    const disk = yield* PartFile
    const facts = yield* Effect.flatten(disk.facts(path))
    const delay = monitorEventLoopDelay({ resolution: 1 })
    // what was to be compiled and cleaned up is behind us
    yield* Effect.sleep("100 millis")
    delay.enable()
    const busy = performance.eventLoopUtilization()
    const begun = performance.now()
    yield* hasher.digests({ path, identity: facts, size }, [algorithm])
    const taken = performance.now() - begun
    const { utilization } = performance.eventLoopUtilization(busy)
    delay.disable()
    const [p50, p99] = [50, 99].map((percentile) => millis(delay.percentile(percentile) / 1e6))
    yield* Console.log(
      `${name.padEnd(10)} ${algorithm.padEnd(8)} ${millis(taken).padStart(8)}   event loop busy ${Math.round(utilization * 100)} %, delay p50 ${p50}, p99 ${p99}, max ${millis(delay.max / 1e6)}`
    )
  })

const tools: Readonly<Record<Algorithm, string>> = {
  "sha-256": "sha256sum",
  "sha-512": "sha512sum",
  "sha-1": "sha1sum",
  md5: "md5sum"
}

const beside = (path: string, algorithm: Algorithm) =>
  Effect.suspend(() => {
    const begun = performance.now()
    spawnSync(tools[algorithm], [path])
    return Console.log(
      `${tools[algorithm].padEnd(10)} ${algorithm.padEnd(8)} ${millis(performance.now() - begun).padStart(8)}`
    )
  })

const program = Effect.gen(function* () {
  const path = join(fs.mkdtempSync(join(directory, "sluice-hashing-")), "file")
  yield* Effect.addFinalizer(() => Effect.sync(() => fs.rmSync(join(path, ".."), { recursive: true })))
  const block = Buffer.alloc(2 ** 20, "sluice")
  const fd = fs.openSync(path, "w")
  for (let written = 0; written < size; written += block.length) {
    fs.writeSync(fd, block, 0, Math.min(block.length, size - written))
  }
  fs.closeSync(fd)
  const inline = InlineHasher.make(yield* PartFile)
  const threads = yield* Hasher
  for (const algorithm of ["sha-256", "sha-512", "md5"] as const) {
    for (let run = 0; run < 2; run++) {
      yield* measure("inline", inline, path, algorithm)
      yield* measure("threads", threads, path, algorithm)
      yield* beside(path, algorithm)
    }
  }
}).pipe(Effect.scoped, Effect.provide(ThreadHasher.layer.pipe(Layer.provideMerge(NodePartFile.layer))))

await Effect.runPromise(program)
