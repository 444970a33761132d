/**
 * What goes wrong with one exchange, and what it makes of the answer that an honest server gives: faults of the network, of
 * servers in trouble (SimWire's), and lies about ranges, lengths and codings (here).
 */
import type { Plan } from "./Exchange.js"
import type { Range, Answer, Resource } from "./Origin.js"
import type { Seeded } from "./Seeded.js"

/** What can go wrong with one exchange. */
export type Fault =
  | "none"
  | "refused"
  | "offline"
  | "unresolved"
  | "connectStall"
  | "reset"
  | "headStall"
  | "cut"
  | "stall"
  | "slow"
  | "crawl"
  | "busy"
  | "busyUntil"
  | "tooMany"
  | "error"
  | "notFound"
  | "refusesAll"
  | "coding"
  | "badRange"
  | "oddRange"
  | "otherStart"
  | "otherTotal"
  | "starTotal"
  | "shortRange"
  | "longRange"
  | "endBeyond"
  | "longBody"
  | "shortBody"
  | "multipart"
  | "unaskedPart"
  | "unsatisfied"
  | "corrupt"
  | "noRange"
  | "redirectAgain"

/** Those that may make a download begin anew. */
export const lies: ReadonlySet<Fault> = new Set<Fault>([
  "badRange",
  "oddRange",
  "otherStart",
  "otherTotal",
  "endBeyond",
  "longBody",
  "shortBody",
  "multipart",
  "noRange",
  "unsatisfied",
  "corrupt"
])

/** Makes of an honest answer what the fault says. */
export const spoil = (
  random: Seeded,
  resource: Resource,
  answer: Answer,
  asked: Range | undefined,
  fault: Fault,
  calm: boolean
): Plan => {
  const { endsAfter, rate } = resource.options
  const { end, start } = answer
  const length = end - start
  const { size } = answer.version
  const honest: Plan = { ...answer, resource, rate, ending: "complete" }
  const plan: Plan = !calm && length > endsAfter ? { ...honest, ending: "cut", endsAt: endsAfter } : honest
  const replaced = (fields: Record<string, string | undefined>): Plan["headers"] => [
    ...answer.headers.filter(([name]) => !(name in fields)),
    ...Object.entries(fields).flatMap(([name, value]): Plan["headers"] =>
      value === undefined ? [] : [[name, value]]
    )
  ]
  const part = (range: string, from: number, to: number): Plan => ({
    ...honest,
    status: 206,
    headers: replaced({
      "Content-Range": range,
      "Content-Length": String(to - from),
      "Transfer-Encoding": undefined
    }),
    start: from,
    end: to
  })
  const chunked = { "Content-Length": undefined, "Transfer-Encoding": "chunked" }
  const isPart = answer.status === 206
  switch (fault) {
    case "cut":
    case "stall":
      return { ...plan, ending: fault, endsAt: random.int(0, length) }
    case "slow":
      return { ...plan, rate: rate * random.log(0.02, 0.5) }
    case "crawl":
      return { ...plan, rate: Math.max(1, rate * 0.01) }
    case "corrupt":
      return length > 0 ? { ...plan, corrupt: random.int(0, length - 1) } : plan
    case "coding":
      return { ...plan, headers: replaced({ "Content-Encoding": "gzip" }) }
    case "refusesAll":
      return isPart ? plan : { ...plan, status: 416, end: start }
    case "unaskedPart": {
      if (asked !== undefined || size < 2) return plan
      const from = random.pick([0, random.int(0, size - 1)])
      return part(`bytes ${from}-${size - 1}/${size}`, from, size)
    }
    case "longBody":
      if (isPart || length < 2 || resource.options.chunked) break
      return { ...honest, headers: replaced({ "Content-Length": String(random.int(1, length - 1)) }) }
    case "shortBody":
      if (isPart || length < 2 || resource.options.chunked) break
      return { ...honest, end: random.int(start, end - 1) }
    default:
  }
  if (!isPart) return plan
  switch (fault) {
    case "badRange": {
      const range = random.pick([
        "bytes 5-2/9",
        "garbage",
        `bytes ${start}-`,
        `bytes -${start}-${end - 1}/${size}`,
        `bytes ${start}-${end - 1}/${size}, bytes 0-1/${size}`
      ])
      return { ...plan, headers: replaced({ "Content-Range": range }) }
    }
    case "oddRange": {
      const span = `${start}-${end - 1}`
      const range = random.pick([
        `Bytes ${span}/${size}`,
        `bytes=${span}/${size}`,
        `bytes  ${span} / ${size}`,
        `bytes 00${span}/00${size}`,
        `${span}/${size}`
      ])
      return { ...plan, headers: replaced({ "Content-Range": range }) }
    }
    case "noRange":
      return { ...plan, headers: replaced({ "Content-Range": undefined }) }
    case "otherStart": {
      const other = random.int(0, end - 1)
      return part(`bytes ${other}-${end - 1}/${size}`, other, end)
    }
    case "otherTotal":
      return part(`bytes ${start}-${end - 1}/${size + random.int(1, 99)}`, start, end)
    case "starTotal":
      return part(`bytes ${start}-${end - 1}/*`, start, end)
    case "shortRange": {
      const shorter = random.int(start + 1, end)
      return part(`bytes ${start}-${shorter - 1}/${random.chance(0.8) ? size : "*"}`, start, shorter)
    }
    case "longRange": {
      const longer = random.int(end, size)
      return part(`bytes ${start}-${longer - 1}/${size}`, start, longer)
    }
    case "endBeyond": {
      const beyond = end + random.int(1, 99)
      const total = random.pick([String(size), "*", String(beyond)])
      const announced = random.chance(0.5) ? chunked : { "Content-Length": String(beyond - start) }
      return {
        ...honest,
        headers: replaced({ ...announced, "Content-Range": `bytes ${start}-${beyond - 1}/${total}` })
      }
    }
    case "longBody": {
      const announced = random.int(start + 1, end)
      return {
        ...honest,
        headers: replaced({ ...chunked, "Content-Range": `bytes ${start}-${announced - 1}/${size}` })
      }
    }
    case "shortBody":
      return { ...honest, headers: replaced(chunked), end: random.int(start, end - 1) }
    case "multipart":
      return {
        ...plan,
        headers: replaced({
          "Content-Type": "multipart/byteranges; boundary=x",
          "Content-Range": undefined
        })
      }
    case "unsatisfied": {
      // what nobody has been told the length of may end where a server says so: that lie cannot be seen through
      const held = resource.options.chunked ? size : start
      const range = random.pick([
        `bytes */${size}`,
        `bytes */${held}`,
        resource.options.chunked ? undefined : `bytes */${random.int(0, start)}`,
        undefined,
        "bytes */*",
        "bytes 0-9/x"
      ])
      return {
        ...honest,
        status: 416,
        headers: replaced({ "Content-Range": range, "Content-Length": "0" }),
        end: start
      }
    }
    default:
      return plan
  }
}
