/**
 * Response header fields as received: names in lower case, every value of a repeated field kept, because for
 * some fields (Content-Length, Content-Range) a repetition is itself evidence of a broken or hostile message.
 */

/** Field name (lower case) -> the values received, in order. */
export type Headers = ReadonlyMap<string, ReadonlyArray<string>>

/** From a flat list of names and values as HTTP parsers give them. */
export const fromPairs = (pairs: Iterable<readonly [name: string, value: string]>): Headers => {
  const headers = new Map<string, Array<string>>()
  for (const [name, value] of pairs) {
    const key = name.toLowerCase()
    const known = headers.get(key)
    if (known === undefined) headers.set(key, [value])
    else known.push(value)
  }
  return headers
}

/** The single value of a field; undefined if it is absent or was sent with differing values. */
export const single = (headers: Headers, name: string): string | undefined => {
  const values = headers.get(name)
  if (values === undefined || values.length === 0) return undefined
  const first = values[0]!.trim()
  return values.every((value) => value.trim() === first) ? first : undefined
}

/** True if the field was sent several times with values that disagree. */
export const contradictory = (headers: Headers, name: string): boolean =>
  headers.has(name) && single(headers, name) === undefined
