/**
 * Figures for people: a table for each scenario and place, and the bars of the project, met or not.
 */
import type { Usage } from "./Meter.js"
import type * as Place from "./Place.js"
import type * as Scenario from "./Scenario.js"

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Undefined of nothing. */
export const spread = (values: ReadonlyArray<number>): Spread | undefined => {
  const sorted = [...values].sort((a, b) => a - b)
  const [low, high] = [
    sorted[Math.floor((sorted.length - 1) / 2)],
    sorted[Math.ceil((sorted.length - 1) / 2)]
  ]
  const [min, max] = [sorted[0], sorted.at(-1)]
  if (low === undefined || high === undefined || min === undefined || max === undefined) return undefined
  return { median: (low + high) / 2, min, max }
}

const of = (result: Scenario.Result, pick: (usage: Usage) => number | undefined): Spread | undefined =>
  spread(result.runs.map(pick).filter((value) => value !== undefined))

/** What the JSON report holds of one result, in seconds and bytes. */
export const summary = (result: Scenario.Result) => ({
  ...result,
  wall: of(result, ({ wall }) => wall),
  cpu: of(result, ({ system, user }) => user + system),
  rss: of(result, ({ rss }) => rss)
})

const seconds = (value: number | undefined): string => (value === undefined ? "-" : value.toFixed(3))

const megabytes = (value: number | undefined): string =>
  value === undefined ? "-" : (value / 1e6).toFixed(0)

const ratio = (value: number | undefined, base: number | undefined): string =>
  value === undefined || base === undefined || base === 0 ? "-" : (value / base).toFixed(2)

const heads = [
  "",
  "wall s: median",
  "min",
  "max",
  "user s",
  "system s",
  "peak MB",
  "x curl",
  "x aria2c",
  "cpu x curl"
]

/** One line per contender, columns aligned. */
export const table = (results: ReadonlyArray<Scenario.Result>): string => {
  const wallOf = (name: string) => {
    const base = results.find(({ contender }) => contender === name)
    return base === undefined ? undefined : summary(base)
  }
  const [curl, aria2c] = [wallOf("curl"), wallOf("aria2c")]
  const rows = results.map((result) => {
    if (result.failure !== undefined)
      return [result.contender, `OUT: ${result.failure.replaceAll(/\s*\n\s*/g, "; ")}`]
    const { cpu, rss, wall } = summary(result)
    return [
      result.contender,
      seconds(wall?.median),
      seconds(wall?.min),
      seconds(wall?.max),
      seconds(of(result, ({ user }) => user)?.median),
      seconds(of(result, ({ system }) => system)?.median),
      megabytes(rss?.median),
      ratio(wall?.median, curl?.wall?.median),
      ratio(wall?.median, aria2c?.wall?.median),
      ratio(cpu?.median, curl?.cpu?.median)
    ]
  })
  const lines = [heads, ...rows]
  const widths = heads.map((_, column) =>
    Math.max(...lines.filter((line) => line.length === heads.length).map((line) => line[column]?.length ?? 0))
  )
  return lines
    .map((line) =>
      line
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)
        )
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

export interface Bar {
  readonly what: string
  /** Undefined if it was not measured in this run. */
  readonly value: number | undefined
  readonly limit: number
  readonly unit: "x" | "ms" | "MB"
}

/** The project's bars, from the medians of one run. */
export const bars = (results: ReadonlyArray<Scenario.Result>, comparable: boolean): ReadonlyArray<Bar> => {
  const found = (scenario: Scenario.Name, place: Place.Name, contender: string) => {
    const result = results.find(
      (result) => result.scenario === scenario && result.place === place && result.contender === contender
    )
    return result === undefined ? undefined : summary(result)
  }
  const wall = (scenario: Scenario.Name, place: Place.Name, contender: string) =>
    found(scenario, place, contender)?.wall?.median
  const against = (scenario: Scenario.Name, place: Place.Name, other: string) => {
    const [own, theirs] = [wall(scenario, place, "sluice"), wall(scenario, place, other)]
    return own === undefined || theirs === undefined ? undefined : own / theirs
  }
  const scaled = (value: number | undefined, factor: number) =>
    value === undefined ? undefined : value * factor
  const places: ReadonlyArray<Place.Name> = ["tmpfs", "disk"]
  return [
    {
      what: "big file on tmpfs, wall against curl",
      value: against("big", "tmpfs", "curl"),
      limit: 1.3,
      unit: "x"
    },
    {
      what: "big file on tmpfs, wall against aria2c",
      value: against("big", "tmpfs", "aria2c"),
      limit: 1.3,
      unit: "x"
    },
    ...places.map((place): Bar => ({
      what: `big file on ${place}, peak memory`,
      value: scaled(found("big", place, "sluice")?.rss?.median, 1e-6),
      limit: 150,
      unit: "MB"
    })),
    ...places.flatMap((place): Array<Bar> => [
      {
        what: `sluice --version (${place})`,
        value: scaled(wall("start", place, "sluice --version"), 1000),
        limit: 150,
        unit: "ms"
      },
      {
        what: `sluice get of one byte to ${place}`,
        value: scaled(wall("start", place, "sluice"), 1000),
        limit: 350,
        unit: "ms"
      }
    ]),
    ...(comparable
      ? places.flatMap((place): ReadonlyArray<Bar> => [
          {
            what: `small files on ${place}, wall against aria2c`,
            value: against("small", place, "aria2c"),
            limit: place === "tmpfs" ? 1 : 0.3,
            unit: "x"
          },
          {
            what: `small files on ${place}, wall against got`,
            value: against("small", place, "got"),
            limit: 1,
            unit: "x"
          }
        ])
      : [])
  ]
}

export const isMet = ({ limit, value }: Bar): boolean | undefined =>
  value === undefined ? undefined : value <= limit

export const barLine = (bar: Bar): string => {
  const met = isMet(bar)
  const digits = bar.unit === "x" ? 2 : 0
  const verdict = met === undefined ? "not measured" : met ? "met" : "NOT MET"
  const value = bar.value === undefined ? "" : `${bar.value.toFixed(digits)} ${bar.unit} `
  return `  ${verdict.padEnd(12)}  ${bar.what}: ${value}(bar: <= ${bar.limit} ${bar.unit})`
}
