import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { offered } from "../../src/domain/Duplicates.js"

const http = new URL("http://h.example/dir/f.iso?x=1")
const https = new URL("https://h.example/dir/f.iso")

describe("duplicates that a server names", () => {
  it.each<[string, ReadonlyArray<string>, ReadonlyArray<readonly [url: string, priority: number]>]>([
    [
      "as in RFC 6249, section 2",
      [
        "<http://www2.example.com/example.ext>; rel=duplicate; pri=1; pref",
        "<ftp://ftp.example.com/example.ext>; rel=duplicate; pri=2",
        '<http://example.com/example.ext.torrent>; rel=describedby; type="application/x-bittorrent"',
        '<http://example.com/example.ext.asc>; rel=describedby; type="application/pgp-signature"'
      ],
      [["http://www2.example.com/example.ext", 2]]
    ],
    [
      "several in one field, relative, in quotes, in any case",
      [
        '</a,b;c.iso>; REL="next Duplicate"; pref; pri=3, <//other/f>;rel=duplicate;geo=gb;pri=10 , <g>; rel=duplicate'
      ],
      [
        ["http://h.example/a,b;c.iso", 2],
        ["http://other/f", 12],
        ["http://h.example/dir/g", 999_999]
      ]
    ],
    [
      "commas and brackets in quotes",
      ['<http://a/f>; title="x, <http://no/f>; rel=duplicate"; rel=duplicate'],
      [["http://a/f", 999_999]]
    ],
    ["the first of two of one name", ["<http://a/f>; rel=next; rel=duplicate"], []],
    ["of another resource", ['<http://a/f>; rel=duplicate; anchor="#x"'], []],
    [
      "itself, and one twice",
      [
        "<http://h.example/dir/f.iso?x=1#y>; rel=duplicate",
        "<http://a/f>; rel=duplicate, <http://a/f#b>; rel=duplicate"
      ],
      [["http://a/f", 999_999]]
    ],
    [
      "credentials and other schemes",
      ["<http://u:p@a/f>; rel=duplicate, <javascript:x>; rel=duplicate, <file:///etc/passwd>; rel=duplicate"],
      []
    ],
    [
      "what is malformed is passed over",
      ["nonsense;;;, <http://a/f, <http://b/f>; rel=duplicate; pri=x"],
      [["http://b/f", 999_999]]
    ]
  ])("%s", (_, values, expected) => {
    expect(offered(values, http).map(({ priority, url }) => [url, priority])).toEqual(expected)
  })

  it("are never fetched without TLS where they were named with it", () => {
    const values = ["<http://a/f>; rel=duplicate, <https://b/f>; rel=duplicate"]
    expect(offered(values, https).map(({ url }) => url)).toEqual(["https://b/f"])
  })

  it("are 20 at most, and quickly found in whatever a head may hold", () => {
    const many = Array.from({ length: 100 }, (_, n) => `<http://a/${n}>; rel=duplicate`).join(", ")
    expect(offered([many], http)).toHaveLength(20)
    FastCheck.assert(FastCheck.property(FastCheck.string(), (text) => void offered([text], http)))
    const long = 60_000
    for (const text of [
      "<".repeat(long),
      "<a>" + ";".repeat(long),
      '<a>;x="' + '\\"'.repeat(long),
      "<a>" + "; x".repeat(long / 3)
    ])
      offered([text], http)
  })
})
