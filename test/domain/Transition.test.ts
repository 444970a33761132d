/**
 * The transition table against the function that reads it: by full enumeration, and by random lives.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as Redacted from "effect/Redacted"
import type { Checksum, Expected } from "../../src/domain/Checksum.js"
import type { Coverage } from "../../src/domain/Coverage.js"
import {
  type Desired,
  type Download,
  percent,
  type Status,
  type Strike,
  terminal
} from "../../src/domain/Download.js"
import { defaultOptions } from "../../src/domain/DownloadOptions.js"
import * as Message from "../../src/domain/Message.js"
import { credited } from "../../src/domain/Strikes.js"
import { accepting, maxCrashes, table, transition } from "../../src/domain/Transition.js"
import { download, engine, otherEngine, part, record, reset, strong, unprovable } from "./Fixtures.js"

const statuses = [
  "pending",
  "processing",
  "retrying",
  "waiting",
  "paused",
  "completed",
  "failed",
  "cancelled"
] as const
const desires: ReadonlyArray<Desired> = ["run", "paused", "cancelled"]
const tags = Object.keys(table) as ReadonlyArray<Message.Tag>

const retryAt: Message.Verdict = { _tag: "RetryAt", at: 5000 }
const waitUntil: Message.Verdict = { _tag: "WaitUntil", at: 6000 }
const final: Message.Verdict = { _tag: "Final" }
const mismatch = { reason: "ChecksumMismatch", detail: "the md5 checksum is another" } as const
const full = { reason: "DiskFull", detail: "the disk is full" } as const

const identified = (validator = strong): Message.Message =>
  Message.Identified({ filename: "file.bin", part, total: 100, validator })
const failedWith = (verdict: Message.Verdict, failure: Download["failure"] = reset): Message.Message =>
  Message.Failed({ failure: failure!, verdict })
const checkpointed = (bytes: number): Message.Message =>
  Message.Checkpointed({ bytes, total: 100, segments: null })

const isMismatch = ({ failure }: Strike): boolean => failure.reason === "ChecksumMismatch"

/** Every shape of every message that the function tells apart. */
const messages: ReadonlyArray<Message.Message> = [
  Message.Claimed({ owner: engine }),
  identified(),
  checkpointed(10),
  Message.Publishing({ record, verified: null }),
  Message.Succeeded({ outcome: "fetched", record }),
  Message.Succeeded({ outcome: "unchanged", record }),
  Message.Expired({ failure: full }),
  Message.Spoiled({ kept: [[0, 10]], senders: [], failure: mismatch }),
  Message.SourceSetAside({ url: "http://h/f", failure: reset }),
  Message.SourcesOffered({ sources: [{ url: "http://h/g", priority: 1 }] }),
  Message.SourceUsed({ url: "http://h/f" }),
  Message.Spawned({ pid: 4711 }),
  failedWith(retryAt),
  failedWith(waitUntil),
  failedWith(final),
  Message.Released(),
  Message.Abandoned(),
  Message.Due(),
  Message.Discarded(),
  Message.Renounced(),
  Message.PauseRequested(),
  Message.CancelRequested(),
  Message.ResumeRequested()
]

const after = (start: Download, ...sequence: ReadonlyArray<Message.Message>): Download =>
  sequence.reduce(
    (row, message) =>
      Either.getOrThrowWith(
        transition(row, message, 1000),
        (rejected) => new Error(JSON.stringify(rejected))
      ),
    start
  )

const processing = (changes: Partial<Download> = {}): Download =>
  after(download(changes), Message.Claimed({ owner: engine }))

describe("the transition table", () => {
  it("speaks of every message, and of no terminal status", () => {
    expect([...tags].sort()).toEqual([...new Set(messages.map((message) => message._tag))].sort())
    for (const tag of tags) {
      // what a cancelled download has left behind goes after its end
      if (tag === "Discarded") expect(table.Discarded).toEqual({ cancelled: ["cancelled"] })
      else for (const status of accepting(tag)) expect(terminal.has(status)).toBe(false)
    }
  })

  it("lets an engine take up what stands in line", () => {
    expect(accepting("Claimed")).toEqual(["pending"])
  })

  for (const tag of tags) {
    it(`is what ${tag} does: no entry is idle and none is missing`, () => {
      for (const status of statuses) {
        const reached = new Set<Status>()
        let rejected = 0
        let tried = 0
        const before = desires.flatMap((desired) =>
          [0, maxCrashes].flatMap((crashes) =>
            (["if-changed", "always"] as const).map((refetch) =>
              download({ status, desired, crashes, options: { ...download({}).options, refetch } })
            )
          )
        )
        for (const one of before) {
          for (const message of messages.filter((each) => each._tag === tag)) {
            tried++
            Either.match(transition(one, message, 1), {
              onLeft: (error) => {
                rejected++
                expect(error).toEqual({ _tag: "Rejected", message: tag, status })
              },
              onRight: (next) => reached.add(next.status)
            })
          }
        }
        const entry = table[tag][status]
        expect(rejected).toBe(entry === undefined ? tried : 0)
        expect([...reached].sort()).toEqual([...(entry ?? [])].sort())
      }
    })
  }
})

describe("a claim", () => {
  it("begins an attempt under a new epoch", () => {
    const waiting = download({
      status: "waiting",
      checkpoint: 7,
      epoch: 3,
      attempt: 2,
      nextAttemptAt: 900,
      waitingSince: 500
    })
    expect(after(waiting, Message.Due(), Message.Claimed({ owner: engine }))).toMatchObject({
      status: "processing",
      owner: engine,
      epoch: 4,
      attempt: 3,
      attemptStartedAt: 1000,
      attemptFrom: 7,
      nextAttemptAt: null,
      waitingSince: 500,
      updatedAt: 1000
    })
  })
})

describe("progress", () => {
  const troubled = { strikes: [{ at: 1, failure: reset }], crashes: 2, waitingSince: 3 }
  const forgotten = { strikes: [], crashes: 0, waitingSince: null }

  it("clears the failures before it, at the end of the try", () => {
    const begun = after(processing(troubled), identified(), checkpointed(1))
    expect(begun).toMatchObject({ checkpoint: 1, ...troubled })
    expect(after(begun, Message.Released())).toMatchObject({ checkpoint: 1, ...forgotten })
    const resumed = processing({ ...troubled, part, checkpoint: 50, total: 100, validator: strong })
    const further = after(resumed, checkpointed(51))
    expect(credited(further)).toMatchObject({ checkpoint: 51, ...forgotten })
    expect(after(further, failedWith(retryAt)).strikes).toEqual([{ at: 1000, failure: reset, held: 51 }])
    expect(after(further, Message.Abandoned())).toMatchObject({ ...forgotten, crashes: 1 })
  })

  it("does not clear them where the bytes prove wrong before the try is over", () => {
    let row = download()
    let tries = 0
    // gone on with beyond what was held, condemned, begun anew and cut
    const condemned = [checkpointed(80), identified(), checkpointed(50)]
    for (; tries < 50 && row.strikes.length < 4; tries++) {
      const began = tries === 0 ? [identified(), checkpointed(50)] : condemned
      const due = tries === 0 ? [] : [Message.Due()]
      row = after(row, ...due, Message.Claimed({ owner: engine }), ...began, failedWith(retryAt))
    }
    expect(tries).toBe(4)
  })

  it.each([
    ["no byte", [identified(), checkpointed(0)], {}],
    ["bytes that nothing could prove", [identified(unprovable), checkpointed(99)], {}],
    ["bytes of a version not known", [checkpointed(99)], {}],
    ["as much as was there before", [checkpointed(50)], { checkpoint: 50, validator: strong }],
    [
      "less of another version than of the lost one",
      [identified(), checkpointed(50)],
      { checkpoint: 50, validator: strong }
    ],
    ["only a name", [identified()], {}],
    ["only the intent to publish", [Message.Publishing({ record, verified: null })], {}]
  ])("is not %s", (_, sequence, before) => {
    expect(credited(after(processing({ ...troubled, ...before }), ...sequence))).toMatchObject(troubled)
  })

  it("ends a row of tries against a server that cuts every answer and names no version", () => {
    let row = download()
    for (let i = 0; i < 4; i++) {
      row = after(
        row,
        ...(i === 0 ? [] : [Message.Due()]),
        Message.Claimed({ owner: engine }),
        identified(unprovable),
        checkpointed(60),
        failedWith(retryAt)
      )
    }
    expect(row.strikes).toHaveLength(4)
  })

  /** Tries until four strikes are left standing, at most so many. */
  const triesAgainst = (
    cuts: ReadonlyArray<number>,
    most: number,
    begins: (n: number) => ReadonlyArray<Message.Message>
  ) => {
    let row = download()
    let tries = 0
    for (; tries < most && row.strikes.length < 4; tries++) {
      row = after(
        row,
        ...(tries === 0 ? [] : [Message.Due()]),
        Message.Claimed({ owner: engine }),
        ...begins(tries),
        checkpointed(cuts[tries % cuts.length]!),
        failedWith(retryAt)
      )
    }
    return { row, tries }
  }

  it.each([
    ["falling and rising", [90, 50]],
    ["rising", Array.from({ length: 99 }, (_, n) => n + 1)],
    ["falling", Array.from({ length: 99 }, (_, n) => 99 - n)],
    ["any", [10, 60, 30, 70, 20, 80, 5, 99]]
  ])("is none where each try begins at 0, and is cut at %s places", (_, cuts) => {
    expect(triesAgainst(cuts, 50, () => [identified()]).tries).toBe(4)
  })

  it("is none where a server goes on only to where another try had been", () => {
    // 90 from 0, then 50 from 0, then 50 to 80, and so on
    const { tries } = triesAgainst([90, 50, 80], 50, (n) => (n % 3 === 2 ? [] : [identified()]))
    expect(tries).toBe(4)
  })

  it("is what is gone on with beyond that, also after a version was lost, and a smaller one", () => {
    const rising = Array.from({ length: 40 }, (_, n) => n + 1)
    expect(triesAgainst(rising, 40, (n) => (n % 10 === 0 ? [identified()] : [])).tries).toBe(40)
    const struck = { at: 1, failure: reset, held: 5000 }
    const smaller = processing({
      strikes: [struck],
      checkpoint: 50,
      attemptFrom: 50,
      total: 100,
      validator: strong
    })
    expect(credited(after(smaller, checkpointed(51))).strikes).toEqual([])
    // an engine that died in the try that had lost it all
    const restarted: Download = { ...smaller, strikes: [{ ...struck, lost: true }], status: "pending" }
    const again = after(restarted, Message.Claimed({ owner: engine }), checkpointed(51))
    expect(credited(again).strikes).toEqual([])
  })

  it("of another version gives up the bytes held, and what was to be published", () => {
    const before = processing({ part, checkpoint: 50, total: 90, validator: unprovable, publishing: record })
    expect(after(before, identified())).toMatchObject({
      checkpoint: 0,
      total: 100,
      validator: strong,
      publishing: null,
      attemptFrom: 50
    })
  })
})

describe("how the part was left", () => {
  const left = { size: 60, mtime: "7" }
  const atEnd = Message.Checkpointed({ bytes: 60, total: 100, segments: null, left })

  it("is kept with the row until the part is written to again", () => {
    const ended = after(processing(), identified(), atEnd, Message.Released())
    expect(ended.part).toEqual({ ...part, ...left })
    const again = after(ended, Message.Claimed({ owner: engine }))
    expect(again.part).toEqual({ ...part, ...left })
    expect(after(again, checkpointed(60)).part).toEqual(part)
    expect(after(again, identified()).part).toEqual(part)
  })

  it("is not known after the engine has died", () => {
    const again = processing({ part: { ...part, ...left }, checkpoint: 60, total: 100, validator: strong })
    expect(after(again, Message.Abandoned()).part).toEqual(part)
  })
})

describe("a failed try", () => {
  it("is retried at the time the policy named, and remembered", () => {
    expect(after(processing(), failedWith(retryAt))).toMatchObject({
      status: "retrying",
      owner: engine,
      failure: reset,
      strikes: [{ at: 1000, failure: reset }],
      nextAttemptAt: 5000,
      attemptStartedAt: null
    })
  })

  it("may wait without a strike, counting from the first wait", () => {
    const first = after(processing(), failedWith(waitUntil, full))
    expect(first).toMatchObject({ status: "waiting", strikes: [], waitingSince: 1000, nextAttemptAt: 6000 })
    const again = after(
      { ...first, waitingSince: 400 },
      Message.Due(),
      Message.Claimed({ owner: engine }),
      failedWith(waitUntil, full)
    )
    expect(again.waitingSince).toBe(400)
  })

  it("says that it gave up where a wait was the end", () => {
    const cooling = {
      reason: "HostCooling",
      detail: "the server answered 503",
      status: 503,
      retryAfter: 9000
    } as const
    expect(after(processing(), failedWith(final, cooling)).failure).toMatchObject({
      reason: "GaveUp",
      detail: "gave up waiting: the server answered 503",
      status: 503
    })
    // what a person can do about it is another thing
    expect(after(processing(), failedWith(final, full)).failure).toMatchObject({
      reason: "DiskStayedFull",
      detail: `gave up waiting: ${full.detail}`
    })
    expect(after(processing(), failedWith(final)).failure).toEqual(reset)
  })

  it.each(["paused", "cancelled"] as const)(
    "ends %s where that is wanted, whatever the verdict",
    (desired) => {
      for (const verdict of [retryAt, waitUntil, final]) {
        expect(after({ ...processing(), desired }, failedWith(verdict))).toMatchObject({
          status: desired,
          nextAttemptAt: null,
          strikes: []
        })
      }
    }
  )
})

describe("a dead engine", () => {
  it("loses its claim, and the download goes on where it was", () => {
    const row = processing({ checkpoint: 50, part, validator: strong })
    expect(after(row, Message.Abandoned())).toMatchObject({
      status: "pending",
      owner: null,
      crashes: 1,
      checkpoint: 50
    })
    expect(after(row, Message.Abandoned()).epoch).toBeGreaterThanOrEqual(row.epoch)
  })

  it("is not followed by another for ever", () => {
    let row = download()
    let deaths = 0
    while (!terminal.has(row.status)) {
      row = after(row, Message.Claimed({ owner: engine }), Message.Abandoned())
      deaths++
      expect(deaths).toBeLessThanOrEqual(maxCrashes)
    }
    expect(deaths).toBe(maxCrashes)
    expect(row).toMatchObject({ status: "failed", failure: { reason: "CrashedTooOften" } })
  })

  it.each(["paused", "cancelled"] as const)("leaves what was wanted: %s", (desired) => {
    const row = { ...processing({ crashes: maxCrashes }), desired }
    expect(after(row, Message.Abandoned())).toMatchObject({ status: desired, owner: null })
  })
})

describe("what people ask for", () => {
  it("what is held can be given up while paused: the claim goes, the part stays on record", () => {
    const paused = after(processing(), Message.PauseRequested(), Message.Released())
    expect(after(paused, Message.Renounced())).toMatchObject({
      status: "paused",
      checkpoint: 0,
      total: null,
      validator: null,
      part: paused.part
    })
  })

  it("is kept until the worker has let go", () => {
    const paused = after(processing(), Message.PauseRequested())
    expect(paused).toMatchObject({ status: "processing", desired: "paused" })
    expect(after(paused, Message.Released()).status).toBe("paused")
    expect(after(paused, Message.ResumeRequested(), Message.Released()).status).toBe("pending")
    expect(after(processing(), Message.Released())).toMatchObject({ status: "pending", desired: "run" })
  })

  it("is final where it was to cancel", () => {
    const cancelled = after(processing(), Message.CancelRequested())
    for (const message of [Message.PauseRequested(), Message.ResumeRequested(), Message.CancelRequested()]) {
      expect(after(cancelled, message, Message.Released()).status).toBe("cancelled")
    }
  })

  it("ends a wait or a backoff, and the time without progress counts anew", () => {
    for (const status of ["retrying", "waiting", "paused"] as const) {
      const row = download({
        status,
        desired: status === "paused" ? "paused" : "run",
        nextAttemptAt: 9,
        waitingSince: 5
      })
      expect(after(row, Message.ResumeRequested())).toMatchObject({
        status: "pending",
        desired: "run",
        nextAttemptAt: null,
        waitingSince: null
      })
    }
  })
})

describe("a wrong checksum", () => {
  it("counts whatever progress is made after it, so that its tries come to an end", () => {
    const once = [identified(), checkpointed(100), Message.Renounced(), failedWith(retryAt, mismatch)]
    let row = download()
    for (let i = 1; i <= 4; i++) {
      row = after(row, ...(i === 1 ? [] : [Message.Due()]), Message.Claimed({ owner: engine }), ...once)
      expect(row).toMatchObject({ status: "retrying", checkpoint: 0, validator: null, total: null })
      expect(row.strikes.map(({ failure }) => failure.reason)).toEqual(Array(i).fill("ChecksumMismatch"))
    }
    const cut = after(
      row,
      Message.Due(),
      Message.Claimed({ owner: engine }),
      identified(),
      failedWith(retryAt)
    )
    expect(cut.strikes).toHaveLength(5)
    expect(
      after(
        cut,
        Message.Due(),
        Message.Claimed({ owner: engine }),
        identified(),
        checkpointed(10),
        Message.Released()
      ).strikes
    ).toEqual(row.strikes)
  })

  const checksum = (digit: string): Checksum => ({ algorithm: "md5", hex: digit.repeat(32) })
  const asking = (wanted: Expected | null) =>
    processing({ options: { ...defaultOptions, checksum: wanted }, publishing: null })

  it.each([
    ["nothing asked, nothing verified", null, null, true],
    ["nothing asked, something verified", null, checksum("a"), true],
    ["what was asked", checksum("a"), checksum("a"), true],
    ["nothing, and one was added meanwhile", checksum("a"), null, false],
    ["another", checksum("a"), checksum("b"), false]
  ])("%s", (_, wanted, verified, published) => {
    const row = after(asking(wanted), Message.Publishing({ record, verified }))
    expect(row.publishing).toEqual(published ? record : null)
    expect(row.status).toBe("processing")
  })

  const list = { url: "http://h/SUMS" }
  const listed: Checksum = { ...checksum("a"), from: list.url }
  it.each([
    ["what the list says takes its place", list, listed, listed, true],
    ["what another list says", { url: "http://h/OTHER" }, listed, { url: "http://h/OTHER" }, false],
    ["a digest that is of no list", list, checksum("a"), list, false],
    ["what was there before stays", checksum("a"), checksum("a"), checksum("a"), true]
  ])("%s", (_, wanted, verified, stored, published) => {
    const row = after(asking(wanted), Message.Publishing({ record, verified }))
    expect(row.options.checksum).toEqual(stored)
    expect(row.publishing).toEqual(published ? record : null)
    // an engine that died in between says it again, and another name may be tried
    const again = after(row, Message.Publishing({ record, verified: row.options.checksum }))
    expect(again.options).toBe(row.options)
    expect(again.publishing).toEqual(record)
  })
})

describe("success", () => {
  it("records the file as it is, and forgets the trouble before it", () => {
    const troubled = processing({
      part,
      failure: reset,
      strikes: [{ at: 1, failure: reset }],
      crashes: 1,
      waitingSince: 1
    })
    const named = { ...record, name: "file (1).bin" }
    expect(
      after(
        troubled,
        Message.Publishing({ record: named, verified: null }),
        Message.Succeeded({ outcome: "fetched", record: named })
      )
    ).toMatchObject({
      status: "completed",
      outcome: "fetched",
      filename: "file (1).bin",
      publishing: named,
      part: null,
      checkpoint: 100,
      total: 100,
      failure: null,
      strikes: [],
      crashes: 0,
      waitingSince: null,
      finishedAt: 1000
    })
  })
})

describe("any life of a download", () => {
  const validator = fc.constantFrom(strong, unprovable)
  const bytes = fc.integer({ min: 0, max: 100 })
  const message: fc.Arbitrary<Message.Message> = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(engine, otherEngine).map((owner) => Message.Claimed({ owner })) },
    { weight: 2, arbitrary: validator.map(identified) },
    { weight: 3, arbitrary: bytes.map(checkpointed) },
    fc.constant(Message.Publishing({ record, verified: null })),
    fc
      .constantFrom("fetched" as const, "skipped" as const)
      .map((outcome) => Message.Succeeded({ outcome, record })),
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.constantFrom(retryAt, waitUntil, final), fc.constantFrom(reset, full, mismatch))
        .map(([verdict, failure]) => failedWith(verdict, failure))
    },
    fc.constant(Message.Released()),
    { weight: 2, arbitrary: fc.constant(Message.Abandoned()) },
    { weight: 3, arbitrary: fc.constant(Message.Due()) },
    fc.constant(Message.Discarded()),
    fc.constant(Message.Renounced()),
    fc.constant(Message.PauseRequested()),
    fc.constant(Message.CancelRequested()),
    { weight: 2, arbitrary: fc.constant(Message.ResumeRequested()) }
  )

  /** What holds of a row at any time. */
  const expectSound = (row: Download): void => {
    const due = row.status === "retrying" || row.status === "waiting"
    expect(row.nextAttemptAt !== null).toBe(due)
    expect(row.attemptStartedAt !== null).toBe(row.status === "processing")
    expect(row.finishedAt !== null).toBe(terminal.has(row.status))
    expect(row.crashes).toBeLessThanOrEqual(maxCrashes + 1)
    if (row.status === "processing") expect(row.owner).not.toBeNull()
    if (row.status === "failed") expect(row.failure).not.toBeNull()
    if (row.status === "failed")
      expect([
        "GaveUp",
        "DiskStayedFull",
        "CrashedTooOften",
        "ConnectionReset",
        "ChecksumMismatch"
      ]).toContain(row.failure?.reason)
    if (row.status === "cancelled") expect(row.desired).toBe("cancelled")
    if (row.status === "paused") expect(row.desired).toBe("paused")
    expect(percent(row) === 100).toBe(row.status === "completed")
    // the secrets and the claim live exactly as long as there is work to do
    expect(Redacted.value(row.headers)).toHaveLength(terminal.has(row.status) ? 0 : 1)
    if (terminal.has(row.status)) expect(row.owner).toBeNull()
  }

  /** What holds from one row to the next. */
  const expectLawful = (before: Download, message: Message.Message, next: Download): void => {
    expect(table[message._tag][before.status]).toContain(next.status)
    expect(next.epoch).toBeGreaterThanOrEqual(before.epoch)
    expect(next.attempt).toBe(before.attempt + (message._tag === "Claimed" ? 1 : 0))
    if (message._tag === "Claimed") expect(next.epoch).toBeGreaterThan(before.epoch)
    if (before.desired === "cancelled") expect(next.desired).toBe("cancelled")
    if (next.checkpoint < before.checkpoint)
      expect(["Identified", "Checkpointed", "Renounced"]).toContain(message._tag)
    if (next.strikes.length > before.strikes.length) {
      expect([message._tag, next.status, next.strikes.length]).toEqual([
        "Failed",
        "retrying",
        before.strikes.length + 1
      ])
    }
    if (next.strikes.length < before.strikes.length) {
      // progress makes up for anything but for having brought the wrong bytes
      const left = message._tag === "Succeeded" ? [] : before.strikes.filter(isMismatch)
      expect(next.strikes).toEqual(left)
      expect(["Checkpointed", "Succeeded"]).toContain(message._tag)
    }
    if (next.crashes > before.crashes) expect(message._tag).toBe("Abandoned")
    const identity = ["id", "url", "directory", "output", "options", "priority", "createdAt"] as const
    for (const field of identity) expect(next[field]).toBe(before[field])
  }

  it("keeps to the table and to the rules of a row", () => {
    const ends = new Map<Status, number>()
    fc.assert(
      fc.property(fc.array(message, { minLength: 5, maxLength: 60 }), (sequence) => {
        let row = download()
        let now = 0
        for (const each of sequence) {
          now++
          const result = transition(row, each, now)
          if (Either.isLeft(result)) {
            expect(table[each._tag][row.status]).toBeUndefined()
            continue
          }
          expect(terminal.has(row.status)).toBe(each._tag === "Discarded")
          expect(result.right.updatedAt).toBe(now)
          expectLawful(row, each, result.right)
          row = result.right
          expectSound(row)
        }
        ends.set(row.status, (ends.get(row.status) ?? 0) + 1)
      }),
      { numRuns: 300 }
    )
    // else the lives were too short to tell
    expect([...terminal].filter((status) => ends.has(status))).toEqual([...terminal])
  })

  it("never changes the row it was given", () => {
    fc.assert(
      fc.property(message, fc.constantFrom(...statuses), (each, status) => {
        const row = Object.freeze(download({ status }))
        const copy = { ...row }
        transition(row, each, 1)
        expect(row).toEqual(copy)
      })
    )
  })
})

describe("what was proved wrong", () => {
  const urls = ["http://a/f", "http://b/f", "http://c/f"] as const
  const sources = urls.map((url, i) => ({
    url,
    priority: i + 1,
    aside: null,
    used: false
  }))
  const spoiled = (kept: Coverage, senders: ReadonlyArray<string>) =>
    after(
      processing({ url: urls[0], sources, checkpoint: 100, total: 100, segments: null }),
      Message.Spoiled({ kept, senders, failure: mismatch })
    )

  it("is claimed no more; what is right is, also beyond it", () => {
    expect(spoiled([[0, 40]], [])).toMatchObject({ checkpoint: 40, segments: null })
    expect(
      spoiled(
        [
          [0, 40],
          [60, 100]
        ],
        []
      )
    ).toMatchObject({
      checkpoint: 80,
      segments: [
        [0, 40],
        [60, 100]
      ]
    })
    expect(spoiled([], [])).toMatchObject({ checkpoint: 0, segments: null })
  })

  it("puts aside who has sent it, the worst first, while another is left", () => {
    const aside = (senders: ReadonlyArray<string>) =>
      spoiled([[0, 40]], senders).sources!.map((source) => source.aside !== null)
    expect(aside([])).toEqual([false, false, false])
    expect(aside([urls[1]])).toEqual([false, true, false])
    expect(aside([urls[2], urls[0], urls[1]])).toEqual([true, false, true])
    expect(aside(["http://elsewhere/f"])).toEqual([false, false, false])
  })

  it("leaves an only source in good standing", () => {
    const row = after(
      processing({ sources: null, checkpoint: 100, total: 100 }),
      Message.Spoiled({ kept: [[0, 40]], senders: [download().url], failure: mismatch })
    )
    expect(row).toMatchObject({ sources: null, checkpoint: 40 })
  })
})
