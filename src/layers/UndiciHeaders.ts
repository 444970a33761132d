/**
 * Response header fields as undici hands them over, decoded without losing repetitions or octets.
 */
import { isUtf8 } from "node:buffer"
import type { Dispatcher } from "undici"
import type { Headers } from "../domain/Headers.js"
import { fromPairs } from "../domain/Headers.js"

/** Fields that are UTF-8 in practice. All others are octets, so that an entity tag goes back as it came. */
const textual: ReadonlySet<string> = new Set(["content-disposition", "location"])

type RawHeaders = NonNullable<Dispatcher.DispatchController["rawHeaders"]> | object

/** Names and values alternate as undici's parser gives them; another dispatcher may give an object. */
export const decode = (raw: RawHeaders): Headers => {
  const pairs: Array<readonly [string, string]> = []
  const add = (name: string, value: unknown): void => {
    if (Buffer.isBuffer(value)) {
      const utf8 = textual.has(name.toLowerCase()) && isUtf8(value)
      pairs.push([name, value.toString(utf8 ? "utf8" : "latin1")])
    } else if (Array.isArray(value)) {
      for (const one of value) add(name, one)
    } else if (typeof value === "string") {
      pairs.push([name, value])
    }
  }
  if (Array.isArray(raw)) {
    for (let at = 0; at + 1 < raw.length; at += 2) add(String(raw[at]), raw[at + 1])
  } else {
    for (const [name, value] of Object.entries(raw)) add(name, value)
  }
  return fromPairs(pairs)
}
