import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { defaultOptions } from "../../../src/domain/DownloadOptions.js"
import * as InputFile from "../../../src/programs/cli/InputFile.js"
import * as Network from "../../../src/programs/cli/Network.js"
import * as Requests from "../../../src/programs/cli/Requests.js"

const asked = (more: Partial<Requests.Asked> = {}): Requests.Asked => ({
  urls: [],
  input: undefined,
  dir: undefined,
  output: undefined,
  metalinks: [],
  mirrors: [],
  db: undefined,
  headers: [],
  priority: 0,
  tags: [],
  key: undefined,
  group: undefined,
  seal: false,
  options: defaultOptions,
  concurrency: undefined,
  durability: undefined,
  transport: undefined,
  limitRate: undefined,
  perHost: undefined,
  network: Network.none,
  json: false,
  quiet: false,
  noProgress: false,
  ...more
})

const url = "http://example.org/file.bin"
const none: InputFile.List = { entries: [], problems: [] }
const requests = (more: Partial<Requests.Asked>, list = "") =>
  Requests.requests(
    asked({ ...(list === "" ? {} : { input: "list.txt" }), ...more }),
    list === "" ? none : InputFile.parse(list),
    "/work"
  )
const accepted = (more: Partial<Requests.Asked>, list?: string) => Either.getOrThrow(requests(more, list))
const refusal = (more: Partial<Requests.Asked>, list?: string) =>
  Either.match(requests(more, list), { onLeft: ({ message }) => message, onRight: () => "accepted" })

describe("URLs of the command line", () => {
  it("take the directory from where one is", () => {
    expect(
      accepted({ urls: [url], dir: "sub", output: "a", headers: [["X", "y"]], priority: 2 })[0]
    ).toMatchObject({ directory: "/work/sub", output: "a", headers: [["X", "y"]], priority: 2 })
    expect(accepted({ urls: [url] })[0]?.directory).toBe("/work")
    expect(accepted({ urls: [url], dir: "/abs" })[0]?.directory).toBe("/abs")
  })

  it.each([
    [{ urls: ["http://a/", "nonsense"] }, '"nonsense" is not a URL'],
    [{ urls: ["http://a/", "ftp://b/"] }, "scheme ftp"],
    [{ urls: ["http://a/", "http://b/"], output: "x" }, "--output is for one file, and there are 2 URLs"],
    [{ urls: [url], output: "a/../b" }, "can't be used"],
    [{ urls: [url], output: ".." }, "can't be used"]
  ])("are refused together if one is wrong: %j", (more, words) => {
    expect(refusal(more)).toContain(words)
  })
})

describe("a list", () => {
  it("comes after the URLs, with its own directories, names and headers", () => {
    const found = accepted(
      {
        urls: [url],
        dir: "files",
        headers: [
          ["Accept", "a"],
          ["Authorization", "secret"]
        ]
      },
      "http://a/1\nhttp://a/2\n out=deep/down/2.iso\n" +
        " header=authorization: other\n header=X: y\n dir=/elsewhere\nhttp://a/3\n dir=here\n out=./3"
    )
    expect(found.map((one) => [one.url, one.directory, one.output])).toEqual([
      [url, "/work/files", undefined],
      ["http://a/1", "/work/files", undefined],
      ["http://a/2", "/elsewhere", "deep/down/2.iso"],
      ["http://a/3", "/work/here", "3"]
    ])
    expect(found[2]?.headers).toEqual([
      ["Accept", "a"],
      ["authorization", "other"],
      ["X", "y"]
    ])
    expect(found[1]?.headers).toBe(found[0]?.headers)
    expect(found[1]?.options).toBe(found[3]?.options)
  })

  it("gives a checksum to its own download", () => {
    const hex = "0123456789ABCDEF".repeat(4)
    const [one, two] = accepted({}, `http://a/1\n checksum=sha-256=${hex}\nhttp://a/2`)
    expect(one?.options?.checksum).toEqual({ algorithm: "sha-256", hex: hex.toLowerCase() })
    expect(two?.options?.checksum).toBeNull()
  })

  it("yields to --output and --checksum, for one download", () => {
    const checksum = { algorithm: "md5", hex: "0".repeat(32) } as const
    const [one] = accepted(
      { output: "mine", options: { ...defaultOptions, checksum } },
      `http://a/1\n out=a/b\n checksum=md5=${"1".repeat(32)}`
    )
    expect(one).toMatchObject({ directory: "/work", output: "mine", options: { checksum } })
    expect(refusal({ output: "mine", urls: [url] }, "http://a/1")).toContain("there are 2 URLs")
  })

  it("tells all that is wrong with it, by line, and starts nothing", () => {
    expect(refusal({}, "http://a/\nnonsense\n\n x=1\nftp://b/")).toBe(
      "the list list.txt has 3 lines that can't be used:\n" +
        '        line 2: "nonsense" is not a URL\n' +
        '        line 4: "x" is not an option of lists (out, dir, checksum, limit-rate, header)\n' +
        '        line 5: "ftp://b/" has the scheme ftp'
    )
    expect(refusal({}, "http://a/\nhttp://user:hunter2@:x/")).toBe(
      'the list list.txt, line 2: "http://:x/" is not a URL'
    )
    expect(refusal({ input: "-" }, "nonsense")).toMatch(/^the list on stdin, line 1/)
  })

  it("tells ten problems and counts the others", () => {
    const message = refusal({}, "nonsense\n".repeat(1000))
    expect(message.split("\n")).toHaveLength(12)
    expect(message).toMatch(/has 1000 lines .*line 10: .*and 990 more$/s)
  })
})
