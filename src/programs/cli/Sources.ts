/**
 * Where the value of a setting comes from: the first of the command line, the environment and the config file that has it.
 * A sentence about a bad value says where it was found; it never repeats the value of a secret.
 */
import * as Either from "effect/Either"
import { didYouMean } from "./Nearest.js"
import type { Setting, Settings, Values } from "./Setting.js"
import { variable } from "./Setting.js"

/** One place in which settings can be. */
export interface Source {
  /** The texts it has for a setting; undefined if it has none. */
  readonly texts: (setting: Setting<unknown>) => ReadonlyArray<string> | undefined
  /** How people call the setting there. */
  readonly nameOf: (name: string) => string
}

/** What was typed, by name. */
export const commandLine = (typed: Readonly<Record<string, ReadonlyArray<string>>>): Source => ({
  texts: ({ name }) => {
    const texts = typed[name] ?? []
    return texts.length === 0 ? undefined : texts
  },
  nameOf: (name) => `--${name}`
})

/** One text a line, for settings that may be repeated; empty lines are none. */
export const lines = (text: string): ReadonlyArray<string> =>
  text.split(/\r?\n/).filter((line) => line.trim() !== "")

/** SLUICE_... An empty variable counts as unset. */
export const environment = (variables: Readonly<Record<string, string | undefined>>): Source => ({
  texts: ({ arity, name }) => {
    const text = variables[variable(name)] ?? ""
    if (text === "") return undefined
    return arity === "many" ? lines(text) : [text]
  },
  nameOf: variable
})

/** The keys of a file. */
export const file = (path: string, keys: ReadonlyMap<string, ReadonlyArray<string>>): Source => ({
  texts: ({ name }) => keys.get(name),
  nameOf: (name) => `${name} in ${path}`
})

/** A value, and which of the sources had it: the number of the source, or Infinity for the default. */
export interface Found<out A> {
  readonly value: A
  readonly rank: number
  /** How the source calls it. */
  readonly called: string
}

export type AllFound<S extends Settings> = {
  readonly [K in keyof S]: Found<S[K] extends Setting<infer A> ? A : never>
}

/** Looks one setting up; the command line is the first of the sources. The left is a sentence without a full stop. */
export const look = <A>(
  setting: Setting<A>,
  sources: ReadonlyArray<Source>
): Either.Either<Found<A>, string> => {
  for (const [rank, source] of (setting.typed ? sources.slice(0, 1) : sources).entries()) {
    const texts = source.texts(setting)
    if (texts === undefined) continue
    const called = source.nameOf(setting.name)
    return Either.mapBoth(setting.read(texts), {
      onLeft: (why) => `${called}: ${why}`,
      onRight: (value) => ({ value, rank, called })
    })
  }
  return Either.right({ value: setting.fallback, rank: Infinity, called: `--${setting.name}` })
}

/** Looks all of them up; the first bad value is the answer. */
export const lookAll = <S extends Settings>(
  settings: S,
  sources: ReadonlyArray<Source>
): Either.Either<AllFound<S>, string> =>
  // the keys are those of the settings, and each value is read by its own setting
  Either.all(
    Object.fromEntries(Object.entries(settings).map(([key, setting]) => [key, look(setting, sources)]))
  ) as Either.Either<AllFound<S>, string>

/** The values alone. */
export const valuesOf = <S extends Settings>(found: AllFound<S>): Values<S> =>
  Object.fromEntries(Object.entries(found).map(([key, { value }]) => [key, value])) as Values<S>

/** A word that nobody knows, and the one that was meant, perhaps. */
export const unknownKey = (key: string, path: string, known: Iterable<string>): string =>
  `"${key}" in ${path} is not a setting${didYouMean(key, known)}`
