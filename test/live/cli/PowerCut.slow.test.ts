/**
 * The power is cut ten times while the database and the downloads are on a file system of their own (PROMISES B1, B6, Q1, Q3; root
 * only). The seed is printed; SLUICE_SEED repeats the load and the instants, as far as a machine does.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { maxCrashes } from "../../../src/domain/Transition.js"
import { Seeded } from "../../sim/Seeded.js"
import { make as makeOrigin } from "../Origin.js"
import { eventually, live, MiB } from "./Cli.js"
import * as Image from "./Image.js"
import { Ledger } from "./Ledger.js"
import * as Load from "./Load.js"

const seed = Number(process.env["SLUICE_SEED"] ?? Date.now() % 1_000_000)

const cuts = 10
const bound = 180_000

/** Another durability can be tried: what `crash` does not promise is then missed here. */
const more = process.env["SLUICE_TEST_DURABILITY"]
const durability = more === undefined ? [] : ["--durability", more]

const shares = { small: 50, paced: 25, chunked: 8, redirected: 6, cut: 6, busy: 3, large: 2 }

describe("power cuts", () => {
  live(
    `${cuts} cuts over 100 files (seed ${seed})`,
    (world, context) =>
      Effect.gen(function* () {
        const begun = performance.now()
        const chance = new Seeded(seed)
        const disk = yield* Image.make(context, world.root, 512)
        const busy = yield* makeOrigin()
        const origins = [world.origin, busy]
        const items = Load.make(chance.fork("load"), shares, { usual: world.origin, busy }, 6)
        const [dir, database] = [join(disk.directory, "files"), join(disk.directory, "state", "sluice.db")]
        fs.mkdirSync(dir)
        fs.mkdirSync(join(disk.directory, "state"), { mode: 0o700 })
        yield* disk.mount
        const ledger = new Ledger(database, dir)
        const reserve = [...items]
        /** Adds the next of these, first of all the small ones if asked for. */
        const add = (count: number, small: boolean = false, ...more: ReadonlyArray<string>) =>
          Effect.suspend(() => {
            if (small) reserve.sort((a, b) => Number(b.kind === "small") - Number(a.kind === "small"))
            const some = reserve.splice(0, count)
            const how = ["--quiet", "--db", database, "--dir", dir, "--retry-delay", "200ms"]
            return Effect.map(
              world.run("add", ...Load.alone, ...how, ...more, ...some.map(({ url }) => url)),
              (added) => {
                expect(added).toMatchObject({ code: 0, stderr: "" })
                ledger.acknowledge(added.stdout.trim().split("\n"), some)
                return some
              }
            )
          })
        const engine = ["run", "--db", database, "--concurrency", "8", "--quiet", ...durability]
        const requests = () => origins.reduce((sum, { requests }) => sum + requests.length, 0)

        yield* add(50)
        const seen = { claimed: 0, files: 0, atWork: 0, publishing: 0 }
        const exact = new Set<string>()
        for (let cut = 1; cut <= cuts; cut++) {
          const before = requests()
          yield* Effect.scoped(
            Effect.gen(function* () {
              const running = yield* world.start(...engine)
              yield* running.during(eventually(() => requests() > before))
              yield* running.during(Effect.sleep(chance.int(0, 1500)))
              const moment = cut % 3
              // what is acknowledged an instant before is there as well
              if (moment === 1) yield* running.during(add(3))
              if (moment === 2) {
                // small files that come in one go, so that some are getting their names
                const some = yield* add(8, true, "--priority", "9")
                const point = chance.int(1, some.length - 1)
                const served = () => some.filter(({ origin, path }) => origin.sent(path) > 0).length >= point
                yield* running.during(Effect.raceFirst(world.origin.until(served), Effect.sleep("5 seconds")))
                yield* Effect.sleep(chance.int(0, 12))
              }
              // one that dies so often without a checkpoint is given up, by design; that is not what this is about
              const doomed = () =>
                ledger
                  .entries()
                  .some(({ crashes, status }) => crashes >= maxCrashes - 2 && status === "processing")
              yield* running.during(Effect.repeat(Effect.sleep("50 millis"), { while: doomed }))
              yield* disk.cut
              yield* running.kill
            })
          )
          yield* Effect.forEach(origins, (origin) => origin.until(() => origin.connections() === 0))
          yield* disk.mount
          const entries = ledger.expectRows()
          const found = ledger.expectFiles(exact)
          for (const name of found) exact.add(name)
          seen.claimed += ledger.expectClaims()
          ledger.expectParts()
          seen.files = found.length
          seen.atWork += entries.filter(({ status }) => status === "processing").length
          seen.publishing += entries.filter(
            ({ publishing, status }) => publishing !== null && status === "processing"
          ).length
        }

        Load.hurry(items)
        yield* add(reserve.length)
        expect(yield* world.run(...engine)).toMatchObject({ code: 0, stderr: "" })
        yield* disk.mount
        const entries = ledger.expectRows()
        expect(entries.filter(({ status }) => status !== "completed")).toEqual([])
        // all of them, also those that were exact before a later cut
        expect(ledger.expectFiles()).toEqual(items.map(({ name }) => name).sort())
        const orphans = ledger.expectNothingElse()
        const attempts = ledger.expectAttempts()
        const waste = Load.wasteOf(items, "power cut")

        const inMiB = (bytes: number) => `${(bytes / MiB).toFixed(1)} MiB`
        console.log(
          [
            `seed ${seed}: ${cuts} cuts in all of ${((performance.now() - begun) / 1000).toFixed(0)} s; ${seen.files} of ${items.length} files whole after the last`,
            `${seen.atWork} downloads at work at the cuts, ${seen.publishing} of them about to get their names; ${inMiB(seen.claimed)} claimed, and found`,
            `served ${inMiB(waste.served)} for ${inMiB(Load.sizeOf(items))}: ${inMiB(waste.again)} again over ${waste.lost} requests; kills would be allowed ${inMiB(waste.bound)}`,
            `${attempts} attempts logged; ${ledger.orphans.size} parts left without a row by a cut, ${orphans.length} of them for good`
          ].join("\n  ")
        )
      }),
    bound
  )
})
