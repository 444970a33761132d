/**
 * One option of a command, described once: from this come the arguments, the environment variable, the key of the config
 * file, the help and the completions. Where its value comes from is seen to by Sources, what it means by Args.
 */
import * as Either from "effect/Either"
import type * as Schema from "effect/Schema"
import * as Args from "./Args.js"

/** The headings of the help, in their order. */
export const groups = [
  "What and where",
  "Which downloads",
  "Requests",
  "Time and retries",
  "The network",
  "The engine",
  "What is shown",
  "Settings"
] as const
export type Group = (typeof groups)[number]

/** @see {@link one} */
export interface Setting<out A> {
  /** Without the hyphens before it. */
  readonly name: string
  /** What stands for the value in the help; empty for a flag. */
  readonly kind: string
  /** Another name, of one character behind a single hyphen. */
  readonly short: string | undefined
  readonly arity: "flag" | "one" | "many"
  readonly group: Group
  /** What it is for, and its default. */
  readonly description: string
  /** Its value is never shown. */
  readonly secret: boolean
  /** All possible values, where there are few. */
  readonly values: ReadonlyArray<string>
  readonly path: "file" | "directory" | undefined
  /** Only the command line can give it: what a single command is for is not what all commands are set to. */
  readonly typed: boolean
  /** The value, from the texts that one source has for it. The left is a sentence without a full stop. */
  readonly read: (texts: ReadonlyArray<string>) => Either.Either<A, string>
  readonly fallback: A
}

export type Settings = Readonly<Record<string, Setting<unknown>>>

/** What the settings mean once they are read. */
export type Values<S extends Settings> = {
  readonly [K in keyof S]: S[K] extends Setting<infer A> ? A : never
}

/** How a setting is described. */
interface About {
  readonly name: string
  readonly short?: string
  readonly kind: string
  readonly group: Group
  readonly description: string
  readonly secret?: boolean
  readonly values?: ReadonlyArray<string>
  readonly path?: "file" | "directory"
  readonly typed?: boolean
}

const base = (about: About) => ({
  short: undefined,
  secret: false,
  values: [],
  path: undefined,
  typed: false,
  ...about
})

/** `--name KIND`, at most once. */
export const one = <A, B>(parse: Args.Parser<A>, fallback: B, about: About): Setting<A | B> => ({
  ...base(about),
  arity: "one",
  read: (texts) => (texts.length === 1 ? parse(texts[0]!) : Either.left("it was given more than once")),
  fallback
})

/** `--name KIND`, any number of times. */
export const many = <A>(parse: Args.Parser<A>, about: About): Setting<ReadonlyArray<A>> => ({
  ...base(about),
  arity: "many",
  read: (texts) => Either.all(texts.map(parse)),
  fallback: []
})

/** The same, where one text may also hold several, with commas between them. */
export const list = <A>(parse: Args.Parser<A>, about: About): Setting<ReadonlyArray<A>> => {
  const each = many(parse, about)
  return { ...each, read: (texts) => each.read(texts.flatMap((text) => text.split(","))) }
}

/** No more than `most` values. */
export const atMost = <A>(most: number, setting: Setting<ReadonlyArray<A>>): Setting<ReadonlyArray<A>> => ({
  ...setting,
  read: (texts) =>
    texts.length > most
      ? Either.left(`it was given ${texts.length} times; ${most} are the limit`)
      : setting.read(texts)
})

/** `--name`, off unless given. */
export const flag = (about: Omit<About, "kind">): Setting<boolean> => ({
  ...base({ ...about, kind: "" }),
  arity: "flag",
  read: (texts) =>
    texts.length === 1 ? Args.boolean(texts[0]!) : Either.left("it was given more than once"),
  fallback: false
})

/** One of a few words. */
export const choice = <A extends string, B>(
  words: Schema.Literal<readonly [A, ...ReadonlyArray<A>]>,
  fallback: B,
  about: Omit<About, "kind" | "values">
): Setting<A | B> =>
  one<A, B>(Args.choice(words), fallback, {
    ...about,
    kind: words.literals.join("|"),
    values: words.literals
  })

/** The environment variable: `--max-retries` is SLUICE_MAX_RETRIES. */
export const variable = (name: string): string => `SLUICE_${name.toUpperCase().replaceAll("-", "_")}`
