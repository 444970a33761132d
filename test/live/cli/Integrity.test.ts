/**
 * Digests that servers send, lists of checksums, and looking again: the real command against an origin that tells the truth, lies,
 * and changes its mind.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { join } from "node:path"
import type { Behaviour } from "../origin/Behaviour.js"
import { eventsOf, expectOnly, live, names, type Result, rows, type World } from "./Cli.js"

const size = 300_000
const path = "/data/file.bin"

const digestOf = ({ origin }: World, algorithm: string, version?: number): Buffer =>
  createHash(algorithm).update(origin.content(path, version).slice(0, size)).digest()

type Field = readonly [name: string, value: string]

const wrong = Buffer.alloc(64, 7)

/** Each header kind, from the digest that it is to carry. */
const kinds: ReadonlyArray<readonly [title: string, algorithm: string, field: (digest: Buffer) => Field]> = [
  ["Repr-Digest", "sha256", (digest) => ["Repr-Digest", `sha-256=:${digest.toString("base64")}:`]],
  ["Repr-Digest", "sha512", (digest) => ["repr-digest", `sha-512=:${digest.toString("base64")}:, unixsum=1`]],
  ["Content-Digest", "sha256", (digest) => ["Content-Digest", `sha-256=:${digest.toString("base64")}:`]],
  ["Digest", "sha256", (digest) => ["Digest", `SHA-256=${digest.toString("base64")},UNIXsum=30637`]],
  ["Digest", "sha1", (digest) => ["Digest", `sha=${digest.toString("base64")}`]],
  ["Content-MD5", "md5", (digest) => ["Content-MD5", digest.toString("base64")]]
]

const text = (body: string): Behaviour => ({
  raw: `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`
})

const nothingThere = (world: World, result: Result): void => {
  expect(result).toMatchObject({ code: 1, stdout: "" })
  expect(names(world.dir)).toEqual([])
}

describe.concurrent("a digest that the server sends", () => {
  for (const [title, algorithm, field] of kinds) {
    live(`${title} by ${algorithm}: the right one, the wrong one, the wrong one once`, (world) =>
      Effect.gen(function* () {
        const digest = digestOf(world, algorithm)
        const [right, bad] = [digest, wrong.subarray(0, digest.length)].map((bytes): Behaviour => ({
          size,
          headers: [field(bytes)]
        }))
        world.origin.set(path, bad!)
        const refused = yield* world.get(path, "--max-retries", "1", "--retry-delay", "1ms")
        nothingThere(world, refused)
        expect(refused.stderr).toContain(`which the server itself announced (${title})`)
        expect(world.origin.requestsFor(path)).toHaveLength(2)
        world.origin.set(path, [bad!, right!])
        expectOnly(world, yield* world.get(path, "--retry-delay", "1ms"), "file.bin", path, size)
        expect(world.origin.requestsFor(path)).toHaveLength(4)
        expect(world.origin.requestsFor(path).every(({ headers }) => headers["range"] === undefined)).toBe(
          true
        )
      })
    )
  }

  live("and the caller's checksum have to hold both, also of a file that comes whole in memory", (world) =>
    Effect.gen(function* () {
      const small = (version: number) => world.origin.content(path, version).slice(0, 1000)
      const field = (bytes: Buffer): Field => [
        "Repr-Digest",
        `sha-512=:${createHash("sha512").update(bytes).digest("base64")}:`
      ]
      const mine = `sha-256:${createHash("sha256").update(small(1)).digest("hex")}`
      world.origin.set(path, { size: 1000, headers: [field(small(2))] })
      nothingThere(world, yield* world.get(path, "--checksum", mine, "--max-retries", "0"))
      world.origin.set(path, { size: 1000, version: 2, headers: [field(small(2))] })
      nothingThere(world, yield* world.get(path, "--checksum", mine, "--max-retries", "0"))
      world.origin.set(path, { size: 1000, headers: [field(small(1))] })
      expectOnly(
        world,
        yield* world.get(path, "--checksum", mine, "--max-retries", "0"),
        "file.bin",
        path,
        1000
      )
    })
  )

  live("proves the version on a resume, where nothing else could", (world) =>
    Effect.gen(function* () {
      const headers = [["Repr-Digest", `sha-256=:${digestOf(world, "sha256").toString("base64")}:`]] as const
      const none = { size, validators: "none", headers } as const
      world.origin.set(path, [{ ...none, cutAfter: 200_000 }, none])
      expectOnly(world, yield* world.get(path, "--retry-delay", "1ms"), "file.bin", path, size)
      const [, second, ...more] = world.origin.requestsFor(path)
      expect(second!.headers["range"]).toMatch(/^bytes=[1-9]\d*-$/)
      expect(second!.headers["if-range"]).toBeUndefined()
      expect(more).toEqual([])
    })
  )

  live("refutes the version on a resume, though the ETags are equal", (world) =>
    Effect.gen(function* () {
      const headers = (version: number): ReadonlyArray<Field> => [
        ["Repr-Digest", `sha-256=:${digestOf(world, "sha256", version).toString("base64")}:`],
        ["ETag", '"the same for ever"']
      ]
      const of = (version: number): Behaviour => ({
        size,
        version,
        validators: "none",
        headers: headers(version),
        ignoreIfRange: true
      })
      world.origin.set(path, [{ ...of(1), cutAfter: 200_000 }, of(2)])
      expectOnly(world, yield* world.get(path, "--retry-delay", "1ms"), "file.bin", path, size, 2)
      expect(world.origin.requestsFor(path).map(({ headers }) => headers["range"] !== undefined)).toEqual([
        false,
        true,
        false
      ])
    })
  )

  live("that comes with the rest only is compared too", (world) =>
    Effect.gen(function* () {
      const lie: Field = ["Digest", `sha-256=${wrong.subarray(0, 32).toString("base64")}`]
      world.origin.set(path, [
        { size, cutAfter: 200_000 },
        { size, headers: [lie] }
      ])
      const result = yield* world.get(path, "--retry-delay", "1ms", "--max-retries", "1")
      nothingThere(world, result)
      expect(result.stderr).toContain("(Digest)")
    })
  )

  live("of a part says nothing about the whole, malformed ones say nothing at all", (world) =>
    Effect.gen(function* () {
      const md5 = createHash("md5").update(world.origin.content(path).slice(0, size)).digest("base64")
      world.origin.set(path, [
        {
          size,
          cutAfter: 200_000,
          headers: [
            ["Content-MD5", md5],
            ["Repr-Digest", "sha-256=nonsense"],
            ["Digest", "sha-256=:::, crc32c=1"]
          ]
        },
        { size, headers: [["Content-MD5", wrong.subarray(0, 16).toString("base64")]] }
      ])
      expectOnly(world, yield* world.get(path, "--retry-delay", "1ms"), "file.bin", path, size)
      expect(world.origin.requestsFor(path)).toHaveLength(2)
    })
  )

  live("and another that contradicts it are a broken answer", (world) =>
    Effect.gen(function* () {
      const md5 = digestOf(world, "md5").toString("base64")
      const headers: ReadonlyArray<Field> = [
        ["Content-MD5", md5],
        ["Digest", `md5=${wrong.subarray(0, 16).toString("base64")}`]
      ]
      world.origin.set(path, { size, headers })
      const result = yield* world.get(path, "--max-retries", "0")
      nothingThere(world, result)
      expect(result.stderr).toContain("the md5 digests in Digest and Content-MD5 contradict each other")
    })
  )
})

describe.concurrent("a list of checksums", () => {
  const line = (world: World, version?: number) =>
    `${"0".repeat(64)}  other.bin\n${digestOf(world, "sha256", version).toString("hex")} *file.bin\n`

  live("at a URL: 404, then found: not a byte of the file is fetched again", (world) =>
    Effect.gen(function* () {
      const sums = world.origin.url("/data/SHA256SUMS")
      // nobody says how long it is: that all has come is known, and recorded, all the same
      world.origin.set(path, { size, framing: "chunked" })
      const lacking = yield* world.get(path, "--checksum", sums)
      expect(lacking).toMatchObject({ code: 1, stdout: "" })
      expect(lacking.stderr).toContain(`the list of checksums ${sums}: the server answered 404 (not found)`)
      expect(names(world.dir)).toEqual(["file.bin.sluice-part"])
      world.origin.set("/data/SHA256SUMS", text(line(world)))
      expectOnly(world, yield* world.get(path, "--checksum", sums), "file.bin", path, size)
      expect(world.origin.requestsFor(path)).toHaveLength(1)
      // what was found stands in the row: it can be verified again without the list
      const again = yield* world.run("verify", "--json")
      expect(eventsOf(again.stdout)).toMatchObject([
        { event: "verification", result: "verified", algorithm: "sha-256", by: "caller" }
      ])
    })
  )

  live("at a URL in trouble is asked for again, with the credentials for its own origin only", (world) =>
    Effect.gen(function* () {
      world.origin.set(path, { size })
      world.origin.set("/data/sums", [{ status: 503 }, { redirect: "/data/moved" }])
      world.origin.set("/data/moved", text(line(world)))
      const asked = ["--checksum", `sha-256:${world.origin.url("/data/sums")}`, "--retry-delay", "1ms"]
      expectOnly(world, yield* world.get(path, ...asked, "--bearer", "hunter2"), "file.bin", path, size)
      expect(world.origin.requestsFor(path)).toHaveLength(1)
      expect(world.origin.requestsFor("/data/sums")).toHaveLength(2)
      expect(world.origin.requestsFor("/data/moved")[0]!.headers["authorization"]).toBe("Bearer hunter2")
      const elsewhere = world.origin.url(path).replace("127.0.0.1", "localhost")
      world.origin.set("/data/sums", text(line(world)))
      yield* world.get(elsewhere, ...asked, "--bearer", "hunter2")
      expect(world.origin.requestsFor("/data/sums").at(-1)!.headers["authorization"]).toBeUndefined()
    })
  )

  live(
    "at a URL has no entry, a bad entry, or another digest: each is told, and nothing is published",
    (world) =>
      Effect.gen(function* () {
        const sums = world.origin.url("/data/SHA256SUMS")
        world.origin.set(path, { size })
        for (const [list, words] of [
          [`${"0".repeat(64)}  other.bin\n`, 'has no entry for "file.bin"'],
          [`${"0".repeat(96)}  file.bin\n`, "has 96 hexadecimal digits and can't be used"],
          [`${"0".repeat(64)}  file.bin\n${"1".repeat(64)}  ./file.bin\n`, "several entries"],
          ["<html>no list</html>\n", "has no checksum in it"],
          ["x".repeat(5 * 1024 * 1024), "no list of checksums is so long"],
          [line(world, 2), `as ${sums} lists it`]
        ] as const) {
          world.origin.set("/data/SHA256SUMS", text(list))
          const result = yield* world.get(path, "--checksum", sums, "--max-retries", "0")
          expect(result.code, words).toBe(1)
          expect(result.stderr).toContain(words)
        }
        // the bytes stayed, until they had proved to be the wrong ones
        expect(world.origin.requestsFor(path)).toHaveLength(1)
        expect(names(world.dir)).toEqual([])
      })
  )

  live("in a file, and a lone digest; what it lacks is told before anything starts", (world) =>
    Effect.gen(function* () {
      world.origin.set(path, { size })
      fs.writeFileSync(join(world.root, "SHA256SUMS"), line(world))
      fs.writeFileSync(join(world.root, "one.sha512"), `${digestOf(world, "sha512").toString("hex")}\n`)
      expectOnly(world, yield* world.get(path, "--checksum", "./SHA256SUMS"), "file.bin", path, size)
      fs.rmSync(join(world.dir, "file.bin"))
      expectOnly(world, yield* world.get(path, "--checksum", "one.sha512"), "file.bin", path, size)
      const before = world.origin.requestsFor(path).length
      const unknown = yield* world.get("/data/unknown.bin", "--checksum", "SHA256SUMS")
      expect(unknown).toMatchObject({ code: 2 })
      expect(unknown.stderr).toContain('--checksum: SHA256SUMS has no entry for "unknown.bin"')
      const gone = yield* world.get(path, "--checksum", "sha-256:./gone")
      expect(gone).toMatchObject({ code: 2 })
      expect(gone.stderr).toContain(`cannot read ${join(world.root, "gone")}: there is no such file`)
      expect((yield* world.get(path, "--checksum", "md5:SHA256SUMS")).stderr).toContain("no md5 entry")
      expect(world.origin.requestsFor(path)).toHaveLength(before)
    })
  )

  live("in a list of downloads: by file and by URL, each line told that can't be used", (world) =>
    Effect.gen(function* () {
      world.origin.set(path, { size })
      world.origin.set(
        "/data/sums",
        text(`SHA256 (renamed.bin) = ${digestOf(world, "sha256").toString("hex")}\n`)
      )
      fs.writeFileSync(join(world.root, "sums"), line(world))
      const [url, sums] = [world.origin.url(path), world.origin.url("/data/sums")]
      fs.writeFileSync(
        join(world.root, "list"),
        `${url}\n checksum=./sums\n${url}\n out=renamed.bin\n checksum=sha-256=${sums}\n`
      )
      const result = yield* world.run("get", "--dir", world.dir, "--input", "list")
      expect(result).toMatchObject({ code: 0 })
      expect(names(world.dir)).toEqual(["file.bin", "renamed.bin"])
      fs.writeFileSync(
        join(world.root, "list"),
        `${url}\n${url}\n out=x\n${world.origin.url("/y")}\n checksum=./sums\n`
      )
      const refused = yield* world.run("add", "--input", "list")
      expect(refused).toMatchObject({ code: 2, stdout: "" })
      expect(refused.stderr).toContain('list, line 4: checksum: ./sums has no entry for "y"')
    })
  )
})

describe.concurrent("verify", () => {
  live("tells what is verified, intact, altered and missing, and changes nothing", (world) =>
    Effect.gen(function* () {
      const { origin, root, dir } = world
      const urls = Array.from({ length: 5 }, (_, i) => `/data/${i}.bin`)
      for (const [i, each] of urls.entries()) {
        const bytes = origin.content(each).slice(0, 5000 + i)
        origin.set(each, {
          size: 5000 + i,
          headers:
            i === 0 ? [] : [["Digest", `sha-256=${createHash("sha256").update(bytes).digest("base64")}`]]
        })
      }
      const hex = createHash("sha512").update(origin.content(urls[4]!).slice(0, 5004)).digest("hex")
      yield* world.get(urls[4]!, "--checksum", `sha-512:${hex}`)
      yield* world.run("get", "--dir", dir, ...urls.slice(0, 4).map(origin.url))
      expect(names(dir)).toHaveLength(5)
      const good = yield* world.run("verify")
      expect(good).toMatchObject({ code: 0 })
      expect(good.stdout.split("\n").sort()).toEqual(
        ["", `intact      ${dir}/0.bin`, ...[1, 2, 3, 4].map((i) => `verified    ${dir}/${i}.bin`)].sort()
      )
      expect(good.stderr).toBe(
        "sluice: 4 verified, 1 intact (no digest is known: only size, time and inode were compared)\n"
      )
      // the same size and time, other bytes
      const { atime, mtime } = fs.statSync(join(dir, "1.bin"))
      fs.writeFileSync(join(dir, "1.bin"), Buffer.alloc(5001))
      fs.utimesSync(join(dir, "1.bin"), atime, mtime)
      fs.rmSync(join(dir, "2.bin"))
      fs.chmodSync(join(dir, "3.bin"), 0o400)
      fs.appendFileSync(join(dir, "4.bin"), "more")
      // a copy of what has a digest is as good as the file, a copy of what has none is another file
      fs.copyFileSync(join(dir, "0.bin"), join(root, "copy"))
      fs.renameSync(join(root, "copy"), join(dir, "0.bin"))
      const before = rows(world.database)
      const bad = yield* world.run("verify", "--json")
      expect(bad).toMatchObject({ code: 1, stderr: "" })
      const found = eventsOf(bad.stdout).map((event) =>
        event.event === "verification"
          ? [event.path.slice(dir.length), event.result, event.by, event.detail]
          : []
      )
      expect(found.sort()).toEqual([
        ["/0.bin", "altered", null, "it is another file than the one that was completed"],
        ["/1.bin", "altered", "server", "its sha-256 digest is another than the one the server announced"],
        ["/2.bin", "missing", "server", "there is no such file"],
        ["/3.bin", "verified", "server", null],
        ["/4.bin", "altered", "caller", "it has 5008 bytes instead of 5004"]
      ])
      expect(rows(world.database)).toEqual(before)
      const [event] = eventsOf((yield* world.run("ls", "--json")).stdout).filter(
        (event) => event.event === "download" && event.path === join(dir, "3.bin")
      )
      const id = event !== undefined && "id" in event ? event.id : ""
      expect(yield* world.run("verify", id)).toMatchObject({ code: 0, stdout: `verified    ${dir}/3.bin\n` })
    })
  )

  live("of a queue with nothing in it, an unfinished download, and no database", (world) =>
    Effect.gen(function* () {
      expect(yield* world.run("verify")).toMatchObject({ code: 0, stdout: "" })
      const id = (yield* world.run("add", world.origin.url(path))).stdout.trim()
      const refused = yield* world.run("verify", id)
      expect(refused.code).toBe(2)
      expect(refused.stderr).toContain(`${id} is pending, not completed`)
      expect((yield* world.run("verify")).stderr).toContain("nothing was completed")
      expect(yield* world.run("verify", "--db", join(world.root, "none.db"))).toMatchObject({ code: 3 })
    })
  )
})
