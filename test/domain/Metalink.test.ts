import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as Metalink from "../../src/domain/Metalink.js"

const hex = (digit: string, length = 64) => digit.repeat(length)

const document = (inside: string, attributes = 'xmlns="urn:ietf:params:xml:ns:metalink"') =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<metalink ${attributes}>\n${inside}\n</metalink>`

const file = (inside: string, name = "example.ext") => document(`<file name="${name}">${inside}</file>`)

const url = "<url>http://h/example.ext</url>"

const parsed = (text: string) => Either.getOrThrow(Metalink.parse(text))
const refused = (text: string) => Either.getOrThrow(Either.flip(Metalink.parse(text)))

describe("a metalink", () => {
  it("says what the example of RFC 5854 section 1.2 says", () => {
    const text = document(`
      <published>2009-05-15T12:23:23Z</published>
      <file name="example.ext">
        <size>14471447</size>
        <identity>Example</identity>
        <version>1.0</version>
        <language>en</language>
        <description>A description of the example file for download.</description>
        <hash type="sha-256">${hex("f")}</hash>
        <url location="de" priority="2">ftp://ftp.example.com/example.ext</url>
        <url location="FR" priority="2">http://example.com/example.ext</url>
        <url priority="1">https://mirror.example.org:8443/example.ext#here</url>
        <metaurl mediatype="torrent" priority="2">http://example.com/example.ext.torrent</metaurl>
      </file>`)
    expect(parsed(text)).toEqual([
      {
        line: 5,
        name: "example.ext",
        size: 14471447,
        checksum: { algorithm: "sha-256", hex: hex("f") },
        pieces: undefined,
        sources: [
          { url: "https://mirror.example.org:8443/example.ext", priority: 1, location: undefined },
          { url: "http://example.com/example.ext", priority: 2, location: "fr" }
        ]
      }
    ])
  })

  it("may name several files, below the target directory", () => {
    const text = document(`<file name="a/b.ext">${url}</file><file name="./c">${url}</file>`)
    expect(parsed(text).map(({ name }) => name)).toEqual(["a/b.ext", "c"])
  })

  it("has the strongest of its hashes and pieces; those that nobody here knows don't count", () => {
    const text = file(`<size>10</size>
      <hash type="md5">${hex("1", 32)}</hash><hash type="sha-512">${hex("A", 128)}</hash><hash type="sha-1">${hex("2", 40)}</hash>
      <hash type="whirlpool">zz</hash>
      <pieces length="4" type="sha-1"><hash>${hex("1", 40)}</hash><hash>${hex("2", 40)}</hash><hash>${hex("3", 40)}</hash></pieces>
      <pieces length="10" type="sha-256"><hash> ${hex("4")}
      </hash></pieces>
      <pieces length="5" type="tiger"><hash>?</hash></pieces>${url}`)
    expect(parsed(text)[0]).toMatchObject({
      checksum: { algorithm: "sha-512", hex: hex("a", 128) },
      pieces: { algorithm: "sha-256", length: 10, hashes: [hex("4")] }
    })
  })

  it("may be written with prefixes, sections of character data and elements of others", () => {
    const text = `<m:metalink xmlns:m="urn:ietf:params:xml:ns:metalink" xmlns="urn:other">
      <m:file name="x"><url>http://other/</url><m:url><![CDATA[http://h/x?a=1&b=2]]></m:url>
      <note><m:url>http://inside/another</m:url></note></m:file></m:metalink>`
    expect(parsed(text)[0]!.sources.map(({ url }) => url)).toEqual(["http://h/x?a=1&b=2"])
  })

  it("gives no credentials and names no source twice", () => {
    const text = file("<url>http://u:p@h/x</url><url priority='3'>http://h/x#again</url>")
    expect(parsed(text)[0]!.sources).toEqual([{ url: "http://h/x", priority: 999999, location: undefined }])
  })

  it.each([
    ["", "not well-formed XML"],
    ["{}", "not well-formed XML"],
    ["<html></html>", 'it begins with the element "html"'],
    ['<metalink version="3.0" xmlns="http://www.metalinker.org/"></metalink>', "another version than 4"],
    [document(""), "names no file"],
    [document(`<file>${url}</file>`), "it is empty"],
    [file(url, "../x"), "without .."],
    [file(url, "a/../../x"), "without .."],
    [file(url, "/etc/passwd"), "below the target directory"],
    [file(url, "C:x"), "below the target directory"],
    [file(url, "a\\b"), "has a \\"],
    [file(url, "a/"), "names a directory"],
    [
      document(`<file name="x">${url}</file>\n<file name="./x">${url}</file>`),
      'line 4: it names the file "x" twice'
    ],
    [file(""), "no http or https source"],
    [file("<url>ftp://h/x</url>"), "no http or https source"],
    [file("<url>example.ext</url>"), "is no URL"],
    [file('<url priority="0">http://h/</url>'), "a priority is a number from 1"],
    [file(`<size>-1</size>${url}`), "is no size in bytes"],
    [file(`<size>1e9</size>${url}`), "is no size in bytes"],
    [file(`<hash type="sha-256">abc</hash>${url}`), "has 64 hexadecimal digits"],
    [file(`<pieces length="0" type="sha-1"></pieces>${url}`), "no positive number"],
    [
      file(`<pieces length="4" type="sha-1"><hash>${hex("1", 40)}</hash></pieces>${url}`),
      "pieces but no size"
    ],
    [
      file(`<size>9</size><pieces length="4" type="md5"><hash>${hex("1", 32)}</hash></pieces>${url}`),
      "9 bytes make 3"
    ],
    ["<!DOCTYPE metalink [<!ENTITY a 'aaaa'>]><metalink>&a;</metalink>", "DOCTYPE"],
    [document(`<file name="x">&unknown;${url}</file>`), "not well-formed"],
    [document(`${"<x>".repeat(40)}${"</x>".repeat(40)}`), "too deeply"],
    [document(`<file name="x">${url}`), "not well-formed"]
  ])("is refused with a sentence: %s", (text, why) => {
    expect(refused(text)).toContain(why)
  })

  it("is read or refused, whatever is in it, and its names never lead elsewhere", () => {
    const good = file(`<size>10</size><hash type="md5">${hex("1", 32)}</hash>${url}`)
    const mutated = fc
      .tuple(fc.nat(good.length), fc.nat(12), fc.string({ unit: "binary", maxLength: 12 }))
      .map(([at, length, text]) => good.slice(0, at) + text + good.slice(at + length))
    const named = fc.string({ unit: "binary" }).map((name) => file(url, name.replaceAll(/[<&"]/g, "_")))
    fc.assert(
      fc.property(fc.oneof(mutated, named, fc.string()), (text) => {
        const result = Metalink.parse(text)
        if (Either.isLeft(result)) expect(result.left).not.toBe("")
        else
          for (const { name } of result.right) {
            expect(name.split("/")).not.toContain("..")
            expect(name).not.toMatch(/^\/|\\|\0/)
          }
      })
    )
  })
})
