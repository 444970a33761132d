import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import * as Proxy from "../../src/domain/Proxy.js"
import { objection } from "../../src/domain/TransportName.js"

const parsed = (text: string): Proxy.Proxy => Either.getOrThrow(Proxy.parse(text))

const shown = (text: string) => {
  const { credentials, ...proxy } = parsed(text)
  return { ...proxy, ...(credentials === undefined ? {} : Redacted.value(credentials)) }
}

describe("a proxy's URL", () => {
  it.each([
    ["http://proxy:3128", { scheme: "http", hostname: "proxy", port: 3128 }],
    ["proxy:3128", { scheme: "http", hostname: "proxy", port: 3128 }],
    ["proxy", { scheme: "http", hostname: "proxy", port: 1080 }],
    ["http://proxy:80/", { scheme: "http", hostname: "proxy", port: 80 }],
    [" HTTPS://Proxy ", { scheme: "https", hostname: "proxy", port: 443 }],
    ["https://proxy:80", { scheme: "https", hostname: "proxy", port: 80 }],
    ["socks5://127.0.0.1", { scheme: "socks5", hostname: "127.0.0.1", port: 1080 }],
    ["socks://proxy:9", { scheme: "socks5h", hostname: "proxy", port: 9 }],
    ["socks5h://[::1]:9050", { scheme: "socks5h", hostname: "::1", port: 9050 }],
    ["http://a:b@proxy", { scheme: "http", hostname: "proxy", port: 1080, user: "a", password: "b" }],
    [
      "socks5h://us%40er:p%3Aw%25@proxy:1",
      { scheme: "socks5h", hostname: "proxy", port: 1, user: "us@er", password: "p:w%" }
    ],
    ["u@proxy:1", { scheme: "http", hostname: "proxy", port: 1, user: "u", password: "" }]
  ])("%s", (text, expected) => {
    expect(shown(text)).toEqual(expected)
  })

  it.each([
    "",
    "http://",
    "ftp://proxy",
    "socks4://proxy",
    "http://proxy:99999",
    "http://proxy/path",
    "http://proxy?x",
    "http://user:hunter2%zz@proxy",
    "gopher://user:hunter2@proxy"
  ])("%j is refused, and no password shown", (text) => {
    const why = Either.getOrThrow(Either.flip(Proxy.parse(text)))
    expect(why).not.toContain("hunter2")
    expect(why).not.toMatch(/\.$/)
  })

  it("goes to and fro, whatever the password", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.fullUnicodeString({ minLength: 1 }),
        FastCheck.fullUnicodeString(),
        (user, password) => {
          const proxy = { ...parsed("socks5h://[::1]:9"), credentials: Redacted.make({ user, password }) }
          expect(shown(Redacted.value(Proxy.toUrl(proxy)))).toMatchObject({ user, password, hostname: "::1" })
        }
      )
    )
  })

  it("is named without its credentials, and gets them by basic authentication", () => {
    const proxy = parsed("http://user:pä:ss@[::1]:8080")
    expect(Proxy.nameOf(proxy)).toBe("[::1]:8080")
    expect(Proxy.authorization(proxy)).toBe(`Basic ${Buffer.from("user:pä:ss").toString("base64")}`)
    expect(Proxy.authorization(parsed("http://proxy"))).toBeUndefined()
  })
})

const chosen = (environment: Record<string, string>, origin: string): string | undefined => {
  const proxy = Proxy.choose(Either.getOrThrow(Proxy.fromEnvironment(environment)), origin)
  return proxy === undefined ? undefined : `${proxy.scheme}://${Proxy.nameOf(proxy)}`
}

describe("the environment", () => {
  const h = "http://h.example.org"
  const s = "https://h.example.org"
  it.each<[Record<string, string>, string, string | undefined]>([
    [{}, h, undefined],
    [{ http_proxy: "http://a:1" }, h, "http://a:1"],
    [{ http_proxy: "http://a:1" }, s, undefined],
    // a server program gets it from whoever sends a header Proxy
    [{ HTTP_PROXY: "http://a:1" }, h, undefined],
    [{ HTTPS_PROXY: "http://a:1" }, s, "http://a:1"],
    [{ https_proxy: "http://a:1", HTTPS_PROXY: "http://b:1" }, s, "http://a:1"],
    [{ all_proxy: "socks5h://a:1" }, h, "socks5h://a:1"],
    [{ ALL_PROXY: "socks5h://a:1", https_proxy: "http://b:2" }, s, "http://b:2"],
    [{ all_proxy: "a:1", https_proxy: "" }, s, undefined],
    [{ all_proxy: "a:1", no_proxy: "*" }, s, undefined],
    [{ all_proxy: "a:1", NO_PROXY: "example.org" }, s, undefined],
    [{ all_proxy: "a:1", no_proxy: "", NO_PROXY: "example.org" }, s, "http://a:1"]
  ])("%j for %s: %s", (environment, origin, expected) => {
    expect(chosen(environment, origin)).toBe(expected)
  })

  it("says which variable is wrong instead of going without", () => {
    expect(Proxy.fromEnvironment({ HTTPS_PROXY: "ftp://user:hunter2@proxy" })).toEqual(
      Either.left(
        'HTTPS_PROXY: "ftp://proxy/" is no proxy that can be used: http, https, socks5 and socks5h can'
      )
    )
  })
})

describe("exceptions", () => {
  it.each([
    ["example.org", "http://example.org", true],
    ["example.org", "https://a.b.example.org:8443", true],
    [".example.org", "http://example.org", true],
    ["*.example.org", "http://a.example.org", true],
    ["Example.ORG.", "http://EXAMPLE.org.", true],
    ["example.org", "http://notexample.org", false],
    ["example.org:8080", "http://example.org:8080", true],
    ["example.org:8080", "http://example.org", false],
    ["example.org:443", "https://example.org", true],
    ["a.org, b.org\tc.org", "http://c.org", true],
    ["127.0.0.1", "http://127.0.0.1:8080", true],
    ["127.0.0.1:80", "http://127.0.0.1:8080", false],
    ["10.0.0.0/8", "http://10.255.1.2", true],
    ["10.0.0.0/8", "http://11.0.0.1", false],
    ["10.0.0.0/99", "http://10.0.0.1", false],
    ["10.0.0.0/8", "http://10.example.org", false],
    ["0.0.1", "http://127.0.0.1", false],
    ["1", "http://0.0.0.1", false],
    ["::1", "http://[::1]:8080", true],
    ["[::1]", "http://[::1]:8080", true],
    ["[::1]:8080", "http://[::1]:8080", true],
    ["[::1]:81", "http://[::1]:8080", false],
    ["0:0:0:0:0:0:0:1", "http://[::1]", true],
    ["fd00::/8", "http://[fd12::1]", true],
    ["::/0", "http://10.0.0.1", false],
    ["localhost", "http://127.0.0.1", false],
    [",,", "http://h", false],
    [".", "http://h", false],
    [":80", "http://h", false]
  ])("%j and %s: %s", (list, origin, excepted) => {
    const rules = Proxy.only(parsed("proxy:1"), Proxy.exceptions(list))
    expect(Proxy.choose(rules, origin) === undefined).toBe(excepted)
  })

  it("whatever they are, decide without a throw", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.string(), FastCheck.webAuthority(), (list, authority) => {
        if (!URL.canParse(`http://${authority}`)) return
        Proxy.choose(Proxy.only(parsed("proxy:1"), Proxy.exceptions(list)), `http://${authority}`)
      })
    )
  })
})

describe("options", () => {
  it("are a URL, the environment, rules, or nothing", () => {
    const environment = { all_proxy: "e:1" }
    const nameOf = (option: string | Proxy.Rules | undefined) => {
      const { http } = Either.getOrThrow(Proxy.rules(option, environment))
      return http === undefined ? undefined : Proxy.nameOf(http)
    }
    expect(nameOf(undefined)).toBeUndefined()
    expect(nameOf("environment")).toBe("e:1")
    expect(nameOf("socks5://p:2")).toBe("p:2")
    expect(nameOf(Proxy.only(parsed("r:3")))).toBe("r:3")
  })

  it.each([
    [{}, "http://p", undefined],
    [{ ca: "PEM" }, "http://p", "the transport wget trusts the authorities of the system only"],
    [{ client: {} }, "http://p", "the transport wget can't show a client certificate"],
    [{}, "socks5://p", "the transport wget can use proxies of the kind http:// only, not socks5://"],
    [{}, "https://p", "the transport wget can use proxies of the kind http:// only, not https://"]
  ])("%j and %s: wget says %s", (tls, proxy, why) => {
    const ways = { tls, proxies: Proxy.only(parsed(proxy)) }
    expect(objection("wget", ways)).toBe(why)
    expect(objection("http", ways)).toBeUndefined()
    expect(objection(undefined, ways)).toBeUndefined()
  })
})
