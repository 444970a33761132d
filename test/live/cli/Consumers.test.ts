/**
 * Consumers in processes of their own (PROMISES Q6): killed between a completion and its acknowledgement, beside others on the same
 * database, and as the command sees them.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { eventsOf, eventually, live, type Running, type World } from "./Cli.js"

interface Told {
  readonly seq: number
  readonly status: string
  readonly name: string
  readonly redelivered: boolean
}

const told = (stdout: string): ReadonlyArray<Told> =>
  stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Told)

const gets = (running: Running, count: number) =>
  running.until(({ stdout }) => told(stdout()).length >= count)

const consumer = (world: World, mode: string, ...paths: ReadonlyArray<string>) =>
  world.startProgram("../consumer.ts", world.database, "converter", mode, ...paths.map(world.origin.url))

const consumers = (world: World) =>
  Effect.map(world.run("consumers", "--json"), ({ stdout }) => eventsOf(stdout))

describe.concurrent("a consumer", () => {
  live("killed between a completion and its acknowledgement gets it again, and nothing else twice", (world) =>
    Effect.gen(function* () {
      // the first use makes the directory of the database
      yield* world.get("/bytes/10/first")
      const paths = ["/bytes/1000/a", "/bytes/2000/b", "/nowhere"]
      const first = yield* consumer(world, "hold", ...paths)
      yield* gets(first, 4)
      yield* first.kill
      const second = yield* consumer(world, "follow")
      yield* gets(second, 4)
      const before = told(first.stdout())
      expect(before.map(({ name, status }) => `${name} ${status}`).sort()).toEqual([
        "/bytes/10/first completed",
        "/bytes/1000/a completed",
        "/bytes/2000/b completed",
        "/nowhere failed"
      ])
      expect(before.every(({ redelivered }) => !redelivered)).toBe(true)
      expect(told(second.stdout())).toEqual(before.map((one) => ({ ...one, redelivered: true })))
      yield* second.during(
        Effect.repeat(consumers(world), { until: ([one]) => one?.event === "consumer" && one.behind === 0 })
      )
      yield* second.kill
      const third = yield* consumer(world, "done", "/bytes/30/c")
      expect(yield* third.result).toMatchObject({ code: 0 })
      expect(told(third.stdout())).toMatchObject([{ name: "/bytes/30/c", redelivered: false }])
      expect(yield* consumers(world)).toMatchObject([{ name: "converter", behind: 0, reader: null }])
    })
  )

  live("hears of what other processes download, has one reader, and is forgotten on request", (world) =>
    Effect.gen(function* () {
      yield* world.get("/bytes/10/first")
      const reading = yield* consumer(world, "follow")
      yield* gets(reading, 1)
      yield* world.get("/bytes/20/second")
      yield* gets(reading, 2)
      expect(yield* consumers(world)).toMatchObject([{ name: "converter", pid: reading.pid }])
      const other = yield* consumer(world, "follow")
      expect((yield* other.result).stdout).toContain(
        `the consumer \\"converter\\" is being read by process ${reading.pid}`
      )
      const refused = yield* world.run("consumers", "rm", "converter")
      expect(refused).toMatchObject({ code: 2, stdout: "" })
      expect(refused.stderr).toContain(`is being read by process ${reading.pid}`)
      yield* reading.kill
      const removed = yield* world.run("consumers", "rm", "converter")
      expect(removed).toMatchObject({ code: 0, stderr: 'sluice: the consumer "converter" is forgotten\n' })
      expect(yield* consumers(world)).toEqual([])
      const table = yield* world.run("consumers")
      expect(table).toMatchObject({ code: 0, stdout: "" })
    })
  )

  live("two that start as the reader dies: one takes its place, and nothing is lost", (world) =>
    Effect.gen(function* () {
      yield* world.get("/bytes/10/first")
      const first = yield* consumer(world, "hold")
      yield* gets(first, 1)
      yield* first.kill
      const both = yield* Effect.all([consumer(world, "follow"), consumer(world, "follow")])
      yield* eventually(() => both.some(({ stdout }) => told(stdout()).length === 1))
      const [winner, loser] = told(both[0].stdout()).length === 1 ? both : [both[1], both[0]]
      expect((yield* loser.result).stdout).toContain("is being read by process")
      expect(told(winner.stdout())).toMatchObject([{ name: "/bytes/10/first", redelivered: true }])
    })
  )
})
