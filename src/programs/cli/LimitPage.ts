/**
 * The limits that are set, for people. Pure.
 */
import type { Limited } from "../../domain/Limits.js"
import * as Format from "./Format.js"
import type { Column } from "./Table.js"
import { render } from "./Table.js"

const columns: ReadonlyArray<Column> = [
  { heading: "LIMIT OF", side: "right" },
  { heading: "AT MOST", side: "left" }
]

const nameOf = (limited: Limited): string => {
  switch (limited.of) {
    case "all":
      return "all downloads of an engine"
    case "host":
      return Format.printable(limited.origin)
    case "download":
      return limited.id
  }
}

/** The page, with its line ends. `width`: of the terminal, if it is one. */
export const page = (
  limits: ReadonlyArray<{ readonly limited: Limited; readonly rate: number }>,
  width: number | undefined
): string =>
  limits.length === 0
    ? "no limit is set\n"
    : render(
        columns,
        limits.map(({ limited, rate }) => [nameOf(limited), Format.speed(rate)]),
        width
      )
