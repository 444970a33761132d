import { describe, expect, it } from "@effect/vitest"
import type { LookupAddress } from "node:dns"
import type { Question } from "../../src/layers/Resolver.js"
import * as Resolver from "../../src/layers/Resolver.js"
import { noNameServer } from "../../src/layers/UndiciError.js"

interface Asked {
  readonly question: Question
  readonly answer: (error: NodeJS.ErrnoException | null, addresses: ReadonlyArray<LookupAddress>) => void
}

const v4: LookupAddress = { address: "192.0.2.1", family: 4 }
const v6: LookupAddress = { address: "2001:db8::1", family: 6 }

/** A resolver over a name server that answers when the test says so. */
const setup = () => {
  const asked: Array<Asked> = []
  const clock = { now: 0 }
  const resolver = Resolver.make({
    now: () => clock.now,
    resolve: (question, answer) => asked.push({ question, answer })
  })
  const all = (name: string) =>
    new Promise<ReadonlyArray<LookupAddress> | string>((resolve) => {
      resolver.lookup(name, { all: true }, (error, addresses) => {
        if (error !== null) resolve(error.code ?? error.message)
        else if (typeof addresses !== "string") resolve(addresses)
      })
    })
  const names = () => asked.map(({ question }) => question.hostname)
  return { all, asked, clock, names, resolver }
}

describe("Resolver", () => {
  it("answers with all addresses, or with the first", async () => {
    const { all, asked, resolver } = setup()
    const many = all("a.test")
    asked[0]!.answer(null, [v6, v4])
    expect(await many).toEqual([v6, v4])
    const one = await new Promise((resolve) => {
      resolver.lookup("a.test", {}, (error, address, family) => resolve([error, address, family]))
    })
    // the same question, so the answer was known
    expect(one).toEqual([null, v6.address, 6])
    expect(asked).toHaveLength(1)
  })

  it("tells a name that can't be resolved for now from a machine that can resolve none", async () => {
    const { all, asked, clock } = setup()
    const fail = (code: string) => asked.at(-1)!.answer(Object.assign(new Error(code), { code }), [])
    const lost = all("a.test")
    fail("EAI_AGAIN")
    expect(await lost).toBe(noNameServer)
    const missing = all("none.test")
    fail("ENOTFOUND")
    expect(await missing).toBe("ENOTFOUND")
    clock.now = 60_000
    const broken = all("a.test")
    fail("EAI_AGAIN")
    expect(await broken).toBe("EAI_AGAIN")
    clock.now = 60_001
    const later = all("a.test")
    fail("EAI_AGAIN")
    expect(await later).toBe(noNameServer)
  })

  it("asks separately for separate families", async () => {
    const { asked, resolver } = setup()
    resolver.lookup("a.test", { family: 4 }, () => {})
    resolver.lookup("a.test", { family: "IPv6" }, () => {})
    expect(asked.map(({ question }) => question.family)).toEqual([4, 6])
  })

  it("runs two look-ups at most, and the others in order", async () => {
    const { all, asked, names } = setup()
    const results = ["a", "b", "c", "d"].map(all)
    expect(names()).toEqual(["a", "b"])
    asked[1]!.answer(null, [v4])
    expect(names()).toEqual(["a", "b", "c"])
    asked[0]!.answer(null, [v4])
    asked[2]!.answer(null, [v4])
    asked[3]!.answer(null, [v4])
    expect(await Promise.all(results)).toEqual([[v4], [v4], [v4], [v4]])
  })

  it("shares one look-up between all who ask for the same name, also while it waits", async () => {
    const { all, asked, names } = setup()
    const results = ["a", "b", "c", "A", "c", "a"].map(all)
    expect(names()).toEqual(["a", "b"])
    asked[0]!.answer(null, [v4])
    asked[1]!.answer(null, [v6])
    asked[2]!.answer(null, [v4, v6])
    expect(await Promise.all(results)).toEqual([[v4], [v6], [v4, v6], [v4], [v4, v6], [v4]])
    expect(names()).toEqual(["a", "b", "c"])
  })

  it("keeps answers for a minute and failures not at all", async () => {
    const { all, asked, clock, names } = setup()
    const refused = all("a")
    asked[0]!.answer(Object.assign(new Error("no such name"), { code: "ENOTFOUND" }), [])
    expect(await refused).toBe("ENOTFOUND")
    const found = all("a")
    asked[1]!.answer(null, [v4])
    await found
    clock.now = 59_999
    expect(await all("a")).toEqual([v4])
    expect(names()).toEqual(["a", "a"])
    clock.now = 60_000
    void all("a")
    expect(names()).toEqual(["a", "a", "a"])
  })

  it("fails for a name without addresses", async () => {
    const { all, asked } = setup()
    const result = all("a")
    asked[0]!.answer(null, [])
    expect(await result).toBe("ENOTFOUND")
  })

  it("forgets a name on request", async () => {
    const { all, asked, names, resolver } = setup()
    const found = all("a")
    asked[0]!.answer(null, [v4])
    await found
    resolver.forget("a")
    void all("a")
    expect(names()).toEqual(["a", "a"])
  })

  it("keeps a thousand names", async () => {
    const { all, asked, names } = setup()
    for (let index = 0; index <= 1000; index++) {
      const found = all(`host${index}`)
      asked[index]!.answer(null, [v4])
      await found
    }
    expect(await all("host1")).toEqual([v4])
    expect(asked).toHaveLength(1001)
    void all("host0")
    expect(names()[1001]).toBe("host0")
  })

  it("fails at once when too many names wait", async () => {
    const { all, asked } = setup()
    const results = Array.from({ length: 2 + 256 + 1 }, (_, index) => all(`host${index}`))
    expect(await results.at(-1)).toBe("EAI_AGAIN")
    expect(asked).toHaveLength(2)
    // a name that waits already can still be asked for
    const again = all("host257")
    for (let index = 0; index < 258; index++) asked[index]!.answer(null, [v4])
    expect(await again).toEqual([v4])
    expect(await results[257]).toEqual([v4])
  })

  it("answers literal addresses itself", async () => {
    const { all, asked } = setup()
    expect(await all("192.0.2.1")).toEqual([v4])
    expect(await all("2001:db8::1")).toEqual([v6])
    expect(asked).toHaveLength(0)
  })

  it("finds localhost through the system", async () => {
    const { lookup } = Resolver.make({ now: () => 0, resolve: Resolver.viaSystem })
    const addresses = await new Promise<string | ReadonlyArray<LookupAddress>>((resolve, reject) => {
      lookup("localhost", { all: true }, (error, found) => (error === null ? resolve(found) : reject(error)))
    })
    expect(addresses).toContainEqual({ address: "127.0.0.1", family: 4 })
  })
})
