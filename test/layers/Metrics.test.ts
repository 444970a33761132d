/**
 * What is counted, and that nothing can be counted without bound. Metrics belong to the process, so tests look at differences.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as TestClock from "effect/TestClock"
import * as fs from "node:fs"
import { make as makeError, reasons } from "../../src/domain/DownloadError.js"
import * as Metrics from "../../src/layers/Metrics.js"
import { Downloads } from "../../src/services/Downloads.js"
import { bytes, reaches, reset, type Script, settle, world } from "./fakes.js"

const ok = { "content-length": "10", etag: '"v1"' }

/** Every series of ours: its value, or how many observations and their sum. */
const look = (): Map<string, number | readonly [count: number, sum: number]> =>
  new Map(
    Metric.unsafeSnapshot()
      .filter(({ metricKey }) => metricKey.name.startsWith("sluice_"))
      .map(({ metricKey, metricState }) => {
        const tags = metricKey.tags.map(({ key, value }) => `${key}=${value}`).join(",")
        const value = MetricState.isHistogramState(metricState)
          ? ([metricState.count, metricState.sum] as const)
          : MetricState.isCounterState(metricState)
            ? Number(metricState.count)
            : MetricState.isGaugeState(metricState)
              ? Number(metricState.value)
              : NaN
        return [tags === "" ? metricKey.name : `${metricKey.name}{${tags}}`, value]
      })
  )

/** What has been added to each series since `before`, where anything was. */
const since = (before: ReturnType<typeof look>) =>
  Object.fromEntries(
    [...look()].flatMap(([name, value]) => {
      const was = before.get(name)
      const [now, then] =
        typeof value === "number"
          ? [value, (was as number) ?? 0]
          : [value[0], Array.isArray(was) ? was[0] : 0]
      return now === then ? [] : [[name, now - then]]
    })
  )

describe("metrics", () => {
  it.effect("count what becomes of downloads, tries, requests and bytes", () => {
    const script: Script = (n, { url }) =>
      url.endsWith("/gone")
        ? { status: 404 }
        : n === 0
          ? { status: 200, headers: ok, body: [bytes(4), reset] }
          : {
              status: 206,
              headers: { etag: '"v1"', "content-range": "bytes 4-9/10" },
              body: [1000, bytes(6)]
            }
    const { engine } = world(script, { concurrency: 1 })
    return Effect.gen(function* () {
      const before = look()
      const downloads = yield* Downloads
      yield* Effect.flatMap(downloads.enqueue({ url: "http://h/f.bin", directory: "/d" }), settle)
      yield* Effect.flatMap(downloads.enqueue({ url: "http://h/gone", directory: "/d" }), settle)
      expect(since(before)).toMatchObject({
        sluice_downloads_enqueued_total: 2,
        "sluice_downloads_ended_total{status=completed}": 1,
        "sluice_downloads_ended_total{status=failed}": 1,
        "sluice_attempts_total{outcome=retrying}": 1,
        "sluice_attempts_total{outcome=completed}": 1,
        "sluice_attempts_total{outcome=failed}": 1,
        "sluice_failures_total{reason=ConnectionReset}": 1,
        "sluice_failures_total{reason=NotFound}": 1,
        "sluice_responses_total{code=2xx}": 2,
        "sluice_responses_total{code=4xx}": 1,
        sluice_first_byte_seconds: 3,
        sluice_attempt_seconds: 3,
        sluice_download_seconds: 1,
        sluice_bytes_received_total: 10
      })
      // nobody is at work any more
      expect(since(before)).not.toHaveProperty("sluice_active_downloads")
      expect(since(before)).not.toHaveProperty("sluice_active_connections")
      expect(since(before)["sluice_commit_seconds"]).toBeGreaterThan(0)
      expect(since(before)["sluice_sync_seconds"]).toBeGreaterThan(0)
    }).pipe(Effect.provide(engine))
  })

  it.effect("tell of a transfer while it goes on, by the watchdog's tick", () => {
    const { engine } = world(() => ({
      status: 200,
      headers: { ...ok, "content-length": "1000000" },
      body: [bytes(600), 2000, bytes(400), "forever"]
    }))
    return Effect.gen(function* () {
      const before = look()
      const downloads = yield* Downloads
      const row = yield* downloads.enqueue({ url: "http://h/f.bin", directory: "/d" })
      yield* reaches(row, "processing")
      yield* TestClock.adjust("1 second")
      expect(since(before)).toMatchObject({
        sluice_active_downloads: 1,
        sluice_active_connections: 1,
        sluice_bytes_received_total: 600
      })
      yield* TestClock.adjust("2 seconds")
      expect(since(before)).toMatchObject({ sluice_bytes_received_total: 1000 })
      yield* downloads.pause(row.id)
      const now = since(before)
      expect(now).toMatchObject({
        "sluice_attempts_total{outcome=paused}": 1,
        sluice_bytes_received_total: 1000
      })
      expect(now).not.toHaveProperty("sluice_active_downloads")
      expect(now).not.toHaveProperty("sluice_active_connections")
    }).pipe(Effect.provide(engine))
  })

  it.effect("read the depth of the queue from the database, also after a statement over many", () => {
    const { engine } = world(() => ({ status: 200, headers: ok, body: [bytes(10)] }), { autoStart: false })
    return Effect.gen(function* () {
      const before = look()
      const downloads = yield* Downloads
      const requests = Array.from({ length: 1500 }, (_, i) => ({ url: `http://h/${i}`, directory: "/d" }))
      yield* downloads.enqueueAll(requests)
      yield* Metrics.sample
      expect(look().get("sluice_downloads{status=pending}")).toBe(1500)
      yield* downloads.cancelAll({})
      yield* TestClock.adjust("20 seconds")
      expect(look().get("sluice_downloads{status=pending}")).toBe(0)
      expect(look().get("sluice_downloads{status=cancelled}")).toBe(1500)
      expect(since(before)).toMatchObject({ "sluice_downloads_ended_total{status=cancelled}": 1500 })
    }).pipe(Effect.provide(Layer.provideMerge(Metrics.layerSampling(), engine)))
  })

  it.effect("tell how hosts stand, as time alone changes it", () => {
    let well = false
    const { engine } = world((_, { url }) =>
      url.startsWith("http://down") && !well
        ? makeError("ConnectionRefused", "refused by the script")
        : {
            status: 200,
            headers: url.startsWith("http://tired")
              ? { ...ok, "ratelimit-remaining": "0", "ratelimit-reset": "600" }
              : ok,
            body: [url.startsWith("http://down") ? 5000 : 10, bytes(10)]
          }
    )
    const states = Effect.map(Metrics.sample, () => {
      const series = look()
      return ["closed", "open", "half-open", "cooling"].map((state) =>
        series.get(`sluice_hosts{state=${state}}`)
      )
    })
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const urls = ["http://well/f", "http://tired/f", "http://down/f"]
      const rows = yield* downloads.enqueueAll(urls.map((url) => ({ url, directory: "/d" })))
      yield* TestClock.adjust("1 second")
      expect(yield* states).toEqual([1, 1, 0, 1])
      well = true
      const probe = yield* Effect.fork(reaches(rows[2]!, "processing"))
      for (let i = 0; i < 60 && (yield* Fiber.poll(probe))._tag === "None"; i++)
        yield* TestClock.adjust("1 second")
      expect(yield* states).toEqual([1, 0, 1, 1])
      yield* TestClock.adjust("6 seconds")
      expect(yield* states).toEqual([2, 0, 0, 1])
      yield* TestClock.adjust("10 minutes")
      // nothing has asked it since
      expect(yield* states).toEqual([2, 0, 1, 0])
    }).pipe(Effect.provide(engine))
  })

  it("have no tags but those of closed sets, and every series is one that the catalogue tells of", () => {
    const known = new Map(Metrics.catalogue.map((one) => [one.name, one]))
    for (const { metricKey } of Metric.unsafeSnapshot()) {
      if (!metricKey.name.startsWith("sluice_")) continue
      const { tags } = known.get(metricKey.name)!
      for (const { key, value } of metricKey.tags) expect(tags[key], metricKey.name).toContain(value)
    }
    const series = Metrics.catalogue.reduce(
      (sum, { tags }) => sum + Object.values(tags).reduce((product, values) => product * values.length, 1),
      0
    )
    expect(series).toBeLessThan(reasons.length + 50)
  })

  it("are all in the README's table, with type and tags", () => {
    const readme = fs.readFileSync(new URL("../../README.md", import.meta.url), "utf8")
    for (const { name, tags, type } of Metrics.catalogue) {
      const line = readme.split("\n").find((line) => line.includes(`\`${name}\``))
      expect(line, name).toContain(type)
      for (const tag of Object.keys(tags)) expect(line).toContain(`\`${tag}\``)
    }
  })
})
