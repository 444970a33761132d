import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { createHash } from "node:crypto"
import { type Algorithm, answer, challengesOf, wish } from "../../src/domain/DigestAuth.js"

const names: Record<Algorithm, string> = { MD5: "md5", "SHA-256": "sha256", "SHA-512-256": "sha512-256" }
const hash = (algorithm: Algorithm, text: string) =>
  createHash(names[algorithm]).update(text, "latin1").digest("hex")

const fieldsOf = (value: string) => Object.fromEntries(challengesOf([value])[0]!.parameters)

describe("challenges", () => {
  it.each<[string, ReadonlyArray<string>, unknown]>([
    ["none", [], []],
    ["one", ['Basic realm="a, b"'], [["basic", { realm: "a, b" }]]],
    [
      "several in one field (RFC 9110 section 11.6.1)",
      ['Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""'],
      [
        ["basic", { realm: "simple" }],
        ["newauth", { realm: "apps", type: "1", title: 'Login to "apps"' }]
      ]
    ],
    [
      "several fields, and words in the place of parameters",
      ["Negotiate", "NTLM TlRMTVNTUAAC==, Digest realm=x , nonce = y"],
      [
        ["negotiate", {}],
        ["ntlm", {}],
        ["digest", { realm: "x", nonce: "y" }]
      ]
    ],
    ["the first of two", ["Digest realm=a,realm=b"], [["digest", { realm: "a" }]]],
    ["nonsense is passed over", [', =,"x", a b c, Digest nonce="y'], []]
  ])("%s", (_, values, expected) => {
    expect(
      challengesOf(values).map(({ parameters, scheme }) => [scheme, Object.fromEntries(parameters)])
    ).toEqual(expected)
  })

  it("whatever is sent, are read without a throw and quickly", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(FastCheck.string()), (values) => {
        wish(values)
      })
    )
    // a field as long as a head may be
    wish([
      `Digest ${'a="'.repeat(20_000)}`,
      "\\".repeat(60_000),
      `"${"\\".repeat(60_000)}`,
      "a ".repeat(30_000)
    ])
  })
})

describe("the strongest that can be answered", () => {
  it.each<[string, string | undefined]>([
    ['Digest realm="r", nonce="n", algorithm=MD5, Digest realm="r", nonce="n", algorithm=SHA-256', "SHA-256"],
    ['Digest realm="r", nonce="n"', undefined],
    ['Digest realm="r", nonce="n", algorithm=sha-512-256-sess, qop=auth', "sha-512-256-sess"]
  ])("%s", (value, named) => {
    expect(wish([value])?.named).toBe(named)
    expect(wish([value])).toBeDefined()
  })

  it.each([
    "Basic realm=r",
    "Digest realm=r",
    "Digest nonce=n",
    "Digest realm=r, nonce=n, algorithm=SHA3",
    'Digest realm=r, nonce=n, qop="auth-conf"'
  ])("none: %s", (value) => {
    expect(wish([value])).toBeUndefined()
  })
})

describe("an answer", () => {
  // RFC 7616 section 3.9.1
  const challenge = (algorithm: string) =>
    `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, ` +
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
  const mufasa = {
    user: "Mufasa",
    password: "Circle of Life",
    uri: "/dir/index.html",
    count: 1,
    cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    hash
  }

  it.each([
    ["MD5", "8ca523f5e9506fed4657c9700eebdbec"],
    ["SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"]
  ])("RFC 7616, section 3.9.1: %s", (algorithm, response) => {
    expect(fieldsOf(answer(wish([challenge(algorithm)])!, mufasa))).toEqual({
      username: "Mufasa",
      realm: "http-auth@example.org",
      uri: "/dir/index.html",
      algorithm,
      nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
      nc: "00000001",
      cnonce: mufasa.cnonce,
      qop: "auth",
      response,
      opaque: "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
    })
  })

  it("RFC 7616, section 3.9.2: the name hashed, by SHA-512-256", () => {
    const wanted = wish([
      'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, ' +
        'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", ' +
        "charset=UTF-8, userhash=true"
    ])!
    const fields = fieldsOf(
      answer(wanted, {
        ...mufasa,
        user: "Jäsøn Doe",
        password: "Secret, or not?",
        uri: "/doe.json",
        cnonce: "NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm"
      })
    )
    // the digests of the RFC are of SHA-512 cut short (errata 4897); these are of SHA-512/256
    const h = (text: string) => createHash("sha512-256").update(text, "utf8").digest("hex")
    expect(fields).toMatchObject({ username: h("Jäsøn Doe:api@example.org"), userhash: "true" })
    expect(fields["response"]).toBe(
      h(
        `${h("Jäsøn Doe:api@example.org:Secret, or not?")}:5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK:00000001:` +
          `NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm:auth:${h("GET:/doe.json")}`
      )
    )
  })

  it("RFC 2069, sessions, and names that need care", () => {
    const old = answer(wish(['Digest realm="a\\"b", nonce="n"'])!, { ...mufasa, user: 'q"\\' })
    expect(old).toContain('username="q\\"\\\\"')
    expect(fieldsOf(old)).toEqual({
      username: 'q"\\',
      realm: 'a"b',
      nonce: "n",
      uri: "/dir/index.html",
      response: hash(
        "MD5",
        `${hash("MD5", 'q"\\:a"b:Circle of Life')}:n:${hash("MD5", "GET:/dir/index.html")}`
      )
    })
    const session = answer(wish(["Digest realm=r, nonce=n, algorithm=MD5-sess, qop=auth-int"])!, {
      ...mufasa,
      count: 17,
      cnonce: "c"
    })
    const a1 = hash("MD5", `${hash("MD5", "Mufasa:r:Circle of Life")}:n:c`)
    const a2 = hash("MD5", `GET:/dir/index.html:${hash("MD5", "")}`)
    expect(fieldsOf(session)).toMatchObject({
      nc: "00000011",
      response: hash("MD5", `${a1}:n:00000011:c:auth-int:${a2}`)
    })
    expect(answer(wish(["Digest realm=r, nonce=n"])!, { ...mufasa, user: "Jäs(øn" })).toContain(
      "username*=UTF-8''J%C3%A4s%28%C3%B8n,"
    )
  })
})
