/**
 * Whom the command trusts, and to whom it shows a client certificate: against https servers that ask for one.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { createPrivateKey } from "node:crypto"
import { join } from "node:path"
import { describe, expect } from "vitest"
import { selfSigned } from "../origin/Certificate.js"
import { live, names, type World } from "./Cli.js"
import * as SecureServer from "./SecureServer.js"

const server = selfSigned()
const client = selfSigned("sluice test client")

const write = ({ root }: World, name: string, text: string): string => {
  const path = join(root, name)
  fs.writeFileSync(path, text, { mode: 0o600 })
  return path
}

describe.concurrent("authorities", () => {
  live("an unknown one is refused with advice, --cacert trusts it, also from the environment", (world) =>
    Effect.gen(function* () {
      const { url } = yield* SecureServer.make(server)
      const refused = yield* world.get(url("/a"))
      expect(refused.code).toBe(1)
      expect(refused.stderr).toMatch(/no secure connection to 127\.0\.0\.1.*\n?.*--cacert/)
      write(world, "ca.pem", `# several may stand in it\n${client.cert}${server.cert}`)
      expect(yield* world.get(url("/a"), "--cacert", "ca.pem")).toMatchObject({ code: 0 })
      const env = { SLUICE_CACERT: "ca.pem", SLUICE_DIR: world.dir }
      expect(yield* world.runWith({ env }, "get", url("/b"))).toMatchObject({ code: 0 })
      // the usual ones are not trusted then, nor is anybody else
      write(world, "other.pem", client.cert)
      expect(yield* world.get(url("/c"), "--cacert", "other.pem")).toMatchObject({ code: 1 })
      expect(names(world.dir)).toEqual(["a", "b"])
    })
  )

  live("--insecure checks nothing, and says so each time", (world) =>
    Effect.gen(function* () {
      const { url } = yield* SecureServer.make(server)
      for (const [name, ...quiet] of [["a"], ["b", "--quiet"], ["c", "--json"]]) {
        const { code, stderr } = yield* world.get(url(`/${name}`), "--insecure", ...quiet)
        expect(code).toBe(0)
        expect(stderr).toContain("sluice: warning: the certificates of servers are not checked")
      }
      expect((yield* world.run("run", "--insecure")).stderr).toContain("not checked")
      expect(yield* world.get(url("/d"), "--insecure=false")).toMatchObject({ code: 1 })
    })
  )
})

describe.concurrent("client certificates", () => {
  live("are asked for in words, shown with --cert and --key, and kept nowhere", (world) =>
    Effect.gen(function* () {
      const { asked, url } = yield* SecureServer.make({ ...server, clients: client.cert, insist: true })
      const ca = ["--cacert", write(world, "ca.pem", server.cert)]
      const without = yield* world.get(url("/a"), ...ca)
      expect(without.code).toBe(1)
      expect(without.stderr).toMatch(/127\.0\.0\.1:\d+ wants a client certificate/)
      expect(without.stderr).toContain("--cert")
      expect(asked).toEqual([])
      write(world, "cert.pem", client.cert)
      write(world, "key.pem", client.key)
      expect(yield* world.get(url("/a"), ...ca, "--cert", "cert.pem", "--key", "key.pem")).toMatchObject({
        code: 0
      })
      // both in one file, for a queue that was filled before
      write(world, "both.pem", client.cert + client.key)
      yield* world.run("add", "--dir", world.dir, url("/b"))
      expect(yield* world.run("run", ...ca, "--cert", "both.pem")).toMatchObject({ code: 0 })
      expect(asked).toEqual([
        ["/a", true],
        ["/b", true]
      ])
      const database = fs.readFileSync(world.database, "latin1")
      expect(database).not.toContain("PRIVATE KEY")
      expect(database).not.toContain("cert.pem")
    })
  )

  live("with an encrypted key need its passphrase, which is never shown", (world) =>
    Effect.gen(function* () {
      const { asked, url } = yield* SecureServer.make({ ...server, clients: client.cert, insist: true })
      const passphrase = "passphrase-Wk82Ldo4q"
      write(world, "ca.pem", server.cert)
      write(world, "cert.pem", client.cert)
      const key = createPrivateKey(client.key)
      write(
        world,
        "key.pem",
        key.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase }).toString()
      )
      const how = ["--cacert", "ca.pem", "--cert", "cert.pem", "--key", "key.pem"]
      const locked = yield* world.get(url("/a"), ...how)
      expect(locked).toMatchObject({ code: 2 })
      expect(locked.stderr).toContain("the key is encrypted, and the passphrase is missing or wrong")
      const wrong = yield* world.get(url("/a"), ...how, "--key-passphrase", `${passphrase}x`)
      expect(wrong).toMatchObject({ code: 2 })
      expect(wrong.stderr).not.toContain(passphrase)
      const env = { SLUICE_KEY_PASSPHRASE: passphrase }
      expect(yield* world.runWith({ env }, "get", "--dir", world.dir, url("/a"), ...how)).toMatchObject({
        code: 0
      })
      expect(asked).toEqual([["/a", true]])
    })
  )

  live("go to the origin asked for alone: not where it leads, and not when that leads back", (world) =>
    Effect.gen(function* () {
      const home = yield* SecureServer.make(server)
      const other = yield* SecureServer.make(server)
      home.redirects.set("/start", home.url("/near"))
      home.redirects.set("/near", other.url("/there"))
      other.redirects.set("/there", home.url("/back"))
      write(world, "ca.pem", server.cert)
      write(world, "cert.pem", client.cert + client.key)
      const how = ["--cacert", "ca.pem", "--cert", "cert.pem"]
      expect(yield* world.get(home.url("/start"), ...how)).toMatchObject({ code: 0 })
      expect(home.asked).toEqual([
        ["/start", true],
        ["/near", true],
        ["/back", false]
      ])
      expect(other.asked).toEqual([["/there", false]])
      // nor to a mirror
      home.asked.length = 0
      other.asked.length = 0
      const gone = "http://127.0.0.1:9/f"
      const mirrored = yield* world.get(gone, "--mirror", other.url("/f"), ...how)
      expect(mirrored).toMatchObject({ code: 0 })
      expect(other.asked).toEqual([["/f", false]])
    })
  )
})

describe.concurrent("what can't be used is told before anything starts", () => {
  live("files", (world) =>
    Effect.gen(function* () {
      const url = "https://127.0.0.1:9/a"
      write(world, "cert.pem", client.cert)
      write(world, "key.pem", server.key)
      write(world, "text", "hello")
      for (const [args, words] of [
        [["--cacert", "missing.pem"], /--cacert: .*missing\.pem can't be read \(ENOENT\)/],
        [["--cacert", "text"], /--cacert text: it holds no certificate as PEM/],
        [["--cert", "text"], /--cert text: it is no certificate with its private key/],
        [["--cert", "cert.pem"], /--cert cert\.pem: it is no certificate with its private key/],
        [["--cert", "cert.pem", "--key", "key.pem"], /the key does not belong to the certificate/],
        [["--key", "key.pem"], /there is none/],
        [["-4", "-6"], /-4 and -6 exclude each other/]
      ] as const) {
        const { code, stderr } = yield* world.get(url, ...args)
        expect([args, code]).toEqual([args, 2])
        expect(stderr).toMatch(words)
      }
      expect(fs.existsSync(world.database)).toBe(false)
    })
  )

  live("-4 and -6 say so where a name does not resolve", (world) =>
    Effect.gen(function* () {
      for (const family of ["-4", "-6"]) {
        const { code, stderr } = yield* world.get(
          "http://no-such-name.invalid/a",
          family,
          "--max-retries",
          "0",
          "--give-up",
          "1s"
        )
        expect(code).toBe(1)
        expect(stderr).toContain("no-such-name.invalid")
      }
    })
  )

  live("-4 and -6 choose the family", (world) =>
    Effect.gen(function* () {
      expect(yield* world.get("/bytes/10/a", "-4")).toMatchObject({ code: 0 })
      const six = yield* world.get("/bytes/10/b", "-6", "--max-retries", "0")
      expect(six.code).toBe(1)
      expect(six.stderr).toContain("is not an address of the family asked for")
      const there = world.origin.url("/bytes/10/c").replace("127.0.0.1", "localhost")
      expect(yield* world.get(there, "--ipv4")).toMatchObject({ code: 0 })
    })
  )
})
